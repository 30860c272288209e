"""Listings: facts about files (MLST and MLSD, RFC 3659 section 7), and lines like ``ls -l``'s."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
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


# a line of a reply, as MLST gives it, begins with a blank; one of MLSD without facts does too
_REPLY_LINE = re.compile(r" [^ ;=]+=[^;]*;")


def parse_fact_line(line: str) -> FtpEntry:
    """One line of MLST or MLSD: ``type=file;size=6;modify=20260101000000; name``.

    Raises:
        ValueError: not such a line.
    """
    text = line.rstrip("\r\n")
    if text.startswith(" ") and _REPLY_LINE.match(text):
        text = text[1:]
    head, space, name = text.partition(" ")
    if not space or (head and not head.endswith(";")):
        raise ValueError(f"not a line of facts: {line!r}")
    facts: dict[str, str] = {}
    for fact in head.split(";"):
        key, equals, value = fact.partition("=")
        if equals:
            facts[key.lower()] = value
    return FtpEntry(
        name=name,
        type=facts.get("type", "file").lower(),
        size=_number(facts.get("size"), 10),
        modified=_time(facts.get("modify")),
        mode=_number(facts.get("unix.mode"), 8),
        unique=facts.get("unique"),
        link_target=facts.get("unix.slink") or None,
        facts=MappingProxyType(facts),
    )


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
