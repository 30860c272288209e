"""GASS server EZ: a ready-made server for a job's files and output.

Maps ``globus_gass_server_ez.h``.

>>> with GassServerEZ(STDOUT_ENABLE | STDERR_ENABLE) as server:
...     server.getURL().startswith("https://")
True

A job whose RSL says ``(stdout=$URL/dev/stdout)`` prints on this process's standard output as the
bytes come.  Clients must be the same user as the server: they are checked by GSI.

The server accepts with the credential that GSI finds; the C library has no way to give it another.
"""

from __future__ import annotations

import enum
import itertools
import os
import threading
from collections.abc import Callable
from typing import Any

from ._core.environment import listening_trouble
from ._core.errors import CredentialError, GlobusException, text_of
from ._core.handles import Handle
from ._core.operation import Operation
from ._core.runtime import log, runtime
from ._native import ffi, lib
from .security.credential import Credential

__all__ = [
    "CLIENT_SHUTDOWN_ENABLE",
    "LINE_BUFFER",
    "READ_ENABLE",
    "STDERR_ENABLE",
    "STDOUT_ENABLE",
    "TILDE_EXPAND",
    "TILDE_USER_EXPAND",
    "WRITE_ENABLE",
    "GassServerEZ",
    "GassServerEZException",
    "Options",
]


class GassServerEZException(GlobusException):
    """The GASS server could not be started."""


class Options(enum.IntFlag):
    """What the server does for its clients."""

    LINE_BUFFER = lib.GLOBUS_GASS_SERVER_EZ_LINE_BUFFER
    """Pass output on by whole lines; without it, bytes are passed on as they come."""
    TILDE_EXPAND = lib.GLOBUS_GASS_SERVER_EZ_TILDE_EXPAND
    """``~/`` in a path is our home directory."""
    TILDE_USER_EXPAND = lib.GLOBUS_GASS_SERVER_EZ_TILDE_USER_EXPAND
    """``~name/`` in a path is that user's home directory."""
    READ_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_READ_ENABLE
    """Clients may read every file that we may read."""
    WRITE_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_WRITE_ENABLE
    """Clients may write every file that we may write."""
    STDOUT_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_STDOUT_ENABLE
    """What is written to ``/dev/stdout`` goes to our standard output."""
    STDERR_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_STDERR_ENABLE
    """What is written to ``/dev/stderr`` goes to our standard error."""
    CLIENT_SHUTDOWN_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_CLIENT_SHUTDOWN_ENABLE
    """Clients may ask us to shut down: see `shutdown_func`."""


LINE_BUFFER = Options.LINE_BUFFER
TILDE_EXPAND = Options.TILDE_EXPAND
TILDE_USER_EXPAND = Options.TILDE_USER_EXPAND
READ_ENABLE = Options.READ_ENABLE
WRITE_ENABLE = Options.WRITE_ENABLE
STDOUT_ENABLE = Options.STDOUT_ENABLE
STDERR_ENABLE = Options.STDERR_ENABLE
CLIENT_SHUTDOWN_ENABLE = Options.CLIENT_SHUTDOWN_ENABLE

# under their C names
for _option, _value in Options.__members__.items():
    globals()[f"GLOBUS_GASS_SERVER_EZ_{_option}"] = _value

_CLOSE_TIMEOUT = 5.0

_shutdown_funcs: dict[int, Callable[[], object]] = {}
_shutdown_token = 0


