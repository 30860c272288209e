"""One file from one place to another: local, up, down, or between servers; whole or in parts."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cogkit.files._connection import Connection
from cogkit.files._remote import RemoteStore
from cogkit.files._run import Run
from cogkit.files._sessions import Sessions
from cogkit.files._target_local import reading, require_end, writing, wrong_size
from cogkit.files._target_remote import RenameUnknown, naming
from pyGlobus.ftpClient import FtpClientException
from pyGlobus.globusException import GlobusException, GlobusTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogkit.files._connection import Tick
    from cogkit.files._location import Location
    from cogkit.files._plan import Step

# A file this large is shared by the sessions, in such parts; each costs a data connection.
SPLIT_FROM = 256 << 20
_PART = 128 << 20
FIREWALL = (
    "In extended block mode the server connects to this machine: is there a firewall? Try --stream."
)
# A transfer between servers this long has its growth watched, in a session of its own.
_WATCH_AFTER = 1.0
_WATCH_EVERY = 0.5
# Bytes a second below which one that cannot be watched is given up.
_SLOW = 10_000


def copy_file(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """A file, at least one end of which is at a server; returns its bytes.

    Args:
        store: The session.
        step: What is copied.
        many: Whether several files go, for which the data connection is kept.
        tick: Told the bytes that have been moved, ten times a second.
    """
    if step.target.is_local:
        return download(store, step, many=many, tick=tick)
    copy = upload if step.source.is_local else third_party
    try:
        return copy(store, step, many=many, tick=tick)
    except RenameUnknown:
        if step.source.is_local and not step.entry.is_file:
            raise OSError(
                errno.EOPNOTSUPP,
                "the server cannot rename, and what came from the pipe cannot be sent again",
                str(step.target),
            ) from None
        # now it is known, and it is written straight
        return copy(store, step, many=many, tick=tick)


def download(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From a server to this machine; returns the bytes."""
    connection = store.connection
    with writing(step, store.options) as target:
        attributes = connection.data_attributes(
            store.run, step.source, many=many, ordered=not target.can_seek
        )
        operation: Any = None

        def begin() -> Any:
            nonlocal operation
            operation = connection.client.get(
                step.source.url, attributes, into=target.descriptor,
                stall_timeout=store.options.stall,
            )  # fmt: skip
            return operation

        try:
            target.moved = store.transfer(begin, step.source, tick=tick)
        except GlobusTimeoutError as error:
            if not operation.bytes_done and attributes.mode.name == "EXTENDED_BLOCK":
                error.add_note(FIREWALL)
            raise
        require_source_size(store, step, target.moved)
    return target.moved


