"""The files of this machine, as :class:`Store`."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cogkit.files._entry import Entry, Kind, Listing

if TYPE_CHECKING:
    from cogkit.files._location import Location


class Store(Protocol):
    """What a command needs of a file system besides its data."""

    def stat(self, place: Location) -> Entry:
        """What is there; a symbolic link is followed."""
        ...

    def listdir(self, place: Location) -> Listing:
        """What is in a directory."""
        ...

    def mkdir(self, place: Location) -> None:
        """Make a directory."""
        ...

    def unlink(self, place: Location) -> None:
        """Remove what is not a directory."""
        ...


class LocalStore:
    """This machine."""

    def stat(self, place: Location) -> Entry:
        """What is there; a symbolic link is followed."""
        return _entry(place.name or place.path, Path(place.path))

    def listdir(self, place: Location) -> Listing:
        """What is in a directory."""
        folder = Path(place.path)
        return Listing(_entry(path.name, path) for path in folder.iterdir())

    def mkdir(self, place: Location) -> None:
        """Make a directory."""
        Path(place.path).mkdir()

    def unlink(self, place: Location) -> None:
        """Remove what is not a directory."""
        Path(place.path).unlink()

    def remove_tree(self, place: Location) -> None:
        """Remove a directory with all that is in it; no symbolic link is followed."""
        path = Path(place.path.rstrip("/") or "/")
        if path.is_symlink():
            path.unlink()
        else:
            import shutil  # with compressors, which take time to import

            shutil.rmtree(path)


def _entry(name: str, path: Path) -> Entry:
    link = str(path.readlink()) if path.is_symlink() else None
    try:
        status = path.stat()
    except OSError:
        if link is None:
            raise
        status = path.lstat()  # a link to nothing is something all the same
    if stat.S_ISREG(status.st_mode):
        kind = Kind.FILE
    elif stat.S_ISDIR(status.st_mode):
        kind = Kind.DIRECTORY
    else:
        kind = Kind.OTHER
    return Entry(
        name,
        kind,
        status.st_size if kind is not Kind.OTHER else None,
        _when(status.st_mtime),
        stat.S_IMODE(status.st_mode),
        link,
        f"{status.st_dev:x}-{status.st_ino:x}",
    )


def _when(seconds: float) -> datetime | None:
    """A time; None for one of a year that `datetime` has not got, which files can have."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
