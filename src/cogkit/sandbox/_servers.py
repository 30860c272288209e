"""The grid's servers: how each is started, and when it is ready.

Command lines follow ``globus_i_gfs_config.c`` (``globus-gridftp-server``) and
``globus_gatekeeper.c``, and were tried as root and as an ordinary user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cogkit.sandbox import _inetd, _processes
from cogkit.sandbox._errors import ProgramsMissing, SandboxError
from cogkit.sandbox._layout import Layout, account, is_grid_variable
from cogkit.sandbox._records import MARK

LOOPBACK = "127.0.0.1"
_POLL = 0.01  # seconds between two looks at a server that starts

# Debian and EPEL use the same names for all of these.
_PACKAGES = {
    "env": "coreutils",
    "globus-gridftp-server": "globus-gridftp-server-progs",
    "globus-gatekeeper": "globus-gatekeeper",
    "globus-job-manager": "globus-gram-job-manager",
    "globus-fork-starter": "globus-gram-job-manager-fork-setup-poll",
}
SYSTEM_PROGRAMS = "/usr/sbin:/sbin:/usr/local/sbin"


def find_programs() -> dict[str, str]:
    """The server programs' paths.

    Raises:
        ProgramsMissing: It says which packages bring them, for Debian and EPEL.
    """
    path = os.environ.get("PATH", os.defpath) + os.pathsep + SYSTEM_PROGRAMS
    found = {name: shutil.which(name, path=path) for name in _PACKAGES}
    if missing := sorted(package for name, package in _PACKAGES.items() if not found[name]):
        packages = " ".join(missing)
        raise ProgramsMissing(
            f"the grid's servers are not installed; Debian, Ubuntu: apt-get install {packages}; "
            f"Fedora, EL with EPEL: dnf install {packages}"
        )
    return {name: program for name, program in found.items() if program}


def unpacked_libraries(program: str) -> str:
    """``LD_LIBRARY_PATH`` for a program whose package was unpacked and not installed.

    The libraries that it needs may have been unpacked beside it: then they are in the folders
    of the same tree in which they would be in the system's.

    Args:
        program: Its path, such as ``/opt/slurm/usr/sbin/slurmd``.

    Returns:
        The folders, joined by colons; empty for an installed program.
    """
    root = Path(program).parents[2]
    if root == Path("/"):
        return ""
    folders = [root / "usr/lib64", root / "usr/lib", *sorted(root.glob("usr/lib/*-linux-*"))]
    return os.pathsep.join(str(folder) for folder in folders if folder.is_dir())


def server_environ(layout: Layout, sandbox_id: str) -> dict[str, str]:
    """What the servers inherit: nothing that belongs to the user's own grid."""
    environ = {
        name: value
        for name, value in os.environ.items()
        if not is_grid_variable(name) and name != "PYTHONPATH"
    }
    environ.update(
        X509_CERT_DIR=str(layout.trusted),
        X509_USER_PROXY="",
        GRIDMAP=str(layout.gridmap),
        GLOBUS_HOSTNAME="localhost",
        TMPDIR=str(layout.scratch),
        # the job manager crashes without them, and cron, for one, sets but one
        LOGNAME=account(),
        USER=account(),
    )
    environ[MARK] = sandbox_id
    return environ