def upload(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From this machine to a server; returns the bytes."""
    connection = store.connection
    with reading(step) as source, naming(store, step) as target:
        attributes = connection.data_attributes(store.run, step.target, many=many)
        is_pipe = not stat.S_ISREG(os.fstat(source).st_mode)
        moved: int = store.transfer(
            lambda: connection.client.put(
                target.place.url, attributes, source=source, stall_timeout=store.options.stall
            ),
            step.target,
            tick=tick,
            # what was taken from a pipe may be more than what the server has confirmed
            moved=lambda operation: is_pipe or operation.bytes_done > 0,
        )
        require_end(step, source, moved)
        return target.finish(moved)


def third_party(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From a server to a server; returns the bytes."""
    connection = store.connection
    with naming(store, step) as target:
        attributes = connection.data_attributes(store.run, step.source, step.target, many=many)
        watch = _Watch(store, target.place, step.entry.size, tick)
        try:
            store.transfer(
                lambda: connection.client.third_party_transfer(
                    step.source.url, attributes, target.place.url, attributes, timeout=None
                ),
                step.source,
                step.target,
                tick=watch.check,
                moved=lambda operation: watch.seen > 0,
            )
        finally:
            watch.close()
        return target.finish(None, lambda size: require_source_size(store, step, size))


def can_be_split(stores: Sequence[RemoteStore], step: Step) -> bool:
    """Whether several sessions can share the file, and it is worth their while."""
    if (
        len(stores) < 2
        or step.source.is_local == step.target.is_local
        or (step.entry.size or 0) < SPLIT_FROM
        or not (step.existing is None or step.existing.is_file)
    ):
        return False
    remote = step.target if step.source.is_local else step.source
    return stores[0].server(remote).can_split


def download_parts(
    stores: Sequence[RemoteStore], step: Step, tick: Callable[[int], object] | None
) -> int:
    """As `download`, each part in one of several sessions."""
    with writing(step, stores[0].options) as target:

        def fetch(store: RemoteStore, part: range, progress: Tick | None) -> int:
            connection = store.connection
            attributes = connection.data_attributes(store.run, step.source)
            return int(
                store.transfer(
                    lambda: connection.client.partial_get(
                        step.source.url, attributes, None, part.start, part.stop,
                        into=target.descriptor, stall_timeout=store.options.stall,
                    ),
                    step.source,
                    tick=progress,
                )
            )  # fmt: skip

        target.moved = _in_parts(stores, step, fetch, tick)
        require_source_size(stores[0], step, target.moved)
    return target.moved


def upload_parts(
    stores: Sequence[RemoteStore], step: Step, tick: Callable[[int], object] | None
) -> int:
    """As `upload`, each part in one of several sessions."""
    with reading(step) as source, naming(stores[0], step) as target:

        def send(store: RemoteStore, part: range, progress: Tick | None) -> int:
            connection = store.connection
            attributes = connection.data_attributes(store.run, step.target)
            return int(
                store.transfer(
                    lambda: connection.client.partial_put(
                        target.place.url, attributes, None, part.start, part.stop,
                        source=source, stall_timeout=store.options.stall,
                    ),
                    step.target,
                    tick=progress,
                )
            )  # fmt: skip

        moved = _in_parts(stores, step, send, tick)
        size = os.fstat(source).st_size
        if size > moved:  # it has grown meanwhile
            moved += send(stores[0], range(moved, size), None)
        require_end(step, source, moved)
        return target.finish(moved)


def _in_parts(
    stores: Sequence[RemoteStore],
    step: Step,
    move: Callable[[RemoteStore, range, Tick | None], int],
    tick: Callable[[int], object] | None,
) -> int:
    size = step.entry.size or 0
    parts = [range(first, min(first + _PART, size)) for first in range(0, size, _PART)]
    moved = 0

    def done(length: int) -> None:
        nonlocal moved
        moved += length

    def moving(under_way: int) -> None:
        if tick:
            tick(moved + under_way)

    remote = step.target if step.source.is_local else step.source
    sessions = Sessions(stores, move, lambda part: [remote], watched=tick is not None)
    sessions.run(parts, done, moving if tick else None)
    return moved


def require_source_size(store: RemoteStore, step: Step, moved: int) -> None:
    """Raise if what was moved is not what the source's server has."""
    expected = step.entry.size if step.entry.is_file else None
    if expected is None or moved == expected or (expected == 0 and moved > 0):
        return  # of /proc and its like, size 0 says nothing
    with suppress(FtpClientException):
        # it may have changed since it was asked for
        expected = store.stat(step.source).size
    if moved != expected:
        raise wrong_size(step, moved, expected)


class _Watch:
    """Watches the growing file of a transfer between servers, and ends one that has stalled.

    No data passes here, and no deadline of the client would notice.
    """

    def __init__(
        self, store: RemoteStore, target: Location, expected: int | None, tick: Tick | None
    ) -> None:
        self._main = store
        self._target = target
        self._tick = tick
        self._store: RemoteStore | None = None
        self._expected = expected
        self._alone = False
        self.seen = -1
        """The size that was seen last."""
        self._changed = time.monotonic()
        self._next = self._changed + _WATCH_AFTER

    def check(self, _: int) -> None:
        """Ask for the size, if it is time to."""
        if time.monotonic() < self._next:
            return
        stall = self._main.options.stall
        with suppress(GlobusException):
            size = self._size()
            if size != self.seen:
                self.seen, self._changed = size, time.monotonic()
                if self._tick:
                    self._tick(size)
        if stall is not None and self._alone:
            # nothing can be seen: it gets as long as a slow network takes
            stall += (self._expected or 0) / _SLOW
        if stall is not None and time.monotonic() - self._changed >= stall:
            raise GlobusTimeoutError(
                f"transfer to {self._target}: no data for {stall:g} s, "
                f"{max(self.seen, 0)} bytes moved; aborted",
                hint="can the two servers reach each other?",
            )
        self._next = time.monotonic() + _WATCH_EVERY

    def _size(self) -> int:
        # a client does one thing at a time, so this takes another one
        if self._store is None:
            main = self._main.connection
            options = replace(main.options, timeout=min(main.options.stall or 60.0, 60.0))
            self._store = RemoteStore(Connection(options, main.servers), Run())
            try:
                self._store.open(self._target)
            except GlobusTimeoutError:
                raise
            except GlobusException:
                self._alone = True  # the server takes one session only
        if self._alone:
            return self.seen
        return self._store.size(self._target)

    def close(self) -> None:
        """Hang up."""
        if self._store is not None:
            self._store.connection.close()
