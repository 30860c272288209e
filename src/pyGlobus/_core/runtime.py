"""Coming up, staying alive, going down: the one place that knows about Globus' threads.

Globus runs its own C threads (thread model ``pthread``).  They never enter Python: each callback
posts to the shim's queue, and one daemon thread of ours, the *callback thread*, takes the events,
finds whom they are for by their token, and runs what is to be run, in order.

- `runtime.activate(...)` brings Globus modules up, counted; the first call checks that the thread
  plugin will load (Globus itself would call ``exit(1)``) and that ``gss_*`` is GSI's.
- `runtime.enrol(handler)` gives the token for a callback; `handler(event)` runs on that thread.
- `runtime.later(seconds, function)` runs a function there: deadlines hang on it.
- `runtime.bury(function)` runs a function there soon.  Finalizers and signal handlers use it: they
  may run anywhere, even in the middle of this module, so neither of the two takes a lock.
- `call_user(what, function, ...)` is how anything that is not ours is called there.

At interpreter exit new work is refused, what runs is aborted and drained for a moment, then the
shim is marked dead.  After a fork the child's copy refuses everything.
"""

from __future__ import annotations

import atexit
import collections
import contextlib
import heapq
import itertools
import logging
import math
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from .._native import ffi, lib
from .environment import malformed
from .errors import GlobusEnvironmentError, GlobusException, GlobusForkError, text_of

__all__ = ["call_user", "log", "runtime"]

log = logging.getLogger("pyGlobus")

T = TypeVar("T")

Handler = Callable[[Any], None]

_EXIT_GRACE = 2.0
"""Seconds that interpreter exit waits for aborted operations to come back."""

_BATCH = 256

_UNSORTED = 1000
"""Timers after which the callback thread is woken to sort them."""


class Timer:
    """A function to be run later on the callback thread; `cancel()` forgets it."""

    __slots__ = ("forget", "function")

    def __init__(self, function: Callable[[], None], forget: Callable[[], None]) -> None:
        self.function: Callable[[], None] | None = function
        self.forget = forget

    def cancel(self) -> None:
        """Forget the function; harmless when it has run."""
        if self.function is not None:
            self.function = None
            self.forget()


