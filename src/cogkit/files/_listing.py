"""From the text of a server's listing to a `Listing`.

What a server sends is checked here: a name is the name of one file in the directory, or it is
left out.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from cogkit.files._entry import Entry, Kind, LeftOut, Listing
from cogkit.files._location import unusable
from pyGlobus.ftpClient import FtpEntry, parse_fact_line, parse_list_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cogkit.files._location import Location

_LINK = re.compile(r"os\.unix=s(ym)?link(:(?P<target>.*))?", re.IGNORECASE | re.DOTALL)


def entry_of(facts: FtpEntry, name: str) -> Entry:
    """What pyGlobus has read of one file or directory, under this name."""
    target = facts.link_target
    if (told := facts.facts.get("unix.slink")) is not None:
        # GCT's server percent-encodes it
        target = unquote(told, errors="surrogateescape") or None
    link = _LINK.fullmatch(facts.type)
    if link is not None and target is None:
        target = link["target"] or ""
    if facts.is_dir:
        kind = Kind.DIRECTORY
    elif facts.type == "file":
        kind = Kind.FILE
    else:
        kind = Kind.OTHER
    return Entry(name, kind, facts.size, facts.modified, facts.mode, target, facts.unique)


def facts_listing(text: bytes) -> Listing:
    """The listing of MLSD."""
    return _listing(*_parsed(_lines(text), parse_fact_line), text)


def list_listing(text: bytes) -> Listing | None:
    """The listing of LIST; ``None`` when it is in no form that is known."""
    lines = [line for line in _lines(text) if not re.fullmatch(r"total \d+", line)]
    entries, left_out = _parsed(lines, parse_list_line)
    if left_out and not entries:
        return None
    return _listing(entries, left_out, text)


def names_listing(text: bytes, place: Location) -> tuple[list[str], list[LeftOut]]:
    """The names of NLST, of which some servers give each with the path of the directory."""
    names: list[str] = []
    left_out: list[LeftOut] = []
    paths = {place.path.strip("/"), place.name}
    for line in _lines(text):
        path, name = posixpath.split(line)
        if path and path.strip("/") not in paths:
            left_out.append(LeftOut(line, unusable(line, remote=True)))
        elif name in (".", ".."):
            pass
        elif reason := unusable(name, remote=True):
            left_out.append(LeftOut(line, reason))
        else:
            names.append(name)
    return names, left_out


def digest_of(text: bytes) -> bytes:
    """Equal for two listings of one directory, if nothing has changed meanwhile."""
    # the order may be that of the disk, or any
    return hashlib.blake2b(b"\n".join(sorted(text.split(b"\n"))), digest_size=16).digest()


def _listing(entries: Iterable[FtpEntry], left_out: list[LeftOut], text: bytes) -> Listing:
    found: list[Entry] = []
    identity = parent = None
    for facts in entries:
        # "." and ".." come as such types from some servers, and as such names from others
        if facts.type == "cdir" or facts.name == ".":
            identity = facts.unique
        elif facts.type == "pdir" or facts.name == "..":
            parent = facts.unique
        elif reason := unusable(facts.name, remote=True):
            left_out.append(LeftOut(facts.name, reason))
        else:
            found.append(entry_of(facts, facts.name))
    return Listing(
        found, left_out, identity=identity, parent_identity=parent, digest=digest_of(text)
    )


def _parsed(
    lines: Iterable[str], parse: Callable[[str], FtpEntry]
) -> tuple[list[FtpEntry], list[LeftOut]]:
    entries: list[FtpEntry] = []
    left_out: list[LeftOut] = []
    for line in lines:
        try:
            entries.append(parse(line))
        except ValueError:
            left_out.append(LeftOut(line, "it is in no form that is known"))
    return entries, left_out


def _lines(listing: bytes) -> list[str]:
    text = os.fsdecode(listing)
    # A name may hold a line feed, so where there are both, it is CR LF that ends a line.
    end = "\r\n" if "\r\n" in text else "\n"
    return [line for line in text.split(end) if line.strip("\r\n")]
