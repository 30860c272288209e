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
import os
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


class GassServerEZ(Handle):
    """A GASS server in this process (globus_gass_server_ez_init)."""

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
                pipe; this process' standard output when None.  The C library has one for all its
                servers: the last one that was made decides.
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
        if scheme == "https":
            used = Credential.default()  # fails with a clear word where the C library has a number
            if used.expired:
                raise CredentialError(
                    f"the credential {used.subject} has expired",
                    hint="make a new proxy with 'cogkit proxy init'",
                )
        runtime.activate("GASS_SERVER_EZ")
        attributes = ffi.new("globus_gass_transfer_listenerattr_t *")
        c_scheme = scheme.encode()
        self._check(
            lib.globus_gass_transfer_listenerattr_init(attributes, c_scheme), f"attributes {scheme}"
        )
        listener = ffi.new("globus_gass_transfer_listener_t *")
        try:
            if port:
                self._check(
                    lib.globus_gass_transfer_listenerattr_set_port(attributes, port), f"port {port}"
                )
            _rehearse(attributes, c_scheme, port)
            self._check(
                lib.globus_gass_server_ez_init(
                    listener, attributes, c_scheme, ffi.NULL, int(options), _ON_SHUTDOWN
                ),
                f"cannot serve on {f'port {port}' if port else 'any port'}",
            )
        finally:
            # the header's own destructor is not in the library
            lib.globus_object_free(attributes[0])
        number = int(listener[0])
        if options & (STDOUT_ENABLE | STDERR_ENABLE):
            _lead_streams(stdout, stderr, bool(options & LINE_BUFFER))
        self._options = options
        self._url = text_of(lib.globus_gass_transfer_listener_get_base_url(number)).rstrip("/")
        if shutdown_func is not None:
            _listen_for_shutdown(number, lambda: shutdown_func(arg))
        led_away = stdout is not None or stderr is not None
        super().__init__(lambda: _shut_down(number, led_away))

    @staticmethod
    def _check(code: int, what: str, reason: str = "") -> None:
        if code != 0:
            told = f"{reason} (error {code})" if reason else f"error {code}"
            raise GassServerEZException(
                f"GASS server: {what}: {told}", code=code, library="globus_gass_server_ez"
            )

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


def _rehearse(attributes: Any, scheme: bytes, port: int) -> None:
    """Open the listener once and close it: globus_gass_server_ez_init() crashes the process when
    it cannot (GCT 6.2)."""
    listener = ffi.new("globus_gass_transfer_listener_t *")
    code = lib.globus_gass_transfer_create_listener(listener, attributes, scheme)
    if code != 0:
        trouble = listening_trouble(port)
        GassServerEZ._check(
            code, f"cannot listen on {f'port {port}' if port else 'any port'}", trouble
        )
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


def _lead_streams(stdout: int | None, stderr: int | None, by_lines: bool) -> None:
    status = lib.cog_gass_streams(
        -1 if stdout is None else stdout, -1 if stderr is None else stderr, by_lines
    )
    if status < 0:
        raise OSError(-status, f"GASS server: {os.strerror(-status)}")


def _shut_down(number: int, led_away: bool) -> None:
    _shutdown_funcs.pop(number, None)
    if led_away:
        _lead_streams(None, None, True)
    code = lib.globus_gass_server_ez_shutdown(number)
    if code != 0:
        log.debug("GASS server: error %d at shutdown", code)


_ON_LISTENER_CLOSED = ffi.addressof(lib, "cog_on_listener_closed")
_ON_SHUTDOWN = ffi.addressof(lib, "cog_on_gass_shutdown")
