#!/usr/bin/env bash
# Tries this project on a fresh machine: a minimal Debian in a folder, which has nothing that was
# ever installed here.
#
#   tools/fresh.sh RELEASE [COMMAND...]    RELEASE is 12 or 13; the COMMAND is `make test` by default
#
#   --root         run it as root; by default as `tester`, an ordinary user who may use sudo
#   --keep FOLDER  make the machine in FOLDER, or use the one that is there, and leave it there.
#                  Without this it is in $TMPDIR, and gone when the command has ended, however.
#   --check        only say whether this can be done here (exit code 0), or why not (1)
#
# It makes the machine with debootstrap, clones the last commit (what is not committed is not
# tried), and runs the command in the clone, in mount and PID namespaces of their own: what the
# command starts, and what is mounted, ends with it.  The exit code is the command's; 125 if the
# machine could not be made.
#
# Where packages come from is read from this machine's own configuration of apt and pip, with its
# proxies and its certificate authorities.  On a machine that is no Debian, say where to find one:
#   MIRROR=URL tools/fresh.sh ...
#
# Needs root, and the packages debootstrap and git.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
user=tester folder='' keep='' check=''

die() { printf 'fresh: %s\n' "$*" >&2; exit 125; }
say() { printf 'fresh: %s\n' "$*" >&2; }
usage() { sed -n 's/^# \{0,1\}//; 5,11p' "${BASH_SOURCE[0]}" >&2; exit 2; }

while [ $# -gt 0 ]; do
    case $1 in
        --root) user=root ;;
        --keep) keep=yes folder=$(realpath -m "${2:?--keep FOLDER}") && shift ;;
        --check) check=yes ;;
        -*) usage ;;
        *) break ;;
    esac
    shift
done

# --- can it be done here? --------------------------------------------------------------------

# In namespaces of its own, from which nothing that is mounted gets out; when `unshare` ends, or
# this script does, all that runs in them is killed.
isolated() {
    setpriv --pdeathsig KILL \
        unshare --mount --pid --fork --kill-child=KILL --propagation private -- "$@"
}

obstacle() {
    [ "$(id -u)" = 0 ] || { echo 'this is not root'; return; }
    for program in debootstrap git unshare setpriv; do
        command -v $program >/dev/null || { echo "$program is not installed"; return; }
    done
    # shellcheck disable=SC2016  # for the inner shell
    isolated sh -c 'd=$(mktemp -d) && mount -t tmpfs fresh "$d" && mkdir "$d/p" &&
        mount -t proc proc "$d/p" && umount "$d/p" "$d" && rmdir "$d"' >/dev/null 2>&1 ||
        echo 'this machine does not let root mount in a namespace of its own'
}

problem=$(obstacle)
if [ -n "$check" ]; then
    [ -z "$problem" ] && exit
    echo "$problem"
    exit 1
fi
[ -z "$problem" ] || die "$problem"

case ${1:-} in
    12 | bookworm) release=bookworm ;;
    13 | trixie) release=trixie ;;
    *) usage ;;
esac
shift
[ $# -gt 0 ] || set -- make test

# --- what the fresh machine takes over from this one ------------------------------------------

# sources: Debian's archives that this machine uses, as lines "LABEL URI"
sources() {
    if [ -n "${MIRROR:-}" ]; then
        echo "Debian $MIRROR"
        return
    fi
    # shellcheck disable=SC2016  # apt's own variables
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI) $(CODENAME) $(COMPONENT)' \
        'Created-By: Packages' | sed -n 's/^Debian \([^ ]*\) \([^ ]*\) [^ ]* main$/\1 \2/p' | sort -u
}

# The names and hosts are this machine's, the release is the fresh one's.
write_apt_sources() {
    echo "deb $mirror $release main" >"$folder/etc/apt/sources.list"
    sources | while read -r label uri; do
        case $label in
            Debian-Security) echo "deb $uri $release-security main" ;;
            *) echo "deb $uri $release-updates main" ;;
        esac
    done >>"$folder/etc/apt/sources.list"
}

# Of apt's configuration, how it fetches: proxies, certificates, how strict it is about dates.
write_apt_configuration() {
    {
        for scheme in http https; do
            proxy=${scheme}_proxy
            [ -z "${!proxy:-}" ] || echo "Acquire::$scheme::Proxy \"${!proxy}\";"
        done
        apt-config dump | grep -E '^Acquire::((https?|ftp)::|Check-|Retries|Languages|ForceIPv)' || true
    } >"$folder/etc/apt/apt.conf.d/50fresh"
}

# Of pip's, what leads to an index; a folder of this machine would not be there.
write_pip_configuration() {
    for file in /etc/pip.conf /etc/xdg/pip/pip.conf ~/.pip/pip.conf ~/.config/pip/pip.conf; do
        [ ! -f "$file" ] || sed -E '/^ *(find-links|no-index)/d; /file:|= *\//{/^ *(cert|client-cert) *=/!d}' "$file"
    done | awk '!seen[$0]++' >"$folder/etc/pip.conf"
}

# As an administrator would set them, for every log-in: proxies, and where certificates are.
write_environment() {
    env | grep -E '^((https?|ftp|no)_proxy|(HTTPS?|NO)_PROXY|PIP_[A-Z_]+|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE)=' |
        grep -vE '^PIP_(FIND_LINKS|NO_INDEX|CACHE_DIR|CONFIG_FILE|REQUIRE_VIRTUALENV)=' >"$folder/etc/environment" || true
}

