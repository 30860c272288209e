"""The process that owns a sandbox: it makes the grid, keeps it, and removes it.

``python -m cogkit.sandbox._supervisor OPTIONS`` has as its standard input one end
of a socket pair.  When the other end closes, or the creator dies by any means, or
a signal asks for it, everything that the sandbox started is killed and its
directory removed.  After ``detach`` only ``stop`` and signals end it.

There is one thread: the kernel's parent-death signal is sent when the *thread*
that started a server ends, and the supervisor's answers need no order of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from cogkit.sandbox._ca import CertificateAuthority, IssuedCredential
from cogkit.sandbox._errors import NoSandbox, SandboxError
from cogkit.sandbox._layout import MAX_PATH, Layout, account
from cogkit.sandbox._processes import adopt_orphans, children, kill_descendants, signal_tree
from cogkit.sandbox._proxy import issue_proxy
from cogkit.sandbox._records import (
    Record,
    remove_directory,
    remove_record,
    running,
    take_lock,
    write_record,
)
from cogkit.sandbox._servers import (
    Gatekeeper,
    GridFTPServer,
    Server,
    find_programs,
    server_environ,
)
from cogkit.sandbox._slurm import JOB_MANAGER_TYPE, SlurmCluster, SlurmNode, find_slurm
from cogkit.sandbox._ssh import SSHServer, find_sshd
from cogkit.sandbox._wire import Message, send

_USER = "Sandbox User"
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class _Stop(BaseException):
    """The sandbox shall end: a signal, or the creator is gone."""


class Supervisor:
    """One sandbox.

    Args:
        owner: The creator's end of the conversation; it closing ends the sandbox.
        creator: The creator's process id.
        directory: Where the sandbox is to be, or ``None`` for a new directory.
        timeout: Seconds that the servers have to become ready.
        ssh: Whether it has an SSH server from the beginning.
        slurm_nodes: How many nodes its Slurm cluster has from the beginning; 0 for none.
    """

    def __init__(
        self,
        owner: socket.socket,
        creator: int,
        directory: str | None,
        timeout: float,
        ssh: bool,
        slurm_nodes: int,
    ) -> None:
        self._owner: socket.socket | None = owner
        self._timeout = timeout
        self._wanted = directory
        self._ssh = ssh
        self._slurm_nodes = slurm_nodes
        self._slurm: SlurmCluster | None = None
        self._id = secrets.token_hex(8)
        self._record: Record | None = None
        self._lock: int | None = None
        self._servers: dict[str, Server] = {}
        self._buffers: dict[socket.socket, bytes] = {}
        self._signalled = False
        self._asker: socket.socket | None = None
        self._stop_serial: int | None = None
        self._selector = selectors.DefaultSelector()
        self._creator = _open_pidfd(creator)
        self._operations: dict[str, Callable[[Message], Message]] = {
            "describe": lambda _: self.describe(),
            "detach": self._detach,
            "add_gridftp": self._add_gridftp,
            "with_ssh": self._with_ssh,
            "with_slurm": self._with_slurm,
            "power_off": self._power_off,
            "restart": self._restart,
            "kill": self._kill,
            "signal": self._signal,
        }

    def run(self) -> int:
        """Live from beginning to end; returns the exit status."""
        self._watch_signals()
        failure: Exception | None = None
        try:
            adopt_orphans()
            self._start()
            if self._owner is not None:
                send(self._owner, self.describe())
            self._serve()
        except _Stop:
            pass
        except Exception as error:
            failure = error
        left = self._remove()
        if left and failure is None:
            failure = SandboxError(f"these processes cannot be killed: {left}")
        self._say_goodbye(failure)
        return 0 if failure is None else 1

    def describe(self) -> Message:
        """All that a client may know of the sandbox."""
        gridftp, gatekeeper = self._servers["gridftp"], self._servers["gatekeeper"]
        gridftp_url = f"gsiftp://localhost:{gridftp.port}"
        ssh = self._servers.get("ssh")
        contact = f"localhost:{gatekeeper.port}/jobmanager-%s:{self._host.subject}"
        slurm_contact = contact % "slurm" if self._slurm is not None else None
        assert self._record is not None
        return {
            "id": self._id,
            "directory": str(self._layout.root),
            "supervisor": os.getpid(),
            "detached": self._record.detached,
            "gridftp_url": gridftp_url,
            "gram_contact": contact % "fork",
            "gram_slurm_contact": slurm_contact,
            "slurm": self._slurm.describe() if self._slurm is not None else None,
            "host": _credential_message(self._host),
            "user": _credential_message(self._user),
            "servers": [server.describe() for server in self._servers.values()],
            "environ": {
                "X509_CERT_DIR": str(self._layout.trusted),
                **self._user.environ,
                "GRIDMAP": str(self._layout.gridmap),
                "GLOBUS_HOSTNAME": "localhost",
                "COGKIT_SANDBOX_DIR": str(self._layout.root),
                "COGKIT_SANDBOX_GRIDFTP": gridftp_url,
                "COGKIT_SANDBOX_GRAM": contact % "fork",
                **({"COGKIT_SANDBOX_GRAM_SLURM": slurm_contact} if slurm_contact else {}),
                **(self._slurm.client_environ if self._slurm is not None else {}),
                **(ssh.client_environ if isinstance(ssh, SSHServer) else {}),
            },
        }

    # ---- making the grid ---------------------------------------------------------

    def _start(self) -> None:
        deadline = time.monotonic() + self._timeout
        local_account = account()
        programs = find_programs()
        if self._slurm_nodes:
            find_slurm()  # it is better missed before the rest is made
        self._make_directory()
        layout = self._layout
        for folder in (layout.logs, layout.scratch, layout.jobs, layout.home):
            folder.mkdir(mode=0o700)
        authority = CertificateAuthority.create(layout.authority)
        authority.trust_in(layout.trusted)
        self._host = authority.issue_host()
        layout.gridmap.touch()

        self._environ = server_environ(layout, self._id)
        self._environ.update(self._host.environ)
        self._program = programs["globus-gridftp-server"]
        gatekeeper = Gatekeeper("gatekeeper", layout, self._environ, programs=programs)
        gatekeeper.configure()
        gridftp = GridFTPServer("gridftp", layout, self._environ, program=self._program)
        self._servers = {"gridftp": gridftp, "gatekeeper": gatekeeper}
        if self._ssh:
            self._servers["ssh"] = self._ssh_server()
        for server in self._servers.values():
            server.start()

        # The servers come up while the user's keys are made, which takes as long.
        user = authority.issue_user(_USER)
        self._user = replace(user, proxy_path=issue_proxy(user, layout.proxy))
        layout.gridmap.write_text(f'"{user.subject}" {local_account}\n')
        for server in self._servers.values():
            server.wait(deadline, self._pause)
        if self._slurm_nodes:
            self._start_slurm(self._slurm_nodes, deadline)
        self._listen()

    def _make_directory(self) -> None:
        running()  # sweeps what others left behind
        if self._wanted is None:
            root, made = Path(tempfile.mkdtemp(prefix="cogkit-")), True
        else:
            root = Path(self._wanted)
            made = _use_directory(root)
        try:
            if len(os.fsencode(root)) > MAX_PATH:
                raise SandboxError(
                    f"{root} is too long a path: a job manager's socket must fit in, "
                    f"which leaves {MAX_PATH} bytes; use a shorter --dir or TMPDIR"
                )
            if '"' in str(root) or any(c.isspace() for c in str(root)):
                raise SandboxError(f"{root}: the grid's servers cannot use such a path")
            (root / "id").write_text(self._id)
        except BaseException:
            if made:
                root.rmdir()
            raise
        self._layout = Layout(root)
        self._record = Record.here(self._id, str(root), keep_directory=not made)
        self._lock = take_lock(self._id)  # until this process ends, by whatever
        write_record(self._record)

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)
        try:
            listener.bind(str(self._layout.control))
        finally:
            os.umask(before)
        listener.listen(16)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    # ---- keeping it ----------------------------------------------------------------

    def _serve(self) -> None:
        if self._owner is not None:
            self._greet(self._owner)
        if self._creator is not None:
            self._selector.register(self._creator, selectors.EVENT_READ, self._creator_ended)
        while self._asker is None and not self._signalled:
            self._reap_orphans()
            for key, _ in self._selector.select():
                key.data(key.fileobj)

    def _reap_orphans(self) -> None:
        ours = {server.process.pid for server in self._servers.values() if server.process}
        for pid in children().get(os.getpid(), ()):
            if pid not in ours:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        self._greet(connection)

    def _greet(self, connection: socket.socket) -> None:
        connection.settimeout(5)  # a client that does not read must not hold us up
        self._buffers[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        if not data:
            if connection is self._owner:
                raise _Stop
            self._hang_up(connection)
            return
        *lines, self._buffers[connection] = (self._buffers[connection] + data).split(b"\n")
        for line in lines:
            try:
                request: Message = json.loads(line)
                if request["op"] == "stop":
                    self._asker = connection
                    self._stop_serial = request["serial"]
                    return
                send(connection, {**self._answer(request), "serial": request["serial"]})
            except (OSError, ValueError, KeyError):  # gone, or not one of ours
                self._hang_up(connection)
                return

    def _hang_up(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        del self._buffers[connection]
        connection.close()

    def _answer(self, request: Message) -> Message:
        try:
            return self._operations[request["op"]](request)
        except SandboxError as error:
            return {"error": str(error), "type": type(error).__name__}
        except Exception as error:
            return {"error": f"{request['op']} failed: {error!r}"}

    def _detach(self, _: Message) -> Message:
        assert self._record is not None
        self._record = replace(self._record, detached=True)
        write_record(self._record)
        self._owner = None
        if self._creator is not None:
            self._selector.unregister(self._creator)
            os.close(self._creator)
            self._creator = None
        return self.describe()

    def _add_gridftp(self, request: Message) -> Message:
        environ = {**self._environ, **request["environ"]}
        number = sum(server.kind == "gridftp" for server in self._servers.values()) + 1
        server = GridFTPServer(
            f"gridftp{number}",
            self._layout,
            environ,
            request["port"],
            program=self._program,
            options=request["options"],
            arguments=request["arguments"],
        )
        return self._add(server)

    def _with_ssh(self, _: Message) -> Message:
        if "ssh" not in self._servers:
            self._add(self._ssh_server())
        return self.describe()

    def _ssh_server(self) -> SSHServer:
        return SSHServer(
            "ssh", self._layout, self._environ, sshd=find_sshd(), gridftp=self._program
        )

    def _with_slurm(self, request: Message) -> Message:
        if self._slurm is None:
            self._start_slurm(request["nodes"], time.monotonic() + self._timeout)
        elif len(self._slurm.nodes) != request["nodes"]:
            raise SandboxError(f"the Slurm cluster has {len(self._slurm.nodes)} nodes already")
        return self.describe()

    def _start_slurm(self, nodes: int, deadline: float) -> None:
        cluster = SlurmCluster(self._layout, self._environ, find_slurm(), nodes)
        started: list[Server] = []
        try:
            cluster.configure()
            for stage in cluster.stages:
                for server in stage:
                    started.append(server)
                    server.start()
                for server in stage:
                    server.wait(deadline, self._pause)
        except BaseException:
            for server in started:
                server.kill()
            shutil.rmtree(self._layout.slurm, ignore_errors=True)
            raise
        gatekeeper = self._servers["gatekeeper"]
        assert isinstance(gatekeeper, Gatekeeper)
        gatekeeper.add_job_manager("slurm", JOB_MANAGER_TYPE, cluster.job_manager_environ)
        self._servers.update((server.name, server) for server in started)
        self._slurm = cluster

    def _power_off(self, request: Message) -> Message:
        server = self._find(request)
        if not isinstance(server, SlurmNode):
            raise SandboxError(f"{server.name} is no node of a cluster")
        server.power_off()
        return server.describe()

    def _add(self, server: Server) -> Message:
        self._servers[server.name] = server
        try:
            self._bring_up(server)
        except BaseException:
            server.kill()
            del self._servers[server.name]
            raise
        return server.describe()

    def _restart(self, request: Message) -> Message:
        server = self._find(request)
        server.kill()
        self._bring_up(server)
        return server.describe()

    def _kill(self, request: Message) -> Message:
        server = self._find(request)
        server.kill()
        return server.describe()

    def _signal(self, request: Message) -> Message:
        server = self._find(request)
        if server.pid is None:
            raise SandboxError(f"{server.name} does not run")
        signal_tree(server.pid, request["number"])
        return server.describe()

    def _find(self, request: Message) -> Server:
        try:
            return self._servers[request["name"]]
        except KeyError:
            raise SandboxError(f"there is no server {request['name']}") from None

    def _bring_up(self, server: Server) -> None:
        server.start()
        server.wait(time.monotonic() + self._timeout, self._pause)

    # ---- ending it -----------------------------------------------------------------

    def _watch_signals(self) -> None:
        # A handler that raised could strike anywhere, in the clearing up too: these
        # only set a flag and wake the loop.  SIGCHLD wakes it to collect orphans.
        out, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._selector.register(out, selectors.EVENT_READ, lambda s: s.recv(4096))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def _creator_ended(self, _: object) -> None:
        raise _Stop

    def _pause(self, seconds: float) -> None:
        """Sleep, unless the creator goes away meanwhile."""
        poll = select.poll()
        if self._owner is not None:
            poll.register(self._owner, select.POLLRDHUP)
        if self._creator is not None:
            poll.register(self._creator, select.POLLIN)
        if poll.poll(seconds * 1000) or self._signalled:
            raise _Stop

    def _remove(self) -> list[int]:
        """Kill every process and remove every file; returns processes that stayed."""
        try:
            left = kill_descendants()
            for server in self._servers.values():
                if isinstance(server, Gatekeeper):
                    server.remove_delegated_proxies()
        finally:
            if self._record is not None:
                keep = self._record.keep_directory
                remove_directory(self._layout.root, self._id, keep=keep)
                remove_record(self._record)
        return left

    def _say_goodbye(self, failure: Exception | None) -> None:
        answer: Message = {"stopped": True}
        if failure is not None:
            known = isinstance(failure, SandboxError | OSError)
            text = str(failure) if known else f"the supervisor failed: {failure!r}"
            answer = {"error": text, "type": type(failure).__name__}
        told = {**answer, "serial": self._stop_serial}
        if self._owner is not None and self._owner is not self._asker:
            with contextlib.suppress(OSError):
                send(self._owner, answer)
        if self._asker is not None:
            with contextlib.suppress(OSError):
                send(self._asker, told)


def _use_directory(path: Path) -> bool:
    """Make ``path`` ready for a sandbox; true if it had to be made."""
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir() or next(path.iterdir(), None) is not None:
            raise SandboxError(f"{path} is there already, and not an empty directory") from None
        if path.stat().st_uid != os.getuid():
            raise SandboxError(f"{path} belongs to another user") from None
        path.chmod(0o700)
        return False
    except FileNotFoundError:
        raise SandboxError(f"{path.parent} does not exist; make it first") from None
    except OSError as error:
        raise SandboxError(f"cannot make {path}: {error.strerror}") from error
    return True


def _open_pidfd(pid: int) -> int | None:
    # The socket alone would not do: a child that the creator forked keeps it open.
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        raise NoSandbox("the creator is gone") from None
    except OSError:
        return None  # a container may forbid it: then the socket has to do
    return descriptor


def _credential_message(credential: IssuedCredential) -> dict[str, str | None]:
    return {
        "subject": credential.subject,
        "cert_path": str(credential.cert_path),
        "key_path": str(credential.key_path),
        "proxy_path": None if credential.proxy_path is None else str(credential.proxy_path),
    }


def main(arguments: list[str]) -> int:
    """Run a supervisor whose standard input is the creator's socket."""
    options: dict[str, Any] = json.loads(arguments[0])
    owner = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if os.getppid() != options["creator"]:
        return 1
    return Supervisor(owner, **options).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
