"""What is done with files of this machine alone: a copy from file to file, and a checksum.

The library completes such a copy twice now and then, and crashes (see ``watch_complete`` in
``shim/copy.c``); between two files there is nothing that could hold one of them back.  For its
checksums see `file_checksum`.
"""

from __future__ import annotations

import os
import select

from .._core.work import Work, write_all
from .constants import Status
from .errors import os_error
from .session import Session
from .settings import Settings
from .sides import Side
from .verify import checked, file_checksum

__all__ = ["LocalChecksum", "LocalCopy"]


class LocalCopy(Work[None]):
    """Copies between two descriptors."""

    def __init__(self, source: Side, destination: Side, settings: Settings, *, what: str) -> None:
        super().__init__(what, self.release_sides)
        self.source, self.destination = source, destination
        self.settings = settings
        self.verify = (settings.algorithm, settings.checksum) if settings.verifies else None
        self._count = 0

    def bytes_done(self) -> int:
        """Bytes moved so far."""
        return self._count

    def release_sides(self) -> None:
        """Give the descriptors back."""
        self.source.close()
        self.destination.close()

    def work(self) -> None:
        """Open both sides, copy, and put the destination in order."""
        offset = self.settings.offset
        problem: BaseException | None = None
        try:
            self.source.open(self.what, offset, convert=False)
            self.destination.open(self.what, offset, convert=False)
            self._move()
        except BaseException as error:
            problem = error
        try:
            end = self.destination.position()
            self.destination.finish(end, failed=problem is not None, partial=offset >= 0)
            if problem is None and self.verify is not None:
                algorithm, checksum = self.verify
                checked(self.what, self.destination, algorithm or "", checksum or "")
        except BaseException as error:
            problem = problem or error
        if problem is not None:
            raise problem

    def _move(self) -> None:
        begin, end = max(self.settings.offset, 0), self.settings.end_offset
        left = end - begin if end >= 0 else -1
        most = self.settings.buffer_length
        while left:
            side = self.source
            try:
                self.stop.wait((side.descriptor, select.POLLIN))
                block = os.read(side.descriptor, most if left < 0 else min(most, left))
                if not block:
                    return
                left -= len(block) if left > 0 else 0
                side = self.destination
                write_all(side.descriptor, block, self.stop, self._add)
            except BlockingIOError:
                continue  # somebody else has read it
            except OSError as error:
                raise os_error(error.errno or 0, self.what, side.name, side.url) from error

    def _add(self, count: int) -> None:
        self._count += count


class LocalChecksum(Work[str]):
    """Computes the checksum of a file."""

    def __init__(
        self,
        session: Session,
        side: Side,
        algorithm: str,
        offset: int,
        length: int | None,
        *,
        what: str,
    ) -> None:
        super().__init__(what, self._vacate)
        self.session = session
        self.side, self.algorithm = side, algorithm
        self.offset, self.length = offset, length

    def begin(self) -> None:
        """Begin on a thread of its own; the handle is busy meanwhile."""
        self.session.occupy(self.operation)
        try:
            super().begin()
        except BaseException:
            self.session.vacate(Status.DONE_FAILURE)
            raise

    def work(self) -> str:
        """Read the file."""
        return file_checksum(
            self.what, self.side, self.algorithm, offset=self.offset, length=self.length,
            stopped=lambda: self.stop.asked,
        )  # fmt: skip

    def _vacate(self) -> None:
        self.session.vacate(Status.DONE_FAILURE if self.failed else Status.DONE_SUCCESS)