class Server(ABC):
    """One server process that the supervisor owns.

    Args:
        name: Unique in the sandbox; its log has this name.
        layout: The sandbox' paths.
        environ: The whole environment of the process.
        port: The port on 127.0.0.1; 0 takes a free one, and keeps it for restarts.
    """

    kind = ""

    def __init__(
        self, name: str, layout: Layout, environ: Mapping[str, str], port: int = 0
    ) -> None:
        self.name = name
        self.layout = layout
        self.environ = dict(environ)
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.log = layout.logs / f"{name}.log"
        self.output = layout.logs / f"{name}.out"
        self.pids = layout.logs / f"{name}.pids"

    @abstractmethod
    def start(self) -> None:
        """Start the process; :meth:`wait` then waits until it serves."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether the server answers, now."""

    @property
    def alive(self) -> bool:
        """Whether the process still runs (stopped counts as running)."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, or ``None`` when it does not run."""
        return self.process.pid if self.process is not None and self.alive else None

    def wait(self, deadline: float, pause: Callable[[float], None]) -> None:
        """Wait until the server serves.

        Args:
            deadline: A time of ``time.monotonic()``.
            pause: Sleeps so many seconds, or raises when there is no need to go on.

        Raises:
            SandboxError: The server ended or did not come up; with its last words.
        """
        while not self.is_ready():
            if not self.alive:
                raise SandboxError(f"{self.name} did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise SandboxError(f"{self.name} was not ready in time: {self._last_words()}")
            pause(_POLL)

    def kill(self) -> None:
        """Kill the server and the sessions it serves, and wait until they are gone.

        Job managers have left the server's family by then, as they do in life.
        """
        if self.process is not None and self.alive:
            _processes.signal_tree(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)

    def describe(self) -> dict[str, str | int | None]:
        """What a client may know of it."""
        return {
            "name": self.name,
            "kind": self.kind,
            "port": self.port,
            "pid": self.pid,
            "log": str(self.log),
        }

    def _spawn(self, command: Sequence[str], keep_open: Sequence[int] = ()) -> None:
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environ,
                cwd="/",
                pass_fds=keep_open,
                # Its own session: a Ctrl-C at the terminal is for the client.
                start_new_session=True,
                preexec_fn=_processes.die_with_parent(os.getpid()),
            )

    def _serve_by_inetd(self, command: Callable[[int], Sequence[str]]) -> None:
        """Take the port, and start an inetd that runs ``command(port)`` for each connection."""
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((LOOPBACK, self.port))
            except OSError as error:
                raise SandboxError(
                    f"{self.name} cannot listen on {LOOPBACK}:{self.port}: {error.strerror}"
                ) from error
            listener.listen(128)
            self.port = listener.getsockname()[1]
            number = str(listener.fileno())
            python = [sys.executable, "-I", "-S", _inetd.__file__, number, str(self.pids)]
            self._spawn([*python, *command(self.port)], [listener.fileno()])

    def _last_words(self) -> str:
        for path in (self.output, self.log):
            try:
                lines = path.read_text(errors="replace").split("\n")
            except OSError:
                continue
            if words := " ".join(" ".join(lines).split()):
                return words[-500:]
        return "it said nothing"