copy_certificate_authorities() {
    [ ! -d /usr/local/share/ca-certificates ] || cp -rL /usr/local/share/ca-certificates "$folder/usr/local/share/"
    chroot "$folder" update-ca-certificates
    # a bundle in a place of its own
    for file in "${SSL_CERT_FILE:-}" "${REQUESTS_CA_BUNDLE:-}" "${PIP_CERT:-}"; do
        [ ! -f "$file" ] || [ -e "$folder$file" ] || install -D -m 644 "$file" "$folder$file"
    done
}

# --- the machine -------------------------------------------------------------------------------

# What every Debian installation has of what is needed here; the rest is for tools/setup.sh.
make_machine() {
    debootstrap --variant=minbase --include=ca-certificates,sudo,make "$release" "$folder" "$mirror"
    write_apt_sources
    write_apt_configuration
    write_pip_configuration
    write_environment
    copy_certificate_authorities
    cp -L /etc/resolv.conf "$folder/etc/"
    cp -L /etc/hosts "$folder/etc/"
    chroot "$folder" useradd --create-home --shell /bin/bash tester
    echo 'tester ALL=(ALL) NOPASSWD: ALL' >"$folder/etc/sudoers.d/tester"
    touch "$folder/complete"
}

mount_system() {
    mount --bind "$folder" "$folder"    # only what is mounted can become the root
    mount -t proc -o nosuid,noexec,nodev proc "$folder/proc"
    mount --rbind /sys "$folder/sys"
    mount -t tmpfs -o nosuid,mode=755 dev "$folder/dev"
    for node in null zero full random urandom tty; do
        touch "$folder/dev/$node"
        mount --bind "/dev/$node" "$folder/dev/$node"
    done
    mkdir -m 1777 "$folder/dev/shm"
    mount -t tmpfs -o nosuid,nodev shm "$folder/dev/shm"
    mkdir "$folder/dev/pts"
    mount -t devpts -o newinstance,ptmxmode=666,gid=5,mode=620 devpts "$folder/dev/pts"
    ln -s pts/ptmx "$folder/dev/ptmx"
    ln -s /proc/self/fd "$folder/dev/fd"
    for number in 0:stdin 1:stdout 2:stderr; do
        ln -s "/proc/self/fd/${number%:*}" "$folder/dev/${number#*:}"
    done
}

# Not chroot, in which nobody but root may make namespaces.
enter_machine() {
    cd "$folder"
    mkdir -p .outside
    pivot_root . .outside
    umount -l /.outside
    rmdir /.outside
}

# Everything, inside the namespaces.  This shell stays, as the process 1 that collects orphans.
try() {
    if [ ! -e "$folder/complete" ]; then
        say "a fresh Debian, $release, in $folder"
        started=$SECONDS
        if ! (set -e && make_machine) >"$folder.log" 2>&1 </dev/null; then
            tail -n 20 "$folder.log" >&2
            die 'the machine could not be made'
        fi
        rm -f "$folder.log"
        say "made in $((SECONDS - started)) s"
    fi
    home=$(chroot "$folder" getent passwd "$user" | cut -d: -f6)
    rm -rf --one-file-system "${folder:?}$home/kit"
    git clone --quiet --no-hardlinks "$PWD" "$folder$home/kit"
    mount_system
    enter_machine
    chown -R "$user:" "$home/kit"
    say "as $user: $*"
    # su, as a log-in has the environment, the umask and the groups of the fresh machine
    # shellcheck disable=SC2016  # for the inner shell
    su --login --whitelist-environment=CI --command='cd kit && "$@"' -- "$user" sh "$@"
}

mirror=$(sources | sed -n 's/^Debian //p' | head -n 1)
if [ -z "$mirror" ] && [ -e /etc/debian_version ]; then
    apt-get update >/dev/null   # the lists of a machine that never fetched any tell nothing
    mirror=$(sources | sed -n 's/^Debian //p' | head -n 1)
fi
[ -n "$mirror" ] || die 'apt has no Debian archive configured here; say where one is: MIRROR=URL'

if [ -z "$folder" ]; then
    # directly below a short path: the sockets of servers are in it
    folder=$(mktemp -d "${TMPDIR:-/tmp}/fresh-XXXXXX")
    chmod 755 "$folder"
else
    mkdir -p "$folder"
fi

running=
end() {
    status=$?
    trap '' INT TERM HUP
    if [ -n "$running" ]; then
        kill -KILL "$running" 2>/dev/null || true
        wait "$running" 2>/dev/null || true
    fi
    if [ -z "$keep" ]; then
        rm -f "$folder.log"
        rm -rf --one-file-system "$folder"
    fi
    exit $status
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

export -f try die say sources make_machine mount_system enter_machine write_apt_sources write_apt_configuration \
    write_pip_configuration write_environment copy_certificate_authorities
export folder release mirror user
# in the background, since a shell acts on a signal only when no child is in the foreground
isolated bash -c 'set -euo pipefail; try "$@"' fresh "$@" <&0 &
running=$!
status=0
wait "$running" || status=$?
running=
exit $status
