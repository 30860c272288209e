#!/bin/sh
# Makes this checkout ready to run: system packages, .venv, the extension module.
#
#   tools/setup.sh [bench|test]     `bench` adds the packages that only the benchmarks compare with,
#                                   and Slurm; `test` what only the tests need: more programs of
#                                   GCT, and Slurm, OpenSSH's server and FTP servers of others,
#                                   unpacked into folders of .setup and not installed, as an
#                                   installed server would serve the network
#
# Every step first looks whether it is needed, so that a second run does nothing.  Logs and stamps
# are in .setup/; `make clean` forgets them.
set -eu

cd "$(dirname "$0")/.."
root=$PWD
with=${1:-}
log=.setup/log
extension=src/pyGlobus/_native/_border.abi3.so

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step MESSAGE COMMAND...: runs quietly, says how long it took, shows the log when it fails.
step() {
    message=$1
    shift
    started=$(date +%s)
    # not in an `if`: there the shell would pass over a failure inside "$@"
    set +e
    (set -e && "$@") >"$log" 2>&1 </dev/null
    status=$?
    set -e
    if [ $status != 0 ]; then
        tail -n 40 "$log" >&2
        die "$message: failed (all of it: $root/$log)"
    fi
    say "$message: done in $(($(date +%s) - started)) s"
}

# --- system packages -------------------------------------------------------------------------

# The same names in Debian and EPEL, but for the prefix and suffix of the development files.
libraries='common ftp-client ftp-control gass-copy gass-server-ez gass-transfer gram-client
    gram-protocol rsl gssapi-gsi gssapi-error gss-assist gsi-credential gsi-proxy-core
    gsi-cert-utils gsi-sysconfig gsi-openssl-error'
programs='globus-common-progs globus-gridftp-server-progs globus-gatekeeper
    globus-gram-job-manager globus-gram-job-manager-fork-setup-poll globus-gram-client-tools
    globus-gass-copy-progs globus-gass-cache-program globus-proxy-utils'
test_programs='globus-gass-server-ez-progs globus-gss-assist-progs'
rivals='python3-gfal2 gfal2-plugin-gridftp gfal2-plugin-file'

# can_build PYTHON: new enough, able to make a virtual environment, and with its header files?
can_build() {
    command -v "$1" >/dev/null 2>&1 && "$1" - 2>/dev/null <<'END'
import ensurepip, os, sys, sysconfig, venv
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(sys.version_info < (3, 11) or not os.path.exists(header))
END
}

# find_python: sets `python` to the path of an interpreter that will do, or fails.  Where the name
# leads into a virtual environment (an active one, or ours) it is the one behind that.
find_python() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if can_build "$python"; then
            python=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
            return 0
        fi
    done
    python=
    return 1
}

# python_version: which of the distribution's Pythons to complete or install: "3", "3.12", ...
python_version() {
    for version in 3 3.13 3.12 3.11; do
        if "/usr/bin/python$version" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$version"
            return
        fi
    done
    for version in 3.13 3.12 3.11; do
        if "$@" "python$version" >/dev/null 2>&1; then
            echo "$version"
            return
        fi
    done
    echo 3
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

wanted_debian() {
    for library in $libraries; do
        echo "libglobus-$library-dev"
    done
    # MIT Kerberos exports GSI's gss_* names too: a test has both in one process
    printf '%s\n' $programs libssl-dev libgssapi-krb5-2
    command -v gcc >/dev/null 2>&1 || echo gcc libc6-dev
    command -v pkg-config >/dev/null 2>&1 || echo pkg-config
    case $with in
        bench) printf '%s\n' $rivals ;;
        test) printf '%s\n' $test_programs libglobus-xio-udt-driver openssh-client ;;
    esac
    if [ -z "${PYTHON:-}" ] && ! find_python; then
        version=$(python_version apt-cache show)
        echo "python$version" "python$version-venv" "python$version-dev"
    fi
}

wanted_fedora() {
    for library in $libraries; do
        echo "globus-$library-devel"
    done
    printf '%s\n' $programs openssl-devel krb5-libs libasan libubsan libtsan
    command -v gcc >/dev/null 2>&1 || echo gcc
    command -v pkg-config >/dev/null 2>&1 || echo pkgconf-pkg-config
    case $with in
        bench) printf '%s\n' $rivals ;;
        test) printf '%s\n' $test_programs globus-xio-udt-driver openssh-clients ;;
    esac
    if [ -z "${PYTHON:-}" ] && ! find_python; then
        version=$(python_version dnf -q info)
        echo "python$version" "python$version-devel"
    fi
}

