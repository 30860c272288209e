"""The client's side: start a sandbox, find one, and play with it."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from cogkit.sandbox._cluster import Slurm
from cogkit.sandbox._errors import NoSandbox, SandboxError
from cogkit.sandbox._layout import Layout, account
from cogkit.sandbox._records import foreign, running
from cogkit.sandbox._wire import Connection, Message

if TYPE_CHECKING:
    from cogkit.sandbox._ca import CertificateAuthority, IssuedCredential

_STOP_TIMEOUT = 30.0


class ServerHandle:
    """One server of a running sandbox, which can be frozen, killed and started again.

    ``stop`` and ``cont`` freeze and thaw it with the sessions that it serves, as a
    machine that hangs would; ``kill`` ends it as a crash would; ``restart`` brings
    it back on the same port.
    """

    def __init__(self, connection: Connection, about: Message) -> None:
        self._connection = connection
        self.name: str = about["name"]
        self.kind: str = about["kind"]
        #: The TCP port on 127.0.0.1; it stays the same over restarts.  0 for munge, which has
        #: a Unix socket.
        self.port: int = about["port"]
        self._log = Path(about["log"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} port={self.port}>"

    @property
    def url(self) -> str:
        """``gsiftp://localhost:PORT``; ``https:`` for the gatekeeper, ``sshftp:`` for SSH."""
        if self.kind == "ssh":
            return f"sshftp://{account()}@localhost:{self.port}"
        scheme = "gsiftp" if self.kind == "gridftp" else "https"
        return f"{scheme}://localhost:{self.port}"

    @property
    def pid(self) -> int | None:
        """The process id, or ``None`` when it does not run."""
        described = self._connection.request("describe")["servers"]
        pid: int | None = next(s["pid"] for s in described if s["name"] == self.name)
        return pid

    def log(self) -> str:
        """What the server has logged so far."""
        try:
            return self._log.read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def stop(self) -> None:
        """Freeze it (SIGSTOP): clients wait, connections stay open."""
        self._connection.request("signal", name=self.name, number=int(signal.SIGSTOP))

    def cont(self) -> None:
        """Let it go on after :meth:`stop` (SIGCONT)."""
        self._connection.request("signal", name=self.name, number=int(signal.SIGCONT))

    def kill(self) -> None:
        """End it at once (SIGKILL), with the sessions it serves, but not its jobs."""
        self._connection.request("kill", name=self.name)

    def restart(self) -> None:
        """Start it again on the same port, and wait until it is ready."""
        self._connection.request("restart", name=self.name)


