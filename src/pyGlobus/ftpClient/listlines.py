"""Lines of LIST and STAT, which no standard describes: as ``ls -l`` writes them, and as IIS does.

Their dates are in the server's own zone, and without a year where they are recent: they are kept
as they came, as facts, and `FtpEntry.modified` stays None.  MLSD and MDTM tell it well.
"""

from __future__ import annotations

import itertools
import re
from types import MappingProxyType

from .listing import FtpEntry

__all__ = ["is_heading", "parse_list_line"]

_GAP = r"[ \t]{1,8}"
_DATE = re.compile(
    "(?:"
    # Jan  1 12:00, Jan  1  2020, also with other languages' names of months
    rf"[^\W\d]\w{{0,8}}\.?{_GAP}\d{{1,2}}\.?,?{_GAP}"
    rf"(?:\d{{1,2}}:\d\d(?::\d\d(?:{_GAP}\d{{4}})?)?|\d{{4,5}})"
    # 1. Jan 12:00, 1 Jan 2020
    rf"|\d{{1,2}}\.?{_GAP}[^\W\d]\w{{0,8}}\.?{_GAP}(?:\d{{1,2}}:\d\d|\d{{4,5}})"
    # 2020-01-01 12:00, and with seconds and a zone (ls --full-time)
    rf"|\d{{4}}-\d\d-\d\d{_GAP}\d\d:\d\d(?::\d\d(?:\.\d{{1,9}})?(?: [+-]\d{{4}})?)?"
    # 01-01 12:00 (ls --time-style=iso)
    rf"|\d\d-\d\d{_GAP}\d\d:\d\d"
    ")[ \t]"
)
_PERMISSIONS = re.compile(r"(?P<type>[-dlbcpsDC])(?P<mode>[-rwxsStTl]{9})[.+@]?[ \t]")
_WORD = re.compile(r"[^ \t]+")
# links, owner and group, whose names may hold blanks; then the size
_MOST_WORDS = 16
_SIZE = re.compile(r"(?:\d{1,9},)?\d{1,20}", re.ASCII)
_MAJOR = re.compile(r"\d{1,9},", re.ASCII)
_UNIX_TYPES = {"-": "file", "d": "dir", "l": "OS.unix=slink"}

_WINDOWS = re.compile(
    r"(?P<date>\d{1,4}[-/.]\d\d[-/.]\d{2,4}[ \t]{1,4}\d{1,2}:\d\d(?::\d\d)?(?: ?[AaPp][Mm])?)"
    r"[ \t]{1,30}(?:<(?P<kind>[A-Z]{1,12})>[ \t]{1,10}|(?P<size>\d[\d,.']{0,30})[ \t])(?P<name>.+)",
    re.DOTALL,
)
_WINDOWS_TARGET = re.compile(r"(?P<name>.+?) \[(?P<target>.+)\]", re.DOTALL)
_WINDOWS_TYPES = {"DIR": "dir"}

_HEADING = re.compile(r"\s*(?:total|insgesamt|итого|合計|总用量)\s+[\d.,]+\S?\s*", re.IGNORECASE)


def is_heading(line: str) -> bool:
    """Whether it is what ``ls`` writes above its lines, or nothing at all."""
    return not line.strip() or _HEADING.fullmatch(line) is not None


def parse_list_line(line: str) -> FtpEntry:
    """One line of LIST or STAT: ``-rw-r--r-- 1 me us 6 Jan 1 00:00 x``, or as IIS writes it.

    A device has no size.  What the line says beside is in `FtpEntry.facts`: ``unix.links``,
    ``unix.owner``, ``unix.group``, ``unix.date``, or ``windows.date``.  The name is not judged;
    `read_listing` judges it.

    Raises:
        ValueError: not such a line.
    """
    text = line.rstrip("\r\n").lstrip()
    entry = None
    if found := _PERMISSIONS.match(text):
        entry = _unix(text, found)
    elif found := _WINDOWS.fullmatch(text):
        entry = _windows(found)
    if entry is not None:
        return entry
    raise ValueError(f"not a line of a listing: {line!r}")


def _unix(text: str, begin: re.Match[str]) -> FtpEntry | None:
    before: list[str] = []
    for word in itertools.islice(_WORD.finditer(text, begin.end()), _MOST_WORDS):
        # what stands before a date is the size, or the second number of a device
        if _SIZE.fullmatch(word[0]) and (date := _DATE.match(text, _behind_blanks(text, word))):
            size = word[0].rpartition(",")
            if not size[1] and before and _MAJOR.fullmatch(before[-1]):
                before.pop()
                size = ("", ",", "")
            return _unix_entry(begin, before, None if size[1] else int(size[2]), date)
        before.append(word[0])
    return None


def _behind_blanks(text: str, word: re.Match[str]) -> int:
    end = word.end()
    while end < len(text) and text[end] in " \t":
        end += 1
    return end


def _unix_entry(
    begin: re.Match[str], before: list[str], size: int | None, date: re.Match[str]
) -> FtpEntry:
    name, link_target = date.string[date.end() :], None
    if begin["type"] == "l":
        shown, arrow, target = name.partition(" -> ")
        if arrow and shown:
            name, link_target = shown, target or None
    facts = {"unix.date": date[0].strip()}
    if len(before) > 1 and before[0].isdecimal():
        facts["unix.links"] = before.pop(0)
    if before:
        facts["unix.owner"] = before[0]
    if len(before) > 1:
        facts["unix.group"] = " ".join(before[1:])
    return FtpEntry(
        name=name,
        type=_UNIX_TYPES.get(begin["type"], f"OS.unix={begin['type']}"),
        size=size,
        mode=_mode(begin["mode"]),
        link_target=link_target,
        facts=MappingProxyType(facts),
    )


def _windows(found: re.Match[str]) -> FtpEntry:
    kind, name, link_target = found["kind"], found["name"], None
    if kind in ("JUNCTION", "SYMLINK", "SYMLINKD"):
        # where it leads stands behind the name, and whether that is a directory does not
        if linked := _WINDOWS_TARGET.fullmatch(name):
            name, link_target = linked["name"], linked["target"]
        entry_type = "OS.windows=slink"
    else:
        entry_type = "file" if kind is None else _WINDOWS_TYPES.get(kind, f"OS.windows={kind}")
    size = found["size"]
    return FtpEntry(
        name=name,
        type=entry_type,
        size=None if size is None else int(re.sub(r"\D", "", size)),
        link_target=link_target,
        facts=MappingProxyType({"windows.date": found["date"]}),
    )


def _mode(letters: str) -> int:
    """Permission bits of ``rwxr-x---`` and the like (POSIX, ls)."""
    bits = sum(
        0o400 >> place for place, letter in enumerate(letters) if letter in "rwx" or letter in "st"
    )
    special = ((2, "sS", 0o4000), (5, "sSl", 0o2000), (8, "tT", 0o1000))
    return bits | sum(bit for place, marks, bit in special if letters[place] in marks)
