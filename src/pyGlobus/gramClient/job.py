"""`GramJob`: one job, and its states as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import NoReturn, Protocol, Self

from .._core.errors import GlobusDeadlockError, GlobusException, GlobusTimeoutError
from .._core.operation import Operation
from .._core.runtime import Timer, runtime
from .._core.workers import run_in_background
from ..security import Credential
from .constants import JobSignal, JobState
from .errors import GramClientJobLostError
from .history import JobHistory, Tracker
from .info import JobInfo

__all__ = ["GramJob", "JobClient", "JobStates"]

# Seconds without news until the job manager is asked, at first and at most; where its messages
# reach us, that only shows that it is alive.  Asking costs a GSI handshake there, so that a client
# that follows many jobs asks of each the less often: about two in a second altogether.
_FIRST_ASK, _TOLD_ASK, _SLOWEST_ASK = 5.0, 10.0, 60.0
_ASK_EACH = 0.5
_ASK_TIMEOUT = 15.0
# News of the end may be on its way when the job manager has let go of the job.
_LAST_NEWS = 2.0
# Questions that a job manager may leave unanswered before it is given up.
_PATIENCE = 3


class JobClient(Protocol):
    """What a `GramJob` asks of its `GramClient`, which makes the jobs and so is above them."""

    _tracker: Tracker

    def _listener(self) -> str:
        """The contact that job managers send their messages to."""

    def status(self, job_contact: str, *, timeout: float | None) -> JobInfo:
        """See `GramClient.status`."""

    def register_status(self, job_contact: str, *, timeout: float | None) -> Operation[JobInfo]:
        """See `GramClient.register_status`."""

    def cancel(self, job_contact: str, *, timeout: float | None) -> None:
        """See `GramClient.cancel`."""

    def signal(
        self, job_contact: str, signal: JobSignal, argument: str, *, timeout: float | None
    ) -> JobState:
        """See `GramClient.signal`."""

    def register_signal(
        self, job_contact: str, signal: JobSignal, argument: str = "", *, timeout: float | None
    ) -> Operation[JobState]:
        """See `GramClient.register_signal`."""

    def refresh_credentials(
        self, job_contact: str, credential: Credential | None, *, timeout: float | None
    ) -> None:
        """See `GramClient.refresh_credentials`."""

    def register_job_callback_registration(
        self,
        job_contact: str,
        job_state_mask: int,
        callback_contact: str | None,
        *,
        timeout: float | None,
    ) -> Operation[JobState]:
        """See `GramClient.register_job_callback_registration`."""


class GramJob:
    """A job that was submitted by `GramClient.submit`, or picked up by `GramClient.job`.

    It is no more than its contact: keep that, and any process of the same user can go on.

    >>> with GramClient() as client:
    ...     contact = client.submit(rm, "&(executable=/bin/sleep)(arguments=60)").contact
    >>> with GramClient() as client:
    ...     job = client.job(contact)
    ...     job.cancel()
    ...     print(job.wait(timeout=30).failure)
    the user cancelled the job
    """

    def __init__(
        self,
        client: JobClient,
        contact: str,
        history: JobHistory,
        *,
        two_phase: bool = False,
        attach: bool = False,
    ) -> None:
        """For `GramClient`."""
        self.client = client
        self.contact = contact
        """Names the job: see `JobContact`."""
        self._history = history
        self._two_phase = two_phase
        self._committed = not two_phase
        self._ended = not two_phase
        self._attach = attach
        self._lock = threading.Lock()
        self._watchers = 0
        self._is_watched = False
        self._timer: Timer | None = None
        self._pause = self._due = 0.0
        self._heard = 0
        self._unanswered = 0
        self._trouble: BaseException | None = None
        """Why the last question had no answer."""

    # --- its states --------------------------------------------------------------------------

    @property
    def info(self) -> JobInfo | None:
        """What was learned last; None when nothing was yet."""
        return self._history.last

    @property
    def state(self) -> JobState | None:
        """The last state that was learned, without asking: see `status`."""
        last = self._history.last
        return None if last is None else last.state

    def status(self, *, timeout: float | None = 60.0) -> JobInfo:
        """Ask its job manager (globus_gram_client_job_status_with_info).

        Args:
            timeout: seconds.
        """
        info = self.client.status(self.contact, timeout=timeout)
        self._history.note(info)
        return info

    def states(self, timeout: float | None = None) -> JobStates:
        """Its states, from the first that is known to the last: for ``for`` and ``async for``.

        They come by the job manager's messages.  When none has come for a while, it is asked: after
        5 s (10 s once a message has come), then ever more seldom, up to a minute; less often when
        this client follows more than a hundred jobs.

        Args:
            timeout: seconds until the last; None for as long as it takes.  The job is not
                cancelled when they have passed.

        Raises:
            GlobusTimeoutError: `timeout` has passed.
            GramClientJobLostError: its job manager does not know it, or does not answer.
        """
        return JobStates(self, timeout)

    def wait(self, timeout: float | None = None) -> JobInfo:
        """Wait for its end; returns what its job manager told then, of a failure, too.

        Args:
            timeout: seconds.

        Raises:
            GlobusTimeoutError: `timeout` has passed; the job goes on.
            GramClientJobLostError: as `states`.
        """
        for _ in self.states(timeout):
            pass
        assert self.info is not None
        return self.info

    async def wait_async(self, timeout: float | None = None) -> JobInfo:
        """`wait`, for ``await``."""
        async for _ in self.states(timeout):
            pass
        assert self.info is not None
        return self.info

    # --- its control -------------------------------------------------------------------------

    @property
    def committed(self) -> bool:
        """Whether it may run: False until the `commit` that its RSL asked for."""
        return self._committed

    def commit(self, *, timeout: float | None = 60.0) -> None:
        """The second phase of a submission with two-phase commit: now it may run.

        A job manager that hears of no commit in time throws the job away: so a submission whose
        answer was lost leaves no job behind, and can be repeated.  The end is committed, too, by
        `states` and `wait` when they have told of it.
        """
        self.signal(JobSignal.COMMIT_REQUEST, timeout=timeout)
        self._committed = True

    def commit_extend(self, seconds: int, *, timeout: float | None = 60.0) -> None:
        """Ask for more time to commit."""
        self.signal(JobSignal.COMMIT_EXTEND, str(seconds), timeout=timeout)

    def cancel(self, *, timeout: float | None = 60.0) -> None:
        """Cancel it; it then fails with `GramError.USER_CANCELLED`."""
        self.client.cancel(self.contact, timeout=timeout)

    def suspend(self, *, timeout: float | None = 60.0) -> None:
        """Have the batch system stop it for now.

        Raises:
            GramClientException: with `GramError.UNIMPLEMENTED` where it cannot; GCT's own job
                managers for fork, PBS, LSF, SGE and Slurm cannot.
        """
        self.signal(JobSignal.SUSPEND, timeout=timeout)

    def resume(self, *, timeout: float | None = 60.0) -> None:
        """Let it go on after `suspend`."""
        self.signal(JobSignal.RESUME, timeout=timeout)

    def set_priority(self, priority: str, *, timeout: float | None = 60.0) -> None:
        """Change its priority, in the batch system's own terms, where it can."""
        self.signal(JobSignal.PRIORITY, priority, timeout=timeout)

    def stop_manager(self, *, timeout: float | None = 60.0) -> None:
        """End its job manager's care for it, without ending the job.

        States then end with FAILED and `GramError.JM_STOPPED`.  A job whose RSL has
        ``(save_state=yes)`` is taken up again by submitting ``&(restart=CONTACT)``.
        """
        self.signal(JobSignal.STOP_MANAGER, timeout=timeout)

    def signal(
        self, signal: JobSignal, argument: str = "", *, timeout: float | None = 60.0
    ) -> JobState:
        """Send any signal to its manager: see `GramClient.signal`."""
        return self.client.signal(self.contact, signal, argument, timeout=timeout)

    def refresh_credentials(
        self, credential: Credential | None = None, *, timeout: float | None = 60.0
    ) -> None:
        """Give it a new proxy before its own expires: see `GramClient.refresh_credentials`."""
        self.client.refresh_credentials(self.contact, credential, timeout=timeout)

    def __repr__(self) -> str:
        state = self.state
        return f"<GramJob {self.contact} {'' if state is None else state.name}>".replace(" >", ">")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a GramJob cannot be pickled: pickle its contact, and use client.job()")

    # --- how news are got ----------------------------------------------------------------------

    def _watch(self) -> None:
        """Somebody waits: listen, and ask where nothing comes."""
        with self._lock:
            self._watchers += 1
            if self._watchers > 1 or self._history.is_over:
                return
            self._is_watched = True
            self.client._tracker.watched += 1
            attach, self._attach = self._attach, False
            self._unanswered = 0
            if self._due:
                # whoever waits again and again for a moment must not put the question off each time
                left = max(self._due - time.monotonic(), 0.0)
                self._timer = runtime.later(left, self._ask_soon)
            else:
                self._schedule()
        if attach:
            try:
                self.client.register_job_callback_registration(
                    self.contact, JobState.ALL, self.client._listener(), timeout=_ASK_TIMEOUT
                ).add_done_callback(self._attached)
            except GlobusException as error:
                self._history.fail(error)

    def _unwatch(self) -> None:
        with self._lock:
            self._watchers -= 1
            if self._watchers or not self._is_watched:
                return
            self._is_watched = False
            self.client._tracker.watched -= 1
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _schedule(self) -> None:
        history = self._history
        heard = len(history.changes)
        first = _TOLD_ASK if history.told and not self._unanswered else _FIRST_ASK
        quiet = self._pause and heard == self._heard and not self._unanswered
        self._pause = min(self._pause * 2, _SLOWEST_ASK) if quiet else first
        self._heard = heard
        pause = max(self._pause, _ASK_EACH * self.client._tracker.watched)
        self._due = time.monotonic() + pause
        self._timer = runtime.later(pause, self._ask_soon)

    def _ask_soon(self) -> None:
        self._due = time.monotonic() + _ASK_TIMEOUT  # not again while this one is under way
        # on a thread of its own: a name may have to be looked up; none can begin at the very end
        if not runtime.stopping:
            run_in_background(self._ask)

    def _ask(self) -> None:
        if self._history.is_over:
            return
        try:
            self.client.register_status(self.contact, timeout=_ASK_TIMEOUT).add_done_callback(
                self._answered
            )
        except Exception as error:
            self._unanswered_by(error)

    def _attached(self, operation: Operation[JobState]) -> None:
        error = operation.exception(0)
        if error is None:
            self._history.told = True
            # it says the state and no more: of the end there is more to know
            if operation.result(0).is_final:
                self._ask_soon()
            else:
                self._history.note(JobInfo(self.contact, operation.result(0)))
        elif isinstance(error, FileNotFoundError):
            self._lose(error)
        else:
            self._trouble = error  # it is asked soon

    def _answered(self, operation: Operation[JobInfo]) -> None:
        error = operation.exception(0)
        if error is not None:
            self._unanswered_by(error)
            return
        self._unanswered, self._trouble = 0, None
        self._history.note(operation.result(0))
        self._again()

    def _unanswered_by(self, error: BaseException) -> None:
        self._unanswered += 1
        self._trouble = error
        if isinstance(error, FileNotFoundError) or self._unanswered >= _PATIENCE:
            runtime.later(_LAST_NEWS, lambda: self._lose(error))
        else:
            self._again()

    def _again(self) -> None:
        with self._lock:
            if self._watchers and not self._history.is_over:
                self._schedule()

    def _lose(self, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):
            why = "its job manager does not know it (any more)"
        else:
            why = _unanswering(error)
        state = self.state
        last = "unknown" if state is None else state.name
        lost = GramClientJobLostError(
            f"job {self.contact} is lost: {why}; its last state was {last}",
            code=getattr(error, "code", None),
            library="globus_gram_client",
            hint="a job that is over is forgotten soon; one whose job manager has died can be "
            f"restarted with the RSL &(restart={self.contact})",
        )
        lost.__cause__ = error
        self._history.fail(lost)

    def _end_commit(self) -> Operation[JobState] | None:
        """Tell the job manager that we know of the end: then it can forget the job."""
        if self._ended or not self._history.has_ended:
            return None  # the state of a job whose manager was stopped is needed yet
        self._ended = True
        try:
            return self.client.register_signal(
                self.contact, JobSignal.COMMIT_END, timeout=_ASK_TIMEOUT
            )
        except GlobusException:
            runtime.report("%r: the end could not be committed", self)
            return None


