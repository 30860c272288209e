"""Files on GridFTP and FTP servers, and on this machine, by the same functions.

A place is a path, or a URL: ``file:///path``, ``gsiftp://host:port/path``, ``ftp://host/path``::

    from cogkit import files

    files.copy("data.bin", "gsiftp://localhost:2811/~/")
    for entry in files.listdir("gsiftp://localhost:2811/~/"):
        print(entry.name, entry.size)

Each function opens sessions of its own.  For several calls take one :class:`Files`, which keeps
its sessions: a GSI handshake takes a third of a second, a command on a kept session a millisecond.

What went wrong is an :class:`OSError` of the usual kind (``FileNotFoundError``, …) wherever the
file is; a remote one also is a :class:`pyGlobus.globusException.GlobusException`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cogkit.files._entry import Entry, Kind, LeftOut, Listing
from cogkit.files._files import Files
from cogkit.files._location import Location, LocationError
from cogkit.files._options import Progress, TransferOptions
from cogkit.files._report import Copied, CopyIncomplete, Refused, Summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = [
    "Copied",
    "CopyIncomplete",
    "Entry",
    "Files",
    "Kind",
    "LeftOut",
    "Listing",
    "Location",
    "LocationError",
    "Progress",
    "Refused",
    "Summary",
    "TransferOptions",
    "cat",
    "copy",
    "listdir",
    "mkdir",
    "remove",
    "stat",
]


def copy(
    sources: str | Iterable[str],
    target: str,
    *,
    recursive: bool = False,
    clobber: bool = True,
    progress: Callable[[Progress], object] | None = None,
    options: TransferOptions | None = None,
) -> Summary:
    """Copy files, as ``cp`` does: see :meth:`Files.copy`."""
    with Files(options) as session:
        return session.copy(
            sources, target, recursive=recursive, clobber=clobber, progress=progress
        )


def listdir(place: str, options: TransferOptions | None = None) -> Listing:
    """What is in a directory: see :meth:`Files.listdir`."""
    with Files(options) as session:
        return session.listdir(place)


def stat(place: str, options: TransferOptions | None = None) -> Entry:
    """What is at a place: see :meth:`Files.stat`."""
    with Files(options) as session:
        return session.stat(place)


def cat(place: str, descriptor: int, options: TransferOptions | None = None) -> int:
    """Write a file's content to a descriptor: see :meth:`Files.cat`."""
    with Files(options) as session:
        return session.cat(place, descriptor)


def mkdir(place: str, *, parents: bool = False, options: TransferOptions | None = None) -> None:
    """Make a directory: see :meth:`Files.mkdir`."""
    with Files(options) as session:
        session.mkdir(place, parents=parents)


def remove(place: str, *, recursive: bool = False, options: TransferOptions | None = None) -> None:
    """Remove a file, or a whole directory: see :meth:`Files.remove`."""
    with Files(options) as session:
        session.remove(place, recursive=recursive)
