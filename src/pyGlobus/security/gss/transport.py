"""Contexts over sockets and asyncio streams, with the framing of ``globus_gss_assist``.

A token that is a TLS record goes as it is; anything else after its length in four octets, the
highest first (globus_gss_assist_token_send_fd).  The other side may be a C program that uses
globus_gss_assist_init_sec_context, ..._wrap_send and so on.

Messages are a stream: one that is longer than 16 KiB comes in pieces, in C as here.

>>> import socket, threading
>>> here, there = socket.socketpair()
>>> def serve():
...     with GSSSocket.accept(there, timeout=20) as peer:
...         peer.send(peer.receive().upper())
>>> server = threading.Thread(target=serve)
>>> server.start()
>>> with GSSSocket.initiate(here, timeout=20) as peer:
...     peer.send(b"hello")
...     peer.receive()
b'HELLO'
>>> server.join()
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..._core.errors import GlobusTimeoutError
from .contexts import SecurityContext
from .creds import Credentials
from .delegation import Delegation
from .exceptions import GSSError, InvalidTokenError, MissingContextError
from .records import HEADER, LARGEST_TOKEN, SIGNED, is_alert, is_record, record_size

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["GSSSocket", "GSSStream", "PeerClosedError", "TokenReader", "frame_token"]

_BLOCK = 1 << 18
_CHUNK = 1 << 18
"""Octets of a message that are wrapped at a time, so that the peer gets to work."""
_FLIGHTS = 64
"""Tokens after which a peer that always has one more is given up."""


class PeerClosedError(GSSError, ConnectionError):
    """The connection ended where something was expected."""


def frame_token(token: bytes, *, length: bool = False) -> bytes:
    """A token as it goes over the wire (globus_gss_assist_token_send_fd).

    Args:
        token: from `SecurityContext.step` and the like.
        length: put its length before it in any case.  The reader understands that too, and gets
            a token of several records in one piece.
    """
    if len(token) > LARGEST_TOKEN:
        raise ValueError(f"a token of {len(token)} octets; globus_gss_assist takes 16 MiB")
    if not length and len(token) > HEADER and is_record(token):
        return token
    return len(token).to_bytes(4, "big") + token


class TokenReader:
    """Takes octets as they come, and gives whole tokens (globus_gss_assist_token_get_fd)."""

    def __init__(self, largest: int = LARGEST_TOKEN) -> None:
        """`largest`: octets of a token; a longer one is refused before it is read."""
        self._data = bytearray()
        self._largest = largest

    def feed(self, data: ReadableBuffer) -> None:
        """Take octets."""
        self._data += data

    @property
    def waiting(self) -> int:
        """Octets of the next token that have come already."""
        return len(self._data)

    def next(self) -> bytes | None:
        """The next token, or None: more octets are needed.

        Raises:
            InvalidTokenError: this is no token, or one that is too long.
        """
        data = self._data
        if len(data) < 4:
            return None
        if not is_record(bytes(data[:2])):
            return self._cut(4, int.from_bytes(data[:4], "big"))
        if len(data) < HEADER:
            return None
        size = HEADER + record_size(data[:HEADER])
        if data[0] == SIGNED:
            if len(data) < HEADER + 12:
                return None
            size += int.from_bytes(data[HEADER + 8 : HEADER + 12], "big")
        return self._cut(0, size)

    def _cut(self, head: int, size: int) -> bytes | None:
        if not 0 < size <= self._largest:
            raise InvalidTokenError(f"a token of {size} octets")
        if len(self._data) < head + size:
            return None
        token = bytes(self._data[head : head + size])
        del self._data[: head + size]
        return token


class _Conversation:
    """What is sent and awaited, whatever carries it: generators that yield what to send, or None
    to get a token."""

    def __init__(self, context: SecurityContext) -> None:
        self.context = context
        self._ended = False

    def handshake(self) -> Iterator[Any]:
        context = self.context
        token = context.step() if context.locally_initiated else None
        for _ in range(_FLIGHTS):
            if token:
                yield token, False
            if context.complete:
                return
            token = context.step((yield None))
        raise InvalidTokenError("the peer goes on and on")

    def delegation(self, side: Delegation, gives: bool) -> Iterator[Any]:
        token = side.step() if gives else None
        for _ in range(_FLIGHTS):
            if token:
                # in one piece: C takes a proxy and its chain from one token
                yield token, True
            if side.complete:
                return
            token = side.step((yield None))
        raise InvalidTokenError("the peer goes on and on")

    def message(self, token: bytes) -> bytes | None:
        """The message in a token; b"" at the end, None when there is none in it."""
        message = self.context.unwrap(token).message
        if message:
            return message
        if is_alert(token):
            self._ended = True
            return b""
        return None


class GSSSocket:
    """A context over a connected socket.

    Used by one thread at a time, but that one may send while another receives.
    """

    def __init__(
        self, sock: socket.socket, context: SecurityContext, *, timeout: float | None = 60.0
    ) -> None:
        """Takes the socket over; `handshake` comes next, if the context is not complete.

        Args:
            sock: connected.
            context: of which this is the carrier.
            timeout: seconds that each call may take in all; None: for ever.
        """
        self._sock = sock
        self._talk = _Conversation(context)
        self._reader = TokenReader()
        self.timeout = timeout
        self._broken: str | None = None

    @classmethod
    def initiate(
        cls, sock: socket.socket, *, timeout: float | None = 60.0, **arguments: Any
    ) -> Self:
        """Establish a context as its initiator.

        Args:
            sock: connected; it is closed when that fails.
            timeout: seconds, as above.
            arguments: those of `SecurityContext`: name, creds, flags.

        Raises:
            GSSError, GlobusTimeoutError, OSError.
        """
        return cls._establish(sock, timeout, usage="initiate", **arguments)

    @classmethod
    def accept(cls, sock: socket.socket, *, timeout: float | None = 60.0, **arguments: Any) -> Self:
        """Establish a context as its acceptor.  As `initiate`."""
        return cls._establish(sock, timeout, usage="accept", **arguments)

    @classmethod
    def _establish(cls, sock: socket.socket, timeout: float | None, **arguments: Any) -> Self:
        try:
            made = cls(sock, SecurityContext(**arguments), timeout=timeout)
            made.handshake()
        except BaseException:
            sock.close()
            raise
        return made

    @property
    def context(self) -> SecurityContext:
        """The context."""
        return self._talk.context

    def handshake(self) -> None:
        """Establish the context.

        Raises:
            GSSError: as `SecurityContext.step`; the peer has been told.
            PeerClosedError: the peer has closed the connection.
            GlobusTimeoutError: it took too long.
        """
        self._run(self._talk.handshake())

    def init_delegation(self, **arguments: Any) -> None:
        """Give the peer a proxy; arguments as for `SecurityContext.init_delegation`."""
        self._run(self._talk.delegation(self.context.init_delegation(**arguments), True))

    def accept_delegation(self) -> Credentials:
        """Take the proxy that the peer gives."""
        side = self.context.accept_delegation()
        self._run(self._talk.delegation(side, False))
        assert side.creds is not None
        return side.creds

    def send(self, message: ReadableBuffer) -> None:
        """Wrap a message and send it (globus_gss_assist_wrap_send)."""
        self._require_whole()
        ends = self._ends()
        view = memoryview(message).cast("B")
        for offset in range(0, len(view), _CHUNK):
            self._send(self.context.encrypt(view[offset : offset + _CHUNK]), False, ends)

    def receive(self) -> bytes:
        """The next message, or piece of one (globus_gss_assist_get_unwrap); b"" at the end.

        Raises:
            PeerClosedError: the connection ended, and the peer did not say so in the context.
            InvalidTokenError, GlobusTimeoutError.  After a timeout one may go on.
        """
        self._require_whole()
        if self._talk._ended:
            return b""
        ends = self._ends()
        while True:
            message = self._talk.message(self._token(ends))
            if message is not None:
                return message

    def close(self) -> None:
        """Tell the peer, if that can be done at once, and close the socket."""
        try:
            if self._broken is None and self.context.complete:
                token = self.context.close()
                if token:
                    self._sock.settimeout(1.0)
                    self._sock.sendall(frame_token(token))
        except OSError:
            pass  # the peer is gone
        finally:
            self.context.close()
            self._sock.close()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._sock.fileno()

    def _ends(self) -> float | None:
        return None if self.timeout is None else time.monotonic() + self.timeout

    def _require_whole(self) -> None:
        if self._broken is not None:
            raise MissingContextError(f"the connection is of no use: {self._broken}")

    def _run(self, talk: Iterator[Any]) -> None:
        self._require_whole()
        ends = self._ends()
        generator: Any = talk
        try:
            wanted = next(generator)
            while True:
                if wanted is None:
                    wanted = generator.send(self._token(ends))
                else:
                    token, length = wanted
                    self._send(token, length, ends)
                    wanted = next(generator)
        except StopIteration:
            return
        except GSSError as error:
            self._tell(error)
            raise
        except OSError:
            self._broken = "it was interrupted"
            raise

    def _tell(self, error: GSSError) -> None:
        self._broken = str(error)
        if error.token:
            try:
                self._sock.settimeout(1.0)
                self._sock.sendall(frame_token(error.token))
            except OSError:
                pass  # the peer is gone

    def _left(self, ends: float | None, doing: str) -> float | None:
        if ends is None:
            return None
        left = ends - time.monotonic()
        if left <= 0:
            self._late(doing)
        return left

    def _late(self, doing: str) -> NoReturn:
        raise GlobusTimeoutError(f"the peer has not {doing} within {self.timeout} s")

    def _send(self, token: bytes, length: bool, ends: float | None) -> None:
        try:
            self._sock.settimeout(self._left(ends, "taken a message"))
            self._sock.sendall(frame_token(token, length=length))
        except TimeoutError:
            # part of the token may be out
            self._broken = "a message was sent in part"
            self._late("taken a message")
        except OSError:
            self._broken = "the connection broke"
            raise

    def _token(self, ends: float | None) -> bytes:
        while (token := self._reader.next()) is None:
            self._sock.settimeout(self._left(ends, "answered"))
            try:
                data = self._sock.recv(_BLOCK)
            except TimeoutError:
                self._late("answered")
            if not data:
                _ended(self._reader)
            self._reader.feed(data)
        return token

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<GSSSocket {self.context!r}>"


def _ended(reader: TokenReader) -> NoReturn:
    if reader.waiting:
        raise PeerClosedError(f"the connection ended within a token, after {reader.waiting} octets")
    raise PeerClosedError("the peer has closed the connection")


class GSSStream:
    """A context over an asyncio stream: `GSSSocket`, to be awaited.

    What takes long, keys and their signatures, runs on a thread of the loop's executor.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        context: SecurityContext,
        *,
        timeout: float | None = 60.0,
    ) -> None:
        """As `GSSSocket`; `handshake` comes next."""
        self._source, self._writer = reader, writer
        self._talk = _Conversation(context)
        self._reader = TokenReader()
        self.timeout = timeout
        self._broken: str | None = None

    @property
    def context(self) -> SecurityContext:
        """The context."""
        return self._talk.context

    async def handshake(self) -> None:
        """As `GSSSocket.handshake`."""
        await self._run(self._talk.handshake())

    async def init_delegation(self, **arguments: Any) -> None:
        """As `GSSSocket.init_delegation`."""
        await self._run(self._talk.delegation(self.context.init_delegation(**arguments), True))

    async def accept_delegation(self) -> Credentials:
        """As `GSSSocket.accept_delegation`."""
        side = self.context.accept_delegation()
        await self._run(self._talk.delegation(side, False))
        assert side.creds is not None
        return side.creds

    async def send(self, message: ReadableBuffer) -> None:
        """As `GSSSocket.send`."""
        self._require_whole()
        view = memoryview(message).cast("B")
        async with self._limit("taken a message"):
            for offset in range(0, len(view), _CHUNK):
                self._writer.write(self.context.encrypt(view[offset : offset + _CHUNK]))
                await self._writer.drain()

    async def receive(self) -> bytes:
        """As `GSSSocket.receive`."""
        self._require_whole()
        if self._talk._ended:
            return b""
        async with self._limit("answered"):
            while True:
                message = self._talk.message(await self._token())
                if message is not None:
                    return message

    async def close(self) -> None:
        """As `GSSSocket.close`."""
        try:
            if self._broken is None and self.context.complete:
                token = self.context.close()
                if token:
                    self._writer.write(frame_token(token))
            self._writer.close()
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            self._writer.transport.abort()
        finally:
            self.context.close()

    def _require_whole(self) -> None:
        if self._broken is not None:
            raise MissingContextError(f"the connection is of no use: {self._broken}")

    def _limit(self, doing: str) -> _Limit:
        return _Limit(self.timeout, doing)

    async def _run(self, talk: Iterator[Any]) -> None:
        self._require_whole()
        generator: Any = talk
        answer: bytes | None = None
        try:
            async with self._limit("answered"):
                while True:
                    wanted = await asyncio.to_thread(_advance, generator, answer)
                    answer = None
                    if wanted is _DONE:
                        return
                    if wanted is None:
                        answer = await self._token()
                    else:
                        self._writer.write(frame_token(wanted[0], length=wanted[1]))
                        await self._writer.drain()
        except GSSError as error:
            self._broken = str(error)
            if error.token:
                self._writer.write(frame_token(error.token))
            raise
        except BaseException:
            self._broken = "it was interrupted"
            raise

    async def _token(self) -> bytes:
        while (token := self._reader.next()) is None:
            data = await self._source.read(_BLOCK)
            if not data:
                _ended(self._reader)
            self._reader.feed(data)
        return token

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<GSSStream {self.context!r}>"


_DONE = object()


def _advance(generator: Any, answer: bytes | None) -> Any:
    try:
        return next(generator) if answer is None else generator.send(answer)
    except StopIteration:
        return _DONE


class _Limit:
    """asyncio.timeout, and our own error."""

    def __init__(self, seconds: float | None, doing: str) -> None:
        self._seconds, self._doing = seconds, doing
        self._timeout = asyncio.timeout(seconds)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, *details: Any) -> None:
        try:
            await self._timeout.__aexit__(*details)
        except TimeoutError as late:
            if isinstance(late, GlobusTimeoutError):
                raise
            raise GlobusTimeoutError(
                f"the peer has not {self._doing} within {self._seconds} s"
            ) from late
