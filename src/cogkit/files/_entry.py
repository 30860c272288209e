"""`Entry`: what is known of one file or directory."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    """Where a symbolic link leads; the rest then is about what it leads to."""
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
