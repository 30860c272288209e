"""Entries of listings, and lines of facts (MLST and MLSD, RFC 3659 section 7).

What a server says is not trusted: a name is one component of a path, or it is refused, so that
nothing that is done with it can leave the directory that was listed.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import unquote_to_bytes

__all__ = [
    "Facts",
    "FtpEntry",
    "check_name",
    "check_relative",
    "parse_fact_line",
    "parse_number",
]


@dataclass(frozen=True, slots=True)
class FtpEntry:
    """What a server tells of one file or directory."""

    name: str
    """One component of a path; of a tree (MLSR) a relative path of such components."""
    type: str
    """``file``, ``dir``, ``cdir`` (the listed directory), ``pdir`` (its parent), or the server's
    own word; ``unknown`` where a server tells only names (NLST)."""
    size: int | None = None
    """Bytes."""
    modified: datetime | None = None
    """Last change, UTC; None also for years that `datetime` does not have."""
    mode: int | None = None
    """Permission bits, from ``UNIX.mode``."""
    unique: str | None = None
    """Same for two names of one file (RFC 3659, 7.5.2)."""
    link_target: str | None = None
    """What a symbolic link points at, from ``UNIX.slink`` and the like."""
    facts: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Every fact, names in lower case, values as they came but for those that GCT's server
    percent-encodes, which are decoded."""

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory (or, with some servers, a link to one)."""
        return self.type in ("dir", "cdir", "pdir")

    @property
    def is_link(self) -> bool:
        """Whether the server says that it is a symbolic link.

        Not every server tells: ARC's says ``dir`` of a link to a directory, and no more.
        """
        return self.link_target is not None or _LINK_TYPE.match(self.type) is not None


_LINK_TYPE = re.compile(r"(?:os\.\w+=)?(?:slink|symlink)\b", re.IGNORECASE)
_LINK_IN_TYPE = re.compile(r"os\.unix=(?:slink|symlink):(.+)", re.IGNORECASE | re.DOTALL)

_BAD_NAME = re.compile(r"[/\0\r\n]|\A\.{0,2}\Z")


def check_name(name: str) -> str:
    """The name, if it is one component of a path that leads nowhere else.

    Raises:
        ValueError: it is empty, ``.`` or ``..``, or has a ``/``, NUL, CR or LF.
    """
    if (found := _BAD_NAME.search(name)) is None:
        return name
    if not name:
        raise ValueError("an empty name")
    if found[0] == "/":
        raise ValueError(f"a name with a '/': {name!r}")
    if found[0] == name:
        raise ValueError(f"a name that is {name!r}")
    raise ValueError(f"a name with NUL, CR or LF: {name!r}")


def check_relative(path: str) -> str:
    """As `check_name`, of each component of a path below the directory that was listed."""
    for part in path.split("/"):
        check_name(part)
    return path


def parse_fact_line(line: str) -> FtpEntry:
    """One line of MLST or MLSD: ``type=file;size=6;modify=20260101000000; name``.

    The name is not judged: that of MLST may be a whole path, and that of the listed directory
    itself (``cdir``) may be anything.  `read_listing` and `FtpClient.scandir` judge it.

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
        head, name = _split(text, line)
        if head:
            _shape = _shape_of(head)
        facts = Facts(head)
        values = [facts.raw(name) for name in _TYPED]
    else:
        groups = found.groups()
        facts, name = Facts(groups[0]), groups[-1]
        values = [groups[place] if place else None for place in known]
    kind, size, modified, mode, unique, target = values
    if target:
        target = facts.decoded(target)
    elif kind and (linked := _LINK_IN_TYPE.fullmatch(kind)):
        target = linked[1]
    return FtpEntry(
        name,
        (kind or "file").lower(),
        parse_number(size, 10),
        _time(modified),
        parse_number(mode, 8),
        unique,
        target or None,
        facts,
    )


