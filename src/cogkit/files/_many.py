"""Many files between here and servers, each session going from one to the next by itself."""

from __future__ import annotations

import collections
import os
import queue
import resource
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from cogkit.files._clean import remove_parts
from cogkit.files._connection import RETRY_AFTER, is_momentary
from cogkit.files._remote import suppress_refusals
from cogkit.files._target_local import LocalTarget, require_end
from cogkit.files._target_remote import RemoteTarget, RenameUnknown
from cogkit.files._transport import FIREWALL
from pyGlobus.globusException import GlobusException, GlobusTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

_TICK = 0.1
# How long sessions that have been cancelled may take to come back.
_GRACE = 10.0
# Descriptors that are left to everything else: connections, pipes, libraries.
_RESERVED = 64
_PER_SESSION = 8


def copy_many(
    stores: Sequence[RemoteStore],
    steps: Sequence[Step],
    done: Callable[[Step, int], object],
    moving: Callable[[int], object] | None,
) -> list[Step]:
    """Copy plain files that all go the same way, down or up.

    The first that fails ends it; what is complete stays.

    Args:
        stores: The sessions.  Of an upload the first one only checks and renames.
        steps: What to copy.
        done: Told of each file that has got its name, in this thread.
        moving: Told the bytes that have been moved in all, ten times a second, in this thread.

    Returns:
        What is left to be copied one by one: the servers let too few sessions in, or it needs a
        closer look.
    """
    return _Many(stores, steps).run(done, moving)


@dataclass(slots=True, eq=False)
class _Session:
    """A session that moves files."""

    store: RemoteStore
    operation: Any = None
    """What it does now."""
    generation: int = 0
    """How often it has begun; what was opened for an earlier time is not sent any more."""
    failures: int = 0
    """How often it has failed since the last file that was complete."""
    begin_at: float | None = None
    """When it begins again."""
    extended: bool = False
    """Whether it is in extended block mode."""
    bytes: int = 0
    """What it moved before it began again."""


@dataclass(slots=True, eq=False)
class _Part:
    """One file that is under way, and has not got its name yet."""

    step: Step
    session: _Session
    descriptor: int
    target: LocalTarget | RemoteTarget
    moved: int | None = None
    """Its bytes, when all have been moved."""

    @property
    def url(self) -> str:
        """Where it comes from, or goes to, at the server."""
        if isinstance(self.target, RemoteTarget):
            return self.target.place.url
        return self.step.source.url


@dataclass(slots=True)
class _Event:
    """What the threads of pyGlobus tell this one."""

    session: _Session
    descriptor: int | None = None
    """The file that is complete; ``None``: the session's operation is over."""
    moved: int = 0
    opened: bool = field(default=False)
    """Whether that operation was the login."""


