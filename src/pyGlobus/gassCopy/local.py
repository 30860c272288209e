"""A copy from file to file.

The library completes such a copy twice now and then, and crashes (see ``watch_complete`` in
``shim/copy.c``); between two files there is nothing that could hold one of them back.
"""

from __future__ import annotations

import os
import select
from typing import Any

from .._core.errors import OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import runtime
from .._core.workers import run_in_background
from .._native import ffi, lib
from .errors import os_error
from .settings import Settings
from .sides import Side
from .verify import checked

__all__ = ["LocalCopy"]

_LOOK = 0.1
"""Seconds between two looks at whether it has been cancelled, while a pipe keeps it waiting."""


class LocalCopy:
    """Copies between two descriptors, on a worker."""

    def __init__(self, source: Side, destination: Side, settings: Settings, *, what: str) -> None:
        self.what = what
        self.source, self.destination = source, destination
        self.settings = settings
        self.verify = (settings.algorithm, settings.checksum) if settings.verifies else None
        self.problem: BaseException | None = None
        self._count = 0
        self._stopped = False
        self._token = 0
        self.operation: Operation[None] = Operation(
            what, self._convert, abort=self._abort, settled=self.release_sides, keep=self,
            progress=self.bytes_done,
        )  # fmt: skip

    def begin(self) -> None:
        """Begin on a worker."""
        self._token = runtime.enrol(self.operation.complete)
        run_in_background(self._work)

    def bytes_done(self) -> int:
        """Bytes moved so far."""
        return self._count

    def release_sides(self) -> None:
        """Give the descriptors back."""
        self.source.close()
        self.destination.close()

    def _work(self) -> None:
        offset, failed = self.settings.offset, True
        try:
            self.source.open(self.what, offset, convert=False)
            self.destination.open(self.what, offset, convert=False)
            self._move()
            failed = False
        except BaseException as problem:
            self.problem = problem
        try:
            end = self.destination.position()
            self.destination.finish(end, failed=failed, partial=offset >= 0)
            if not failed and self.verify is not None:
                algorithm, checksum = self.verify
                checked(self.what, self.destination, algorithm or "", checksum or "")
        except BaseException as problem:
            self.problem = self.problem or problem
        event = ffi.new("cog_event *")
        event.token, event.kind = self._token, lib.COG_EVENT_COMPLETE
        lib.cog_post(event)

    def _move(self) -> None:
        begin, end = max(self.settings.offset, 0), self.settings.end_offset
        left = end - begin if end >= 0 else -1
        while left:
            most = self.settings.buffer_length
            side = self.source
            try:
                self._wait(self.source.descriptor, select.POLLIN)
                block = os.read(side.descriptor, most if left < 0 else min(most, left))
                if not block:
                    return
                left -= len(block) if left > 0 else 0
                side = self.destination
                view = memoryview(block)
                while view:
                    self._wait(side.descriptor, select.POLLOUT)
                    written = os.write(side.descriptor, view)
                    view = view[written:]
                    self._count += written
            except BlockingIOError:
                continue
            except OSError as error:
                raise os_error(error.errno or 0, self.what, side.name, side.url) from error

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        while not self._stopped and not poll.poll(_LOOK * 1000):
            pass
        if self._stopped:
            raise OperationCancelledError(f"{self.what}: cancelled")

    def _convert(self, _: Any) -> None:
        if self.problem is not None:
            raise self.problem

    def _abort(self, operation: Operation[None]) -> None:
        del operation
        self._stopped = True
