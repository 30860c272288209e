"""A TCP proxy that does to a control connection what bad networks and bad servers do.

::

    with FaultProxy(server.port, to_client=after(300, cut)) as proxy:
        FtpClient().size(f"ftp://localhost:{proxy.port}/file")

A *tamper* is made anew for each connection, and told what comes from one side; what it yields goes
on to the other.  `CUT` ends the connection, `HANG` has nothing go on any more.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self


class _Sign(bytes):
    pass


CUT = _Sign()
"""Both sides lose the connection, with a reset if anything is under way."""
HANG = _Sign()
"""The connection stays open, and silent."""

Tamper = Callable[[bytes], Iterable[bytes]]
MakeTamper = Callable[[], Tamper]


def faithful() -> Tamper:
    """Everything goes on as it is."""
    return lambda data: [data]


def after(count: int, sign: bytes) -> MakeTamper:
    """So many bytes go on, then `sign`: `CUT`, `HANG`, or bytes that were never sent."""

    def make() -> Tamper:
        left = count

        def tamper(data: bytes) -> Iterator[bytes]:
            nonlocal left
            if left >= 0:
                if data[:left]:
                    yield data[:left]
                left -= len(data)
                if left < 0:
                    yield sign
                    if not isinstance(sign, _Sign):
                        yield HANG

        return tamper

    return make


def slowly(seconds: float) -> MakeTamper:
    """Everything goes on, late."""

    def make() -> Tamper:
        def tamper(data: bytes) -> Iterator[bytes]:
            time.sleep(seconds)
            yield data

        return tamper

    return make


def in_pieces() -> Tamper:
    """Byte by byte."""
    return lambda data: [data[i : i + 1] for i in range(len(data))]


def flood(count: int, junk: bytes = b"x" * 65536) -> MakeTamper:
    """After so many bytes, junk without an end (64 MiB)."""

    def make() -> Tamper:
        begin = after(count, b"")()

        def tamper(data: bytes) -> Iterator[bytes]:
            for part in begin(data):
                if part is HANG:
                    for _ in range(1024):
                        yield junk
                yield part

        return tamper

    return make


def corrupt(position: int) -> MakeTamper:
    """One byte comes as another."""

    def make() -> Tamper:
        seen = 0

        def tamper(data: bytes) -> Iterator[bytes]:
            nonlocal seen
            at = position - seen
            seen += len(data)
            if 0 <= at < len(data):
                data = data[:at] + bytes([data[at] ^ 0x15]) + data[at + 1 :]
            yield data

        return tamper

    return make


def lines(rewrite: Callable[[bytes], bytes | Iterable[bytes]]) -> MakeTamper:
    """Each line, without its end, as `rewrite` has it: one line, several, or a sign."""

    def make() -> Tamper:
        rest = b""

        def tamper(data: bytes) -> Iterator[bytes]:
            nonlocal rest
            *whole, rest = (rest + data).split(b"\r\n")
            for line in whole:
                written = rewrite(line)
                for one in [written] if isinstance(written, bytes) else written:
                    yield one if isinstance(one, _Sign) else one + b"\r\n"

        return tamper

    return make


def reply(begin: bytes, instead: bytes) -> MakeTamper:
    """Replies that begin so are replaced."""
    return lines(lambda line: instead if line.startswith(begin) else line)


def swap(begin: bytes) -> MakeTamper:
    """A reply that begins so comes after the one that follows it."""

    def make() -> Tamper:
        held: list[bytes] = []

        def rewrite(line: bytes) -> Iterable[bytes]:
            if line.startswith(begin) and not held:
                held.append(line)
                return []
            if held:
                return [line, held.pop()]
            return [line]

        return lines(rewrite)()

    return make


class FaultProxy:
    """Listens on 127.0.0.1, and connects to a server there for each client.

    Args:
        target: the server's port.
        to_client: makes what tampers with what the server says.
        to_server: makes what tampers with what the client says.
    """

    def __init__(
        self, target: int, *, to_client: MakeTamper = faithful, to_server: MakeTamper = faithful
    ) -> None:
        self.to_client = to_client
        self.to_server = to_server
        self.connections = 0
        self._target = target
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end(self._listener, *self._open)
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def cut(self) -> None:
        """Cut every connection that there is now."""
        self._end(*self._open)

    def _run(self, function: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                try:
                    server = socket.create_connection(("127.0.0.1", self._target))
                except OSError:
                    client.close()
                    continue
                self._open |= {client, server}
                self._run(self._copy, server, client, self.to_client())
                self._run(self._copy, client, server, self.to_server())

    def _copy(self, source: socket.socket, sink: socket.socket, tamper: Tamper) -> None:
        silent = False
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if silent:
                    continue
                for part in tamper(data):
                    if part is CUT:
                        self._end(source, sink)
                        return
                    if part is HANG:
                        silent = True
                        break
                    sink.sendall(part)
        if not silent:
            self._end(source, sink)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
