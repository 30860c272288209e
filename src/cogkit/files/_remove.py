"""Removing a whole directory at a server, and nothing outside of it.

A server follows symbolic links by itself, so a directory is entered only when it is known to be
one.  Where the listings do not tell links, what a removal refuses does: no server's RMD removes a
directory that is not empty, and DELE removes a link or refuses.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyGlobus.ftpClient import FtpClientException

if TYPE_CHECKING:
    from cogkit.files._entry import Entry, Listing
    from cogkit.files._location import Location
    from cogkit.files._remote import RemoteStore


# So many directories, one in the other, are a server's invention.
_DEEPEST = 300


@dataclass(slots=True)
class _Tree:
    """A directory that has been read."""

    place: Location
    files: list[Location] = field(default_factory=list)
    directories: list[_Tree] = field(default_factory=list)


def remove_tree(store: RemoteStore, place: Location) -> None:
    """Remove a directory with all that is in it.

    It is read whole before a file is removed.  Where the server does not tell links, links to
    directories and empty directories are removed meanwhile.

    Args:
        store: The session.
        place: The directory, or a link to one, of which only the link is removed.

    Raises:
        OSError: It cannot be read whole, or it cannot be told what is a link; no file has been
            removed.
    """
    tree = _Reader(store).read_top(place)
    if tree is not None:
        _remove(store, tree)


def _remove(store: RemoteStore, tree: _Tree) -> None:
    for inner in tree.directories:
        _remove(store, inner)
    for file in tree.files:
        try:
            store.unlink(file)
        except FileNotFoundError:
            pass  # somebody else was quicker
    try:
        store.rmdir(tree.place)
    except FtpClientException as error:
        if says_not_empty(error):
            error.add_note("Something came into it meanwhile, or the server does not list it all.")
        raise


class _Reader:
    """Reads a tree, and enters no link."""

    def __init__(self, store: RemoteStore) -> None:
        self._store = store
        self._depth = 0

    def read_top(self, place: Location) -> _Tree | None:
        """The tree to be removed; ``None`` when it is gone already."""
        if self._is_removed(place, None):
            return None
        return self._read(place, self._list(place))

    def _read(self, place: Location, listing: Listing) -> _Tree:
        tree = _Tree(place)
        self._depth += 1
        if self._depth > _DEEPEST:
            raise OSError(
                errno.ELOOP,
                f"nothing was removed: it is in {_DEEPEST} directories, one in the other",
                str(place),
            )
        for entry in listing:
            inner = place.child(entry.name)
            if entry.is_dir and not entry.is_link:
                if (found := self._read_directory(inner, entry, listing)) is not None:
                    tree.directories.append(found)
            else:
                tree.files.append(inner)
        self._depth -= 1
        return tree

    def _read_directory(self, place: Location, entry: Entry, above: Listing) -> _Tree | None:
        if above.identity is not None and entry.identity is not None:
            listing = self._list(place)
            # The directory above it is the one that it was found in: it is no link.
            if (listing.identity, listing.parent_identity) == (entry.identity, above.identity):
                return self._read(place, listing)
        if self._is_removed(place, entry):
            return None
        return self._read(place, self._list(place))

    def _list(self, place: Location) -> Listing:
        listing = self._store.listdir(place, follow=False)
        if listing.left_out:
            line = listing.left_out[0]
            raise OSError(
                errno.EBADMSG,
                f"nothing was removed, since not all that is in it can be named: {line.text!r}: "
                f"{line.reason}",
                str(place),
            )
        return listing

    def _is_removed(self, place: Location, entry: Entry | None) -> bool:
        """Remove an empty directory, or a link; False for what certainly is a directory."""
        store = self._store
        try:
            store.rmdir(place)
        except FtpClientException as refused:
            if isinstance(refused, (ConnectionError, TimeoutError)):
                raise
            if says_not_empty(refused):
                return False
        else:
            return True
        try:
            store.unlink(place)
        except (FtpClientException, FileNotFoundError) as refused:
            if isinstance(refused, (ConnectionError, TimeoutError)):
                raise
            if self._is_listed_as_directory(place):
                return False
            error = OSError(
                errno.ELOOP,
                "it cannot be told whether it is a directory or a symbolic link; nothing in it "
                "was removed",
                str(place),
            )
            raise error from refused
        return True

    def _is_listed_as_directory(self, place: Location) -> bool:
        """By LIST, of servers where it is ls, which does not follow links."""
        store = self._store
        if store.server(place).is_gridftp or place.parent == place:
            return False
        found = [one for one in store.long_list(place.parent) if one.name == place.name]
        return bool(found) and found[0].is_dir and not found[0].is_link


def says_not_empty(error: FtpClientException) -> bool:
    """Whether a directory was not removed since something is in it: then it is no link."""
    return isinstance(error, FileExistsError) or "not empty" in error.reply.lower()