class _Many:
    def __init__(self, stores: Sequence[RemoteStore], steps: Sequence[Step]) -> None:
        self._first = stores[0]
        self._upload = steps[0].source.is_local
        self._server = steps[0].target if self._upload else steps[0].source
        movers = stores[1:] if self._upload else stores
        self._sessions = [_Session(store) for store in movers]
        self._pending = collections.deque(steps)
        self._left: list[Step] = []
        self._room = threading.Condition()
        """Guards `_pending`, `_open` and the sessions' generations."""
        self._open: dict[int, _Part] = {}
        self._most_open = _most_open_files(len(stores))
        self._unfinished: _Part | None = None
        """The one that was complete, and was not given its name."""
        self._stopped = False
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()

    def run(
        self,
        done: Callable[[Step, int], object],
        moving: Callable[[int], object] | None,
    ) -> list[Step]:
        for session in self._sessions:
            if session.store is self._first:
                self._begin(session)  # it is logged in
            else:
                self._login(session)
        try:
            while any(one.operation or one.begin_at is not None for one in self._sessions):
                event = self._next_event(watched=moving is not None)
                if event is not None:
                    self._take(event, done)
                for session in self._sessions:
                    if session.begin_at is not None and session.begin_at <= time.monotonic():
                        self._begin(session)
                if moving:
                    moving(sum(self._moved(session) for session in self._sessions))
        except BaseException as error:
            self._give_up(error)
            raise
        return [*self._left, *self._pending]

    def _next_event(self, *, watched: bool) -> _Event | None:
        times = [one.begin_at for one in self._sessions if one.begin_at is not None]
        waits = [max(moment - time.monotonic(), 0.0) for moment in times]
        if watched:
            waits.append(_TICK)
        try:
            return self._events.get(timeout=min(waits, default=None))
        except queue.Empty:
            return None

    def _take(self, event: _Event, done: Callable[[Step, int], object]) -> None:
        if event.descriptor is not None:
            with self._room:
                # its number may be that of another file as soon as it is closed
                part = self._open.pop(event.descriptor)
                self._room.notify_all()
            part.moved = event.moved
            event.session.failures = 0
            self._finish(part, done)
        elif event.session.operation is not None and event.session.operation.done():
            self._ended(event.session, login=event.opened)

    # ---- sessions --------------------------------------------------------------------------

    def _login(self, session: _Session) -> None:
        session.operation = session.store.connection.begin_login(self._server)
        session.operation.add_done_callback(
            lambda _: self._events.put(_Event(session, opened=True))
        )

    def _begin(self, session: _Session) -> None:
        store = session.store
        session.begin_at = None
        if not self._pending:
            return
        attributes = store.connection.data_attributes(store.run, self._server, many=True)
        session.extended = attributes.mode.name == "EXTENDED_BLOCK"
        client = store.connection.client
        transfer = client.put_files if self._upload else client.get_files
        session.operation = transfer(
            self._parts(session, session.generation),
            attributes,
            file_func=lambda file, moved: self._events.put(
                _Event(session, cast("int", file[1]), moved)
            ),
            stall_timeout=store.options.stall,
        )
        session.operation.add_done_callback(lambda _: self._events.put(_Event(session)))

    def _parts(self, session: _Session, generation: int) -> Iterator[tuple[str, int]]:
        """What a session is to do next; in a thread of its own."""
        while True:
            with self._room:
                while (
                    len(self._open) >= self._most_open
                    and not self._stopped
                    and session.generation == generation
                ):
                    self._room.wait()
                if self._stopped or session.generation != generation or not self._pending:
                    return
                step = self._pending.popleft()
                try:
                    part = self._part(step, session)
                except BaseException:
                    self._pending.appendleft(step)
                    raise
                self._open[part.descriptor] = part
            yield part.url, part.descriptor

    def _part(self, step: Step, session: _Session) -> _Part:
        if not self._upload:
            local = LocalTarget(step, self._first.options)
            return _Part(step, session, local.descriptor, local)
        remote = RemoteTarget(self._first, step, ask=False)
        descriptor = os.open(step.source.path, os.O_RDONLY | os.O_CLOEXEC)
        return _Part(step, session, descriptor, remote)

    def _ended(self, session: _Session, *, login: bool) -> None:
        operation, session.operation = session.operation, None
        try:
            operation.result(0)
        except GlobusException as error:
            if login:
                return  # the server has enough of us: the others go on without this one
            # what pyGlobus says of files counts those of one session
            error.__notes__ = [
                note for note in getattr(error, "__notes__", ()) if "before it are" not in note
            ]
            if not is_momentary(error) or session.failures >= len(RETRY_AFTER):
                waits = isinstance(error, GlobusTimeoutError) and not operation.bytes_done
                if waits and session.extended and not self._upload:
                    error.add_note(FIREWALL)
                self._explain(session, error)
                raise
            session.bytes += operation.bytes_done
            self._take_back(session)
            session.begin_at = time.monotonic() + RETRY_AFTER[session.failures]
            session.failures += 1
        else:
            if login:
                self._begin(session)
                return
            session.bytes += operation.bytes_done
            if self._pending:  # taken back from another one
                session.generation += 1
                self._begin(session)

    def _explain(self, session: _Session, error: GlobusException) -> None:
        # it is the first of its files that has failed; what is complete was told before
        part = next((one for one in self._open.values() if one.session is session), None)
        if part is not None and isinstance(part.target, RemoteTarget):
            part.target.explain(error)

    def _take_back(self, session: _Session) -> None:
        """A session has failed: what it has not done is to be done again."""
        with self._room:
            session.generation += 1
            parts = [part for part in self._open.values() if part.session is session]
            for part in parts:
                del self._open[part.descriptor]
            self._pending.extendleft(part.step for part in reversed(parts))
            self._room.notify_all()
        for number, part in enumerate(parts):
            if isinstance(part.target, LocalTarget):
                part.target.discard(OSError())
                continue
            os.close(part.descriptor)
            if number == 0 and part.target.is_part:  # those behind it were not begun
                with suppress_refusals():
                    self._first.unlink(part.target.place)

    @staticmethod
    def _moved(session: _Session) -> int:
        return session.bytes + (session.operation.bytes_done if session.operation else 0)

    # ---- files -----------------------------------------------------------------------------

    def _finish(self, part: _Part, done: Callable[[Step, int], object]) -> None:
        step, moved, target = part.step, part.moved or 0, part.target
        if isinstance(target, LocalTarget):
            if step.entry.size is not None and moved != step.entry.size:
                target.discard(OSError())
                self._left.append(step)
                return
            target.finish(moved)
        else:
            try:
                require_end(step, part.descriptor, moved)
                target.finish(moved)
            except RenameUnknown:
                self._first.unlink(target.place)
                self._left.append(step)
                return
            except BaseException as error:
                target.explain(error)
                self._unfinished = None if target.is_kept else part
                raise
            finally:
                os.close(part.descriptor)
        done(step, moved)

    def _give_up(self, error: BaseException) -> None:
        """Stop everything, and remove what is not complete."""
        with self._room:
            self._stopped = True
            self._room.notify_all()
        operations = [one.operation for one in self._sessions if one.operation]
        for operation in operations:
            operation.cancel()
        deadline = time.monotonic() + _GRACE
        for operation in operations:
            operation.wait(max(deadline - time.monotonic(), 0))
        complete = set()
        while not self._events.empty():
            complete.add(self._events.get().descriptor)
        begun = [] if self._unfinished is None else [self._unfinished]
        under_way: set[_Session] = set()
        for part in self._open.values():
            # of a session those that are complete come first, then the one that is under way
            if part.descriptor in complete or part.session not in under_way:
                begun.append(part)
            if part.descriptor not in complete:
                under_way.add(part.session)
            if isinstance(part.target, LocalTarget):
                part.target.discard(error)
            else:
                os.close(part.descriptor)
        places = [
            part.target.place
            for part in begun
            if isinstance(part.target, RemoteTarget) and part.target.is_part
        ]
        if places:
            remove_parts(self._first, places, error)


def _most_open_files(sessions: int) -> int:
    """How many files may be open at once, by this process' limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        limit = 1 << 20
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    return max(limit - used - _RESERVED - _PER_SESSION * sessions, 1)