class GridFTPServer(Server):
    """``globus-gridftp-server``, reachable on the loopback interface only.

    Args:
        options: More of the server's options, as in its configuration file.
        arguments: More arguments for its command line.
    """

    kind = "gridftp"

    def __init__(
        self,
        name: str,
        layout: Layout,
        environ: Mapping[str, str],
        port: int = 0,
        *,
        program: str,
        options: Mapping[str, str | int | bool] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(name, layout, environ, port)
        self.program = program
        self.arguments = list(arguments)
        self.options: dict[str, str | int | bool] = {
            "control_interface": LOOPBACK,
            "data_interface": LOOPBACK,
            "log_level": "ERROR,WARN,INFO",
            "log_single": str(self.log),
            "log_filemode": "0600",
            "home_dir": str(layout.home),
            **(options or {}),
        }
        if os.getuid() == 0:
            self.options.setdefault("allow_root", True)

    def start(self) -> None:
        """Start it with a configuration file of its own, so that /etc's is not read."""
        config = self.layout.root / f"{self.name}.conf"
        options = {**self.options, "port": self.port}
        lines = [f'{key} "{_config_value(value)}"\n' for key, value in options.items()]
        config.write_text("".join(lines))
        self._spawn([self.program, "-c", str(config), *self.arguments])

    def is_ready(self) -> bool:
        """Whether it greets a client with FTP's 220."""
        if self.port == 0:
            self.port = self._announced_port()
        return self.port != 0 and greets(self.port, b"220")

    def _announced_port(self) -> int:
        # With port 0 it prints "Server listening at 127.0.0.1:PORT".  To choose a
        # free port and hand it over would leave a moment for others to take it.
        _, _, contact = self.output.read_text(errors="replace").partition("listening at ")
        line, newline, _ = contact.partition("\n")
        return int(line.rpartition(":")[2]) if newline else 0


class Gatekeeper(Server):
    """``globus-gatekeeper`` with job managers, on the loopback interface only.

    The process is a small inetd, as the gatekeeper itself would listen on every
    interface; see :mod:`cogkit.sandbox._inetd`.
    """

    kind = "gatekeeper"

    def __init__(
        self,
        name: str,
        layout: Layout,
        environ: Mapping[str, str],
        port: int = 0,
        *,
        programs: Mapping[str, str],
    ) -> None:
        super().__init__(name, layout, environ, port)
        self.programs = programs
        self._check: subprocess.Popen[bytes] | None = None

    def configure(self) -> None:
        """Write the configuration of the gatekeeper and of the job manager."""
        layout, location = self.layout, self.layout.location
        for folder in ("grid-services", "share", "var"):
            (location / folder).mkdir(parents=True)
        for name in ("state", "cache"):
            (layout.jobs / name).mkdir(parents=True)
        # The job manager's own helpers do not inherit X509_CERT_DIR: they look here.
        (location / "share" / "certificates").symlink_to(layout.trusted)
        config = location / "globus-gram-job-manager.conf"
        config.write_text(
            "-globus-toolkit-version 6.2\n"
            f"-stdio-log {layout.logs}\n"
            f"-globus-job-dir {layout.jobs}\n"
            f"-state-file-dir {layout.jobs}/state\n"
            f"-cache-location {layout.jobs}/cache\n"
            f"-x509-cert-dir {layout.trusted}\n"
            f"-extra-envvars {MARK},TMPDIR\n"
        )
        self._config = config
        self.add_job_manager("fork", "fork")

    def add_job_manager(
        self, name: str, kind: str, environ: Mapping[str, str] | None = None
    ) -> None:
        """Have a service ``jobmanager-NAME``; at once, as each connection looks it up.

        Args:
            name: What clients call it.
            kind: The job manager's type, a Perl class below ``Globus::GRAM::JobManager``.
            environ: More variables for its environment.
        """
        # The gatekeeper of root sets HOME from the password file, and the job manager
        # would fill $HOME/.globus; env(1) gives it the sandbox' home instead.
        variables = {"HOME": str(self.layout.home), **(environ or {})}
        words = " ".join(f"{key}={value}" for key, value in variables.items())
        (self.layout.location / "grid-services" / f"jobmanager-{name}").write_text(
            f"stderr_log,local_cred - {self.programs['env']} env {words} "
            f"{self.programs['globus-job-manager']} -conf {self._config} -type {kind}\n"
        )

    def start(self) -> None:
        """Take the port, start the inetd, and let the gatekeeper check its set-up."""
        command = [
            self.programs["globus-gatekeeper"],
            *("-home", str(self.layout.location)),
            *("-e", str(Path(self.programs["globus-job-manager"]).parent)),
            *("-l", str(self.log)),
            *("-grid_services", "grid-services"),
            *("-gridmap", str(self.layout.gridmap)),
            *("-x509_cert_dir", str(self.layout.trusted)),
            *("-x509_user_cert", self.environ["X509_USER_CERT"]),
            *("-x509_user_key", self.environ["X509_USER_KEY"]),
        ]
        # The port is only for the contact that job managers see.
        self._serve_by_inetd(lambda port: [*command, "-inetd", "-port", str(port)])
        self._check = subprocess.Popen(
            [*command, "-test"],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_processes.die_with_parent(os.getpid()),
        )

    def is_ready(self) -> bool:
        """Whether the gatekeeper likes its credentials, and the port accepts."""
        if self._check is not None:
            if self._check.poll() is None:
                return False
            output, _ = self._check.communicate()
            if self._check.returncode != 0:
                words = " ".join(output.decode(errors="replace").split())
                raise SandboxError(f"{self.name} refuses its configuration: {words[-500:]}")
            self._check = None
        # The kernel accepts as soon as the socket listens: is the inetd there too?
        return self.pids.exists() and self.alive

    def remove_delegated_proxies(self) -> None:
        """Remove delegated proxies whose job manager was killed before it took them.

        GSI puts them into /tmp whatever ``TMPDIR`` says, named after the process
        (``globus_gsi_sysconfig_get_unique_proxy_filename``).
        """
        try:
            pids = self.pids.read_text().split()
        except OSError:
            return
        for proxy in Path("/tmp").glob("x509up_p*"):
            owner = proxy.name.removeprefix("x509up_p").partition(".")[0]
            # its job manager may take it just now, and another user's is not ours to remove
            with contextlib.suppress(OSError):
                if owner in pids and proxy.stat().st_uid == os.getuid():
                    proxy.unlink()


def _config_value(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    if '"' in str(value) or "\n" in str(value):
        raise SandboxError(f"globus-gridftp-server cannot read this option: {value!r}")
    return str(value)


def greets(port: int, words: bytes) -> bool:
    """Whether a server on the loopback interface begins with these words, of up to 4 bytes."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1) as connection:
            return connection.recv(4).startswith(words)
    except OSError:
        return False