class _Streams:
    """Where C's `stdout` and `stderr` lead, by which every GASS server of a process writes (GCT).

    The newest server that is open decides; when it is closed, the one before it does again.
    """

    def __init__(self) -> None:
        # a server may be closed by a finalizer that runs within a call of this very thread
        self._lock = threading.RLock()
        self._wanted: dict[int, tuple[int, int, bool]] = {}
        self._numbers = itertools.count()

    def lead(self, stdout: int | None, stderr: int | None, *, by_lines: bool) -> int:
        """Have them lead to these descriptors; None: the process' own.

        Returns:
            a number, for `leave`.

        Raises:
            OSError: a descriptor is not open.
        """
        # of its own: the caller may close his at any time
        ours = [-1, -1]
        try:
            for place, descriptor in enumerate((stdout, stderr)):
                if descriptor is not None:
                    ours[place] = os.dup(descriptor)
        except OSError as error:
            for descriptor in ours:
                _close(descriptor)
            raise OSError(error.errno, f"GASS server: {error.strerror}") from error
        with self._lock:
            number = next(self._numbers)
            self._wanted[number] = (ours[0], ours[1], by_lines)
            self._apply()
        return number

    def leave(self, number: int) -> None:
        """The server is closed."""
        with self._lock:
            *ours, _ = self._wanted.pop(number)
            self._apply()
        for descriptor in ours:
            _close(descriptor)

    def _apply(self) -> None:
        wanted = list(self._wanted.values())
        stdout, stderr, by_lines = wanted[-1] if wanted else (-1, -1, True)
        status = lib.cog_gass_streams(stdout, stderr, by_lines)
        if status < 0:
            log.warning("GASS server: no streams: %s", os.strerror(-status))


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)


_streams = _Streams()


