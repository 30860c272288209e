"""What a job prints, received here as it comes."""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cogkit.jobs._live import Channel
from cogkit.jobs._staging import Staging
from pyGlobus.gassServerEZ import STDERR_ENABLE, STDOUT_ENABLE, GassServerEZ

__all__ = ["Output", "Sink", "to_descriptor"]

_JOIN_TIMEOUT = 10.0
_LONGEST_CODE = 8


Sink = Callable[[bytes], object]
"""Takes what a job prints, as it comes; on a thread of its own."""


def to_descriptor(number: int) -> Sink:
    """A sink that writes to a descriptor."""

    def write(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(number, data) :]
            except BrokenPipeError:
                return  # nobody listens any more; go on taking, so that the job can end

    return write


class Output:
    """A GASS server, and what comes by it, on its way to sinks."""

    def __init__(self, stdout: Sink, stderr: Sink, files: Staging | None = None) -> None:
        """To two sinks.

        Args:
            stdout: Gets the job's standard output.
            stderr: Gets its standard error.
            files: What else the job may fetch and leave here; None: nothing.
        """
        self.exit_code: int | None = None
        """The job's own, when it told it."""
        self.failed: Exception | None = None
        """Why a sink took no more."""
        self._sinks = (stdout, stderr)
        self._readable = {} if files is None else files.readable
        self._writable = {} if files is None else files.writable
        self._mark = secrets.token_hex(16)
        self._held = b""
        self._writers: list[int] = []
        self._threads: list[threading.Thread] = []
        self._server: GassServerEZ | None = None

    @property
    def channel(self) -> Channel:
        """For the job."""
        assert self._server is not None
        return Channel(self._server.url, self._mark)

    def __enter__(self) -> Self:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()  # what was printed before the job comes before its output
        try:
            for number in (0, 1):
                reader, writer = os.pipe()
                self._writers.append(writer)
                thread = threading.Thread(target=self._receive, args=(reader, number), daemon=True)
                thread.start()
                self._threads.append(thread)
            self._server = GassServerEZ(
                STDOUT_ENABLE | STDERR_ENABLE,
                stdout=self._writers[0],
                stderr=self._writers[1],
                readable=self._readable,
                writable=self._writable,
            )
        except BaseException:
            self._end(_JOIN_TIMEOUT)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever reads in his own time gets all of it; Ctrl-C ends that wait, too.
        self._end(None if error is None else _JOIN_TIMEOUT)

    def _end(self, patience: float | None) -> None:
        """Pass on what has come; after an error, for so many seconds at each step."""
        # closing waits for a request under way, which waits for its sink
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        for thread in (closer, *self._threads):
            thread.join(patience)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            os.close(writer)

    def _receive(self, reader: int, number: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 16):
                self._pass_on(data if number == 0 else self._without_mark(data), number)
            if number == 1:
                self._pass_on(self._held, number)

    def _without_mark(self, data: bytes) -> bytes:
        """Standard error up to the mark; what may be the beginning of the mark is held back."""
        data = self._held + data
        mark = self._mark.encode()
        before, found, after = data.partition(mark)
        if found:
            # what the job has left running may print behind it
            code, end, rest = after.partition(b"\n")
            if not end and len(code) <= _LONGEST_CODE:
                self._held = found + after
                return before
            self._held = b""
            if not code.strip().isdigit():
                return data  # the job has seen its own command line
            self.exit_code = int(code)
            return before + rest
        held = next((n for n in range(len(mark) - 1, 0, -1) if data.endswith(mark[:n])), 0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def _pass_on(self, data: bytes, number: int) -> None:
        if data and self.failed is None:
            try:
                self._sinks[number](data)
            except Exception as error:
                # a disk that is full, a callback that raises: the job can end all the same
                self.failed = error
