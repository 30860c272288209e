"""What a copy has to do, found out before anything is moved."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogkit.files._entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogkit.files._local import Store
    from cogkit.files._location import Location


@dataclass(frozen=True, slots=True)
class Copied:
    """One file that was copied."""

    source: str
    target: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a copy did."""

    copied: list[Copied]
    skipped: list[str]
    """Targets that existed and were to be left alone."""
    seconds: float

    @property
    def bytes(self) -> int:
        """Bytes that were moved."""
        return sum(one.bytes for one in self.copied)

    @property
    def rate(self) -> float:
        """Bytes a second, the handshakes included."""
        return self.bytes / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """One file to copy."""

    source: Location
    entry: Entry
    target: Location
    existing: Entry | None
    """What is at the target now."""


@dataclass(slots=True)
class Plan:
    """Directories to make, then files to copy."""

    directories: list[Location] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class Planner:
    """Finds out what ``cp`` would do."""

    def __init__(
        self, store: Callable[[Location], Store], *, recursive: bool, clobber: bool
    ) -> None:
        self._store = store
        self._recursive = recursive
        self._clobber = clobber
        self._plan = Plan()

    def plan(self, sources: Sequence[Location], target: Location) -> Plan:
        """The plan for copying all the sources.

        Raises:
            FileNotFoundError: A source does not exist.
            IsADirectoryError: A source is a directory, and that was not asked for.
            NotADirectoryError: The target should be a directory.
        """
        there = self.look(target)
        into = there is not None and there.is_dir
        if not into and (len(sources) > 1 or (target.says_directory and not self._recursive)):
            raise _error(
                errno.ENOTDIR if there else errno.ENOENT,
                target,
                "To copy into a directory, make it first: cogkit mkdir -p",
            )
        for source in sources:
            entry = self._store(source).stat(source)
            if entry.is_dir and not self._recursive:
                raise _error(errno.EISDIR, source, "Copy a directory with: cogkit cp -r")
            if into and not source.name:
                # "dir/." and "/" have no name of their own: what is in them is meant
                self._add_tree(source, entry, target, there, ())
                continue
            final = target.child(source.name) if into else target
            self._add(source, entry, final, self.look(final) if into else there)
        return self._plan

    def look(self, place: Location) -> Entry | None:
        """What is there, or `None`."""
        with suppress(FileNotFoundError):
            return self._store(place).stat(place)
        return None

    def _add(self, source: Location, entry: Entry, target: Location, there: Entry | None) -> None:
        if entry.is_dir:
            self._add_tree(source, entry, target, there, ())
        else:
            self._add_file(source, entry, target, there)

    def _add_file(
        self, source: Location, entry: Entry, target: Location, there: Entry | None
    ) -> None:
        if there is not None:
            same_place = (source.scheme, source.host) == (target.scheme, target.host)
            if same_place and entry.identity is not None and entry.identity == there.identity:
                raise _error(errno.EINVAL, target, f"It is the same file as {source}.")
            if there.is_dir:
                raise _error(errno.EISDIR, target, f"It would be replaced by the file {source}.")
            if not self._clobber:
                self._plan.skipped.append(str(target))
                return
        self._plan.steps.append(Step(source, entry, target, there))

    def _add_tree(
        self,
        source: Location,
        entry: Entry,
        target: Location,
        there: Entry | None,
        above: tuple[str, ...],
    ) -> None:
        if not above and target.is_inside(source):
            raise _error(
                errno.EINVAL, target, f"A directory cannot be copied into itself: {source}"
            )
        if entry.identity is not None and entry.identity in above:
            raise _error(errno.ELOOP, source, "A symbolic link leads back to a directory above it.")
        if there is not None and not there.is_dir:
            raise _error(errno.ENOTDIR, target, f"The directory {source} cannot replace a file.")
        if there is None:
            self._plan.directories.append(target)
            existing: dict[str, Entry] = {}
        else:
            existing = {one.name: one for one in self._store(target).listdir(target)}
        lineage = (*above, entry.identity) if entry.identity is not None else above
        for one in self._store(source).listdir(source):
            inner, final, old = (
                source.child(one.name),
                target.child(one.name),
                existing.get(one.name),
            )
            if one.is_dir:
                self._add_tree(inner, one, final, old, lineage)
            elif one.kind is Kind.OTHER:
                raise _error(errno.EINVAL, inner, "It is a device, a pipe, or a broken link.")
            else:
                self._add_file(inner, one, final, old)


def _error(number: int, place: Location, hint: str) -> OSError:
    error = OSError(number, os.strerror(number), str(place))
    error.add_note(hint)
    return error
