"""What `GassCopy.stat` and `GassCopy.glob_expand_url` tell of files."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .._core.errors import text_of
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from .constants import GlobType

__all__ = ["Batches", "GlobEntry", "GlobStat", "read_stat"]

_LOOK = 0.1
"""Seconds between two looks at whether the list has ended: a signal is acted on in between."""


@dataclass(frozen=True, slots=True)
class GlobStat:
    """What is known of a file (globus_gass_copy_glob_stat_t); None is unknown."""

    type: GlobType
    size: int | None = None
    """Bytes."""
    mode: int | None = None
    """Permission bits, as in `os.chmod`."""
    mtime: datetime | None = None
    """When it was last changed, UTC."""
    unique_id: str | None = None
    """The same for two names of one file."""
    symlink_target: str | None = None
    """Where a symbolic link leads."""


@dataclass(frozen=True, slots=True)
class GlobEntry:
    """A URL that wildcards stood for."""

    url: str
    """The URL, escaped; that of a directory ends with a slash."""
    stat: GlobStat


def _stat(kind: int, size: int, mode: int, mtime: int, unique: str, target: str) -> GlobStat:
    return GlobStat(
        GlobType(kind),
        size if size >= 0 else None,
        mode if mode >= 0 else None,
        datetime.fromtimestamp(mtime, UTC) if mtime != -1 else None,
        unique or None,
        target or None,
    )


def read_stat(place: Any) -> GlobStat:
    """From a ``globus_gass_copy_glob_stat_t *`` whose strings are ours; they are freed."""
    made = _stat(
        place.type, int(place.size), place.mode, place.mdtm,
        text_of(place.unique_id), text_of(place.symlink_target),
    )  # fmt: skip
    lib.free(place.unique_id)
    lib.free(place.symlink_target)
    return made


class Batches:
    """The entries of a list, as they come; the list waits for whoever takes them.

    Each batch comes as a question, and its answer, given when it is taken, lets the next one come:
    two batches of 32 KiB is all that waits here.
    """

    def __init__(self) -> None:
        self._ready: collections.deque[tuple[int, bytes]] = collections.deque()
        self._arrived = threading.Event()
        self._stopped = False
        self.taken = 0
        self.token = runtime.enrol(self._arrive, once=False)

    def _arrive(self, event: Any) -> None:
        if self._stopped:
            lib.cog_answer(event.c, 0, ffi.NULL)
            return
        self._ready.append((event.c, bytes(ffi.buffer(event.text, event.a))))
        self._arrived.set()

    def waiting(self) -> bool:
        """Whether it is us that the list waits for."""
        return bool(self._ready)

    def take(self, operation: Operation[None]) -> Iterator[list[GlobEntry]]:
        """The batches, until the operation is done; then what it raises, if it does."""
        while True:
            ended = operation.done()
            while self._ready:
                number, packed = self._ready.popleft()
                lib.cog_answer(number, 1, ffi.NULL)
                self.taken += 1
                yield _unpacked(packed)
            if ended:
                operation.result(0)
                return
            if self._arrived.wait(_LOOK):
                self._arrived.clear()

    def stop(self) -> None:
        """Take no more: the list comes to its end without us."""
        self._stopped = True
        while self._ready:
            lib.cog_answer(self._ready.popleft()[0], 0, ffi.NULL)

    def end(self) -> None:
        """The list has ended."""
        runtime.withdraw(self.token)
        self._arrived.set()


def _unpacked(packed: bytes) -> list[GlobEntry]:
    fields = packed.decode("utf-8", "surrogateescape").split("\0")
    entries = []
    for at in range(0, len(fields) - 1, 4):
        url, unique, target, numbers = fields[at : at + 4]
        kind, size, mode, mtime = map(int, numbers.split())
        entries.append(GlobEntry(url, _stat(kind, size, mode, mtime, unique, target)))
    return entries
