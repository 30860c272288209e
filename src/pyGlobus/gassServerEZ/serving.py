"""How a GASS server serves: a thread that listens, and one for each connection."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .._core.channel import Channel, ConnectionBroken, Expected, HasGss, PeerRefused, secure
from .._core.errors import OperationCancelledError
from .._core.http import AGENT, Head, body, read_head
from .._core.runtime import log
from .._core.work import Stop, write_all
from .._core.workers import run_in_background
from .files import Denied, Files, opened_for_reading, opened_for_writing, path_of, read_all
from .options import Options

__all__ = ["Server", "Stream"]

_PATIENCE = 60.0
"""Seconds that a client may leave us waiting, when we know who it is; before that:"""
_STRANGERS_PATIENCE = 20.0
_MOST_CONNECTIONS = 100
"""At a time: more are hung up on."""
_LONGEST_LINE = 1 << 16
"""Bytes of output that are kept until their line ends."""
_DRAIN_SECONDS = 2.0
"""So long what a client still sends is taken after it was denied, for it to hear why."""
_FIRST = re.compile(rb"(GET|PUT|POST) (\S+) HTTP/1\.(\d)")
_APPEND = b"/globus-bins/GASSappend?"
_SHUTDOWN = "/dev/globus_gass_client_shutdown"
_STREAMS = {"/dev/stdout": Options.STDOUT_ENABLE, "/dev/stderr": Options.STDERR_ENABLE}


class Stream:
    """A descriptor that takes what clients write to ``/dev/stdout`` or ``/dev/stderr``."""

    def __init__(self, descriptor: int) -> None:
        """Of its own, which it closes: the caller may close his at any time."""
        self._descriptor = os.dup(descriptor)
        self._lock = threading.Lock()

    def write(self, data: bytes, stop: Stop) -> None:
        """Pass on what a client has sent, in one piece."""
        with self._lock:
            try:
                write_all(self._descriptor, data, stop, lambda _: None)
            except BrokenPipeError:
                pass  # nobody listens any more: take it all the same, so that the job can end

    def close(self) -> None:
        """No more will come."""
        os.close(self._descriptor)


@dataclass(slots=True)
class _Connection:
    """A client, for as long as it is there."""

    stop: Stop
    busy: bool = False
    """Whether it has asked for something."""


class Server:
    """What listens and serves; shared by `GassServerEZ` and its finalizer."""

    def __init__(
        self,
        listener: socket.socket,
        files: Files,
        streams: dict[Options, Stream],
        credential: HasGss | None,
        shutdown_asked: Callable[[], object] | None,
    ) -> None:
        """Begin to serve.

        Args:
            listener: where clients connect; it does not block.
            files: what they may read and write.
            streams: where output goes.
            credential: ours, for https; None for http.
            shutdown_asked: called when a client asks us to shut down.
        """
        self._listener = listener
        self._files = files
        self._streams = streams
        self._credential = credential
        self._shutdown_asked = shutdown_asked
        self._stop = Stop("a GASS server")
        self._stop.open()
        self._changed = threading.Condition()
        self._connections: list[_Connection] = []
        self._listening = True
        run_in_background(self._listen)

    def close(self, *, wait: bool) -> None:
        """Serve no more.

        Args:
            wait: whether requests under way come to their end, and are waited for.
        """
        self._stop.ask()
        with self._changed:
            for one in self._connections:
                if not wait or not one.busy:
                    one.stop.ask()
            while wait and (self._connections or self._listening):
                self._changed.wait()

    # --- connections -----------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            while True:
                self._stop.wait((self._listener.fileno(), select.POLLIN))
                with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                    self._begin(self._accepted())
        except OperationCancelledError:
            pass
        except Exception:
            log.exception("a GASS server cannot listen any more")
        self._listener.close()
        with self._changed:
            self._listening = False
            self._end_if_last()

    def _accepted(self) -> socket.socket:
        while True:
            try:
                return self._listener.accept()[0]
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                # others may give some back
                time.sleep(0.1)

    def _begin(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        client = _Connection(Stop("a request to a GASS server"))
        with self._changed:
            if len(self._connections) >= _MOST_CONNECTIONS or self._stop.asked:
                connection.close()
                return
            client.stop.open()
            self._connections.append(client)
        run_in_background(lambda: self._serve(client, connection))

    def _serve(self, client: _Connection, connection: socket.socket) -> None:
        channel = Channel(connection, client.stop, _STRANGERS_PATIENCE)
        try:
            if self._credential is not None:
                channel = secure(
                    connection, client.stop, self._credential, Expected(), accepts=True,
                    patience=_STRANGERS_PATIENCE,
                )  # fmt: skip
            channel.patience = _PATIENCE
            head = read_head(channel, Head.parse)
            client.busy = True
            _Request(channel, head, client.stop, self).answer()
        except (ConnectionBroken, PeerRefused, OperationCancelledError) as error:
            log.debug("GASS server: %s", error)
        except Exception:
            log.exception("a GASS server cannot answer")
        finally:
            channel.close()
            client.stop.close()
            with self._changed:
                self._connections.remove(client)
                self._end_if_last()

    def _end_if_last(self) -> None:
        """The last thread takes the streams with it; `_changed` is held."""
        if not self._listening and not self._connections:
            self._stop.close()
            for stream in self._streams.values():
                stream.close()
            self._streams.clear()
        self._changed.notify_all()

    # --- what clients get ------------------------------------------------------------------------

    @property
    def files(self) -> Files:
        """What they may read and write."""
        return self._files

    def stream(self, path: str) -> Stream | None:
        """Where output goes that is written to a path; None: it is no output."""
        option = _STREAMS.get(path)
        if option is None:
            return None
        if option not in self._streams:
            raise Denied(403, "Not Served Here")
        return self._streams[option]

    def ask_for_shutdown(self) -> None:
        """A client would have us shut down."""
        if self._shutdown_asked is not None:
            self._shutdown_asked()


class _Request:
    """One request, and the answer to it."""

    def __init__(self, channel: Channel, head: Head, stop: Stop, server: Server) -> None:
        self._channel = channel
        self._head = head
        self._stop = stop
        self._server = server

    def answer(self) -> None:
        """Do what is asked, and say so."""
        try:
            first = _FIRST.fullmatch(self._head.first)
            if first is None:
                raise Denied(400, "Bad Request")
            verb, target, version = first.groups()
            if verb == b"GET":
                self._give(path_of(target), chunked=version != b"0")
                return
            append = verb == b"POST"
            if append and not target.startswith(_APPEND):
                raise Denied(400, "Bad Request")
            self._take(path_of(target.removeprefix(_APPEND)), append=append)
        except Denied as denied:
            self._say(denied.status, str(denied))
            self._drain()

    def _give(self, path: str, *, chunked: bool) -> None:
        descriptor = opened_for_reading(self._server.files.to_read(path))
        try:
            blocks = read_all(descriptor)
            try:
                first = next(blocks, b"")  # what cannot be read at all is denied
            except OSError as error:
                raise Denied.by(error) from error
            # A GASS client takes a body that ends before its announced length for a whole one, but
            # not chunks that break off (GCT): no length is announced.
            lines = ["Transfer-Encoding: chunked"] if chunked else []
            self._send(_head(200, "Ok", [*lines, "Content-Type: application/octet-stream"]))
            block = first
            while block:
                self._send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
                self._channel.received.clear()  # it has nothing to say
                try:
                    block = next(blocks, b"")
                except OSError as error:
                    raise ConnectionBroken(f"{path}: {error.strerror}") from error
            if chunked:
                self._send(b"0\r\n\r\n")
        finally:
            os.close(descriptor)

    def _take(self, path: str, *, append: bool) -> None:
        if path == _SHUTDOWN:
            self._server.ask_for_shutdown()
            raise Denied(403, "Not Served Here")
        stream = self._server.stream(path)
        if stream is not None:
            for piece in self._output():
                stream.write(piece, self._stop)
        else:
            file = self._server.files.to_write(path)
            descriptor = opened_for_writing(file, append=append)
            try:
                for piece in self._body():
                    write_all(descriptor, piece, self._stop, lambda _: None)
            except OSError as error:
                raise Denied.by(error) from error
            finally:
                os.close(descriptor)
        self._say(200, "Ok")

    def _output(self) -> Iterator[bytes]:
        """What is to be written in one piece: as it comes, or by whole lines."""
        if Options.LINE_BUFFER not in self._server.files.options:
            yield from self._body()
            return
        rest = b""
        for piece in self._body():
            lines, end, rest = (rest + piece).rpartition(b"\n")
            if end:
                yield lines + end
            if len(rest) > _LONGEST_LINE:
                yield rest
                rest = b""
        if rest:
            yield rest

    def _body(self) -> Iterator[bytes]:
        if "100-continue" in self._head.headers.get("expect", "").lower():
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return body(self._channel, self._head, to_the_end=False)

    def _say(self, status: int, reason: str) -> None:
        self._send(_head(status, reason, ["Content-Length: 0"]))

    def _send(self, data: bytes) -> None:
        self._channel.put(data)
        while not self._channel.flush():
            pass  # what it sends meanwhile waits

    def _drain(self) -> None:
        """Take what the client is still sending: a reset would take away what we have said."""
        self._channel.end_sending()
        deadline = time.monotonic() + _DRAIN_SECONDS
        with contextlib.suppress(ConnectionBroken, PeerRefused, TimeoutError):
            while not self._channel.ended and (left := deadline - time.monotonic()) > 0:
                self._stop.wait((self._channel.fileno(), select.POLLIN), timeout=left)
                self._channel.take()
                self._channel.received.clear()


def _head(status: int, reason: str, lines: list[str]) -> bytes:
    first = [f"HTTP/1.1 {status} {reason}", "Connection: close", f"Server: {AGENT}"]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1", "replace")
