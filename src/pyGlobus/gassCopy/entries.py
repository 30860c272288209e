"""What `GassCopy.stat` and `GassCopy.glob_expand_url` tell of files."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote_to_bytes

from .._core.errors import text_of
from .._core.ftpurls import path_of
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from ..ftpClient import FtpEntry, ListingForm, RejectedLine
from ..ftpClient.reading import ListingReader
from .constants import GlobType

__all__ = ["Batches", "Expansion", "GlobEntry", "GlobStat", "Reading", "read_stat"]

_LOOK = 0.1
"""Seconds between two looks at whether the list has ended: a signal is acted on in between."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        _EPOCH + timedelta(seconds=mtime) if mtime != -1 else None,
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

    def __init__(self, read: Callable[[int, bytes], list[GlobEntry]]) -> None:
        """`read`: the entries of a batch, by its form (COG_LIST_...)."""
        self._read = read
        self._ready: collections.deque[tuple[int, int, bytes]] = collections.deque()
        self._arrived = threading.Event()
        self._stopped = False
        self.taken = 0
        self.token = runtime.enrol(self._arrive, once=False)

    def _arrive(self, event: Any) -> None:
        if self._stopped:
            lib.cog_answer(event.c, 0, ffi.NULL)
            return
        self._ready.append((event.c, event.b, bytes(ffi.buffer(event.text, event.a))))
        self._arrived.set()

    def waiting(self) -> bool:
        """Whether it is us that the list waits for."""
        return bool(self._ready)

    def take(self, operation: Operation[None]) -> Iterator[list[GlobEntry]]:
        """The batches, until the operation is done; then what it raises, if it does."""
        while True:
            ended = operation.done()
            while self._ready:
                number, form, data = self._ready.popleft()
                lib.cog_answer(number, 1, ffi.NULL)
                self.taken += 1
                yield self._read(form, data)
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


class Reading:
    """What a directory's list says of a URL with wildcards, of which `url` is one."""

    def __init__(self, url: str) -> None:
        base, slash, last = url.rpartition("/")
        self.base = base + slash
        """The directory that is listed."""
        self._pattern = unquote_to_bytes(last) or b"*"
        self._readers = {
            lib.COG_LIST_FACTS: ListingReader(ListingForm.FACTS, path=path_of(self.base)),
            lib.COG_LIST_LONG: ListingReader(ListingForm.LONG, path=path_of(self.base)),
        }

    def rejected(self) -> tuple[RejectedLine, ...]:
        """The lines that were left out."""
        return tuple(line for reader in self._readers.values() for line in reader.rejected)

    def read(self, form: int, data: bytes) -> list[GlobEntry]:
        """The entries of a batch."""
        if form == lib.COG_LIST_ENTRIES:
            return _unpacked(data)
        return list(self._chosen(self._readers[form].feed(data)))

    def end(self) -> Iterator[GlobEntry]:
        """Those that come with the end of the list."""
        for reader in self._readers.values():
            yield from self._chosen(reader.end())

    def _chosen(self, entries: Iterator[FtpEntry]) -> Iterator[GlobEntry]:
        for entry in entries:
            name = entry.name.encode("utf-8", "surrogateescape")
            kind = _TYPES.get(entry.type, GlobType.OTHER)
            # as the library: what is neither a file nor a directory is left out
            if kind is GlobType.OTHER or lib.fnmatch(self._pattern, name, 0) != 0:
                continue
            slash = "/" if kind is GlobType.DIRECTORY else ""
            stat = GlobStat(
                kind, entry.size, entry.mode, entry.modified, entry.unique, entry.link_target
            )
            yield GlobEntry(f"{self.base}{quote(name, safe=_SAFE)}{slash}", stat)


class Expansion(Iterator[GlobEntry]):
    """What a URL with wildcards stands for, entry by entry; see `GassCopy.glob_expand_url`.

    Nothing refers to it, so that one that is left early ends the list when it goes.
    """

    def __init__(self, reading: Reading, batches: Batches, operation: Operation[None]) -> None:
        self._reading = reading
        self._entries = _entries(reading, batches, operation)

    @property
    def rejected(self) -> tuple[RejectedLine, ...]:
        """The lines of the server's list that were left out up to now, at most a thousand.

        What they stand for is there all the same.
        """
        return self._reading.rejected()

    def __next__(self) -> GlobEntry:
        return next(self._entries)

    def close(self) -> None:
        """Take no more."""
        self._entries.close()


def _entries(
    reading: Reading, batches: Batches, operation: Operation[None]
) -> Generator[GlobEntry, None, None]:
    try:
        for batch in batches.take(operation):
            yield from batch
        yield from reading.end()
    finally:
        batches.stop()
        if not operation.done():
            operation.cancel()


_TYPES = {
    "file": GlobType.FILE,
    "dir": GlobType.DIRECTORY,
    # a list of names or of links does not tell which of the two it is
    "unknown": GlobType.UNKNOWN,
    "OS.unix=slink": GlobType.UNKNOWN,
}
_SAFE = "!$&'()+,-.:=@_"


def _unpacked(packed: bytes) -> list[GlobEntry]:
    fields = packed.decode("utf-8", "surrogateescape").split("\0")
    entries = []
    for at in range(0, len(fields) - 1, 4):
        url, unique, target, numbers = fields[at : at + 4]
        kind, size, mode, mtime = map(int, numbers.split())
        entries.append(GlobEntry(url, _stat(kind, size, mode, mtime, unique, target)))
    return entries