class Sandbox:
    """A whole grid on this machine, as an ordinary user, gone without a trace at the end.

    ::

        with Sandbox() as grid:
            subprocess.run(
                ["globus-url-copy", "file:///etc/hosts", f"{grid.gridftp_url}/tmp/hosts"],
                env=os.environ | grid.environ, check=True)

    The servers listen on 127.0.0.1 only.  They end, and the directory goes, when the
    block is left, when this process ends by any means, and when starting fails.

    Args:
        directory: Where its files shall be: a new or an empty directory, at most 64
            bytes long.  By default a new one is made in ``$TMPDIR``.
        ssh: Have an SSH server too, for ``sshftp://``; see :meth:`with_ssh`.
        slurm_nodes: Have a Slurm cluster of so many nodes too; see :meth:`with_slurm`.
        timeout: Seconds that the servers have to become ready.

    Raises:
        SandboxError: On entering, if it cannot be started.
        ProgramsMissing: On entering, if the servers are not installed.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        ssh: bool = False,
        slurm_nodes: int = 0,
        timeout: float = 15.0,
    ) -> None:
        self._options = {"ssh": ssh, "slurm_nodes": slurm_nodes}
        self._wanted = None if directory is None else Path(directory).resolve()
        self._timeout = timeout
        self._connection: Connection | None = None
        self._about: Message = {}
        self._finalizer: weakref.finalize[Any, Any] | None = None

    @classmethod
    def attach(cls, directory: str | os.PathLike[str] | None = None) -> Self:
        """Use a sandbox that runs already, such as one of ``cogkit sandbox up``.

        Leaving the ``with`` block then leaves it running; :meth:`down` ends it.

        Args:
            directory: The sandbox' directory; else ``$COGKIT_SANDBOX_DIR``, else the
                only one of this user that runs detached.

        Raises:
            NoSandbox: There is none, or there are several.
        """
        path = find(directory)
        sandbox = cls(path)
        sandbox._adopt(Connection.open(path / "control"))
        sandbox._about = sandbox._link.request("describe")
        return sandbox

    # ---- life ------------------------------------------------------------------------

    def start(self) -> Self:
        """Start it; ``with`` does this."""
        if self._connection is not None:
            raise SandboxError("this sandbox runs already")
        ours, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                _supervisor_command(self._wanted, self._timeout, self._options),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=_supervisor_environ(),
                # A Ctrl-C at the terminal is for us; we then end it in good order.
                start_new_session=True,
            )
            self._adopt(Connection(ours), process)
            try:
                theirs.close()
                self._about = self._link.receive(self._timeout + 15)
            except BaseException as error:
                self.down()
                if isinstance(error, NoSandbox) and (words := _tail(errors.fileno())):
                    raise SandboxError(f"the sandbox' supervisor failed: {words}") from error
                raise
        return self

    def __enter__(self) -> Self:
        return self if self._connection is not None else self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the sandbox if this object started it; hang up if it attached to it."""
        if self._finalizer is not None:
            self._finalizer()
        self._connection = None

    def down(self) -> None:
        """End the sandbox, whoever started it; returns when nothing is left of it.

        Raises:
            SandboxError: Something would not go.
        """
        if self._connection is None:
            return
        try:
            # It is no error if it is going down already: that is waited for below.
            with contextlib.suppress(NoSandbox):
                self._connection.request("stop", timeout=_STOP_TIMEOUT)
            if not self._connection.wait_closed(_STOP_TIMEOUT):
                raise SandboxError(f"the sandbox did not end in {_STOP_TIMEOUT:g} s")
        finally:
            self.close()

    def detach(self) -> None:
        """Let it go on when this process ends; :meth:`down` or ``cogkit sandbox down`` ends it.

        Where this is interrupted the sandbox ends, as nobody would know of it.
        """
        try:
            self._about = self._link.request("detach")
            if self._finalizer is not None:
                self._finalizer.detach()
            self._adopt(self._link)
        except BaseException:
            self.down()
            raise

    def _adopt(
        self, connection: Connection, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._connection = connection
        self._finalizer = weakref.finalize(self, _end, connection, process, os.getpid())

    @property
    def _link(self) -> Connection:
        if self._connection is None:
            raise SandboxError("this sandbox does not run; use it in a with block")
        return self._connection

    # ---- what a client needs ---------------------------------------------------------

    @property
    def directory(self) -> Path:
        """Where all its files are."""
        return Path(self._value("directory"))

    @property
    def gridftp_url(self) -> str:
        """The GridFTP server: ``gsiftp://localhost:PORT``."""
        return self._value("gridftp_url")

    @property
    def gram_contact(self) -> str:
        """The fork job manager's resource manager contact."""
        return self._value("gram_contact")

    @property
    def gram_slurm(self) -> str:
        """The Slurm job manager's resource manager contact.

        Raises:
            SandboxError: This sandbox has no Slurm cluster; see :meth:`with_slurm`.
        """
        self.slurm  # noqa: B018  # it must be there
        return self._value("gram_slurm_contact")

    @property
    def environ(self) -> dict[str, str]:
        """What a client must have in its environment to use this grid, and no other."""
        self._link  # noqa: B018  # it must run
        return dict(self._about["environ"])

    @property
    def supervisor_pid(self) -> int:
        """The process that owns the servers."""
        return int(self._about["supervisor"])

    @cached_property
    def user(self) -> IssuedCredential:
        """The grid's user: certificate, key, and a proxy for twelve hours."""
        return _credential(self._about["user"])

    @cached_property
    def host(self) -> IssuedCredential:
        """The servers' certificate and key."""
        return _credential(self._about["host"])

    @property
    def proxy_path(self) -> Path:
        """The user's proxy."""
        return Path(self.environ["X509_USER_PROXY"])

    @cached_property
    def credential(self) -> Any:
        """The user's proxy as a ``pyGlobus.security.Credential``."""
        return importlib.import_module("pyGlobus.security").Credential.load(self.proxy_path)

    def describe(self) -> dict[str, Any]:
        """All of it as plain data, such as JSON takes; asks the supervisor anew."""
        self._about = self._link.request("describe")
        return dict(self._about)

    def _value(self, key: str) -> str:
        self._link  # noqa: B018  # it must run
        return str(self._about[key])

    # ---- servers ---------------------------------------------------------------------

    @cached_property
    def gridftp(self) -> ServerHandle:
        """The GridFTP server."""
        return self._server("gridftp")

    @cached_property
    def gatekeeper(self) -> ServerHandle:
        """The GRAM gatekeeper."""
        return self._server("gatekeeper")

    def with_ssh(self) -> ServerHandle:
        """The OpenSSH server for ``sshftp://``, which is started if it does not run yet.

        Its ``url`` is the base of URLs: ``sshftp://USER@localhost:PORT``.  Clients need what
        :attr:`environ` has from then on: ``GLOBUS_REMOTE_SSHFTP`` leads their ``ssh`` to a key
        that opens this server, and to the server's own, and to nothing in ``~/.ssh``.

        ::

            ssh = grid.with_ssh()
            os.environ.update(grid.environ)
            FtpClient().size(f"{ssh.url}/etc/hosts").result()

        Raises:
            ProgramsMissing: OpenSSH's server is not installed.
            SandboxError: It did not start.
        """
        self._about = self._link.request("with_ssh", timeout=self._timeout + 15)
        return self._server("ssh")

    @property
    def slurm(self) -> Slurm:
        """The Slurm cluster: commands, and nodes that go down.

        Raises:
            SandboxError: This sandbox has none; see :meth:`with_slurm`.
        """
        self._link  # noqa: B018  # it must run
        if self._about["slurm"] is None:
            raise SandboxError(
                "this sandbox has no Slurm cluster; start one: Sandbox(slurm_nodes=3)"
            )
        return Slurm(self._link, self._about["slurm"], self._server)

    def with_slurm(self, nodes: int = 3) -> Slurm:
        """The Slurm cluster, which is started if it does not run yet.

        Munge, ``slurmctld`` and ``nodes`` times ``slurmd`` listen on the loopback interface
        only.  :attr:`gram_slurm` is then the contact of GRAM's Slurm job manager, and
        :attr:`environ` has it as ``COGKIT_SANDBOX_GRAM_SLURM``, with ``SLURM_CONF`` for
        Slurm's own commands.  When this returns every node is idle.

        Args:
            nodes: How many; from 1 to 64.

        Raises:
            ProgramsMissing: Slurm, munge or GRAM's Slurm manager is not installed.
            SandboxError: It did not start, or one with another number of nodes runs.
        """
        self._about = self._link.request("with_slurm", timeout=self._timeout + 15, nodes=nodes)
        return self.slurm

    def add_gridftp(
        self,
        *arguments: str,
        port: int = 0,
        credential: IssuedCredential | None = None,
        environ: Mapping[str, str] | None = None,
        **options: str | int | bool,
    ) -> ServerHandle:
        """Start one more GridFTP server, for third-party transfers or other options.

        ::

            slow = grid.add_gridftp(banner="hello", encrypt_data=True)

        Args:
            arguments: More of its command line.
            port: The port, or 0 for a free one.
            credential: The host credential, instead of the first server's.
            environ: More variables for its environment.
            options: Options as in its configuration file, such as ``sync_writes=True``.

        Raises:
            SandboxError: It did not start; nothing of it is left.
        """
        variables = {**(environ or {}), **(credential.environ if credential else {})}
        about = self._link.request(
            "add_gridftp",
            timeout=self._timeout + 15,
            arguments=list(arguments),
            port=port,
            environ=variables,
            options=options,
        )
        return ServerHandle(self._link, about)

    def _server(self, name: str) -> ServerHandle:
        self._link  # noqa: B018  # it must run
        about = next(s for s in self._about["servers"] if s["name"] == name)
        return ServerHandle(self._link, about)

    # ---- credentials -----------------------------------------------------------------

    @cached_property
    def authority(self) -> CertificateAuthority:
        """The certificate authority that this grid trusts."""
        from cogkit.sandbox._ca import CertificateAuthority

        return CertificateAuthority.load(Layout(self.directory).authority)

    def issue_user(
        self,
        name: str,
        *,
        mapped: bool = True,
        local_account: str | None = None,
        lifetime: timedelta = timedelta(days=7),
        not_before: datetime | None = None,
        passphrase: str | bytes | None = None,
        proxy: bool = True,
    ) -> IssuedCredential:
        """Issue a certificate, and a proxy, to one more person.

        Args:
            name: The common name.
            mapped: Whether the grid-mapfile gets an entry; without one the servers
                know who it is, and refuse.
            local_account: The account of that entry; this user's own by default.
            lifetime: How long the certificate is valid, from ``not_before``.
            not_before: When it begins; a past one makes an expired certificate.
            passphrase: Encrypts the private key.
            proxy: Whether a proxy is made too.
        """
        credential = self.authority.issue_user(
            name, lifetime=lifetime, not_before=not_before, passphrase=passphrase
        )
        if mapped:
            entry = f'"{credential.subject}" {local_account or account()}\n'
            with Layout(self.directory).gridmap.open("a") as gridmap:
                gridmap.write(entry)
        return self._with_proxy(credential) if proxy else credential

    def issue_host(
        self,
        hostname: str = "localhost",
        *,
        lifetime: timedelta = timedelta(days=7),
        not_before: datetime | None = None,
    ) -> IssuedCredential:
        """Issue a host certificate, such as :meth:`add_gridftp` takes."""
        return self.authority.issue_host(hostname, lifetime=lifetime, not_before=not_before)

    def issue_proxy(
        self,
        credential: IssuedCredential | None = None,
        *,
        path: str | os.PathLike[str] | None = None,
        lifetime: timedelta = timedelta(hours=12),
        not_before: datetime | None = None,
        limited: bool = False,
    ) -> Path:
        """Make one more proxy and return its path.

        Args:
            credential: Whose; the grid's user by default.
            path: Where; a new file in the sandbox by default.
            lifetime: How long it is valid from now, or from ``not_before``.
            not_before: When it begins; a past one makes an expired proxy.
            limited: Make a limited proxy: for files only, says the Grid Security
                Infrastructure; the gatekeeper of GCT 6.2 takes it for jobs all the same.
        """
        from cogkit.sandbox._proxy import issue_proxy

        if path is None:
            handle, path = tempfile.mkstemp(".pem", "proxy-", Layout(self.directory).authority)
            os.close(handle)
        return issue_proxy(
            credential or self.user,
            Path(path),
            lifetime=lifetime,
            not_before=not_before,
            limited=limited,
        )

    def expired_credential(self) -> IssuedCredential:
        """The user with a proxy that ended an hour ago, and with nothing else.

        Its certificate and key are the proxy's own: GSI quietly falls back to
        ``X509_USER_CERT`` and ``X509_USER_KEY`` when a proxy has expired.
        """
        begin = datetime.now(UTC) - timedelta(hours=2)
        proxy = self.issue_proxy(not_before=begin, lifetime=timedelta(hours=1))
        return replace(self.user, cert_path=proxy, key_path=proxy, proxy_path=proxy)

    def foreign_credential(self) -> IssuedCredential:
        """Somebody with the user's very name, from an authority that nobody trusts."""
        from cogkit.sandbox._ca import CertificateAuthority

        folder = Path(tempfile.mkdtemp(prefix="foreign-", dir=self.authority.directory))
        foreign = CertificateAuthority.create(folder, "Foreign CA")
        return self._with_proxy(foreign.issue_user(self.user.subject.rpartition("=")[2]))

    def _with_proxy(self, credential: IssuedCredential) -> IssuedCredential:
        proxy = credential.cert_path.with_name(
            credential.cert_path.name.replace("-cert.pem", "-proxy.pem")
        )
        return replace(credential, proxy_path=self.issue_proxy(credential, path=proxy))


def find(directory: str | os.PathLike[str] | None = None) -> Path:
    """The directory of the sandbox that is meant; see :meth:`Sandbox.attach`."""
    if directory is None:
        directory = os.environ.get("COGKIT_SANDBOX_DIR")
    # This also sweeps what a killed supervisor left, the one that is meant included.
    records = running()
    if directory is not None:
        return Path(directory).resolve()
    if not records:
        elsewhere = ", ".join(f"{record.directory} of {record.host}" for record in foreign())
        left = f" (another machine's, or container's, is left alone: {elsewhere})"
        raise NoSandbox(
            "no sandbox is running; start one with: cogkit sandbox up" + (left if elsewhere else "")
        )
    if len(records) > 1:
        names = ", ".join(record.directory for record in records)
        raise SandboxError(f"several sandboxes are running: {names}; name one with --dir")
    return Path(records[0].directory)


def _supervisor_command(
    directory: Path | None, timeout: float, more: Mapping[str, int]
) -> list[str]:
    options = {
        **more,
        "creator": os.getpid(),
        "directory": None if directory is None else str(directory),
        "timeout": timeout,
    }
    # -P: a module in the current directory must not be taken for one of Python's.
    return [sys.executable, "-P", "-m", "cogkit.sandbox._supervisor", json.dumps(options)]


def _supervisor_environ() -> dict[str, str]:
    # So that it finds this very package, however we did.
    package = str(Path(__file__).resolve().parents[2])
    path = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _end(connection: Connection, process: subprocess.Popen[bytes] | None, creator: int) -> None:
    """Hang up, which ends a sandbox that is bound to us, and wait for the end."""
    connection.close()
    if process is None or os.getpid() != creator:
        return  # attached only; or a forked copy of us, which owns nothing
    deadline = time.monotonic() + _STOP_TIMEOUT
    interrupted = False
    while True:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
            break
        except KeyboardInterrupt:  # an impatient second Ctrl-C: still leave nothing behind
            interrupted = True
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            break
    if process.returncode != 0:
        running()  # it was killed itself: this removes what it left
    if interrupted:
        raise KeyboardInterrupt


def _credential(message: Mapping[str, str | None]) -> IssuedCredential:
    from cogkit.sandbox._ca import IssuedCredential

    proxy = message["proxy_path"]
    return IssuedCredential(
        subject=str(message["subject"]),
        cert_path=Path(str(message["cert_path"])),
        key_path=Path(str(message["key_path"])),
        proxy_path=None if proxy is None else Path(proxy),
    )


def _tail(descriptor: int, size: int = 2000) -> str:
    length = os.fstat(descriptor).st_size
    text = os.pread(descriptor, size, max(0, length - size)).decode(errors="replace")
    return " ".join(text.split()[-60:])
