#!/bin/sh
# Makes this checkout ready to run: system packages, .venv, the extension module.
#
#   tools/setup.sh [bench|test]     `bench` adds the packages that only the benchmarks compare with,
#                                   `test` OpenSSH's server and Slurm, unpacked into .setup/openssh
#                                   and .setup/slurm
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

wanted_debian() {
    for library in $libraries; do
        echo "libglobus-$library-dev"
    done
    # MIT Kerberos exports GSI's gss_* names too: a test has both in one process
    printf '%s\n' $programs libssl-dev libgssapi-krb5-2
    command -v gcc >/dev/null 2>&1 || echo gcc libc6-dev
    command -v pkg-config >/dev/null 2>&1 || echo pkg-config
    [ -z "$rivals_wanted" ] || printf '%s\n' $rivals
    ! sshd_wanted || echo libwrap0
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
    [ -z "$rivals_wanted" ] || printf '%s\n' $rivals
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
    set -- env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
    $as_root "$@" || { $as_root apt-get update && $as_root "$@"; }
}

# On EL the Globus packages are in EPEL, and what they build on in CRB.
install_fedora() {
    if ! rpm -q --quiet fedora-release-common && ! rpm -q --quiet epel-release; then
        $as_root dnf install -y epel-release
        $as_root crb enable || true
    fi
    $as_root dnf install -y --setopt=install_weak_deps=False "$@"
}

system_packages() {
    if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
        family=debian
        by_hand='apt-get install -y --no-install-recommends'
    elif command -v dnf >/dev/null; then
        family=fedora
        by_hand='dnf install -y'
    else
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

    as_root=
    if [ "$(id -u)" != 0 ]; then
        as_root='sudo -n'
        # with a terminal, sudo may ask for the password; once, before the output goes to the log
        if ! command -v sudo >/dev/null || ! { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
            die "as root, run: $by_hand$missing"
        fi
    fi
    say "installing system packages:$missing"
    # shellcheck disable=SC2086
    step 'system packages' "install_$family" $missing
}

# --- OpenSSH's server, for the tests of sshftp:// -----------------------------------------------

# Unpacked, and not installed: an installed one would serve the network.
sshd_wanted() {
    [ "$with" = test ] && ! [ -e /usr/sbin/sshd ] && ! [ -x .setup/openssh/usr/sbin/sshd ]
}

unpack_sshd() {
    rm -rf .setup/openssh.new
    mkdir -p .setup/openssh.new
    cd .setup/openssh.new
    if command -v dpkg >/dev/null; then
        apt-get download openssh-server
        dpkg -x openssh-server_*.deb .
    else
        dnf download openssh-server
        rpm2archive - <"$(ls openssh-server-*.rpm | tail -n 1)" | tar -xzf -
    fi
    rm -f ./*.deb ./*.rpm
    cd ..
    rm -rf openssh
    mv openssh.new openssh
}

# Run by root, sshd wants an account for the part of it that talks to strangers.
make_sshd_account() {
    useradd --system --no-create-home --home-dir /run/sshd --shell "$(command -v nologin || echo /bin/false)" sshd
}

openssh() {
    if sshd_wanted; then
        step "OpenSSH's server, unpacked into .setup/openssh" unpack_sshd
    fi
    if [ "$with" = test ] && [ "$(id -u)" = 0 ] && ! getent passwd sshd >/dev/null; then
        step 'the account sshd, with no way to log in' make_sshd_account
    fi
}

# --- Slurm, for the tests of GRAM's batch jobs ---------------------------------------------------

# Unpacked, and not installed: installing starts munge's daemon, and makes accounts.
slurm_wanted() {
    [ -n "$with" ] && ! [ -e .setup/slurm/complete ] &&
        ! { [ -e /usr/sbin/slurmctld ] && [ -e /usr/sbin/slurmd ] && [ -e /usr/sbin/munged ] &&
            [ -e /usr/share/globus/globus_gram_job_manager/slurm.rvf ]; }
}

# With all that they need and that is not installed.
unpack_slurm() {
    rm -rf .setup/slurm.new
    mkdir -p .setup/slurm.new
    cd .setup/slurm.new
    if command -v dpkg >/dev/null; then
        packages=$(apt-get install -s --no-install-recommends slurm-client slurmctld slurmd munge \
            globus-gram-job-manager-slurm | sed -n 's/^Inst \([^ ]*\) .*/\1/p')
        # shellcheck disable=SC2086  # names of packages: one word each
        apt-get download $packages
        for package in *.deb; do
            dpkg -x "$package" .
        done
    else
        dnf download --resolve slurm slurm-slurmctld slurm-slurmd munge globus-gram-job-manager-slurm
        for package in *.rpm; do
            rpm2archive - <"$package" | tar -xzf -
        done
    fi
    rm -f ./*.deb ./*.rpm
    touch complete
    cd ..
    rm -rf slurm
    mv slurm.new slurm
}

slurm() {
    if slurm_wanted; then
        step "Slurm, unpacked into .setup/slurm" unpack_slurm
    fi
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
    '' | test) rivals_wanted= ;;
    bench) rivals_wanted=yes ;;
    *) die "usage: tools/setup.sh [bench|test]" ;;
esac
mkdir -p .setup
# one setup at a time in this checkout
exec 9>.setup/lock
flock 9
system_packages
openssh
slurm
python_environment
