"""Servers that GCT did not write, as fixtures.

``vsftpd``
    vsftpd, in the clear, for anybody, with all rights that it gives to the anonymous.
``arc``
    ARC's ``gridftpd``, with the sandbox' certificates; its user's proxy is in ``os.environ``.
``odd_server``
    :class:`oddserver.OddServer` on a directory of the test's own.
``gct_without_mlst``
    GCT's server in the clear, which knows neither MLST nor MLSD.

All but ``odd_server`` see the file system (``arc``: the part below /tmp) as the account that runs
the tests, so that the fixture ``remote`` and ``tmp_path`` are paths in their URLs too.  Each begins
a session in its ``home``, and each runs as this account, without being installed: the programs are
found on PATH or in .setup/foreign, where tools/setup.sh unpacks them.
"""

from __future__ import annotations

import contextlib
import grp
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from oddserver import OddServer
from waiting import until

UNPACKED = Path(__file__).parent.parent.parent / ".setup" / "foreign"
_LIBRARIES = [UNPACKED / "usr/lib", UNPACKED / "usr/lib" / f"{platform.machine()}-linux-gnu"]


@dataclass(frozen=True)
class ForeignServer:
    """A server of another maker that runs.

    Attributes:
        url: ``SCHEME://HOST:PORT``.
        port: Its port.
        home: The directory in which sessions begin.
        directory: Where its configuration and its log are.
        pid: Its process.
    """

    url: str
    port: int
    home: Path
    directory: Path
    pid: int

    def log(self) -> str:
        """What it has logged."""
        return (self.directory / "log").read_text(errors="replace")


def find_program(name: str) -> str:
    """The path of a server's program; skips the test where it is not there."""
    path = os.pathsep.join(
        [
            os.environ.get("PATH", os.defpath),
            *("/usr/sbin", "/sbin", "/usr/libexec/arc", "/usr/lib/arc"),
            *(str(UNPACKED / place) for place in ("usr/sbin", "usr/bin", "usr/lib/arc")),
        ]
    )
    if (program := shutil.which(name, path=path)) is None:
        # ARC 7, which Debian 13 has, came without it
        release = platform.freedesktop_os_release()
        if name != "vsftpd" and release.get("ID") == "debian" and release["VERSION_ID"] != "12":
            pytest.skip("ARC's gridftpd is in no package of this distribution")
        pytest.skip(f"needs what 'make test' sees to: {name}")
    return program


def _environ() -> dict[str, str]:
    environ = dict(os.environ)
    if UNPACKED.is_dir():
        environ["LD_LIBRARY_PATH"] = os.pathsep.join(map(str, _LIBRARIES))
    return environ


