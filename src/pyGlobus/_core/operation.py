"""`Operation`: what every asynchronous Globus call returns."""

from __future__ import annotations

import collections
import contextlib
import math
import threading
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import (
    GlobusDeadlockError,
    GlobusException,
    GlobusForkError,
    GlobusTimeoutError,
    OperationCancelledError,
)
from .passwords import shown_in
from .runtime import Timer, call_user, log, runtime

if TYPE_CHECKING:
    from concurrent.futures import Future

__all__ = ["Operation"]

T = TypeVar("T")

_GRACE = 5.0
"""Seconds that an aborted operation has to come back before its caller is told without it."""

_INTERRUPT_GRACE = 0.5
"""Seconds that a cancelled operation has to end before Ctrl-C goes on its way."""

_LOOK = 0.5
"""Seconds after which a wait looks for signals that another thread has got."""


class Operation(Generic[T]):
    """A Globus operation under way.

    Wait for it with `result()`, or ``await`` it, or give it a callback; all three may be mixed.
    Its own deadline (the ``timeout`` of the method that made it) aborts it; the `timeout` of
    `result()` only ends the wait.

    An operation whose wait is interrupted (Ctrl-C) is cancelled: nothing goes on behind the back
    of a program that has left.

    What becomes of it is decided by one thread, the callback thread: everything that may end it is
    handed to that.  So it has no lock, on which a finalizer or a signal handler that cancels an
    operation could get stuck.
    """

    __slots__ = (
        "__weakref__",
        "_abort",
        "_again",
        "_callbacks",
        "_convert",
        "_deadline",
        "_error",
        "_failing",
        "_grace",
        "_keep",
        "_last_word",
        "_look",
        "_lost",
        "_progress",
        "_rest",
        "_returned",
        "_settled",
        "_value",
        "_waiters",
        "_watch",
        "what",
    )

    def __init__(
        self,
        what: str,
        convert: Callable[[Any], T],
        *,
        abort: Callable[[Operation[T]], None] | None = None,
        settled: Callable[[], None] | None = None,
        lost: Callable[[], None] | None = None,
        keep: Any = None,
        progress: Callable[[], int] | None = None,
    ) -> None:
        """For the modules of the map.

        Args:
            what: what is tried, for messages.
            convert: makes the result of the event, or raises; runs on the callback thread.
            abort: asks the library to stop this operation; its event then still comes.
            settled: called once, when Globus has really let go (before the waiters wake).
            lost: called instead when it has been aborted and Globus does not let go.
            keep: what C points at, kept alive until then.
            progress: bytes moved so far.
        """
        self.what = shown_in(what)
        self._convert = convert
        self._abort = abort
        self._settled = settled
        self._lost = lost
        self._keep = keep
        self._progress = progress
        # a bare lock each, released when the outcome is known: a tenth of a threading.Event
        self._waiters: list[threading.Lock] = []
        self._callbacks: collections.deque[Callable[[Operation[T]], object]] = collections.deque()
        self._failing: GlobusException | None = None
        self._last_word: GlobusException | None = None
        """What ends it for good, also when it would be begun again after `_failing`."""
        self._deadline: Timer | None = None
        self._watch: Timer | None = None
        self._grace: Timer | None = None
        self._rest: Timer | None = None
        self._look: Callable[[], None] | None = None
        """What looks for a stall in the attempt under way."""
        self._again: Callable[[BaseException], bool] | None = None
        self._returned = False
        self._value: T | None = None
        self._error: BaseException | None = None

    # --- for whoever started it ---------------------------------------------------------------

    @property
    def bytes_done(self) -> int:
        """Bytes moved so far; 0 where the operation moves none."""
        return self._progress() if self._progress is not None else 0

    def done(self) -> bool:
        """Whether the outcome is known."""
        return self._returned

    def cancelled(self) -> bool:
        """Whether it ended by `cancel()`."""
        return self._returned and isinstance(self._error, OperationCancelledError)

    def cancel(self) -> bool:
        """Ask Globus to stop; False when it is done already or cannot be stopped.

        The operation then ends with `OperationCancelledError`, unless it was quicker.
        """
        return self.fail(OperationCancelledError(f"{self.what}: cancelled"))

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until done, at most `timeout` seconds (None: as long as it takes); tells if done.

        Raises:
            GlobusDeadlockError: called from a callback, which would wait for itself.
            KeyboardInterrupt: after cancelling the operation.
        """
        if self._returned:
            return True
        if runtime.forked:
            raise GlobusForkError(
                f"{self.what}: was begun by the parent process, which alone gets the result"
            )
        if runtime.on_drainer():
            raise GlobusDeadlockError(
                f"{self.what}: a callback cannot wait for an operation",
                hint="use add_done_callback(), or wait in another thread",
            )
        waiter = threading.Lock()
        waiter.acquire()
        until = math.inf if timeout is None else time.monotonic() + timeout
        try:
            self._waiters.append(waiter)
            # whoever ends it says so first, then wakes those who wait
            while not self._returned:
                # Python acts on a signal here, but only one that this thread has got wakes it
                left = min(until - time.monotonic(), _LOOK)
                if left <= 0 or waiter.acquire(timeout=left):
                    break
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
        except BaseException:
            if self.cancel() and waiter in self._waiters:
                waiter.acquire(timeout=_INTERRUPT_GRACE)
            raise
        return self._returned

    def result(self, timeout: float | None = None) -> T:
        """Wait for the outcome and return it, or raise what went wrong.

        Args:
            timeout: seconds to wait; None for as long as the operation's own deadline allows.

        Raises:
            GlobusTimeoutError: `timeout` passed; the operation goes on.
        """
        if not self.wait(timeout):
            raise GlobusTimeoutError(f"{self.what}: no result within {timeout:g} s")
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait, and return what went wrong, or None."""
        if not self.wait(timeout):
            raise GlobusTimeoutError(f"{self.what}: no result within {timeout:g} s")
        return self._error

    def add_done_callback(self, function: Callable[[Operation[T]], object]) -> None:
        """Call `function(operation)` when done: on the callback thread, or now if that is past.

        It must not block.  What it raises is logged (logger ``pyGlobus``).
        """

        def call(operation: Operation[T]) -> object:  # one that is equal to no other
            return function(operation)

        self._callbacks.append(call)
        if self._returned:
            # unless the callback thread has just come to it
            with contextlib.suppress(ValueError):
                self._callbacks.remove(call)
                self._call(call)

    def as_future(self) -> Future[T]:
        """A `concurrent.futures.Future` of the same outcome, for `wait` and `as_completed`.

        Its `cancel()` cancels the operation; the future is then done when that has ended.
        """
        from .futures import OperationFuture  # not everybody's 20 ms

        return OperationFuture(self)

    def __await__(self) -> Generator[Any, None, T]:
        import asyncio  # 30 ms to import; whoever awaits has it already

        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        def tell(_: Operation[T]) -> None:
            # a loop that is closed has nobody left to tell
            if not loop.is_closed():
                loop.call_soon_threadsafe(wake)

        self.add_done_callback(tell)
        try:
            yield from future.__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self.result(0)

    def __repr__(self) -> str:
        if not self._returned:
            state = "under way"
        elif self._error is None:
            state = "done"
        else:
            state = f"failed with {type(self._error).__name__}"
        return f"<Operation {self.what!r} {state}>"

    # --- for the map ---------------------------------------------------------------------------

    def limit(self, seconds: float | None) -> None:
        """Give it a deadline, or another one: it is then aborted and fails with
        `GlobusTimeoutError`."""
        if seconds is not None and not self._returned:
            self._cancel_timer("_deadline")
            self._deadline = runtime.later(seconds, lambda: self._expire(seconds))
            if self._returned:  # meanwhile
                self._forget_timers()

    def limit_stall(
        self,
        seconds: float | None,
        waiting: Callable[[], bool] = lambda: True,
        stalled: Callable[[], str] = lambda: "no data",
    ) -> None:
        """Abort it when `bytes_done` does not grow for so many seconds while it is `waiting`.

        `stalled` tells, for the message, what did not come.
        """
        if seconds is None or self._returned:
            return
        seen, since = self.bytes_done, time.monotonic()
        # often enough to be late by a quarter at most, and to end soon what Globus has lost
        period = min(max(seconds / 4, 0.01), 1.0)

        def look() -> None:
            nonlocal seen, since
            if self._returned or self._rest is not None or self._look is not look:
                return
            now, moment = self.bytes_done, time.monotonic()
            if now != seen or not waiting():
                seen, since = now, moment
            elif moment - since >= seconds:
                self._fail(
                    GlobusTimeoutError(
                        f"{self.what}: {stalled()} for {seconds:g} s, {now} bytes moved; aborted"
                    ),
                    for_good=False,
                )
                return
            self._watch = runtime.later(period, look)

        self._look = look
        self._watch = runtime.later(period, look)
        if self._returned:  # meanwhile
            self._forget_timers()

    def retry(self, again: Callable[[BaseException], bool]) -> None:
        """Ask `again`, when this fails, whether it will be begun once more: see `rest`."""
        self._again = again

    def rest(self, error: BaseException, seconds: float, resume: Callable[[], None]) -> bool:
        """After `error`: call `resume` in so many seconds, unless it is ended (callback thread).

        False when it has been ended, by something else than `error`, already.
        """

        def wake() -> None:
            self._rest = None
            resume()

        if self._last_word is not None or self._failing not in (None, error):
            return False
        self._failing = None
        self._cancel_timer("_watch")
        self._cancel_timer("_grace")
        self._rest = runtime.later(seconds, wake)
        return True

    @property
    def ending(self) -> GlobusException | None:
        """With what it is to end, when it has been told to."""
        return self._last_word or self._failing

    def _expire(self, seconds: float) -> None:
        self._fail(GlobusTimeoutError(f"{self.what}: no answer within {seconds:g} s"))

    def fail(self, error: GlobusException) -> bool:
        """Abort it, to end with `error`, unless it is quicker; False when it is done already."""
        if self._returned or runtime.forked:
            return False
        if self._last_word is None:
            self._last_word = error  # whoever begins it right now sees that it is not wanted
        runtime.bury(lambda: self._fail(error))
        return True

    def _fail(self, error: GlobusException, *, for_good: bool = True) -> None:
        """End it with `error`, on the callback thread; `for_good`: it is not begun again."""
        if self._returned:
            return
        if for_good:
            self._again = None
            self._last_word = self._last_word or error
        if self._failing is not None:
            return  # it is being aborted
        self._failing = self._last_word or error
        if self._rest is not None:
            # between two attempts: nothing to abort
            self._cancel_timer("_rest")
            self.end(None, self._failing)
            return
        if self._abort is None:
            # Globus offers no way to stop this one: let go, and ignore what comes later
            self._return(None, self._failing)
            return
        # a library that does not come back must not keep its caller
        self._grace = runtime.later(_GRACE, self._give_up)
        try:
            self._abort(self)
        except BaseException:
            log.debug("%s: abort failed", self.what, exc_info=True)

    def _give_up(self) -> None:
        if self._returned:
            return
        # should the event come yet, it is too late to touch what has moved on; what C points at
        # stays alive with this object until then
        self._settled = None
        if self._lost is not None:
            call_user(f"{self.what}: what leaves it to Globus", self._lost)
        self._return(None, self.ending)

    def complete(self, event: Any) -> None:
        """The event has come (on the callback thread)."""
        value: T | None = None
        error: BaseException | None = None
        try:
            value = self._convert(event)
        except BaseException as problem:
            error = self.ending or problem
            if error is not problem:
                error.__cause__ = problem
            over = self._returned or self._last_word is not None
            if not over and self._begins_again(self._failing or problem):
                return
            error = self.ending or error
        self.end(value, error)

    def _begins_again(self, error: BaseException) -> bool:
        if self._again is None:
            return False
        return bool(call_user(f"{self.what}: the retry", self._again, error))

    def end(self, value: T | None, error: BaseException | None) -> None:
        """It is over, and Globus has let go of it (on the callback thread)."""
        self._keep = None
        settled, self._settled = self._settled, None
        if settled is not None:
            call_user(f"{self.what}: what frees its handle", settled)
        self._return(value, error)

    def _return(self, value: T | None, error: BaseException | None) -> None:
        if self._returned:
            return
        self._value = value
        self._error = error
        self._returned = True
        self._forget_timers()
        while self._waiters:
            self._waiters.pop().release()
        while self._callbacks:
            self._call(self._callbacks.popleft())

    def _forget_timers(self) -> None:
        for name in ("_deadline", "_watch", "_grace", "_rest"):
            self._cancel_timer(name)
        self._look = None

    def _cancel_timer(self, name: str) -> None:
        timer: Timer | None = getattr(self, name)
        if timer is not None:
            setattr(self, name, None)
            timer.cancel()

    def _call(self, function: Callable[[Operation[T]], object]) -> None:
        call_user(f"a callback of {self!r}", function, self)
