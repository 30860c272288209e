"""`Connection`: one session with each server, and how it is waited for."""

from __future__ import annotations

import itertools
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pyGlobus.ftpClient import FtpClient, FtpClientException, FtpClientHandleAttr
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Callable

    from cogkit.files._location import Location
    from cogkit.files._options import TransferOptions
    from cogkit.files._run import Run
    from cogkit.files._server import Server, Servers
    from pyGlobus.ftpClient import FtpClientOperationAttr

    Tick = Callable[[int], object]

_TICK = 0.1
_GRACE = 3.0
# How long a server may take to let a further session in, which is only for speed.
_LOGIN_TIMEOUT = 20.0
# A data connection that was refused is asked for again after so many seconds, then so many.
RETRY_AFTER = (0.1, 0.5, 1.5)
_DATA_CONNECTION = re.compile(r"\bdata (connection|channel)\b|\bport\b", re.IGNORECASE)


class Connection:
    """A client, which does one thing at a time, and what is known of the servers."""

    def __init__(self, options: TransferOptions, servers: Servers) -> None:
        """Make the client; nothing is connected yet.

        Args:
            options: How long to wait, and how to move data.
            servers: What is known of them, shared with other connections.
        """
        self.options = options
        self.servers = servers
        self.client = FtpClient(FtpClientHandleAttr(cache_all=True))
        self._stream = options.attributes()
        self._extended = options.attributes(extended=True)
        self._listing = options.attributes()
        # as the bytes are: as text the library makes one line end of CR LF and of LF
        self._listing.list_uses_data_mode = True
        self._in_extended_mode: set[Server] = set()

    def close(self) -> None:
        """Hang up everywhere."""
        self.client.close()

    def open(self, place: Location, run: Run) -> None:
        """Log in to the server, if that has not been done."""
        operation = self.client.feat(place.url, self._stream, timeout=self.options.timeout)
        self.servers[place].learn(self.wait_for(operation, run))

    def begin_login(self, place: Location) -> Any:
        """The operation that logs a further session in, without which the others can go on."""
        timeout = min(self.options.timeout or _LOGIN_TIMEOUT, _LOGIN_TIMEOUT)
        return self.client.feat(place.url, self._stream, timeout=timeout)

    def server(self, place: Location, run: Run) -> Server:
        """What is known of a server; in the beginning it is asked."""
        server = self.servers[place]
        if server.features is None:
            self.open(place, run)
        return server

    def command_attributes(self, place: Location) -> FtpClientOperationAttr:
        """For a command: the mode stays as it is, since to change it costs a round trip.

        It would also close the data connection that is kept for the next file.
        """
        server = self.servers[place]
        return self._extended if server in self._in_extended_mode else self._stream

    def listing_attributes(self, place: Location) -> FtpClientOperationAttr:
        """For a listing: in stream mode, where its bytes come in their order."""
        self._in_extended_mode.discard(self.servers[place])
        return self._listing

    def data_attributes(
        self, run: Run, *places: Location, many: bool = False, ordered: bool = False
    ) -> FtpClientOperationAttr:
        """For a transfer.

        Args:
            run: What it is part of.
            places: The servers that take part in it.
            many: Whether several files go, for which the data connection is kept.
            ordered: Whether the bytes must come in their order, as into a pipe.
        """
        options = self.options
        extended = (options.parallel > 1 or many) and not options.stream and not ordered
        if extended and not all(self.server(place, run).is_gridftp for place in places):
            if options.parallel > 1:
                run.tell("One stream for each file: the server has no extended block mode.")
            extended = False
        servers = [self.servers[place] for place in places]
        if extended:
            self._in_extended_mode.update(servers)
        else:
            self._in_extended_mode.difference_update(servers)
        return self._extended if extended else self._stream

    def wait_for(self, operation: Any, run: Run, tick: Tick | None = None) -> Any:
        """Wait for an operation, which has a deadline of its own; returns its result.

        It is cancelled when the wait is interrupted at any point.

        Args:
            operation: What to wait for.
            run: What it is part of.
            tick: Told the bytes that have been moved, ten times a second.
        """
        with run.watching(operation):
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
        self,
        begin: Callable[[], Any],
        run: Run,
        *places: Location,
        tick: Tick | None = None,
        moved: Callable[[Any], bool] = lambda operation: operation.bytes_done > 0,
    ) -> Any:
        """Do what needs a data connection; returns the operation's result.

        What a server or a network refuses for a moment is tried again a few times, while nothing
        has been moved.

        Args:
            begin: Begins the operation, each time anew.
            run: What it is part of.
            places: The servers that have data connections for it.
            tick: Told the bytes that have been moved, ten times a second.
            moved: Tells of an operation that has failed whether it had moved anything.
        """
        for attempt in itertools.count():
            operation = begin()
            try:
                return self.wait_for(operation, run, tick)
            except BaseException as error:
                # A data connection that is kept in extended block mode is not fit for use after a
                # failure, and would fail the next transfer for no reason.
                for place in places:
                    with suppress(GlobusException):
                        self.client.flush_url_state(place.url)
                if (
                    not is_momentary(error)
                    or run.cancelled
                    or attempt >= len(RETRY_AFTER)
                    or moved(operation)
                ):
                    raise
            run.sleep(RETRY_AFTER[attempt])
        raise AssertionError


def is_momentary(error: BaseException) -> bool:
    """Whether it may be well when tried again: a connection that was refused or broke."""
    if isinstance(error, ConnectionError):
        return not isinstance(error, BrokenPipeError)
    # such as "553 Failed to allocate port for data transfer", of ARC's server
    return (
        isinstance(error, FtpClientException)
        and not isinstance(error, (OSError, ValueError))
        and _DATA_CONNECTION.search(error.reply) is not None
    )
