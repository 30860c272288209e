"""Many files between here and servers, each session going from one to the next by itself."""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from cogkit.files._targets import Naming, Writing, require_size
from cogkit.files._transfer import FIREWALL
from pyGlobus.globusException import GlobusTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

_TICK = 0.1
# How long sessions that have been cancelled may take to come back.
_GRACE = 10.0


class Part(Protocol):
    """One end of a copy that is under way: a file that has not got its name yet."""

    step: Step
    url: str
    descriptor: int

    def finish(self, moved: int) -> None:
        """Give the target its name."""

    def discard(self, error: BaseException) -> None:
        """Remove what is there of it."""


@dataclass(slots=True)
class Download:
    """From a server into a temporary file here."""

    step: Step
    url: str
    descriptor: int
    writing: Writing

    @classmethod
    def begin(cls, step: Step) -> Download:
        """Open the temporary file."""
        writing = Writing(step)
        return cls(step, step.source.url, writing.descriptor, writing)

    def finish(self, moved: int) -> None:
        """Check the size, and give the file its name."""
        try:
            require_size(self.step, moved)
        except OSError:
            self.writing.discard()
            raise
        self.writing.finish()

    def discard(self, error: BaseException) -> None:
        """Remove the temporary file."""
        self.writing.discard()


@dataclass(slots=True)
class Upload:
    """From a file here to a temporary name at a server."""

    step: Step
    url: str
    descriptor: int
    naming: Naming
    store: RemoteStore

    @classmethod
    def begin(cls, step: Step, store: RemoteStore) -> Upload:
        """Open the file; `store` is the session that gives it its name in the end."""
        naming = Naming(step)
        descriptor = os.open(step.source.path, os.O_RDONLY | os.O_CLOEXEC)
        return cls(step, naming.part.url, descriptor, naming, store)

    def finish(self, moved: int) -> None:
        """Check the sizes, and give the file its name."""
        try:
            require_size(self.step, moved)
            require_size(self.step, self.store.size(self.naming.part), expected=moved)
            self.naming.finish(self.store)
        except BaseException as error:
            self.discard(error)
            raise
        os.close(self.descriptor)

    def discard(self, error: BaseException) -> None:
        """Remove what the server has of it."""
        os.close(self.descriptor)
        self.naming.discard(self.store, error)


def copy_many(
    stores: Sequence[RemoteStore],
    steps: Sequence[Step],
    done: Callable[[Step, int], object],
    moving: Callable[[int], object] | None,
) -> None:
    """Copy plain files that all go the same way, down or up.

    The first that fails ends it; what is complete stays.

    Args:
        stores: The sessions.  Of an upload the first one only checks and renames.
        steps: What to copy.
        done: Told of each file that has got its name, in this thread.
        moving: Told the bytes that have been moved in all, ten times a second, in this thread.
    """
    _Many(stores, steps).run(done, moving)


class _Many:
    def __init__(self, stores: Sequence[RemoteStore], steps: Sequence[Step]) -> None:
        self._upload = steps[0].source.is_local
        self._first = stores[0]
        self._movers = stores[1:] if self._upload and len(stores) > 1 else stores
        self._steps = iter(steps)
        self._lock = threading.Lock()
        self._open: dict[int, Part] = {}
        self._stopped = False
        self._arrived: queue.SimpleQueue[tuple[int, int] | None] = queue.SimpleQueue()

    def run(
        self,
        done: Callable[[Step, int], object],
        moving: Callable[[int], object] | None,
    ) -> None:
        operations = [self._begin(store) for store in self._movers]
        for operation in operations:
            operation.add_done_callback(lambda _: self._arrived.put(None))
        left = len(operations)
        try:
            while left:
                try:
                    arrived = self._arrived.get(timeout=_TICK if moving else None)
                except queue.Empty:
                    arrived = None
                else:
                    if arrived is None:
                        left -= 1
                        for operation in operations:
                            if operation.done():
                                self._require(operation)
                    else:
                        self._finish(*arrived, done)
                if moving:
                    moving(sum(operation.bytes_done for operation in operations))
        except BaseException as error:
            self._give_up(operations, error)
            raise

    def _require(self, operation: Any) -> None:
        try:
            operation.result(0)
        except GlobusTimeoutError as error:
            if not self._upload and not operation.bytes_done and not self._first.options.stream:
                error.add_note(FIREWALL)
            raise

    def _begin(self, store: RemoteStore) -> Any:
        attributes = store.options.attributes(many=True)
        transfer = store.client.put_files if self._upload else store.client.get_files
        return transfer(
            self._parts(),
            attributes,
            file_func=lambda file, moved: self._arrived.put((cast("int", file[1]), moved)),
            stall_timeout=store.options.stall,
        )

    def _parts(self) -> Iterator[tuple[str, int]]:
        """What one of the sessions is to do next; in a thread of its own."""
        while True:
            with self._lock:
                step = None if self._stopped else next(self._steps, None)
                if step is None:
                    return
                part: Part
                part = Upload.begin(step, self._first) if self._upload else Download.begin(step)
                self._open[part.descriptor] = part
            yield part.url, part.descriptor

    def _finish(self, descriptor: int, moved: int, done: Callable[[Step, int], object]) -> None:
        with self._lock:
            # its number may be that of another file as soon as it is closed
            part = self._open.pop(descriptor)
        part.finish(moved)
        done(part.step, moved)

    def _give_up(self, operations: list[Any], error: BaseException) -> None:
        with self._lock:
            self._stopped = True
        for operation in operations:
            operation.cancel()
        for operation in operations:
            operation.wait(_GRACE)
        for part in list(self._open.values()):
            part.discard(error)
