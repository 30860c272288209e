"""From the text of a server's listing, which pyGlobus reads and checks, to a `Listing`."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from cogkit.files._entry import Entry, Kind, LeftOut, Listing
from cogkit.files._location import unusable
from pyGlobus.ftpClient import FtpEntry, ListingForm, parse_fact_line, read_listing

if TYPE_CHECKING:
    from cogkit.files._location import Location

_LINK = re.compile(r"os\.\w+=s(ym)?link(:(?P<target>.*))?", re.IGNORECASE | re.DOTALL)
# The lines of MLSD for the directory itself, and for the one above it.
_ITSELF = re.compile(rb"^[^\n]*;type=cdir;[^\n]*|^type=cdir;[^\n]*|^[^\n ]*; \.\r?$", re.I | re.M)
_ABOVE = re.compile(rb"^[^\n]*;type=pdir;[^\n]*|^type=pdir;[^\n]*|^[^\n ]*; \.\.\r?$", re.I | re.M)


def entry_of(facts: FtpEntry, name: str) -> Entry:
    """What pyGlobus has read of one file or directory, under this name."""
    target = facts.link_target
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


def read(text: bytes, form: ListingForm, place: Location) -> Listing | None:
    """The listing of a directory; ``None`` when nothing of it could be understood."""
    found = read_listing(text, form, path=place.path)
    left_out = [LeftOut(line.text, line.reason) for line in found.rejected]
    entries: list[Entry] = []
    for facts in found.entries:
        if reason := unusable(facts.name, remote=True):
            left_out.append(LeftOut(facts.name, reason))
        else:
            entries.append(entry_of(facts, facts.name))
    if left_out and not entries and form is ListingForm.LONG:
        return None
    return Listing(
        entries,
        left_out,
        identity=_identity(_ITSELF, text),
        parent_identity=_identity(_ABOVE, text),
        # the order may be that of the disk, or any
        digest=hashlib.blake2b(b"\n".join(sorted(text.split(b"\n"))), digest_size=16).digest(),
    )


def _identity(line: re.Pattern[bytes], text: bytes) -> str | None:
    found = line.search(text)
    if found is None:
        return None
    try:
        return parse_fact_line(found[0].decode("utf-8", "surrogateescape")).unique
    except ValueError:
        return None
