"""`RemoteStore`: the files of GridFTP and FTP servers, during one run."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from cogkit.files._connection import Connection
from cogkit.files._entry import Entry, Kind, Listing
from cogkit.files._listing import entry_of, read
from cogkit.files._server import says_why
from pyGlobus.ftpClient import FtpClientException, ListingForm
from pyGlobus.globusException import GlobusException, GlobusTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogkit.files._connection import Tick
    from cogkit.files._location import Location
    from cogkit.files._options import TransferOptions
    from cogkit.files._run import Run
    from cogkit.files._server import Server


class RemoteStore:
    """What a run does with servers, by one connection: one thing at a time."""

    def __init__(
        self, connection: Connection, run: Run, options: TransferOptions | None = None
    ) -> None:
        """For one run.

        Args:
            connection: What it uses.
            run: What is cancelled as a whole.
            options: Other ones than the connection's, for how long to wait.
        """
        self.connection = connection
        self.run = run
        self.options = options or connection.options
        self._remembered: dict[Location, Listing] | None = None

    def server(self, place: Location) -> Server:
        """What is known of a server."""
        return self.connection.server(place, self.run)

    def open(self, place: Location) -> None:
        """Log in."""
        self.connection.open(place, self.run)

    # ---- Store -----------------------------------------------------------------------------

    def stat(self, place: Location) -> Entry:
        """What is there; a symbolic link is followed."""
        server = self.server(place)
        if not server.has_facts:
            return self._stat_by_listing(place)
        try:
            facts = self._command("mlst", place)
        except FtpClientException as error:
            if error.unsupported:
                server.has_facts = False
            elif says_why(error):
                raise
            # else it is refused in words that say nothing
            return self._stat_by_listing(place)
        return entry_of(facts, place.name or place.path)

    def listdir(self, place: Location, *, follow: bool = True) -> Listing:
        """What is in a directory.

        Args:
            place: The directory.
            follow: Whether to find out what links lead to, where the listing does not tell.
        """
        if self._remembered is None:
            return self._listdir(place, follow=follow)
        if place not in self._remembered:
            self._remembered[place] = self._listdir(place, follow=follow)
        return self._remembered[place]

    def long_list(self, place: Location) -> Listing:
        """What LIST tells of a directory, links and all; empty if that is in no known form."""
        return self._long_list(place) or Listing()

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """In this block nothing changes at the servers: no directory is listed twice."""
        self._remembered = {}
        try:
            yield
        finally:
            self._remembered = None

    def mkdir(self, place: Location) -> None:
        """Make a directory."""
        try:
            self._command("mkdir", place)
        except FtpClientException as error:
            if says_why(error):
                raise
            # Not by its words, but by what is there
            if self.exists(place):
                raise _os_error(FileExistsError, errno.EEXIST, place) from error
            if place.parent != place and not self.exists(place.parent):
                raise _os_error(FileNotFoundError, errno.ENOENT, place) from error
            raise

    def unlink(self, place: Location) -> None:
        """Remove what is not a directory."""
        try:
            self._command("delete", place)
        except FtpClientException as error:
            if says_why(error) or self.exists(place):
                raise
            raise _os_error(FileNotFoundError, errno.ENOENT, place) from error

    def rmdir(self, place: Location) -> None:
        """Remove an empty directory."""
        self._command("rmdir", place)

    # ---- for copies ------------------------------------------------------------------------

    def exists(self, place: Location) -> bool:
        """Whether anything is there, as far as the server tells."""
        try:
            self.stat(place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def size(self, place: Location) -> int:
        """The size of a file in bytes."""
        size: int = self._command("size", place)
        return size

    def rename(self, place: Location, to: Location) -> None:
        """Give a file another name on its server."""
        self._command("move", place, to.url)

    def chmod(self, place: Location, mode: int) -> bool:
        """Set permission bits; False where the server does not let us."""
        server = self.server(place)
        if server.can_chmod is False:
            return False
        try:
            self._command("chmod", place, mode)
        except FtpClientException as error:
            if isinstance(error, (ConnectionError, TimeoutError)):
                raise
            server.can_chmod = False
            return False
        server.can_chmod = True
        return True

    def create(self, place: Location) -> None:
        """Make an empty file."""
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            self.transfer(
                lambda: self.connection.client.put(
                    place.url, self.connection.command_attributes(place), source=nothing,
                    stall_timeout=self.options.stall,
                ),
                place,
            )  # fmt: skip

    def can_rename(self, part: Location, *, ask: bool) -> bool:
        """Whether files can be renamed at that server, as far as it is known.

        Args:
            part: A name that no file has.
            ask: Whether to ask the server if it is not known.  It costs the session, since the
                client library would go on with RNTO (`cog_guard`).
        """
        server = self.server(part)
        if server.can_rename is None and ask:
            try:
                self._command("move", part, part.url)
            except FtpClientException as error:
                if isinstance(error, (ConnectionError, TimeoutError)):
                    raise
                server.can_rename = not error.unsupported
            else:
                server.can_rename = True
        return server.can_rename is not False

    def transfer(
        self,
        begin: Callable[[], Any],
        *places: Location,
        tick: Tick | None = None,
        moved: Callable[[Any], bool] = lambda operation: operation.bytes_done > 0,
    ) -> Any:
        """As `Connection.transfer`."""
        return self.connection.transfer(begin, self.run, *places, tick=tick, moved=moved)

    # ---- how it is done --------------------------------------------------------------------

    def _command(self, name: str, place: Location, *arguments: Any) -> Any:
        connection = self.connection
        command = getattr(connection.client, name)
        operation = command(
            place.url,
            *arguments,
            connection.command_attributes(place),
            timeout=self.options.timeout,
        )
        return connection.wait_for(operation, self.run)

    def _listdir(self, place: Location, *, follow: bool) -> Listing:
        server = self.server(place)
        if server.has_facts:
            try:
                return self._list(ListingForm.FACTS, place) or Listing()
            except FtpClientException as error:
                if not error.unsupported:
                    raise
                server.has_facts = False
        if server.has_list:
            if (listing := self._long_list(place)) is not None:
                return self._with_links_followed(listing, place) if follow else listing
            server.has_list = False
        names = self._list(ListingForm.NAMES, place) or Listing()
        return names.replaced(
            [self._ask_without_listing(place.child(entry.name)) for entry in names]
        )

    def _with_links_followed(self, listing: Listing, place: Location) -> Listing:
        return listing.replaced(
            self._follow(place.child(entry.name), entry) if entry.is_link else entry
            for entry in listing
        )

    def _long_list(self, place: Location) -> Listing | None:
        try:
            return self._list(ListingForm.LONG, place)
        except FtpClientException as error:
            if not error.unsupported:
                raise
        return None

    def _list(self, form: ListingForm, place: Location) -> Listing | None:
        """A listing travels as data, protected like it, and in stream mode."""
        connection = self.connection
        attributes = connection.listing_attributes(place)
        client = connection.client
        call = {
            ListingForm.FACTS: client.machine_list,
            ListingForm.LONG: client.verbose_list,
            ListingForm.NAMES: client.list,
        }[form]
        descriptor = os.memfd_create("listing")
        try:
            size: int = self.transfer(
                lambda: call(
                    place.url, attributes, into=descriptor, stall_timeout=self.options.stall
                ),
                place,
                # what has come of it is asked for anew
                moved=lambda operation: False,
            )
            return read(os.pread(descriptor, size, 0), form, place)
        finally:
            os.close(descriptor)

    def _stat_by_listing(self, place: Location) -> Entry:
        """By the listing of its parent: servers without MLST tell kinds, links and modes there."""
        if not place.name:
            return Entry(place.path, Kind.DIRECTORY)  # a root or home directory
        listing = None
        try:
            listing = self.listdir(place.parent)
        except (GlobusTimeoutError, ConnectionError):
            raise
        except (GlobusException, OSError):
            pass  # some directories may be entered, but not be listed
        for entry in listing or ():
            if entry.name == place.name:
                return entry
        # Some servers do not list names that begin with a dot.
        if listing is not None and not place.name.startswith("."):
            raise _os_error(FileNotFoundError, errno.ENOENT, place)
        return self._ask_without_listing(place)

    def _ask_without_listing(self, place: Location) -> Entry:
        """By CWD, which only works for a directory, and SIZE, which does for some servers too."""
        if self._is_directory(place):
            return Entry(place.name, Kind.DIRECTORY)
        with suppress_refusals():
            return Entry(place.name, Kind.FILE, self.size(place))
        raise _os_error(FileNotFoundError, errno.ENOENT, place)

    def _follow(self, place: Location, link: Entry) -> Entry:
        """What a link leads to, which LIST does not tell."""
        try:
            found = self._ask_without_listing(place)
        except FileNotFoundError:
            return link
        return Entry(link.name, found.kind, found.size, None, None, link.link_target)

    def _is_directory(self, place: Location) -> bool:
        with suppress_refusals():
            self._command("cwd", place)
            return True
        return False


@contextmanager
def suppress_refusals() -> Iterator[None]:
    """What a server refuses in this block is no error; a connection that breaks is one."""
    try:
        yield
    except (ConnectionError, TimeoutError):
        raise
    except FtpClientException:
        pass


def _os_error(kind: type[OSError], number: int, place: Location) -> OSError:
    return kind(number, os.strerror(number), str(place))