class JobStates:
    """An iterator over a job's states, and an asynchronous one: see `GramJob.states`."""

    def __init__(self, job: GramJob, timeout: float | None) -> None:
        self._watching = False
        self._job = job
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._index = 0

    def __iter__(self) -> Iterator[JobState]:
        return self

    def __next__(self) -> JobState:
        history = self._job._history
        if not history.has(self._index):
            if runtime.on_callback_thread():
                raise GlobusDeadlockError("a callback cannot wait for a job")
            self._begin()
            try:
                known = history.wait(self._index, self._left())
            except BaseException:
                self.close()
                raise
            if not known:
                raise self._late()
        state = self._take()
        if state is None:
            operation = self._job._end_commit()
            if operation is not None:
                operation.wait()
            raise StopIteration
        return state

    def __aiter__(self) -> AsyncIterator[JobState]:
        return self

    async def __anext__(self) -> JobState:
        import asyncio  # 30 ms to import; whoever awaits has it already

        history = self._job._history
        if not history.has(self._index):
            self._begin()
            loop = asyncio.get_running_loop()
            changed = asyncio.Event()

            def wake() -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(changed.set)

            history.when(self._index, wake)
            try:
                await asyncio.wait_for(changed.wait(), self._left())
            except TimeoutError:
                raise self._late() from None
            except BaseException:
                self.close()
                raise
            finally:
                history.forget(wake)
        state = self._take()
        if state is None:
            operation = self._job._end_commit()
            if operation is not None:
                await operation
            raise StopAsyncIteration
        return state

    def close(self) -> None:
        """Ask no more."""
        if self._watching:
            self._watching = False
            self._job._unwatch()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # this thread may hold the very lock that close() wants
        if self._watching:
            self._watching = False
            runtime.run_soon(self._job._unwatch)

    def _begin(self) -> None:
        runtime.require()  # without a callback thread nothing would ever come
        if not self._watching:
            self._watching = True
            self._job._watch()

    def _left(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _late(self) -> GlobusTimeoutError:
        self.close()
        state = self._job.state
        last = "nothing is known of it" if state is None else f"it is {state.name}, and goes on"
        if (trouble := self._job._trouble) is not None:
            last = _unanswering(trouble)
        return GlobusTimeoutError(
            f"job {self._job.contact} did not end within {self._timeout:g} s: {last}"
        )

    def _take(self) -> JobState | None:
        """The next state, which is there, or None at the end."""
        history = self._job._history
        if self._index < len(history.changes):
            self._index += 1
            state = history.changes[self._index - 1].state
            if state.is_final:
                self.close()
            return state
        self.close()
        if history.problem is not None:
            raise history.problem
        return None


def _unanswering(error: BaseException) -> str:
    return f"its job manager does not answer: {getattr(error, 'msg', error)}"
