"""One file from one place to another, so that the target is never half a file.

The data goes to a temporary name next to the target, ``.NAME.<random>.part``, which gets the
target's name when it is complete and has the right size.  Until then the target is as it was.
What is not a plain file, such as /dev/null or a pipe, has no such name: it is written straight.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cogkit.files._location import Location
from cogkit.files._sessions import Sessions
from cogkit.files._targets import naming, reading, require_size, writing
from pyGlobus.globusException import GlobusException, GlobusTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

    Tick = Callable[[int], object]

_BLOCK = 1 << 20
# A file this large is shared by the sessions, in such parts; each costs a data connection.
SPLIT_FROM = 256 << 20
_PART = 128 << 20
FIREWALL = (
    "In extended block mode the server connects to this machine: is there a firewall? Try --stream."
)
# A transfer between servers this long has its growth watched, in a session of its own.
_WATCH_AFTER = 1.0
_WATCH_EVERY = 0.5


def copy_local(step: Step, tick: Tick | None) -> int:
    """From this machine to this machine; returns the bytes."""
    with reading(step.source) as source, writing(step) as target:
        moved = 0
        while block := os.read(source, _BLOCK):
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]
            moved += len(block)
            if tick:
                tick(moved)
        require_size(step, moved)
        return moved


def download(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From a server to this machine; returns the bytes."""
    with writing(step) as target:
        ordered = not stat.S_ISREG(os.fstat(target).st_mode)
        attributes = store.options.attributes(many=many, ordered=ordered)
        operation = store.client.get(
            step.source.url, attributes, into=target, stall_timeout=store.options.stall
        )
        try:
            moved: int = store.transfer(operation, step.source, tick=tick)
        except GlobusTimeoutError as error:
            if not operation.bytes_done and attributes.mode.name == "EXTENDED_BLOCK":
                error.add_note(FIREWALL)
            raise
        require_size(step, moved)
        return moved


def upload(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From this machine to a server; returns the bytes."""
    with reading(step.source) as source, naming(store, step) as target:
        operation = store.client.put(
            target.url,
            store.options.attributes(many=many),
            source=source,
            stall_timeout=store.options.stall,
        )
        moved: int = store.transfer(operation, step.target, tick=tick)
        require_size(step, moved)
        if target != step.target:
            require_size(step, store.size(target), expected=moved)
        return moved


def can_be_split(stores: Sequence[RemoteStore], step: Step) -> bool:
    """Whether several sessions can share the file, and it is worth their while."""
    remote = step.target if step.source.is_local else step.source
    return (
        len(stores) > 1
        and step.source.is_local != step.target.is_local
        and (step.entry.size or 0) >= SPLIT_FROM
        and (step.existing is None or step.existing.is_file)
        and stores[0].can_split(remote)
    )


def download_parts(
    stores: list[RemoteStore], step: Step, tick: Callable[[int], object] | None
) -> int:
    """As `download`, each part in one of several sessions."""
    with writing(step) as target:

        def fetch(store: RemoteStore, part: range, progress: Tick | None) -> int:
            attributes = store.options.attributes()
            operation = store.client.partial_get(
                step.source.url, attributes, None, part.start, part.stop,
                into=target, stall_timeout=store.options.stall,
            )  # fmt: skip
            return int(store.transfer(operation, step.source, tick=progress))

        moved = _in_parts(stores, step, fetch, tick)
        require_size(step, moved)
        return moved


def upload_parts(
    stores: list[RemoteStore], step: Step, tick: Callable[[int], object] | None
) -> int:
    """As `upload`, each part in one of several sessions."""
    with reading(step.source) as source, naming(stores[0], step) as target:

        def send(store: RemoteStore, part: range, progress: Tick | None) -> int:
            attributes = store.options.attributes()
            operation = store.client.partial_put(
                target.url, attributes, None, part.start, part.stop,
                source=source, stall_timeout=store.options.stall,
            )  # fmt: skip
            return int(store.transfer(operation, step.target, tick=progress))

        moved = _in_parts(stores, step, send, tick)
        require_size(step, moved)
        require_size(step, stores[0].size(target), expected=moved)
        return moved


def _in_parts(
    stores: list[RemoteStore],
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

    sessions = Sessions(stores, move, watched=tick is not None)
    sessions.run(parts, done, moving if tick else None)
    return moved


def third_party(store: RemoteStore, step: Step, *, many: bool, tick: Tick | None) -> int:
    """From a server to a server; returns the bytes."""
    with naming(store, step) as target:
        attributes = store.options.attributes(many=many)
        operation = store.client.third_party_transfer(
            step.source.url, attributes, target.url, attributes, timeout=None
        )
        watch = _Watch(store, target, tick)
        try:
            store.transfer(operation, step.source, step.target, tick=watch.look)
        finally:
            watch.close()
        if target == step.target:
            return step.entry.size or 0
        moved = store.size(target)
        require_size(step, moved)
        return moved


class _Watch:
    """Looks at the growing file of a transfer between servers, and ends one that has stalled.

    No data passes here, and no deadline of the client would notice.
    """

    def __init__(self, store: RemoteStore, target: Location, tick: Tick | None) -> None:
        self._main = store
        self._options = store.options
        self._target = target
        self._tick = tick
        self._store: RemoteStore | None = None
        self._seen = -1
        self._changed = time.monotonic()
        self._next = self._changed + _WATCH_AFTER

    def look(self, _: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        stall = self._options.stall
        with suppress(GlobusException):
            size = self._size(min(stall or 60.0, 60.0))
            if size != self._seen:
                self._seen, self._changed = size, time.monotonic()
                if self._tick:
                    self._tick(size)
        if stall is not None and time.monotonic() - self._changed >= stall:
            raise GlobusTimeoutError(
                f"transfer to {self._target}: no data for {stall:g} s, "
                f"{max(self._seen, 0)} bytes moved; aborted",
                hint="can the two servers reach each other?",
            )
        self._next = time.monotonic() + _WATCH_EVERY

    def _size(self, timeout: float) -> int:
        # a client does one thing at a time, so this takes another one
        if self._store is None:
            self._store = type(self._main)(replace(self._options, timeout=timeout))
        return self._store.size(self._target)

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
