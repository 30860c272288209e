"""Listings: facts about files (MLST and MLSD, RFC 3659 section 7)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

__all__ = ["FtpEntry", "parse_fact_line"]


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
