"""A copy that the library cannot be trusted with, as one operation of a `GassCopy`.

One end of an http request is a descriptor (`Request`).  Where the other side of the copy is no
file, there is a pipe in between, and a second copy or request at its other end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time

from .._core.errors import GlobusException, OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import runtime
from .constants import Status, UrlMode
from .errors import DESTINATION, SOURCE
from .local import LocalCopy
from .request import Request
from .running import Copy
from .session import CHandle, Session
from .sides import Side

__all__ = ["Bridge"]

_PIPE_SIZE = 1 << 20
_REPORT_PERIOD = 2.0


class Bridge:
    """One request, or two halves with a pipe in between, and the operation that stands for it."""

    rarely = False
    reports = True
    stall_timeout: float | None = None

    def __init__(
        self, session: Session, source: Side, destination: Side, second: CHandle | None
    ) -> None:
        self.session = session
        what = f"copy {source} to {destination}"
        self._read = self._write = -1
        self._error: BaseException | None = None
        settings = session.settings
        if {source.mode, destination.mode} == {UrlMode.IO}:
            self.halves: list[Copy | Request | LocalCopy] = [
                LocalCopy(source, destination, settings, what=what)
            ]
        elif UrlMode.IO in (source.mode, destination.mode):
            verify = (settings.algorithm, settings.checksum) if settings.verifies else None
            self.halves = [Request(source, destination, what=what, verify=verify)]
        else:
            entry, exit_ = self._pipe()
            self.halves = [
                _half(session, source, entry, None, what),
                _half(session, exit_, destination, second, what),
            ]
        counted = next((half for half in self.halves if isinstance(half, Copy)), self.halves[-1])
        self.operation: Operation[None] = Operation(
            what, self._convert, abort=self._abort,
            released=self._released, abandoned=self._released,
            keep=self, progress=counted.bytes_done,
        )  # fmt: skip

    def _pipe(self) -> tuple[Side, Side]:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        with contextlib.suppress(OSError):  # above the limit for users
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
        return Side(DESTINATION, "", handle=self._write), Side(SOURCE, "", handle=self._read)

    def begin(self) -> None:
        """Begin every half."""
        copies = [half for half in self.halves if isinstance(half, Copy)]
        if not copies:
            self.session.occupy(self.operation)
            _Reports(self.session, self.operation)
        begun: list[Copy | Request | LocalCopy] = []
        try:
            # a copy can be refused: the handle may be busy
            for half in sorted(self.halves, key=lambda half: isinstance(half, Request)):
                half.begin()
                begun.append(half)
        except BaseException:
            for half in begun:
                half.operation.cancel()
            for half in self.halves:
                if half not in begun:
                    half.release_sides()
            self._close()
            if not copies:
                self.session.vacate(Status.DONE_FAILURE)
            raise
        for half in self.halves:
            half.operation.add_done_callback(self._ended)

    def _ended(self, ended: Operation[None]) -> None:
        """A half has ended (on the callback thread)."""
        error = ended.exception(0)
        last = ended is self.halves[-1].operation
        if error is not None:
            # the pipe stays open: what has come through must not look like a whole file, nor must
            # the library meet a broken pipe while it is being cancelled
            self._error = self._error or error
            for half in self.halves:
                half.operation.cancel()
        elif not last:
            self._close_write()  # the second half comes to the end of the pipe
        if all(half.operation.done() for half in self.halves):
            self._close()
            self.operation.complete(None)

    def _convert(self, _: object) -> None:
        if self._error is not None:
            raise self._error

    def _released(self) -> None:
        if not any(isinstance(half, Copy) for half in self.halves):
            failed = Status.DONE_FAILURE
            if isinstance(self._error, OperationCancelledError):
                failed = Status.DONE_CANCELLED
            self.session.vacate(failed if self._error is not None else Status.DONE_SUCCESS)

    def _abort(self, operation: Operation[None]) -> None:
        del operation
        stop: GlobusException = OperationCancelledError(f"{self.operation.what}: cancelled")
        self._error = self._error or stop
        for half in self.halves:
            half.operation.fail(stop)

    def release_sides(self) -> None:
        """Give the descriptors back: nothing has begun."""
        for half in self.halves:
            half.release_sides()
        self._close()

    def _close_write(self) -> None:
        write, self._write = self._write, -1
        if write >= 0:
            os.close(write)

    def _close(self) -> None:
        self._close_write()
        read, self._read = self._read, -1
        if read >= 0:
            os.close(read)


class _Reports:
    """What the library would report of a copy that is not its own: progress every two seconds."""

    def __init__(self, session: Session, operation: Operation[None]) -> None:
        self._session = session
        self._operation = operation
        self._begin = self._then = time.monotonic()
        self._before = 0
        if session.hear is not None:
            self._later()

    def _later(self) -> None:
        runtime.later(_REPORT_PERIOD, self._tell)

    def _tell(self) -> None:
        hear = self._session.hear
        if self._operation.done() or hear is None:
            return
        now, total = time.monotonic(), self._operation.bytes_done
        rate = (total - self._before) / (now - self._then)
        self._then, self._before = now, total
        self._later()
        hear(total, int(rate), int(total / (now - self._begin)))


def _half(
    session: Session, source: Side, destination: Side, second: CHandle | None, what: str
) -> Copy | Request:
    if UrlMode.GASS in (source.mode, destination.mode):
        return Request(source, destination, what=what)
    return Copy(session, source, destination, second, what=what)