# installed_*: those of the named packages that are there, one a line
installed_debian() {
    dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p'
}

installed_fedora() {
    rpm -q --qf '%{NAME}\n' "$@" | grep -v ' '
}

# The package lists of a fresh machine are empty, those of an old one stale: fetch them only then.
install_debian() {
    # others install too: wait for them, for so many seconds
    set -- env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
    as_root "$@" || { as_root apt-get update && as_root "$@"; }
}

# On EL the Globus packages are in EPEL, and what they build on in CRB.
install_fedora() {
    if ! rpm -q --quiet fedora-release-common && ! rpm -q --quiet epel-release; then
        as_root dnf install -y epel-release
        as_root crb enable || true
    fi
    as_root dnf install -y --setopt=install_weak_deps=False "$@"
}

system_packages() {
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        family=debian
        by_hand='apt-get install -y --no-install-recommends'
    elif command -v dnf >/dev/null; then
        family=fedora
        by_hand='dnf install -y'
    else
        family=
        say 'neither apt-get nor dnf: the system packages are left to you'
        return
    fi
    wanted=$("wanted_$family")
    # shellcheck disable=SC2086  # names of packages: one word each
    installed=$("installed_$family" $wanted || true)
    missing=
    for package in $wanted; do
        case "
$installed
" in
            *"
$package
"*) ;;
            *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0

    if [ "$(id -u)" != 0 ]; then
        # with a terminal, sudo may ask for the password; once, before the output goes to the log
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
            die "as root, run: $by_hand$missing"
        fi
    fi
    say "installing system packages:$missing"
    # shellcheck disable=SC2086
    step 'system packages' "install_$family" $missing
}

# --- servers for the tests, unpacked and not installed ---------------------------------------

# unpack FOLDER PACKAGE...: with all that they need and that is not installed.  A package with a
# question mark may be missing in the distribution: then FOLDER/not-packaged names it.
unpack() {
    folder=$1
    shift
    rm -rf ".setup/$folder.new"
    mkdir -p ".setup/$folder.new"
    cd ".setup/$folder.new"
    "download_$family" "$@"
    echo "$key" >complete
    cd ..
    rm -rf "$folder"
    mv "$folder.new" "$folder"
}

