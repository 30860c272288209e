"""A connection whose socket is ours alone, in the clear or over TLS with GSI's verification.

GSI's own library does the handshake and verifies the other side (``gssapi.h``), with what the http
driver of GASS transfer asks for: TLS as any https server speaks it, mutual authentication, privacy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from .._native import ffi, lib
from .environment import port_range
from .errors import Cause, take_error
from .runtime import runtime
from .work import Stop

__all__ = [
    "Channel",
    "ConnectionBroken",
    "Expected",
    "HasGss",
    "PeerRefused",
    "SocketOptions",
    "connect",
    "secure",
]

_RECEIVE = 1 << 18
"""Bytes that are taken from the socket at once."""
_RECORD_HEADER = 5
_LONGEST_RECORD = (1 << 14) + 2048
_RECORD_TYPES = range(20, 25)


class ConnectionBroken(Exception):
    """The other side cannot be reached, or the connection broke."""

    def __init__(self, reason: str, number: int = errno.ECONNRESET) -> None:
        super().__init__(reason)
        self.number = number
        """An errno."""


class PeerRefused(Exception):
    """The other side is not who it must be, or the two do not accept each other."""

    def __init__(self, reason: str, causes: tuple[Cause, ...] = ()) -> None:
        super().__init__(reason)
        self.causes = causes
        """What GSI says of it."""


class HasGss(Protocol):
    """A credential."""

    def gss(self) -> Any:
        """Its `gss_cred_id_t`."""
        ...


@dataclass(frozen=True, slots=True)
class Expected:
    """Who the other side must be."""

    kind: Literal["self", "host", "subject"] = "self"
    """The same identity as ours, that of a host, or a subject that is named."""
    name: str = ""
    """The host, or the subject."""


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """How a socket is made."""

    sndbuf: int = 0
    """Bytes of its send buffer; 0: the system's own."""
    rcvbuf: int = 0
    """Bytes of its receive buffer."""
    nodelay: bool = False
    """Send small packets at once."""