def _free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def _running(
    command: Sequence[str | Path],
    environ: Mapping[str, str],
    host: str,
    port: int,
    directory: Path,
) -> Iterator[int]:
    with (
        (directory / "output").open("wb") as output,
        subprocess.Popen(
            command,
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):

        def listens() -> bool:
            assert process.poll() is None, (directory / "output").read_text()
            with contextlib.suppress(OSError), socket.create_connection((host, port), 5) as one:
                return bool(one.recv(4))
            return False

        try:
            until(listens, f"{command[0]} serves")
            yield process.pid
        finally:
            # its sessions are processes of the same group
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


@contextlib.contextmanager
def start_vsftpd(
    directory: Path, *, host: str = "127.0.0.1", **options: str | int
) -> Iterator[ForeignServer]:
    """Run a vsftpd on a free port of the loopback interface.

    ::

        with start_vsftpd(tmp_path, max_per_ip=1) as server: ...

    Args:
        directory: A new or empty directory for its files, and for ``home``.
        host: ``127.0.0.1`` or ``::1``.
        options: More of vsftpd.conf(5), ``YES`` and ``NO`` as words.
    """
    home = directory / "home"
    home.mkdir(parents=True)
    port = _free_port(host)
    six = ":" in host
    settings: dict[str, str | int | Path] = {
        "listen": "NO" if six else "YES",
        "listen_ipv6": "YES" if six else "NO",
        "listen_address6" if six else "listen_address": host,
        "listen_port": port,
        "background": "NO",
        "run_as_launching_user": "YES",
        # as an ordinary user it cannot have its sandbox, and with root it would forbid what
        # it does not know
        "seccomp_sandbox": "NO",
        "anonymous_enable": "YES",
        "local_enable": "NO",
        "no_anon_password": "YES",
        "ftp_username": pwd.getpwuid(os.getuid()).pw_name,
        "anon_root": home,
        "write_enable": "YES",
        "anon_upload_enable": "YES",
        "anon_mkdir_write_enable": "YES",
        "anon_other_write_enable": "YES",
        "anon_world_readable_only": "NO",
        "anon_umask": "022",
        "xferlog_enable": "YES",
        "log_ftp_protocol": "YES",
        "xferlog_std_format": "NO",
        "vsftpd_log_file": directory / "log",
        **options,
    }
    config = directory / "vsftpd.conf"
    config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    program = find_program("vsftpd")
    with _running([program, config], _environ(), host, port, directory) as pid:
        place = f"[{host}]" if six else host
        yield ForeignServer(f"ftp://{place}:{port}", port, home, directory, pid)


_ARC_CONF = """\
[common]
hostname=localhost
x509_host_key={host.key_path}
x509_host_cert={host.cert_path}
x509_cert_dir={certificates}
[authgroup: all]
all=yes
[mapping]
map_to_user=all {user}:{group}
[lrms]
lrms=fork
[arex]
sessiondir={directory}/sessions
controldir={directory}/control
[gridftpd]
port={port}
logfile={directory}/log
pidfile={directory}/pid
maxconnections=500
globus_tcp_port_range=20000,32000
[gridftpd/filedir]
path={mount}
mount={mount}
plugin=filedirplugin.so
allowaccess=all
dir=/ nouser read cd dirlist delete append overwrite create *:* 664:664 mkdir *:* 775:775
"""


@contextlib.contextmanager
def start_arc(directory: Path, grid: Sandbox) -> Iterator[ForeignServer]:
    """Run ARC's gridftpd on a free port.

    It has no option for an interface, and lets in only who has a certificate of this sandbox.

    Args:
        directory: A new or empty directory for its files.
        grid: Whose authority, host certificate and user it takes.
    """
    for name in ("sessions", "control"):
        (directory / name).mkdir(parents=True)
    gridftpd, parser = find_program("gridftpd"), find_program("arcconfig-parser")
    port = _free_port()
    config = directory / "arc.conf"
    config.write_text(
        _ARC_CONF.format(
            host=grid.host,
            certificates=grid.environ["X509_CERT_DIR"],
            user=pwd.getpwuid(os.getuid()).pw_name,
            group=grp.getgrgid(os.getgid()).gr_name,
            directory=directory,
            port=port,
            # not "/", below which it makes no directories
            mount=tempfile.gettempdir(),
        )
    )
    environ = {**_environ(), "GLOBUS_HOSTNAME": "localhost"}
    defaults: list[str | Path] = []
    command: list[str | Path]
    if Path(gridftpd).is_relative_to(UNPACKED):
        environ |= {
            "ARC_LOCATION": str(UNPACKED / "usr"),
            "ARC_PLUGIN_PATH": str(UNPACKED / "usr/lib/arc"),
            "PYTHONPATH": str(UNPACKED / "usr/lib/python3/dist-packages"),
        }
        defaults = ["--defaults", UNPACKED / "usr/share/arc/arc.parser.defaults"]
    complete = directory / "run.conf"
    # the distribution's interpreter, for which ARC's modules are
    command = ["/usr/bin/python3", parser, "--config", config, "--runconfig", complete, "--save"]
    subprocess.run([*command, *defaults], env=environ, check=True, timeout=30)
    command = [gridftpd, "-F", "-c", complete, "-P", directory / "pid", "-L", directory / "log"]
    with _running(command, environ, "127.0.0.1", port, directory) as pid:
        yield ForeignServer(f"gsiftp://localhost:{port}", port, Path("/"), directory, pid)


@contextlib.contextmanager
def running_gridftp(directory: Path, host: str) -> Iterator[str]:
    """GCT's server, in the clear, on any loopback address; gives its URL."""
    port = _free_port(host)
    command: list[str | Path] = [find_program("globus-gridftp-server"), "-aa", "-port", str(port)]
    command += ["-control-interface", host, "-data-interface", host]
    if os.getuid() == 0:
        command += ["-allow-root", "-anonymous-user", "root"]
    with _running(command, _environ(), host, port, directory):
        yield f"ftp://{f'[{host}]' if ':' in host else host}:{port}"


@pytest.fixture
def foreign_directory() -> Iterator[Path]:
    """A new directory with a short name."""
    with tempfile.TemporaryDirectory(prefix="foreign-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def vsftpd() -> Iterator[ForeignServer]:
    """vsftpd, for the whole session."""
    with (
        tempfile.TemporaryDirectory(prefix="vsftpd-") as directory,
        start_vsftpd(Path(directory)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def _arc(grid: Sandbox) -> Iterator[ForeignServer]:
    with (
        tempfile.TemporaryDirectory(prefix="arc-") as directory,
        start_arc(Path(directory), grid) as server,
    ):
        yield server


@pytest.fixture
def arc(_arc: ForeignServer, grid_env: dict[str, str]) -> ForeignServer:
    """ARC's gridftpd, for the whole session, with the grid's user in ``os.environ``."""
    return _arc


@pytest.fixture
def odd_server(tmp_path: Path) -> Iterator[OddServer]:
    """A server that a test makes answer as it likes, on ``tmp_path/odd``."""
    root = tmp_path / "odd"
    root.mkdir()
    with OddServer(root) as server:
        yield server


@pytest.fixture(scope="session")
def gct_without_mlst_port(grid: Sandbox) -> int:
    """The port of a GCT server in the clear that knows neither MLST nor MLSD."""
    user = ["-anonymous-user", "root"] if os.getuid() == 0 else []
    return grid.add_gridftp("-aa", *user, "-disable-command-list", "MLST,MLSD").port


@pytest.fixture
def gct_without_mlst(gct_without_mlst_port: int, grid_env: dict[str, str]) -> str:
    """Its base URL, ``ftp:``."""
    return f"ftp://localhost:{gct_without_mlst_port}"
