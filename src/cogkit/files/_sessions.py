"""Several sessions with the servers at once, each in a thread of its own."""

from __future__ import annotations

import collections
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from cogkit.files._report import pass_on_parts
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cogkit.files._connection import Tick
    from cogkit.files._location import Location
    from cogkit.files._remote import RemoteStore

T = TypeVar("T")
R = TypeVar("R")

_TICK = 0.1
# How long threads whose work has been cancelled may take to put things in order.
_GRACE = 10.0


class Sessions(Generic[T, R]):
    """Works through a list of tasks with several sessions of one run.

    The first that fails ends it: what runs elsewhere is cancelled, and what is done stays done.
    A further session that the servers do not let in is done without.
    """

    def __init__(
        self,
        stores: Sequence[RemoteStore],
        do: Callable[[RemoteStore, T, Tick | None], R],
        servers: Callable[[T], Iterable[Location]],
        *,
        watched: bool,
    ) -> None:
        """Prepare.

        Args:
            stores: The sessions; the first has been used already.
            do: Does one task in one session; its last argument takes the bytes moved so far.
            servers: Places at the servers that a task needs.
            watched: Whether anybody wants to know the bytes.
        """
        self._stores = stores
        self._do = do
        self._servers = servers
        self._watched = watched
        self._tasks: collections.deque[T] = collections.deque()
        self._news: queue.SimpleQueue[tuple[int, R | None, BaseException | None]]
        self._news = queue.SimpleQueue()
        self._moving = [0] * len(stores)
        self._stopped = False

    def run(
        self,
        tasks: Iterable[T],
        done: Callable[[R], object],
        moving: Callable[[int], object] | None = None,
    ) -> None:
        """Do all the tasks.

        Args:
            tasks: What to do.
            done: Told of each outcome, in this thread.
            moving: Told ten times a second, in this thread, the bytes of what is under way.
        """
        self._tasks.extend(tasks)
        threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(min(len(self._stores), len(self._tasks)))
        ]
        working = len(threads)
        for thread in threads:
            thread.start()
        try:
            while working:
                try:
                    number, outcome, error = self._news.get(timeout=_TICK if moving else None)
                except queue.Empty:
                    pass
                else:
                    if error is not None:
                        raise error
                    if outcome is None:
                        working -= 1
                    else:
                        self._moving[number] = 0
                        done(outcome)
                if moving:
                    moving(sum(self._moving))
        except BaseException as problem:
            self._stopped = True
            self._stores[0].run.cancel()
            for thread in threads:
                thread.join(_GRACE)
            while not self._news.empty():
                _, outcome, error = self._news.get()
                if outcome is not None:  # what others have done meanwhile is done
                    done(outcome)
                elif error is not None:
                    pass_on_parts(error, problem)
            raise

    def _work(self, number: int) -> None:
        store = self._stores[number]
        try:
            if number == 0 or self._lets_in(store):
                while not self._stopped:
                    try:
                        task = self._tasks.popleft()
                    except IndexError:
                        break
                    self._news.put((number, self._do(store, task, self._ticker(number)), None))
        except BaseException as error:
            self._news.put((number, None, error))
            return
        self._news.put((number, None, None))

    def _lets_in(self, store: RemoteStore) -> bool:
        try:
            for place in self._servers(self._tasks[0]):
                store.connection.wait_for(store.connection.begin_login(place), store.run)
        except IndexError:
            return False  # the others have done everything meanwhile
        except GlobusException:
            return False  # the server has enough of us: the others go on without this one
        return True

    def _ticker(self, number: int) -> Tick | None:
        if not self._watched:
            return None

        def tick(moved: int) -> None:
            self._moving[number] = moved

        return tick


def close_all(stores: Iterable[RemoteStore]) -> None:
    """Hang up in all of them."""
    for store in stores:
        with suppress(GlobusException):
            store.connection.close()