class Channel:
    """A connection in the clear.

    What is sent goes out by `put` and `flush`; what comes meanwhile is in `received`, where `fill`
    puts it too.
    """

    def __init__(
        self, connection: socket.socket, stop: Stop, patience: float | None = None
    ) -> None:
        """On a socket that does not block.

        Args:
            connection: the socket, which is the channel's from now on.
            stop: ends its waits.
            patience: seconds that the other side may leave us waiting; None: as long as it takes.
        """
        self._socket = connection
        self._stop = stop
        self.patience = patience
        """Seconds that the other side may leave us waiting."""
        self.received = bytearray()
        """What has come and has not been taken."""
        self.ended = False
        """Whether no more will come."""
        self._out = memoryview(b"")

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def end_sending(self) -> None:
        """Tell the other side that no more will come from here."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def fileno(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    def fill(self) -> bool:
        """Wait until something has come, or nothing more will (then False)."""
        while not self.ended:
            self._wait(select.POLLIN)
            if self.take():
                return True
        return False

    def take(self) -> bool:
        """Take what is there, without waiting; tells whether it was something to read."""
        data = self._receive()
        if data is None:
            return False
        if not data:
            self.ended = True
            return False
        plain = self._decoded(data)
        self.received += plain
        return bool(plain)

    def put(self, data: bytes) -> None:
        """Have it sent by the next `flush`."""
        assert not self._out
        self._out = memoryview(self._encoded(data))

    def flush(self) -> bool:
        """Send what `put` has left.

        Returns:
            False when something has come, or the server hung up, before all was sent.
        """
        while self._out:
            ready = select.POLLOUT | (0 if self.ended else select.POLLIN)
            self._wait(ready)
            if not self.ended and (self.take() or self.ended):
                return False
            self._send_some()
        return True

    def _wait(self, events: int) -> None:
        try:
            self._stop.wait((self.fileno(), events), timeout=self.patience)
        except TimeoutError:
            raise ConnectionBroken("the other side is silent", errno.ETIMEDOUT) from None

    def _send_some(self) -> None:
        try:
            self._out = self._out[self._socket.send(self._out) :]
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConnectionBroken(os.strerror(error.errno or 0), error.errno or 0) from error

    def _receive(self) -> bytes | None:
        """What has come: None when that is nothing, ``b""`` when it is the end."""
        try:
            return self._socket.recv(_RECEIVE)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionBroken(os.strerror(error.errno or 0), error.errno or 0) from error

    def _encoded(self, data: bytes) -> bytes:
        return data

    def _decoded(self, data: bytes) -> bytes:
        return data


class _SecureChannel(Channel):
    """A connection over TLS."""

    def __init__(
        self,
        connection: socket.socket,
        stop: Stop,
        credential: HasGss,
        patience: float | None = None,
    ) -> None:
        super().__init__(connection, stop, patience)
        runtime.activate("GSI_GSSAPI")
        self._credential = credential
        self._context = ffi.new("gss_ctx_id_t *")
        self._raw = bytearray()

    def close(self) -> None:
        lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), self._context, ffi.NULL)
        super().close()

    def handshake(self, *, accepts: bool) -> None:
        """Agree on keys, and verify the certificate of the other side.

        (gss_init_sec_context; gss_accept_sec_context where the other side begins)
        """
        ask = self._accept if accepts else self._initiate
        flags = ffi.new("OM_uint32 *")
        token = self._record() if accepts else b""
        while True:
            minor = ffi.new("OM_uint32 *")
            with _Buffer() as out:
                major = ask(minor, token, out.pointer, flags)
                # when it fails, too: an alert that tells the other side why
                self._out = memoryview(out.bytes())
            with contextlib.suppress(ConnectionBroken) if major >> 16 else contextlib.nullcontext():
                while self._out:
                    self._wait(select.POLLOUT)
                    self._send_some()
            if major >> 16:
                raise _refusal(minor, major)
            if not major & lib.GSS_S_CONTINUE_NEEDED:
                break
            token = self._record()
        wanted = lib.GSS_C_MUTUAL_FLAG | lib.GSS_C_CONF_FLAG
        if flags[0] & wanted != wanted:
            raise PeerRefused("the other side would have us talk in the clear")
        # what came behind the handshake
        self.received += self._decoded(b"")

    def _initiate(self, minor: Any, token: bytes, out: Any, flags: Any) -> int:
        wanted = lib.GSS_C_MUTUAL_FLAG | lib.GSS_C_CONF_FLAG | lib.GSS_C_GLOBUS_SSL_COMPATIBLE
        given, _kept = _buffer(token) if token else (ffi.NULL, None)
        return lib.gss_init_sec_context(
            minor, self._credential.gss(), self._context, ffi.NULL, ffi.NULL, wanted, 0, ffi.NULL,
            given, ffi.NULL, out, flags, ffi.NULL,
        )  # fmt: skip

    def _accept(self, minor: Any, token: bytes, out: Any, flags: Any) -> int:
        # GSI takes wishes by the place where it tells what has come of them
        flags[0] = lib.GSS_C_MUTUAL_FLAG | lib.GSS_C_CONF_FLAG | lib.GSS_C_GLOBUS_SSL_COMPATIBLE
        given, _kept = _buffer(token)
        with _Name() as peer:
            return lib.gss_accept_sec_context(
                minor, self._context, self._credential.gss(), given, ffi.NULL, peer.pointer,
                ffi.NULL, out, flags, ffi.NULL, ffi.NULL,
            )  # fmt: skip

    def require(self, expected: Expected, *, accepts: bool) -> None:
        """Raise unless the other side is who it must be."""
        null = ffi.NULL
        with _Name() as peer, _Name() as wanted:
            source, target = (peer.pointer, null) if accepts else (null, peer.pointer)
            _call(lib.gss_inquire_context, self._context[0], source, target, *(null,) * 5)
            if expected.kind == "self":
                ours = self._credential.gss()
                _call(lib.gss_inquire_cred, ours, wanted.pointer, null, null, null)
            else:
                by_host = expected.kind == "host"
                kind = lib.GSS_C_NT_HOSTBASED_SERVICE if by_host else null
                text = f"host@{expected.name}" if by_host else expected.name
                buffer, _kept = _buffer(text.encode())
                _call(lib.gss_import_name, buffer, kind, wanted.pointer)
            equal = ffi.new("int *")
            _call(lib.gss_compare_name, peer.pointer[0], wanted.pointer[0], equal)
            if not equal[0]:
                who = "the client" if accepts else "the server"
                raise PeerRefused(f"{who} is {peer}, and should be {wanted}")

    def _record(self) -> bytes:
        """The next record of TLS, whole."""
        while not (end := self._end_of_records(most=1)):
            self._wait(select.POLLIN)
            data = self._receive()
            if data == b"":
                raise ConnectionBroken("the connection was closed in the handshake")
            self._raw += data or b""
        return self._cut(end)

    def _end_of_records(self, most: int = sys.maxsize) -> int:
        """Where the last whole record ends of what has come; of `most` records."""
        raw, end = self._raw, 0
        while most and len(raw) >= end + _RECORD_HEADER:
            length = int.from_bytes(raw[end + 3 : end + 5], "big")
            if raw[end] not in _RECORD_TYPES or raw[end + 1] != 3 or length > _LONGEST_RECORD:
                raise PeerRefused("what answers does not speak TLS")
            if len(raw) < end + _RECORD_HEADER + length:
                break
            end += _RECORD_HEADER + length
            most -= 1
        return end

    def _cut(self, end: int) -> bytes:
        records = bytes(memoryview(self._raw)[:end])
        del self._raw[:end]
        return records

    def _decoded(self, data: bytes) -> bytes:
        self._raw += data
        end = self._end_of_records()
        if not end:
            return b""
        buffer, _kept = _buffer(self._cut(end))
        with _Buffer() as out:
            _call(lib.gss_unwrap, self._context[0], buffer, out.pointer, ffi.NULL, ffi.NULL)
            return out.bytes()

    def _encoded(self, data: bytes) -> bytes:
        buffer, _kept = _buffer(data)
        quality = lib.GSS_C_QOP_DEFAULT
        with _Buffer() as out:
            _call(lib.gss_wrap, self._context[0], 1, quality, buffer, ffi.NULL, out.pointer)
            return out.bytes()


def connect(host: str, port: int, options: SocketOptions, stop: Stop) -> socket.socket:
    """A connection to the first address of a host that answers.

    Args:
        host: its name or address.
        port: the port there.
        options: how the socket is made.
        stop: ends the wait.

    Raises:
        ConnectionBroken: none answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConnectionBroken(f"{host}: {reason}", errno.EHOSTUNREACH) from error
    problem = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
    for family, kind, protocol, _, address in found:
        connection = socket.socket(family, kind, protocol)
        try:
            _prepare(connection, options)
            number = connection.connect_ex(address)
            if number == errno.EINPROGRESS:
                stop.wait((connection.fileno(), select.POLLOUT))
                number = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if number:
                raise OSError(number, os.strerror(number))
        except OSError as error:
            connection.close()
            problem = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise ConnectionBroken(problem.strerror or str(problem), problem.errno or 0) from problem


