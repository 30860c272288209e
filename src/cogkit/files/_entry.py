"""`Entry`: what is known of one file or directory; `Listing`: what is in a directory."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class Kind(enum.StrEnum):
    """What an entry is."""

    FILE = "file"
    DIRECTORY = "dir"
    OTHER = "other"
    """A device, a pipe, a socket, a link to nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file or directory; what the server does not tell is ``None``."""

    name: str
    kind: Kind
    size: int | None = None
    """Bytes."""
    modified: datetime | None = None
    """Last change, UTC."""
    mode: int | None = None
    """Permission bits."""
    link_target: str | None = None
    """Where a symbolic link leads, ``""`` if that is not told; the rest then is about what it
    leads to.  ``None``: no link, or the server does not tell links."""
    identity: str | None = None
    """The same for two names of one file of a server."""

    @property
    def is_dir(self) -> bool:
        """Whether it is a directory, or a link to one."""
        return self.kind is Kind.DIRECTORY

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file, or a link to one."""
        return self.kind is Kind.FILE

    @property
    def is_link(self) -> bool:
        """Whether it is known to be a symbolic link."""
        return self.link_target is not None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One line of a server's listing that is not in the `Listing`."""

    text: str
    """The name, or the whole line where it has none; as the server sent it, so it may hold
    anything."""
    reason: str


class Listing(list[Entry]):
    """What is in a directory, sorted by name."""

    def __init__(
        self,
        entries: Iterable[Entry] = (),
        left_out: Iterable[LeftOut] = (),
        *,
        identity: str | None = None,
        parent_identity: str | None = None,
        digest: bytes = b"",
    ) -> None:
        """Sort the entries.

        Args:
            entries: What is there.
            left_out: What the server told besides, and nothing can be done with.
            identity: That of the directory itself, as in `Entry.identity`, where it is told.
            parent_identity: That of the directory above it, where it is told.
            digest: A hash of the listing as it came; empty on this machine.
        """
        super().__init__(sorted(entries, key=lambda entry: entry.name))
        self.left_out = tuple(left_out)
        self.identity = identity
        self.parent_identity = parent_identity
        self.digest = digest

    def replaced(self, entries: Iterable[Entry]) -> Listing:
        """The same with other entries."""
        return Listing(
            entries,
            self.left_out,
            identity=self.identity,
            parent_identity=self.parent_identity,
            digest=self.digest,
        )
