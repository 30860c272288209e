"""`GassServerEZ`: a GASS server in this process."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .._core.environment import listening_trouble, port_range
from .._core.errors import CredentialError, GlobusException, text_of
from .._core.handles import Handle
from .._core.runtime import runtime
from .._native import ffi, lib
from ..security.credential import Credential
from .files import Files
from .options import Options
from .serving import Server, Stream

__all__ = ["GassServerEZ", "GassServerEZException"]

_LONGEST_NAME = 256
_BACKLOG = 100

Paths = Mapping[str, str | os.PathLike[str]]


class GassServerEZException(GlobusException):
    """The GASS server could not be started."""


class GassServerEZ(Handle):
    """A GASS server in this process.

    With `Options.READ_ENABLE` and `Options.WRITE_ENABLE` it gives, and takes, every file that we
    may read, or write, to and from whoever has our own identity.  `readable` and `writable` name
    single files instead.
    """

    def __init__(
        self,
        options: int = Options(0),
        *,
        scheme: str = "https",
        port: int = 0,
        stdout: int | None = None,
        stderr: int | None = None,
        shutdown_func: Callable[[Any], object] | None = None,
        arg: Any = None,
        readable: Paths | None = None,
        writable: Paths | None = None,
        credential: Credential | None = None,
    ) -> None:
        """Start serving.

        Args:
            options: what clients may do, see `Options`; nothing by default.
            scheme: ``https``, or ``http``, which does not check who its clients are.
            port: TCP port; a free one when 0 (within ``GLOBUS_TCP_PORT_RANGE`` where that is set).
            stdout: a descriptor that takes what clients write to ``/dev/stdout``, such as that of a
                pipe, which is duplicated; this process' standard output when None.
            stderr: as `stdout`, for ``/dev/stderr``.
            shutdown_func: called with ``arg`` when a client asks for our shutdown, on a thread of
                the server; needs `Options.CLIENT_SHUTDOWN_ENABLE`.  Asked, not forced: `close()` is
                the caller's to call.
            arg: for `shutdown_func`.
            readable: files that clients may read whatever `options` say: the path in the URL, and
                the file here.  The path may be anything, such as one that nobody can guess.
            writable: files that clients may write, in the same way.
            credential: ours; the one GSI finds when None.

        Raises:
            GassServerEZException: the port is taken, ...
            CredentialError: GSI finds no credential, or one that has expired.
            OSError: a descriptor is not open.
        """
        if scheme not in ("https", "http"):
            raise ValueError(f"a GASS server speaks https or http, not {scheme!r}")
        options = Options(options)
        if shutdown_func is not None and Options.CLIENT_SHUTDOWN_ENABLE not in options:
            raise ValueError("shutdown_func needs the option CLIENT_SHUTDOWN_ENABLE")
        runtime.activate("COMMON")
        used = _usable(credential) if scheme == "https" else None
        files = Files(options, _paths(readable), _paths(writable))
        with contextlib.ExitStack() as stack:
            streams = {}
            for option, given, number in (
                (Options.STDOUT_ENABLE, stdout, 1),
                (Options.STDERR_ENABLE, stderr, 2),
            ):
                if option in options:
                    streams[option] = _stream(given, number)
                    stack.callback(streams[option].close)
            listener = stack.enter_context(_listener(port))
            url = f"{scheme}://{_hostname()}:{listener.getsockname()[1]}"
            asked = None if shutdown_func is None else lambda: shutdown_func(arg)
            server = Server(listener, files, streams, used, asked)
            stack.pop_all()
        self._options = options
        self._url = url
        super().__init__(lambda: _close(server))

    def close(self) -> None:
        """Serve no more; requests under way come to their end, and are waited for."""
        super().close()

    @property
    def options(self) -> Options:
        """What clients may do."""
        return Options(self._options)

    def getURL(self) -> str:
        """The server's base URL: ``https://host:port``; a file's path follows it directly."""
        self._require_open()
        return self._url

    @property
    def url(self) -> str:
        """`getURL()`."""
        return self.getURL()

    def __repr__(self) -> str:
        if getattr(self, "_closed", True):
            return super().__repr__()
        return f"<GassServerEZ {self._url} {self._options!r}>"


def _close(server: Server) -> None:
    # at interpreter exit nothing is waited for; nor on the callback thread, where nobody would
    server.close(wait=not runtime.stopping and not runtime.on_drainer())


def _usable(credential: Credential | None) -> Credential:
    used = Credential.default() if credential is None else credential
    if used.expired:
        raise CredentialError(
            f"the credential {used.subject} has expired",
            hint="make a new proxy with 'cogkit proxy init'",
        )
    return used


def _paths(given: Paths | None) -> dict[str, Path]:
    return {path: Path(file).absolute() for path, file in (given or {}).items()}


def _stream(descriptor: int | None, number: int) -> Stream:
    try:
        return Stream(number if descriptor is None else descriptor)
    except OSError as error:
        if descriptor is not None or error.errno != errno.EBADF:
            raise OSError(error.errno, f"GASS server: {error.strerror}") from error
    # a process may have been started without a descriptor 1 or 2
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        return Stream(null)
    finally:
        os.close(null)


def _listener(port: int) -> socket.socket:
    """A socket that listens on a port, 0: on any that may be used."""
    ports = range(port, port + 1) if port else port_range("GLOBUS_TCP_PORT_RANGE") or range(1)
    problem = OSError()
    for one in ports:
        try:
            listener = _listening_on(one)
        except OSError as error:
            problem = error
        else:
            listener.setblocking(False)
            return listener
    where = f"port {port}" if port else "any port"
    reason = listening_trouble(port) or problem.strerror or str(problem)
    raise GassServerEZException(
        f"GASS server: cannot listen on {where}: {reason}", code=problem.errno,
        library="globus_gass_server_ez",
    ) from problem  # fmt: skip


def _listening_on(port: int) -> socket.socket:
    """By IPv6 and IPv4, or by IPv4 alone."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True
            )
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


def _hostname() -> str:
    """The name of this machine, as Globus has it (GLOBUS_HOSTNAME)."""
    place = ffi.new("char[]", _LONGEST_NAME)
    if lib.globus_libc_gethostname(place, _LONGEST_NAME) != 0:
        raise GassServerEZException(
            f"GASS server: {listening_trouble() or 'this machine has no name'}",
            library="globus_gass_server_ez",
        )
    name = text_of(place)
    return f"[{name}]" if ":" in name else name
