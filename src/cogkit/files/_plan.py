"""What a copy has to do, found out before anything is moved."""

from __future__ import annotations

import errno
import os
import posixpath
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogkit.files._entry import Entry, Kind
from cogkit.files._location import LocationError
from cogkit.files._report import Refused
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogkit.files._entry import Listing
    from cogkit.files._local import Store
    from cogkit.files._location import Location

# Where the server does not tell which directories are the same, one whose listing is, to the last
# byte, that of one above it may be a link to it.  When it is found so often, one in the other, it
# is one: real directories end.
_SAME_LISTINGS = 8
# So many directories, one in the other, are a server's invention.
_DEEPEST = 300


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
    refused: list[Refused] = field(default_factory=list)


@dataclass(slots=True)
class _Above:
    """A directory that is being planned, and those that hold it."""

    entry: Entry
    listing: Listing
    parent: _Above | None

    def holders(self) -> list[_Above]:
        """It, then the one above it, up to the first."""
        found, one = [], self
        while True:
            found.append(one)
            if one.parent is None:
                return found
            one = one.parent


class _Loop(Exception):
    """A directory leads back to one above it."""

    def __init__(self, link: _Above, to: _Above) -> None:
        super().__init__()
        self.link, self.to = link, to


class Planner:
    """Finds out what ``cp`` would do."""

    def __init__(
        self, store: Callable[[Location], Store], *, recursive: bool, clobber: bool
    ) -> None:
        """For one copy.

        Args:
            store: Tells what is where.
            recursive: Whether directories are copied.
            clobber: Whether files that exist are replaced.
        """
        self._store = store
        self._recursive = recursive
        self._clobber = clobber
        self._plan = Plan()
        self._sources: dict[Location, Location] = {}
        """Of each target, what it is made from."""

    def plan(self, sources: Sequence[Location], target: Location) -> Plan:
        """The plan for copying all the sources.

        What cannot be copied in a directory, or would overwrite what comes before it, is
        `Plan.refused`; the rest is planned.

        Raises:
            FileNotFoundError: A source does not exist.
            IsADirectoryError: A source is a directory, and that was not asked for.
            NotADirectoryError: The target should be a directory.
        """
        there = self.find(target)
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
                self._add_tree(source, entry, target, there, None)
                continue
            final = target.child(source.name) if into else target
            self._add(source, entry, final, self.find(final) if into else there)
        return self._plan

    def find(self, place: Location) -> Entry | None:
        """What is there, or `None`."""
        with suppress(FileNotFoundError):
            return self._store(place).stat(place)
        return None

    def _refuse(self, place: Location | str, reason: str) -> None:
        self._plan.refused.append(Refused(str(place), reason))

    def _add(self, source: Location, entry: Entry, target: Location, there: Entry | None) -> None:
        if entry.is_dir:
            self._add_tree(source, entry, target, there, None)
        else:
            self._add_file(source, entry, target, there)

    def _add_file(
        self, source: Location, entry: Entry, target: Location, there: Entry | None
    ) -> None:
        if (before := self._sources.get(target)) is not None:
            self._refuse(target, f"will not overwrite just-created file ({before}) with {source}")
            return
        if there is not None:
            same_place = (source.scheme, source.host) == (target.scheme, target.host)
            if same_place and entry.identity is not None and entry.identity == there.identity:
                raise _error(errno.EINVAL, target, f"It is the same file as {source}.")
            if there.is_dir:
                raise _error(errno.EISDIR, target, f"It would be replaced by the file {source}.")
            if not self._clobber:
                self._plan.skipped.append(str(target))
                return
        self._sources[target] = source
        self._plan.steps.append(Step(source, entry, target, there))

    def _add_tree(
        self,
        source: Location,
        entry: Entry,
        target: Location,
        there: Entry | None,
        parent: _Above | None,
    ) -> None:
        if parent is None and target.is_inside(source):
            raise _error(
                errno.EINVAL, target, f"A directory cannot be copied into itself: {source}"
            )
        if there is not None and not there.is_dir:
            raise _error(errno.ENOTDIR, target, f"The directory {source} cannot replace a file.")
        listing = self._store(source).listdir(source)
        above = _Above(entry, listing, parent)
        _require_no_loop(above)
        for line in listing.left_out:
            self._refuse(f"{source} {line.text!r}", line.reason)
        existing: dict[str, Entry] = {}
        if there is not None:
            existing = {one.name: one for one in self._store(target).listdir(target)}
        elif target not in self._sources:
            self._plan.directories.append(target)
            self._sources[target] = source
        for one in listing:
            try:
                inner, final = source.child(one.name), target.child(one.name)
            except LocationError as error:
                self._refuse(f"{source} {one.name!r}", str(error))
                continue
            assert _is_child(inner, source)
            assert _is_child(final, target)
            self._add_member(inner, one, final, existing.get(one.name), above)

    def _add_member(
        self, source: Location, entry: Entry, target: Location, there: Entry | None, above: _Above
    ) -> None:
        """One entry of a directory: what is wrong with it does not keep the others away."""
        if entry.kind is Kind.OTHER:
            self._refuse(source, "it is a device, a pipe, or a broken link")
            return
        plan = self._plan
        begin = len(plan.directories), len(plan.steps), len(plan.skipped), len(plan.refused)
        try:
            if entry.is_dir:
                self._add_tree(source, entry, target, there, above)
            else:
                self._add_file(source, entry, target, there)
        except (ConnectionError, TimeoutError):
            raise
        except _Loop as loop:
            if loop.link.parent is not above:
                raise
            reason = "a symbolic link leads back to a directory above it"
        except (OSError, GlobusException) as error:
            reason = _reason(error)
        else:
            return
        for made in [
            *plan.directories[begin[0] :],
            *(one.target for one in plan.steps[begin[1] :]),
        ]:
            del self._sources[made]
        del plan.directories[begin[0] :], plan.steps[begin[1] :]
        del plan.skipped[begin[2] :], plan.refused[begin[3] :]
        self._refuse(source, reason)


def _require_no_loop(above: _Above) -> None:
    holders = above.holders()[1:]
    if len(holders) >= _DEEPEST:
        raise OSError(errno.ELOOP, f"it is in {_DEEPEST} directories, one in the other")
    identity = above.entry.identity
    if identity is not None:
        for one in holders:
            if one.entry.identity == identity:
                raise _Loop(above, one)
        return
    if not above.listing or not above.listing.digest:
        return
    same = [one for one in holders if one.listing.digest == above.listing.digest]
    if len(same) + 1 >= _SAME_LISTINGS:
        # it is the second of them that is the link to the first
        raise _Loop(same[-2], same[-1])


def _is_child(place: Location, directory: Location) -> bool:
    """Whether it lies in the directory: nothing that a server tells leads out of it."""
    return (place.scheme, place.host) == (directory.scheme, directory.host) and posixpath.dirname(
        place.path
    ).rstrip("/") == directory.path.rstrip("/")


def _reason(error: OSError | GlobusException) -> str:
    notes = getattr(error, "__notes__", ())
    text = getattr(error, "strerror", None) or str(error)
    return f"{text}: {notes[0]}" if notes else text


def _error(number: int, place: Location, hint: str) -> OSError:
    error = OSError(number, os.strerror(number), str(place))
    error.add_note(hint)
    return error
