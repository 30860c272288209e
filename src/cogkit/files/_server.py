"""What one server can do: found out once, when it is needed, and remembered while it is used.

Most of it comes with the answers to FEAT and SITE HELP, which the client library asks for in each
session anyway; the rest is learnt from what a server refuses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyGlobus.ftpClient import Feature

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cogkit.files._location import Location
    from pyGlobus.ftpClient import FtpClientException


class Server:
    """One server, for one user of it.  What is ``None`` is not known yet."""

    def __init__(self) -> None:
        self.features: Mapping[Feature, bool | None] | None = None
        self.has_facts = True
        """Whether MLST and MLSD tell what is there; else LIST does, or in the end NLST."""
        self.has_list = True
        """Whether LIST comes in a form that is known."""
        self.can_rename: bool | None = None
        self.replaces_by_rename = True
        """Whether a file can be given the name of one that exists."""
        self.can_chmod: bool | None = None
        self.new_mode: int | None = None
        """The mode that it gives new files."""

    def learn(self, features: Mapping[Feature, bool | None]) -> None:
        """Take what FEAT and SITE HELP have told."""
        self.features = features
        if self.can_rename is None and features[Feature.PARALLELISM]:
            # GCT's server, dCache and their like; ARC's, which cannot, has no parallelism either
            self.can_rename = True

    def has(self, feature: Feature) -> bool:
        """Whether it has told that it can do this."""
        return bool(self.features and self.features[feature])

    @property
    def is_gridftp(self) -> bool:
        """Whether it has GridFTP's extensions (GFD.20), such as extended block mode."""
        return any(self.has(one) for one in (Feature.PARALLELISM, Feature.ERET, Feature.DCAU))

    @property
    def can_split(self) -> bool:
        """Whether parts of a file can be fetched and stored (ERET and ESTO)."""
        return self.has(Feature.ERET) and self.has(Feature.ESTO)


class Servers:
    """The servers that are used, each known by its name, port, user and protocol."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Server] = {}

    def __getitem__(self, place: Location) -> Server:
        return self._known.setdefault((place.scheme, place.host), Server())


def says_why(error: FtpClientException) -> bool:
    """Whether a refusal has a reason that was understood; servers have many words for one."""
    return isinstance(error, OSError)