class Runtime:
    """The state of Globus in this process; there is one, `runtime`."""

    def __init__(self) -> None:
        # a finalizer or a signal handler may make an object that activates a module
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._handlers: dict[int, tuple[Handler, bool]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        """A heap, the callback thread's own."""
        self._new_timers: collections.deque[tuple[float, int, Timer]] = collections.deque()
        self._timer_numbers = itertools.count()
        self._until = -math.inf
        """When the callback thread wakes by itself; while it works, it need not be woken."""
        self._cancelled = 0
        self._pending: collections.deque[Callable[[], object]] = collections.deque()
        self._closers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._callback_thread: threading.Thread | None = None
        self._runs = threading.Lock()
        """Taken by that thread: there is one."""
        self._started = False
        self._stopping = False
        self._forked = False
        self._inherited: tuple[object, ...] = ()
        """What a forked child does not need and must not free."""

    # --- coming up ---------------------------------------------------------------------------

    def activate(self, *names: str) -> None:
        """Activate the modules ``GLOBUS_<name>_MODULE``, once for each count."""
        for name in names:
            status = self.try_activate(name)
            if status != 0:
                raise GlobusException(
                    f"the Globus module {name} would not start (status {status})",
                    code=status,
                    library=name.lower(),
                )

    def try_activate(self, name: str) -> int:
        """As `activate`, for one module: returns Globus' status, 0 when it is up."""
        self.require()
        with self._lock:
            if self._counts.get(name, 0) == 0:
                if not self._started:
                    self._start()
                status: int = lib.cog_activate(getattr(lib, f"GLOBUS_{name}_MODULE"))
                # after the module, so that it runs before any exit handler of its own
                lib.cog_guard_exit()
                if status != 0:
                    return status
            self._counts[name] = self._counts.get(name, 0) + 1
            return 0

    def deactivate(self, *names: str) -> None:
        """Give a count back.  The last count leaves the module up: see below."""
        with self._lock:
            for name in names:
                if self._counts.get(name, 0) < 1:
                    raise GlobusException(f"the Globus module {name} is not active")
                # Globus threads may still be closing connections in this module, and a second
                # activation after a real deactivation is the least trodden path in GCT.
                self._counts[name] -= 1

    def counts(self) -> dict[str, int]:
        """How often each module has been activated."""
        with self._lock:
            return dict(self._counts)

    @property
    def started(self) -> bool:
        """Whether Globus has been brought up in this process."""
        return self._started

    @property
    def stopping(self) -> bool:
        """Whether the interpreter is leaving."""
        return self._stopping

    @property
    def forked(self) -> bool:
        """Whether this is a forked child: nothing in C may be called any more."""
        return self._forked

    def require(self) -> None:
        """Raise when Globus cannot be used here and now."""
        if self._forked:
            raise GlobusForkError(
                "Globus cannot be used in a forked child: its threads stayed in the parent",
                hint="start workers with multiprocessing's 'spawn' or 'forkserver' method",
            )
        if self._stopping:
            raise GlobusException("the interpreter is shutting down: no new Globus work")

    def _start(self) -> None:
        if reason := malformed():
            raise GlobusEnvironmentError(reason)
        if lib.globus_thread_set_model(b"pthread") != 0:
            raise GlobusException(
                "Globus already runs without threads in this process",
                hint="something else activated it first; import pyGlobus before it, or set "
                "GLOBUS_THREAD_MODEL=pthread",
            )
        reason = lib.cog_check_thread_plugin()
        if reason != ffi.NULL:
            message = text_of(reason)
            lib.free(reason)
            raise GlobusException(
                f"Globus' thread plugin does not load: {message}",
                hint="install libglobus-common0 (Debian) or globus-common (Fedora, EL)",
            )
        owner = text_of(lib.cog_gss_library())
        if "globus_gssapi_gsi" not in owner:
            raise GlobusException(
                f"the GSS-API in this process is {owner or 'unknown'}, not Globus' GSI",
                hint="another GSS library was loaded globally; load it after pyGlobus or with "
                "RTLD_LOCAL",
            )
        status = lib.cog_start()
        if status < 0:
            raise OSError(-status, f"no event descriptor for Globus: {os.strerror(-status)}")
        # Ctrl-C may come between any two of these, and then they are done again
        os.register_at_fork(after_in_child=self._after_fork)
        atexit.register(self._at_exit)
        if self._callback_thread is None:
            threading.Thread(target=self._run, name="pyGlobus-callbacks", daemon=True).start()
        self._started = True

    # --- tokens, timers, clean-ups -----------------------------------------------------------

    def enrol(self, handler: Handler, *, once: bool = True, leaving: bool = False) -> int:
        """A token for a callback; `handler` will get its event, or events unless `once`.

        `leaving`: also while the interpreter does, as what it ends may need it.
        """
        if not leaving or self._forked:
            self.require()
        token: int = lib.cog_slot_new(lib.COG_ONCE if once else lib.COG_MANY)
        if token == 0:
            raise MemoryError("no room for another Globus operation")
        self._handlers[token] = (handler, once)
        return token

    def withdraw(self, token: int) -> None:
        """The callback will not come, or is no longer wanted."""
        if self._forked:
            return
        self._handlers.pop(token, None)
        lib.cog_slot_close(token)

    def later(self, seconds: float, function: Callable[[], None]) -> Timer:
        """Run `function` on the callback thread in so many seconds."""
        timer = Timer(function, self._count_cancelled)
        due = time.monotonic() + seconds
        self._new_timers.append((due, next(self._timer_numbers), timer))
        # the order matters: that thread sets `_until`, then looks for new ones again
        if due < self._until or len(self._new_timers) > _UNSORTED:
            self._wake()
        return timer

    def _count_cancelled(self) -> None:
        self._cancelled += 1

    def bury(self, function: Callable[[], object]) -> None:
        """Run `function` on the callback thread soon; from anywhere."""
        if self._forked or not self._started or lib.cog_is_dead():
            return
        self._pending.append(function)
        self._wake()

    def _wake(self) -> None:
        if self._started and not self._forked and not self.on_drainer():
            lib.cog_wake()

    def close_at_exit(self, handle: Any) -> None:
        """Have `handle.abandon()` called at interpreter exit if it still lives then."""
        self._closers.add(handle)

    def report(self, message: str, *args: object) -> None:
        """Log the exception of a callback; at interpreter exit, when all is refused, quietly."""
        log.log(logging.DEBUG if self._stopping else logging.ERROR, message, *args, exc_info=True)

    def on_drainer(self) -> bool:
        """Whether the caller is the callback thread, which must never wait for itself."""
        thread = self._callback_thread
        return thread is not None and thread.ident == threading.get_ident()

    def pending(self) -> int:
        """How many callbacks are awaited."""
        return len(self._handlers)

    # --- the callback thread -----------------------------------------------------------------

    def _run(self) -> None:
        if not self._runs.acquire(blocking=False):
            return
        self._callback_thread = threading.current_thread()
        events = ffi.new("cog_event[]", _BATCH)
        taken = done = 0
        while not lib.cog_is_dead():
            # nothing but the end of the program ends this loop: every operation waits for it
            try:
                while done < taken:
                    done += 1
                    self._dispatch(events[done - 1])
                while self._pending:
                    call_user("a clean-up", self._pending.popleft())
                wait = self._run_due()
                if not self._pending:
                    lib.cog_wait(wait)
                self._until = -math.inf
                taken, done = lib.cog_take(events, _BATCH), 0
            except BaseException:
                _report_at_any_cost("the callback thread went on after an error")

    def _dispatch(self, event: Any) -> None:
        try:
            handler, once = self._handlers.get(event.token, (None, True))
            if once:
                self._handlers.pop(event.token, None)
            if handler is not None:
                call_user("a Globus callback", handler, event)
        finally:
            if event.object != ffi.NULL:
                lib.globus_object_free(ffi.cast("globus_object_t *", event.object))
            if event.text != ffi.NULL:
                lib.free(event.text)

    def _run_due(self) -> int:
        """Run what is due; returns the milliseconds until the next, -1 for none."""
        while True:
            self._sort_timers()
            # a cancelled one stays until it is due, so that the next with the same delay need not
            # wake this thread
            self._until = self._timers[0][0] if self._timers else math.inf
            if self._new_timers:
                continue
            if not self._timers:
                return -1
            wait = self._until - time.monotonic()
            if wait > 0:
                return int(min(wait, 1e6) * 1000) + 1
            function = heapq.heappop(self._timers)[2].function
            if function is not None:
                call_user("a timer", function)

    def _sort_timers(self) -> None:
        # most deadlines are cancelled long before they pass: do not keep them all until then
        if self._cancelled > max(100, len(self._timers) // 2):
            self._timers = [one for one in self._timers if one[2].function is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0
        while self._new_timers:
            entry = self._new_timers.popleft()
            if entry[2].function is not None:
                heapq.heappush(self._timers, entry)

    # --- going down --------------------------------------------------------------------------

    def _after_fork(self) -> None:
        # The threads of the parent may have had any lock, and what is freed here may be a file
        # whose unwritten data is the parent's to write.
        if self._forked:
            return
        self._forked = True
        self._inherited = self._handlers, self._pending, self._new_timers, self._timers
        self._handlers, self._timers = {}, []
        self._pending, self._new_timers = collections.deque(), collections.deque()
        self._lock = threading.RLock()
        lib.cog_forked()

    def _at_exit(self) -> None:
        if self._forked or self._stopping:
            return
        self._stopping = True
        for handle in list(self._closers):
            call_user("the end of a handle", handle.abandon)
        deadline = time.monotonic() + _EXIT_GRACE
        while (self._handlers or self._pending) and time.monotonic() < deadline:
            time.sleep(0.005)
        lib.cog_die()
        if self._callback_thread is not None and not self.on_drainer():
            self._callback_thread.join(_EXIT_GRACE)


def call_user(what: str, function: Callable[..., T], *args: Any) -> T | None:
    """Call what is not ours; whatever it raises is logged (logger ``pyGlobus``), and None returned.

    On the callback thread that is so for ``SystemExit``, ``KeyboardInterrupt``, ``CancelledError``
    and what test frameworks raise, too: that thread ends with the program only.  On any other
    thread they are its own business, and passed on.
    """
    try:
        return function(*args)
    except BaseException as problem:
        if not isinstance(problem, Exception) and not runtime.on_drainer():
            raise
        runtime.report("%s raised", what)
        return None


def _report_at_any_cost(message: str) -> None:
    with contextlib.suppress(BaseException):  # a handler of the log may raise, too
        runtime.report(message)


runtime = Runtime()