def secure(
    connection: socket.socket,
    stop: Stop,
    credential: HasGss,
    expected: Expected,
    *,
    accepts: bool = False,
    patience: float | None = None,
) -> Channel:
    """TLS on a connection, with somebody who is who he must be.

    Args:
        connection: the socket, which is the channel's from now on.
        stop: ends its waits.
        credential: ours.
        expected: who the other side must be.
        accepts: whether the other side begins: we are the server.
        patience: seconds that the other side may leave us waiting; None: as long as it takes.

    Raises:
        PeerRefused: he is not, or does not accept us.
        ConnectionBroken: the connection broke.
    """
    channel = _SecureChannel(connection, stop, credential, patience)
    try:
        channel.handshake(accepts=accepts)
        channel.require(expected, accepts=accepts)
    except BaseException:
        channel.close()
        raise
    return channel


def _prepare(connection: socket.socket, options: SocketOptions) -> None:
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if options.sndbuf:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, options.sndbuf)
    if options.rcvbuf:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, options.rcvbuf)
    if options.nodelay:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _bind_in_range(connection)


def _bind_in_range(connection: socket.socket) -> None:
    """Take a port that a firewall lets out, as Globus does (GLOBUS_TCP_SOURCE_RANGE)."""
    ports = port_range("GLOBUS_TCP_SOURCE_RANGE")
    if ports is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for port in ports:
        try:
            connection.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return
    raise OSError(
        errno.EADDRINUSE,
        f"no port of GLOBUS_TCP_SOURCE_RANGE={os.environ['GLOBUS_TCP_SOURCE_RANGE']} is free",
    )


# --- GSS-API's buffers, names and errors ---------------------------------------------------------


def _buffer(data: bytes) -> tuple[Any, Any]:
    """A `gss_buffer_t` of these bytes, and what it points at."""
    kept = ffi.from_buffer(data)
    pointer = ffi.new("gss_buffer_desc *", {"length": len(data), "value": kept})
    return pointer, kept


class _Buffer:
    """A `gss_buffer_t` that the library fills."""

    def __init__(self) -> None:
        self.pointer = ffi.new("gss_buffer_desc *")

    def bytes(self) -> bytes:
        """What is in it."""
        if self.pointer.value == ffi.NULL:
            return b""
        return bytes(ffi.buffer(self.pointer.value, self.pointer.length))

    def __enter__(self) -> _Buffer:
        return self

    def __exit__(self, *_: object) -> None:
        lib.gss_release_buffer(ffi.new("OM_uint32 *"), self.pointer)


class _Name:
    """A `gss_name_t` that the library makes; `str()` is the distinguished name."""

    def __init__(self) -> None:
        self.pointer = ffi.new("gss_name_t *")

    def __str__(self) -> str:
        with _Buffer() as out:
            lib.gss_display_name(ffi.new("OM_uint32 *"), self.pointer[0], out.pointer, ffi.NULL)
            return out.bytes().decode(errors="replace") or "anonymous"

    def __enter__(self) -> _Name:
        return self

    def __exit__(self, *_: object) -> None:
        lib.gss_release_name(ffi.new("OM_uint32 *"), self.pointer)


def _call(function: Callable[..., int], *arguments: Any) -> None:
    """Call a function of GSS-API, whose first argument is a place for the minor status."""
    minor = ffi.new("OM_uint32 *")
    major = function(minor, *arguments)
    if major >> 16:
        raise _refusal(minor, major)


def _refusal(minor: Any, major: int) -> PeerRefused:
    """The exception for a failure of GSI's, whose error object is freed."""
    causes = take_error(lib.globus_error_get(minor[0])) if minor[0] else ()
    return PeerRefused(f"GSS-API error {major:#x}", causes)
