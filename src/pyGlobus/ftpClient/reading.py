"""Whole listings, in each of the forms that servers have, read line by line.

>>> found = read_listing(b"type=file;size=6; x\\r\\ntype=file;size=1; ../y\\r\\n")
>>> [entry.name for entry in found.entries]
['x']
>>> [(line.text, line.reason) for line in found.rejected]
[('type=file;size=1; ../y', "a name with a '/': '../y'")]
"""

from __future__ import annotations

import enum
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .listing import FtpEntry, check_name, check_relative, parse_fact_line
from .listlines import is_heading, parse_list_line

__all__ = ["Listing", "ListingForm", "ListingReader", "RejectedLine", "read_listing"]

_LONGEST_LINE = 65536
_MOST_REJECTED = 1000
_LONGEST_SHOWN = 300


class ListingForm(enum.Enum):
    """How a server lists, by the command that asks for it."""

    FACTS = "MLSD"
    """Lines of facts (RFC 3659): the one form that a standard describes."""
    TREE = "MLSR"
    """As `FACTS`, of a whole tree, names being relative paths (GCT's own)."""
    LONG = "LIST"
    """As ``ls -l`` or IIS write it: all that many servers have."""
    NAMES = "NLST"
    """Names alone: the type of an entry is ``unknown``."""


@dataclass(frozen=True, slots=True)
class RejectedLine:
    """A line of a listing that is no entry."""

    text: str
    """As it came, of a long one the beginning."""
    reason: str
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A listing that has been read."""

    entries: tuple[FtpEntry, ...]
    """Without ``.`` and ``..``."""
    rejected: tuple[RejectedLine, ...]
    """What was left out; the first thousand lines."""


def read_listing(
    data: bytes | str, form: ListingForm = ListingForm.FACTS, *, path: str = ""
) -> Listing:
    """A whole listing, as it came.

    One bad line does not cost the rest: it is in `Listing.rejected`.

    Args:
        data: the text, with CR LF or bare LF at the ends of lines.
        form: how the server lists.
        path: what was listed, as the URL has it but decoded.  Some servers put it before each
            name, and a file is listed by its own path: such are taken for the name alone.
    """
    reader = ListingReader(form, path=path)
    raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    entries = [*reader.feed(raw), *reader.end()]
    return Listing(tuple(entries), tuple(reader.rejected))


class ListingReader:
    """Reads a listing piece by piece, in little memory.

    Args:
        form: how the server lists.
        path: what is listed; see `read_listing`.
    """

    def __init__(self, form: ListingForm, *, path: str = "") -> None:
        self.form = form
        self.rejected: list[RejectedLine] = []
        """The first thousand lines that are no entries."""
        self.rejected_count = 0
        """How many there have been."""
        self._path = path
        self._rest = b""
        self._overlong = False
        # Where lines end in CR LF a name may hold LF, and then is refused as one.  Known when the
        # first line has come, or the first block.
        self._end: bytes | None = None
        self._parse: Callable[[str], FtpEntry] = {
            ListingForm.FACTS: parse_fact_line,
            ListingForm.TREE: parse_fact_line,
            ListingForm.LONG: parse_list_line,
            ListingForm.NAMES: _named,
        }[form]
        self._check = check_relative if form is ListingForm.TREE else check_name

    def feed(self, data: bytes) -> Iterator[FtpEntry]:
        """The entries that are complete with these bytes."""
        text = self._rest + data
        if self._end is None and b"\n" in text:
            self._end = b"\r\n" if b"\r\n" in text else b"\n"
        if self._end is None:
            lines, self._rest = [], text
        else:
            *lines, self._rest = text.split(self._end)
        if lines and self._overlong:
            del lines[0]
            self._overlong = False
        if len(self._rest) > _LONGEST_LINE:
            if not self._overlong:
                self._reject(_decoded(self._rest[:_LONGEST_SHOWN]), "a line without an end")
            self._overlong = True
            self._rest = self._rest[-1:]  # it may be half of a CR LF
        return self._entries(lines)

    def end(self) -> Iterator[FtpEntry]:
        """The entry of a last line that has no end."""
        rest, self._rest = self._rest, b""
        return self._entries([] if self._overlong else [rest])

    def _entries(self, lines: list[bytes]) -> Iterator[FtpEntry]:
        for raw in lines:
            line = _decoded(raw[:-1] if raw.endswith(b"\r") else raw)
            if not line or (self.form is ListingForm.LONG and is_heading(line)):
                continue
            try:
                entry = self._parse(line)
                if entry.type in ("cdir", "pdir"):
                    continue
                if entry.name in (".", "..") and (entry.is_dir or entry.type == "unknown"):
                    continue
                if "/" in entry.name and self.form is not ListingForm.TREE:
                    entry = self._without_path(entry)
                self._check(entry.name)
            except ValueError as error:
                self._reject(line, str(error))
            else:
                yield entry

    def _without_path(self, entry: FtpEntry) -> FtpEntry:
        """The entry under its name alone, where the server put what was listed before it."""
        folder, _, name = entry.name.rpartition("/")
        listed = posixpath.normpath(self._path) if self._path else ""
        if (
            listed
            and name
            and posixpath.normpath(folder or "/")
            in (
                listed,
                # of a file, which is listed by its own path
                posixpath.dirname(listed) if posixpath.basename(listed) == name else listed,
            )
        ):
            return _renamed(entry, name)
        return entry

    def _reject(self, line: str, reason: str) -> None:
        self.rejected_count += 1
        if len(self.rejected) < _MOST_REJECTED:
            self.rejected.append(RejectedLine(line[:_LONGEST_SHOWN], reason[:_LONGEST_SHOWN]))


def _named(line: str) -> FtpEntry:
    return FtpEntry(line, "unknown")


def _renamed(entry: FtpEntry, name: str) -> FtpEntry:
    return FtpEntry(
        name, entry.type, entry.size, entry.modified, entry.mode, entry.unique,
        entry.link_target, entry.facts,
    )  # fmt: skip


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
