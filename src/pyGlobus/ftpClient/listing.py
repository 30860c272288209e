"""Listings: facts about files (MLST and MLSD, RFC 3659 section 7), and lines like ``ls -l``'s."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

__all__ = ["FtpEntry", "parse_fact_line", "parse_list_line"]


@dataclass(frozen=True, slots=True)
class FtpEntry:
    """What a server tells of one file or directory."""

    name: str
    type: str
    """``file``, ``dir``, ``cdir`` (the listed directory), ``pdir`` (its parent), or the server's
    own word."""
    size: int | None = None
    """Bytes."""
    modified: datetime | None = None
    """Last change, UTC."""
    mode: int | None = None
    """Permission bits, from ``UNIX.mode``."""
    unique: str | None = None
    """Same for two names of one file (RFC 3659, 7.5.2)."""
    link_target: str | None = None
    """What a symbolic link points at, from ``UNIX.slink``."""
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Every fact as it came, names in lower case."""

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.type in ("dir", "cdir", "pdir")


# A line of a reply, as MLST gives it, begins with a blank; one of MLSD without facts does too, and
# then its name must not look like facts.
_REPLY_LINE = re.compile(r" (?:[^ ;=]+=[^ ;]*;)+ ")


def parse_fact_line(line: str) -> FtpEntry:
    """One line of MLST or MLSD: ``type=file;size=6;modify=20260101000000; name``.

    Raises:
        ValueError: not such a line.
    """
    global _shape
    text = line.rstrip("\r\n")
    pattern, known = _shape
    found = pattern.fullmatch(text)
    if found is None:
        if text.startswith(" ") and _REPLY_LINE.match(text):
            text = text[1:]
        head, space, name = text.partition(" ")
        if not space or (head and not head.endswith(";")):
            raise ValueError(f"not a line of facts: {line!r}")
        if head:
            _shape = _shape_of(head)
        facts = Facts(head)
        values = [facts.get(name) for name in _TYPED]
    else:
        groups = found.groups()
        facts, name = Facts(groups[0]), groups[-1]
        values = [groups[place] if place else None for place in known]
    kind, size, modified, mode, unique, target = values
    return FtpEntry(
        name,
        (kind or "file").lower(),
        _number(size, 10),
        _time(modified),
        _number(mode, 8),
        unique,
        target or None,
        facts,
    )


_TYPED = ("type", "size", "modify", "unix.mode", "unique", "unix.slink")
"""Facts that `FtpEntry` has a field for."""


class Facts(Mapping[str, str]):
    """Every fact of a line, names in lower case: taken apart when it is asked for."""

    __slots__ = ("_facts", "_head")

    def __init__(self, head: str) -> None:
        self._head = head
        self._facts: dict[str, str] | None = None

    def _all(self) -> dict[str, str]:
        if self._facts is None:
            parts = (fact.partition("=") for fact in self._head.split(";"))
            self._facts = {key.lower(): value for key, equals, value in parts if equals}
        return self._facts

    def __getitem__(self, name: str) -> str:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


# The lines of a directory have the same facts in the same order: a pattern made of one line takes
# the next ones apart at once.  With it, the places in it of what is in `_TYPED`.
_shape: tuple[re.Pattern[str], list[int]] = re.compile(r"(?!)"), []


def _shape_of(head: str) -> tuple[re.Pattern[str], list[int]]:
    keys = [fact.partition("=")[0] for fact in head.split(";")[:-1]]
    names = [key.lower() for key in keys]
    # the last one counts when there are two, as in `Facts`
    known = [len(names) - names[::-1].index(name) if name in names else 0 for name in _TYPED]
    values = "".join(f"{re.escape(key)}=([^; ]*);" for key in keys)
    return re.compile(f"({values}) (.*)", re.DOTALL), known


_LIST_LINE = re.compile(
    r"\s*(?P<type>[-dlbcps])(?P<mode>[-rwxsStT]{9})[.+@]?\s+(?P<links>\d+)\s+(?P<owner>\S+)\s+"
    r"(?P<group>\S+)\s+(?P<size>\d+)\s+(?P<date>\S+\s+\S+\s+\S+) (?P<name>.+)"
)
_LIST_TYPES = {"-": "file", "d": "dir", "l": "OS.unix=slink"}


def parse_list_line(line: str) -> FtpEntry:
    """One line of LIST or STAT, as Unix servers write it: ``-rw-r--r-- 1 me us 6 Jan 1 00:00 x``.

    The date is in the server's own zone, and without a year if it is recent: it is kept as it
    came, as the fact ``unix.date``, and `FtpEntry.modified` stays None.  MLST tells it well.

    Raises:
        ValueError: not such a line.
    """
    found = _LIST_LINE.fullmatch(line.rstrip("\r\n"))
    if found is None:
        raise ValueError(f"not a line of a Unix listing: {line!r}")
    name, arrow, target = found["name"].partition(" -> ")
    is_link = found["type"] == "l" and bool(arrow)
    return FtpEntry(
        name=name if is_link else found["name"],
        type=_LIST_TYPES.get(found["type"], f"OS.unix={found['type']}"),
        size=int(found["size"]),
        mode=_mode(found["mode"]),
        link_target=target if is_link else None,
        facts=MappingProxyType(
            {f"unix.{fact}": found[fact] for fact in ("links", "owner", "group", "date")}
        ),
    )


def _mode(letters: str) -> int:
    """Permission bits of ``rwxr-x---`` and the like (POSIX, ls)."""
    bits = sum(
        0o400 >> place for place, letter in enumerate(letters) if letter in "rwx" or letter in "st"
    )
    special = ((2, "sS", 0o4000), (5, "sS", 0o2000), (8, "tT", 0o1000))
    return bits | sum(bit for place, marks, bit in special if letters[place] in marks)


def _number(text: str | None, base: int) -> int | None:
    try:
        return None if text is None else int(text, base)
    except ValueError:
        return None


_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?", re.ASCII)


# files of one directory often were changed in the same seconds
@functools.lru_cache(maxsize=1024)
def _time(text: str | None) -> datetime | None:
    """RFC 3659, 2.3: YYYYMMDDHHMMSS, with an optional fraction, always UTC."""
    found = _TIME.match(text or "")
    if found is None:
        return None
    *numbers, fraction = found.groups()
    year, month, day, hour, minute, second = map(int, numbers)
    try:
        return datetime(
            year, month, day, hour, minute, second, int((fraction or "0")[:6].ljust(6, "0")), UTC
        )
    except ValueError:
        return None