class GassServerEZ(Handle):
    """A GASS server in this process (globus_gass_server_ez_init).

    It serves every file that we may read, or write, to whoever has our own identity: the C library
    has no way to restrict it to some of them.

    What clients write to ``/dev/stdout`` and ``/dev/stderr`` it passes to C's `stdout` and
    `stderr`, of which a process has one each: so all servers of a process share them, and the
    newest one that is open decides where they lead.  Whatever else in the process prints by C's
    `stdout` (a library, not Python) goes there, too.
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
    ) -> None:
        """Start serving.

        Args:
            options: what clients may do, see `Options`; nothing by default.
            scheme: ``https``, or ``http``, which does not check who its clients are.
            port: TCP port; a free one when 0 (within ``GLOBUS_TCP_PORT_RANGE`` where that is set).
            stdout: a descriptor that takes what clients write to ``/dev/stdout``, such as that of a
                pipe, which is duplicated; this process' standard output when None.
            stderr: as `stdout`, for ``/dev/stderr``.
            shutdown_func: called with ``arg`` when a client asks for our shutdown; needs
                `CLIENT_SHUTDOWN_ENABLE`.  Asked, not forced: `close()` is the caller's to call.
            arg: for `shutdown_func`.

        Raises:
            GassServerEZException: the port is taken, ...
            CredentialError: GSI finds no credential, or one that has expired.
        """
        if scheme not in ("https", "http"):
            raise ValueError(f"a GASS server speaks https or http, not {scheme!r}")
        options = Options(options)
        if shutdown_func is not None and CLIENT_SHUTDOWN_ENABLE not in options:
            raise ValueError("shutdown_func needs the option CLIENT_SHUTDOWN_ENABLE")
        authorized = ffi.NULL
        if scheme == "https":
            used = Credential.default()  # fails with a clear word where the C library has a number
            if used.expired:
                raise CredentialError(
                    f"the credential {used.subject} has expired",
                    hint="make a new proxy with 'cogkit proxy init'",
                )
            authorized = _only(used.identity)
        runtime.activate("GASS_SERVER_EZ")
        streams: int | None = None
        if options & (STDOUT_ENABLE | STDERR_ENABLE):
            streams = _streams.lead(stdout, stderr, by_lines=bool(options & LINE_BUFFER))
        number: int | None = None
        try:
            number = _listening(scheme.encode(), port, options, authorized)
            self._url = text_of(lib.globus_gass_transfer_listener_get_base_url(number)).rstrip("/")
        except BaseException:
            _shut_down(number, streams)
            raise
        self._options = options
        if shutdown_func is not None:
            _listen_for_shutdown(number, lambda: shutdown_func(arg))
        super().__init__(lambda: _shut_down(number, streams))

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


def _check(code: int, what: str, reason: str = "") -> None:
    if code != 0:
        told = f"{reason} (error {code})" if reason else f"error {code}"
        raise GassServerEZException(
            f"GASS server: {what}: {told}", code=code, library="globus_gass_server_ez"
        )


_authorized: dict[str, Any] = {}


def _only(identity: str) -> Any:
    """The attributes of requests that only this identity may make.

    Not `Authorization.SELF`, the default: with it GCT 6.2 compares the client with the identity of
    the credential that there was when GASS transfer was activated, and crashes the process if there
    was none (globus_l_gass_transfer_http_authorization_callback).

    They are kept for ever: a listener that is closed may still have a client, and has a pointer.
    """
    if identity not in _authorized:
        runtime.activate("GASS_TRANSFER")
        attributes = ffi.new("globus_gass_transfer_requestattr_t *")
        _check(lib.globus_gass_transfer_requestattr_init(attributes, b"https"), "attributes")
        _check(
            lib.globus_gass_transfer_secure_requestattr_set_authorization(
                attributes, lib.GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT, identity.encode()
            ),
            f"authorization of {identity}",
        )
        _authorized[identity] = attributes
    return _authorized[identity]


def _listening(scheme: bytes, port: int, options: Options, authorized: Any) -> int:
    """The C listener of a server that serves from now on."""
    where = f"port {port}" if port else "any port"
    attributes = ffi.new("globus_gass_transfer_listenerattr_t *")
    _check(
        lib.globus_gass_transfer_listenerattr_init(attributes, scheme),
        f"attributes {scheme.decode()}",
    )
    listener = ffi.new("globus_gass_transfer_listener_t *")
    try:
        if port:
            _check(lib.globus_gass_transfer_listenerattr_set_port(attributes, port), where)
        _rehearse(attributes, scheme, port, where)
        _check(
            lib.globus_gass_server_ez_init(
                listener, attributes, scheme, authorized, int(options), _ON_SHUTDOWN
            ),
            f"cannot serve on {where}",
        )
    finally:
        # the header's own destructor is not in the library
        lib.globus_object_free(attributes[0])
    return int(listener[0])


def _rehearse(attributes: Any, scheme: bytes, port: int, where: str) -> None:
    """Open the listener once and close it: globus_gass_server_ez_init() crashes the process when
    it cannot (GCT 6.2)."""
    listener = ffi.new("globus_gass_transfer_listener_t *")
    code = lib.globus_gass_transfer_create_listener(listener, attributes, scheme)
    _check(code, f"cannot listen on {where}", listening_trouble(port) if code else "")
    closed: Operation[None] = Operation("close a listener", lambda event: None)
    token = runtime.enrol(closed.complete)
    lib.globus_gass_transfer_close_listener(
        listener[0], _ON_LISTENER_CLOSED, ffi.cast("void *", token)
    )
    closed.wait(_CLOSE_TIMEOUT)


def _listen_for_shutdown(number: int, function: Callable[[], object]) -> None:
    """The C callback does not say which server was asked: all that listen are told."""
    global _shutdown_token

    def tell(event: Any) -> None:
        for one in list(_shutdown_funcs.values()):
            one()

    if not _shutdown_token:
        _shutdown_token = runtime.enrol(tell, once=False)
        lib.cog_set_gass_shutdown_token(_shutdown_token)
    _shutdown_funcs[number] = function


def _shut_down(number: int | None, streams: int | None) -> None:
    """Serve no more; what is None had not come about."""
    if number is not None:
        _shutdown_funcs.pop(number, None)
    if streams is not None:
        _streams.leave(streams)
    if number is not None and (code := lib.globus_gass_server_ez_shutdown(number)):
        log.debug("GASS server: error %d at shutdown", code)


_ON_LISTENER_CLOSED = ffi.addressof(lib, "cog_on_listener_closed")
_ON_SHUTDOWN = ffi.addressof(lib, "cog_on_gass_shutdown")