# The package lists may be missing, or older than what the archive has.
download_debian() {
    try_download_debian "$@" || { as_root apt-get update && try_download_debian "$@"; }
    for package in *.deb; do
        [ ! -e "$package" ] || dpkg-deb -x "$package" .
    done
    rm -f ./*.deb
}

try_download_debian() {
    sort_out known_debian "$@"
    # shellcheck disable=SC2086  # names of packages: one word each
    plan=$(apt-get install -s --no-install-recommends $packaged) || return 1
    needed=$(printf '%s\n' "$plan" | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
    # shellcheck disable=SC2086  # names of packages: one word each
    [ -z "$needed" ] || apt-get download $needed
}

known_debian() { LC_ALL=C apt-cache policy "$1" | grep -q '^ *Candidate: [^(]'; }

# sort_out COMMAND PACKAGE...: sets `packaged` to those that there are, where the command decides
# about those with a question mark; the others go into the file not-packaged
sort_out() {
    known=$1 packaged=
    shift
    : >not-packaged
    for package in "$@"; do
        case $package in
            *'?') package=${package%'?'} ;;
            *) packaged="$packaged $package" && continue ;;
        esac
        if "$known" "$package"; then
            packaged="$packaged $package"
        else
            echo "$package" >>not-packaged
        fi
    done
}

download_fedora() {
    sort_out known_fedora "$@"
    # shellcheck disable=SC2086
    dnf download --resolve $packaged
    for package in *.rpm; do
        [ -e "$package" ] || continue
        rpm2archive - <"$package" | tar -xzf -
    done
    rm -f ./*.rpm
}

known_fedora() { dnf -q info "$1" >/dev/null 2>&1; }

# have PROGRAM...: are all of them installed?
have() {
    for program in "$@"; do
        [ -e "/usr/sbin/$program" ] || [ -e "/usr/bin/$program" ] || return 1
    done
}

# servers FOLDER PACKAGE...: in .setup/FOLDER, and made again when the list of packages is another
servers() {
    key=$(echo "$@" | cksum)
    [ "$(cat ".setup/$1/complete" 2>/dev/null)" = "$key" ] ||
        step "servers for the tests, unpacked into .setup/$1" unpack "$@"
}

slurm() {
    if have slurmctld slurmd munged && [ -e /usr/share/globus/globus_gram_job_manager/slurm.rvf ]; then
        return
    fi
    case $family in
        debian) servers slurm slurm-client slurmctld slurmd munge globus-gram-job-manager-slurm ;;
        fedora) servers slurm slurm slurm-slurmctld slurm-slurmd munge globus-gram-job-manager-slurm ;;
    esac
}

openssh() {
    have sshd || servers openssh openssh-server
    # Run by root, sshd wants an account for the part of it that talks to strangers.
    if [ "$(id -u)" = 0 ] && ! getent passwd sshd >/dev/null; then
        step 'the account sshd, with no way to log in' make_sshd_account
    fi
}

make_sshd_account() {
    useradd --system --no-create-home --home-dir /run/sshd --shell "$(command -v nologin || echo /bin/false)" sshd
}

# ARC 7 has no gridftpd any more.
foreign() {
    have vsftpd gridftpd || servers foreign vsftpd 'nordugrid-arc-gridftpd?'
}

# --- the virtual environment and the extension -------------------------------------------------

make_venv() {
    rm -rf .venv build/dev
    "$python" -m venv .venv
}

install_project() {
    requires=$(.venv/bin/python -c '
import tomllib
print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")')
    pip='.venv/bin/python -m pip --disable-pip-version-check --no-input install'
    (
        set -f      # "meson>=1.3" and the like are words, not patterns
        # shellcheck disable=SC2086
        $pip $requires
    )
    $pip --no-build-isolation --config-settings=build-dir=build/dev -e '.[dev]'
    # meson-python's own editable hook costs 50 ms in every start of the interpreter, and builds
    # inside `import`, where another user may not write.  Here the tree is on the path as it is,
    # and `make` builds.
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    rm -f "$site/_pyglobus_editable_loader.py"
    echo "$root/src" >"$site/pyglobus-editable.pth"
}

# Into the tree by renaming: a process that runs has the old file mapped.
place_extension() {
    if ! cmp -s build/dev/_border.abi3.so "$extension"; then
        cp build/dev/_border.abi3.so "$extension.new.so"
        mv "$extension.new.so" "$extension"
    fi
}

build_extension() {
    ninja -C build/dev
    place_extension
}

# changed STAMP COMMAND...: does the command print something else than when the stamp was set?
changed() {
    stamp=.setup/$1
    shift
    key=$("$@" | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" != "$key" ]
}

set_stamp() { echo "$key" >"$stamp"; }

# A checkout that has moved needs a new environment, as one for another Python does.
venv_depends_on() { echo "$root $python" && "$python" -VV; }
packages_depend_on() { cat pyproject.toml tools/setup.sh; }

python_environment() {
    if ! find_python; then
        die "no Python 3.11 or later with venv and header files${PYTHON:+ at PYTHON=$PYTHON}; say which: make setup PYTHON=/path/to/python3"
    fi
    PATH=$root/.venv/bin:$PATH
    export PATH
    if changed venv venv_depends_on || [ ! -x .venv/bin/python ]; then
        rm -f .setup/packages
        step ".venv with $("$python" -V)" make_venv
        set_stamp
    fi
    if changed packages packages_depend_on || [ ! -e build/dev/build.ninja ]; then
        step 'the packages of .venv, and the extension (half a minute)' install_project
        set_stamp
    fi
    # ninja knows best whether there is something to do, and says so in 20 ms
    if [ "$(ninja -C build/dev -n | tail -n 1)" != 'ninja: no work to do.' ]; then
        step 'the extension' build_extension
    else
        place_extension
    fi
}

case $with in
    '' | bench | test) ;;
    *) die "usage: tools/setup.sh [bench|test]" ;;
esac
mkdir -p .setup
# one setup at a time in this checkout
exec 9>.setup/lock
flock 9
system_packages
if [ -n "$family" ]; then
    [ -z "$with" ] || slurm
    [ "$with" != test ] || { openssh && foreign; }
fi
python_environment
