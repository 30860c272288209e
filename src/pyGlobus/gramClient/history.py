"""The states of jobs, in their order, from the messages of job managers and from asking them."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable

from .._core.errors import HandleClosedError
from .._core.runtime import log, runtime
from .constants import GramError, JobState
from .contacts import JobContact
from .info import JobInfo

__all__ = ["InOrder", "JobHistory", "Tracker"]

_OVERTAKEN = 0.5
"""Seconds that a job's end is held back for the message of its beginning."""

_REMEMBERED = 10_000
"""Jobs of which it is remembered that they have begun, or that they may be ours."""

# A job's states come in this order.  A batch system may take a job back, though.
_RANK = {
    JobState.UNSUBMITTED: 0,
    JobState.STAGE_IN: 1,
    JobState.PENDING: 2,
    JobState.ACTIVE: 3,
    JobState.SUSPENDED: 3,
    JobState.STAGE_OUT: 4,
    JobState.DONE: 5,
    JobState.FAILED: 5,
}


class InOrder:
    """Passes messages on in the order in which they were sent.

    A job manager sends each over a connection of its own, and two of a job at once: of a hundred
    short jobs that are submitted together some end before they begin.  So the end of a job of whose
    beginning nothing has come yet is held back for a moment.  Everything here is on the
    callback thread.
    """

    def __init__(self, tell: Callable[[JobInfo], object]) -> None:
        """`tell` gets them."""
        self._tell = tell
        # as a set that knows its oldest; some jobs end without our being told
        self._begun: dict[str, None] = {}
        self._held: dict[str, JobInfo] = {}

    def __call__(self, info: JobInfo) -> None:
        """A message has come."""
        job = info.contact
        if not info.state.is_final:
            if info.state & (JobState.ACTIVE | JobState.SUSPENDED):
                self._begun[job] = None
                if len(self._begun) > _REMEMBERED:
                    del self._begun[next(iter(self._begun))]
            try:
                self._tell(info)
            finally:
                self._release(job)
        elif job in self._begun:
            del self._begun[job]
            self._tell(info)
        else:
            self._held[job] = info
            runtime.later(_OVERTAKEN, lambda: self._release(job))

    def forget(self) -> None:
        """Nothing more is to be passed on (from any thread)."""
        self._held.clear()

    def _release(self, job: str) -> None:
        held = self._held.pop(job, None)
        if held is not None:
            self._begun.pop(job, None)
            self._tell(held)


class JobHistory:
    """The states of one job so far.

    What is learned by asking may be told once more, and be ahead of messages.  The history has each
    change once, and no state that has been overtaken.
    """

    __slots__ = ("__weakref__", "_changed", "_wakers", "changes", "problem", "told")

    def __init__(self) -> None:
        self.changes: list[JobInfo] = []
        self.problem: Exception | None = None
        """Why nothing more will be learned."""
        self.told = False
        """Whether the job manager's messages reach us."""
        self._changed = threading.Condition()
        self._wakers: list[Callable[[], None]] = []

    @property
    def last(self) -> JobInfo | None:
        """What was learned last."""
        return self.changes[-1] if self.changes else None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.problem is not None or (bool(self.changes) and self.changes[-1].state.is_final)

    @property
    def has_ended(self) -> bool:
        """Whether the job has: one whose manager was stopped has not."""
        last = self.last
        return (
            last is not None and last.state.is_final and last.failure_code != GramError.JM_STOPPED
        )

    def note(self, info: JobInfo) -> None:
        """Enter what was learned."""
        with self._changed:
            if self.problem is not None or not self._is_news(info):
                return
            self.changes.append(info)
            self._wake()

    def fail(self, problem: Exception) -> None:
        """Nothing more will be learned."""
        with self._changed:
            if not self.is_over:
                self.problem = problem
                self._wake()

    def wait(self, index: int, timeout: float | None) -> bool:
        """Wait until there are more than `index` states, or no more will come; tells if so."""
        with self._changed:
            return self._changed.wait_for(lambda: self.has(index), timeout)

    def has(self, index: int) -> bool:
        """Whether there are more than `index` states, or no more will come."""
        return len(self.changes) > index or self.is_over

    def when(self, index: int, waker: Callable[[], None]) -> None:
        """Call `waker` at the next change, or now if `has(index)`; it must not block."""
        with self._changed:
            if not self.has(index):
                self._wakers.append(waker)
                return
        waker()

    def forget(self, waker: Callable[[], None]) -> None:
        """It need not be called any more."""
        with self._changed:
            if waker in self._wakers:
                self._wakers.remove(waker)

    def _is_news(self, info: JobInfo) -> bool:
        if not self.changes:
            return info.state != 0
        last = self.changes[-1]
        if last.state.is_final or info.state == last.state or info.state == 0:
            return False
        overtaken = _RANK.get(info.state, 3) < _RANK.get(last.state, 3)
        return not overtaken or any(info.state == before.state for before in self.changes)

    def _wake(self) -> None:
        wakers, self._wakers = self._wakers, []
        self._changed.notify_all()
        for waker in wakers:
            try:
                waker()
            except Exception:  # one whose loop is closed at this moment must not stop the others
                log.debug("nobody is there to be told of a job", exc_info=True)


class Tracker:
    """Sorts what comes in at one callback contact by jobs."""

    def __init__(self) -> None:
        self.contact: str | None = None
        """Where job managers tell it."""
        self.watched = 0
        """How many jobs are waited for, about."""
        self._lock = threading.Lock()
        self._courses: weakref.WeakValueDictionary[str, JobHistory] = weakref.WeakValueDictionary()
        # a job's first messages may come before the answer that names it
        self._early: dict[str, JobHistory] = {}
        self._expected = 0

    def expect(self) -> None:
        """A submission is under way."""
        with self._lock:
            self._expected += 1

    def expected(self) -> None:
        """It is over."""
        with self._lock:
            self._expected -= 1
            if not self._expected:
                self._early.clear()

    def claim(self, contact: str, *, submitted: bool) -> JobHistory:
        """The history of a job that was `submitted`, again perhaps, or is picked up."""
        key = _key(contact)
        with self._lock:
            history = self._early.pop(key, None) or self._courses.get(key)
            if history is None or (history.is_over and (submitted or not history.has_ended)):
                history = JobHistory()
            self._courses[key] = history
            return history

    def tell(self, info: JobInfo) -> None:
        """A job manager's message (on the callback thread)."""
        key = _key(info.contact)
        with self._lock:
            history = self._courses.get(key)
            if history is None or history.is_over:
                if not self._expected:
                    return
                # of a job that is being submitted, for the first time or again
                history = self._early.setdefault(key, JobHistory())
                if len(self._early) > _REMEMBERED:
                    # where submissions never pause, those that nobody claims would stay
                    del self._early[next(iter(self._early))]
        history.told = True
        history.note(info)

    def close(self) -> None:
        """Wake who waits."""
        with self._lock:
            courses = list(self._courses.values())
        for history in courses:
            history.fail(HandleClosedError("the GramClient of this job is closed"))


def _key(contact: str) -> str:
    # a job manager that was started again listens elsewhere
    return JobContact.parse(contact).path
