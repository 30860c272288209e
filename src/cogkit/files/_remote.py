"""The files of GridFTP and FTP servers: one client for all of them, and what it waits for."""

from __future__ import annotations

import errno
import os
import posixpath
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from cogkit.files._entry import Entry, Kind
from cogkit.files._location import Location
from pyGlobus.ftpClient import (
    Feature,
    FtpClient,
    FtpClientException,
    FtpClientHandleAttr,
    FtpEntry,
    parse_fact_line,
)
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogkit.files._options import TransferOptions

T = TypeVar("T")

_TICK = 0.1
_GRACE = 3.0
# A command that the server does not know (RFC 959, 4.2).
_UNKNOWN_COMMAND = (500, 501, 502, 504)


class RemoteStore:
    """Servers.  One operation runs at a time, so one client, with a session to each, will do."""

    def __init__(self, options: TransferOptions) -> None:
        self.options = options
        self.client = FtpClient(FtpClientHandleAttr(cache_all=True))
        # The attributes of the transfers between which they go: with others, the data connection
        # would be closed, and be made and authenticated anew for the next file.
        self._attributes = options.attributes(many=True)
        # Listings travel as data: protected like it, and in stream mode.
        self._listing = options.attributes(ordered=True)
        self._running: Any = None
        self._cancelled = False

    def cancel(self) -> None:
        """End what runs, from another thread; nothing new begins."""
        self._cancelled = True
        operation = self._running
        if operation is not None:
            operation.cancel()

    def resume(self) -> None:
        """After `cancel`: go on."""
        self._cancelled = False

    def close(self) -> None:
        """Hang up everywhere."""
        self.client.close()

    # ---- waiting ---------------------------------------------------------------------------

    def finish(self, operation: Any, tick: Callable[[int], object] | None = None) -> Any:
        """Wait for an operation, which has a deadline of its own.

        It is cancelled when the wait is interrupted at any point.

        Args:
            operation: What to wait for.
            tick: Told the bytes that have been moved, ten times a second.
        """
        self._running = operation
        if self._cancelled:
            operation.cancel()
        try:
            while not operation.wait(_TICK if tick else None):
                if tick:
                    tick(operation.bytes_done)
        except BaseException:
            if operation.cancel():
                operation.wait(_GRACE)
            raise
        return operation.result(0)

    def transfer(
        self, operation: Any, *places: Location, tick: Callable[[int], object] | None = None
    ) -> Any:
        """As `finish`, for one that has a data connection to each of these servers."""
        try:
            return self.finish(operation, tick)
        except BaseException:
            # A data connection that is kept in extended block mode is not fit for use after a
            # failure, and would fail the next transfer for no reason.
            for place in places:
                with suppress(GlobusException):
                    self.client.flush_url_state(place.url)
            raise

    # ---- Store -----------------------------------------------------------------------------

    def stat(self, place: Location) -> Entry:
        """What is there; a symbolic link is followed."""
        try:
            facts = self.finish(
                self.client.mlst(place.url, self._attributes, timeout=self.options.timeout)
            )
        except FtpClientException as error:
            if error.reply_code not in _UNKNOWN_COMMAND:
                raise
            return self._stat_without_mlst(place)
        return _entry(facts, place.name or place.path)

    def listdir(self, place: Location) -> list[Entry]:
        """What is in a directory, sorted by name."""
        try:
            text = self._list(self.client.machine_list, place)
        except FtpClientException as error:
            if error.reply_code not in _UNKNOWN_COMMAND:
                raise
            found = [self._stat_without_mlst(place.child(name)) for name in self._names(place)]
        else:
            facts = [parse_fact_line(line) for line in _lines(text)]
            # "." and ".." come as such types from some servers, and as such names from others
            found = [
                _entry(fact, fact.name)
                for fact in facts
                if fact.type not in ("cdir", "pdir") and fact.name not in (".", "..")
            ]
        return sorted(found, key=lambda entry: entry.name)

    def mkdir(self, place: Location) -> None:
        """Make a directory."""
        self.finish(self.client.mkdir(place.url, self._attributes, timeout=self.options.timeout))

    def unlink(self, place: Location) -> None:
        """Remove what is not a directory."""
        self.finish(self.client.delete(place.url, self._attributes, timeout=self.options.timeout))

    def remove_tree(self, place: Location) -> None:
        """Remove a directory with all that is in it; no symbolic link is followed."""
        for entry in self.listdir(place):
            inner = place.child(entry.name)
            if entry.is_dir and entry.link_target is None:
                self.remove_tree(inner)
            else:
                self.unlink(inner)
        self.finish(self.client.rmdir(place.url, self._attributes, timeout=self.options.timeout))

    # ---- for copies ------------------------------------------------------------------------

    def can_split(self, place: Location) -> bool:
        """Whether parts of a file can be fetched and stored at that server."""
        try:
            features = self.finish(
                self.client.feat(place.url, self._attributes, timeout=self.options.timeout)
            )
        except FtpClientException:
            return False
        return bool(features[Feature.ERET] and features[Feature.ESTO])

    def size(self, place: Location) -> int:
        """The size of a file in bytes."""
        size: int = self.finish(
            self.client.size(place.url, self._attributes, timeout=self.options.timeout)
        )
        return size

    def rename(self, place: Location, to: Location) -> None:
        """Give a file another name on its server, over a file of that name."""
        self.finish(
            self.client.move(place.url, to.url, self._attributes, timeout=self.options.timeout)
        )

    # ---- how it is done --------------------------------------------------------------------

    def _list(self, call: Callable[..., Any], place: Location) -> bytes:
        descriptor = os.memfd_create("listing")
        try:
            operation = call(
                place.url, self._listing, into=descriptor, stall_timeout=self.options.stall
            )
            size: int = self.transfer(operation, place)
            return os.pread(descriptor, size, 0)
        finally:
            os.close(descriptor)

    def _names(self, place: Location) -> list[str]:
        """The names in a directory; of a file, its own."""
        # some servers give them with their paths
        names = [posixpath.basename(line) for line in _lines(self._list(self.client.list, place))]
        return [name for name in names if name not in (".", "..")]

    def _stat_without_mlst(self, place: Location) -> Entry:
        """From what every FTP server knows: a file's listing is itself, and nothing is in it."""
        name = place.name or place.path
        names = self._names(place)
        if names == [place.name] and not self._exists(place.child(place.name)):
            return Entry(name, Kind.FILE, self.size(place))
        if not names and not self._exists(place):
            # where that is no error but an empty list
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(place))
        return Entry(name, Kind.DIRECTORY)

    def _exists(self, place: Location) -> bool:
        operation = self.client.exists(place.url, self._attributes, timeout=self.options.timeout)
        try:
            return bool(self.finish(operation))
        except NotADirectoryError:  # nothing can be in a file
            return False


def _entry(facts: FtpEntry, name: str) -> Entry:
    if facts.is_dir:
        kind = Kind.DIRECTORY
    elif facts.type == "file":
        kind = Kind.FILE
    else:
        kind = Kind.OTHER
    return Entry(
        name, kind, facts.size, facts.modified, facts.mode, facts.link_target, facts.unique
    )


def _lines(listing: bytes) -> list[str]:
    # Only CR LF ends a line: a name may hold LF.
    text = os.fsdecode(listing)
    return [line for line in text.split("\r\n") if line]
