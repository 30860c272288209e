"""`Operation`: what every asynchronous Globus call returns."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from .errors import (
    GlobusDeadlockError,
    GlobusException,
    GlobusTimeoutError,
    OperationCancelledError,
)
from .passwords import shown_in
from .runtime import Timer, log, runtime

__all__ = ["Operation"]

T = TypeVar("T")

_GRACE = 5.0
"""Seconds that an aborted operation has to come back before its caller is told without it."""

_INTERRUPT_GRACE = 0.5


class Operation(Generic[T]):
    """A Globus operation under way.

    Wait for it with `result()`, or ``await`` it, or give it a callback; all three may be mixed.
    Its own deadline (the ``timeout`` of the method that made it) aborts it; the `timeout` of
    `result()` only ends the wait.

    An operation whose wait is interrupted (Ctrl-C) is cancelled: nothing goes on behind the back
    of a program that has left.
    """

    __slots__ = (
        "__weakref__",
        "_abort",
        "_again",
        "_callbacks",
        "_convert",
        "_error",
        "_failing",
        "_keep",
        "_lock",
        "_lost",
        "_progress",
        "_rest",
        "_returned",
        "_settled",
        "_timer",
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
            convert: makes the result of the event, or raises; runs on the drainer.
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
        self._lock = threading.Lock()
        # a bare lock each, released when the outcome is known: a tenth of a threading.Event
        self._waiters: list[threading.Lock] = []
        self._callbacks: list[Callable[[Operation[T]], object]] = []
        self._failing: GlobusException | None = None
        self._timer: Timer | None = None
        self._watch: Timer | None = None
        self._rest: Timer | None = None
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
        if runtime.on_drainer():
            raise GlobusDeadlockError(
                f"{self.what}: a callback cannot wait for an operation",
                hint="use add_done_callback(), or wait in another thread",
            )
        waiter = threading.Lock()
        waiter.acquire()
        with self._lock:
            if self._returned:
                return True
            self._waiters.append(waiter)
        seconds = -1.0 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX)
        try:
            if not waiter.acquire(timeout=seconds):
                with self._lock, contextlib.suppress(ValueError):
                    self._waiters.remove(waiter)
        except BaseException:
            if self.cancel():
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
        """Call `function(operation)` when done: on the drainer, or now if that is past.

        It must not block.  What it raises is logged (logger ``pyGlobus``).
        """
        with self._lock:
            if not self._returned:
                self._callbacks.append(function)
                return
        self._call(function)

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
        """Give it a deadline: it is then aborted and fails with `GlobusTimeoutError`."""
        if seconds is not None and not self._returned:
            self._timer = runtime.later(seconds, lambda: self._expire(seconds))

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
        seen, since = -1, 0.0

        def look() -> None:
            nonlocal seen, since
            if self._returned or self._rest is not None:
                return
            now, moment = self.bytes_done, time.monotonic()
            if now != seen or not waiting():
                seen, since = now, moment
            elif moment - since >= seconds:
                self.fail(
                    GlobusTimeoutError(
                        f"{self.what}: {stalled()} for {seconds:g} s, {now} bytes moved; aborted"
                    )
                )
                return
            # often enough to be late by a quarter at most
            self._watch = runtime.later(min(max(seconds / 4, 0.01), 1.0), look)

        look()

    def retry(self, again: Callable[[BaseException], bool]) -> None:
        """Ask `again`, when this fails, whether it will be begun once more: see `rest`."""
        self._again = again

    def rest(self, error: BaseException, seconds: float, resume: Callable[[], None]) -> bool:
        """After `error`: call `resume` on the drainer in so many seconds, unless it is ended.

        False when it has been ended, by something else than `error`, already.
        """

        def wake() -> None:
            with self._lock:
                rest, self._rest = self._rest, None
            if rest is not None:
                resume()

        with self._lock:
            if self._failing not in (None, error):
                return False
            self._failing = None
            watch, self._watch = self._watch, None
            self._rest = runtime.later(seconds, wake)
        if watch is not None:
            watch.cancel()
        return True

    @property
    def ending(self) -> GlobusException | None:
        """With what it is to end, when it has been told to."""
        return self._failing

    def _expire(self, seconds: float) -> None:
        self._again = None
        self.fail(GlobusTimeoutError(f"{self.what}: no answer within {seconds:g} s"))

    def fail(self, error: GlobusException) -> bool:
        """Abort it, to end with `error`; False when it is done or cannot be aborted."""
        with self._lock:
            if self._returned or self._failing is not None:
                return not self._returned
            self._failing = error
            rest, self._rest = self._rest, None
        if rest is not None:
            # between two attempts: nothing to abort
            rest.cancel()
            runtime.bury(lambda: self.end(None, error))
            return True
        if self._abort is None:
            # Globus offers no way to stop this one: let go, and ignore what comes later
            self._return(None, error)
            return True
        try:
            self._abort(self)
        except GlobusException:
            log.debug("%s: abort failed", self.what, exc_info=True)
        # a library that does not come back must not keep its caller
        runtime.later(_GRACE, lambda: self._give_up(error))
        return True

    def _give_up(self, error: GlobusException) -> None:
        with self._lock:
            if self._returned or self._failing is not error:
                return
            # should the event come yet, it is too late to touch what has moved on; what C points
            # at stays alive with this object until then
            self._settled = None
        if self._lost is not None:
            self._lost()
        self._return(None, error)

    def complete(self, event: Any) -> None:
        """The event has come (on the drainer)."""
        value: T | None = None
        error: BaseException | None = None
        try:
            value = self._convert(event)
        except Exception as problem:
            error = self._failing or problem
            if error is not problem:
                error.__cause__ = problem
            if self._begins_again(error):
                return
            error = self._failing or error
        self.end(value, error)

    def _begins_again(self, error: BaseException) -> bool:
        try:
            return self._again is not None and self._again(error)
        except Exception:
            runtime.report("%s: could not be begun again", self.what)
            return False

    def end(self, value: T | None, error: BaseException | None) -> None:
        """It is over, and Globus has let go of it."""
        self._keep = None
        with self._lock:
            settled, self._settled = self._settled, None
        if settled is not None:
            try:
                settled()
            except Exception:
                runtime.report("%s: the handle could not be put in order", self.what)
        self._return(value, error)

    def _return(self, value: T | None, error: BaseException | None) -> None:
        with self._lock:
            if self._returned:
                return
            self._value = value
            self._error = error
            self._returned = True
            callbacks, self._callbacks = self._callbacks, []
            waiters, self._waiters = self._waiters, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        for waiter in waiters:
            waiter.release()
        for function in callbacks:
            self._call(function)

    def _call(self, function: Callable[[Operation[T]], object]) -> None:
        try:
            function(self)
        except Exception:
            runtime.report("a callback of %r raised", self)