# A line of a reply, as MLST gives it, begins with a blank; one of MLSD without facts does too, and
# then its name must not look like facts.
_REPLY_LINE = re.compile(r" (?:[^ ;=]+=[^;]*;)+ ")
# A value may hold blanks ("UNIX.groupname=domain users"): only "; " ends the facts.
_HEAD = re.compile(r"((?:[^ ;=]+=[^;]*;)*) ")


def _split(text: str, line: str) -> tuple[str, str]:
    found = _HEAD.match(text)
    if found is None:
        raise ValueError(f"not a line of facts: {line!r}")
    return found[1], text[found.end() :]


_TYPED = ("type", "size", "modify", "unix.mode", "unique", "unix.slink")
"""Facts that `FtpEntry` has a field for."""
_ENCODED = ("unix.owner", "unix.group", "unix.slink", "x.abspath")
"""Facts that GCT's server encodes (globus_l_gsc_mlsx_urlencode)."""
_ESCAPE = re.compile(r"%([0-9A-F]{2})")


class Facts(Mapping[str, str]):
    """Every fact of a line, names in lower case: taken apart when it is asked for."""

    __slots__ = ("_facts", "_head")

    def __init__(self, head: str) -> None:
        self._head = head
        self._facts: dict[str, str] | None = None

    def raw(self, name: str) -> str | None:
        """A fact as it came."""
        return self._all().get(name)

    def decoded(self, value: str) -> str:
        """A value as GCT's server means it, where it is that server's; else as it came.

        That server writes ``%``, ``=``, ``;`` and all that is not a visible ASCII character as
        ``%20`` and the like.  Others do not: there a ``%20`` is three characters of a name.  The
        spelling of its facts tells its lines from others'.
        """
        if "%" not in value or "UNIX." not in self._head or "Type=" not in self._head:
            return value
        if not value.isascii() or not value.isprintable() or " " in value or "=" in value:
            return value
        escapes = _ESCAPE.findall(value)
        if len(escapes) != value.count("%") or any(_is_visible(int(one, 16)) for one in escapes):
            return value
        return unquote_to_bytes(value).decode("utf-8", "surrogateescape")

    def _all(self) -> dict[str, str]:
        if self._facts is None:
            parts = (fact.partition("=") for fact in self._head.split(";"))
            self._facts = {key.lower(): value for key, equals, value in parts if equals}
        return self._facts

    def __getitem__(self, name: str) -> str:
        value = self._all()[name]
        return self.decoded(value) if name in _ENCODED else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(dict(self))


def _is_visible(code: int) -> bool:
    """Whether GCT's server leaves this character as it is."""
    return 0x21 <= code <= 0x7E and chr(code) not in "%=;"


# The lines of a directory have the same facts in the same order: a pattern made of one line takes
# the next ones apart at once.  With it, the places in it of what is in `_TYPED`.
_shape: tuple[re.Pattern[str], list[int]] = re.compile(r"(?!)"), []


def _shape_of(head: str) -> tuple[re.Pattern[str], list[int]]:
    keys = [fact.partition("=")[0] for fact in head.split(";")[:-1]]
    names = [key.lower() for key in keys]
    # the last one counts when there are two, as in `Facts`
    known = [len(names) - names[::-1].index(name) if name in names else 0 for name in _TYPED]
    values = "".join(f"{re.escape(key)}=([^;]*);" for key in keys)
    return re.compile(f"({values}) (.*)", re.DOTALL), known


def parse_number(text: str | None, base: int) -> int | None:
    """A number without a sign, or None for what is none."""
    if text is None or not (text.isascii() and text.isdigit()):
        return None
    try:
        return int(text, base)
    except ValueError:  # an 8 in an octal number, or thousands of digits
        return None


_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+))?", re.ASCII)


# files of one directory often were changed in the same seconds
@functools.lru_cache(maxsize=1024)
def _time(text: str | None) -> datetime | None:
    """RFC 3659, 2.3: YYYYMMDDHHMMSS, with an optional fraction, always UTC."""
    # not a part of it: of the year 33658 a part would be a date, too
    found = _TIME.fullmatch(text or "")
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
