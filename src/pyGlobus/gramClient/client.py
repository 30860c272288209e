"""`GramClient`: submit jobs and control them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .._core.errors import text_of
from .._core.operation import Operation
from .._native import ffi, lib
from ..rsl import RSL
from ..security.credential import Credential
from .attr import GramClientAttr
from .constants import GramError, JobSignal, JobState, gram_text
from .contacts import JobContact, ResourceContact
from .course import Tracker
from .info import JobInfo
from .job import GramJob
from .requests import INFO, REPLY, TIMEOUT, GramRequests, T, job_text

__all__ = ["GramClient"]

StateFunc = Callable[[Any, str, JobState, int], object]
"""``func(arg, job_contact, state, error_code)``, in the order of the C callback."""

InfoFunc = Callable[[Any, str, JobInfo], object]
"""``func(arg, job_contact, info)``, in the order of the C callback."""


class GramClient(GramRequests):
    """Submits jobs to gatekeepers and controls them (``globus_gram_client.h``).

    >>> with GramClient() as client:
    ...     job = client.submit(rm, "&(executable=/bin/echo)(arguments=hello)")
    ...     [state.name for state in job.states(timeout=60)][-1]
    'DONE'

    `submit` returns a `GramJob`, which tells its states.  The other methods are the C library's,
    and name a job by its contact.  They block until the answer is there, at most ``timeout``
    seconds (None: for ever); each has a ``register_`` form that returns an `Operation` at once.
    GRAM cannot call a request back: one whose deadline has passed, or that is cancelled, may still
    take effect at the server.  Two-phase commit is made for that: see `GramJob.commit`.
    """

    JOB_STATE_PENDING = JobState.PENDING
    JOB_STATE_ACTIVE = JobState.ACTIVE
    JOB_STATE_FAILED = JobState.FAILED
    JOB_STATE_DONE = JobState.DONE
    JOB_STATE_SUSPENDED = JobState.SUSPENDED
    JOB_STATE_UNSUBMITTED = JobState.UNSUBMITTED
    JOB_STATE_STAGE_IN = JobState.STAGE_IN
    JOB_STATE_STAGE_OUT = JobState.STAGE_OUT
    JOB_STATE_ALL = JobState.ALL

    def __init__(self, *, credential: Credential | None = None) -> None:
        """`credential`: ours for every request; the one GSI finds, each time, when None.

        Raises:
            GramClientCredentialError: there is none.
        """
        super().__init__(credential)
        self._default_contact: str | None = None
        self._tracker = Tracker()

    def close(self) -> None:
        """Stop listening; who waits for a job gets `HandleClosedError`.  The jobs go on."""
        super().close()
        self._tracker.close()

    # --- job objects ---------------------------------------------------------------------------

    def submit(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        *,
        commit: bool = True,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> GramJob:
        """Submit a job, and follow it.

        Args:
            rm: contact of the resource manager.
            rsl: the job: an `RSL`, or its text, which is sent as it is.
            commit: whether to commit at once a job whose RSL asks for two-phase commit.
            attr: credential and delegation for this request.
            timeout: seconds.

        Raises:
            GramClientException: one of its subclasses; with `GramError.DRYRUN` the answer to a dry
                run: the job would be taken.
        """
        job = self._answer(rm, attr, self.register_submit(rm, rsl, attr=attr, timeout=timeout))
        if commit and not job.committed:
            try:
                job.commit(timeout=timeout)
            except BaseException as error:
                error.add_note(f"The job was submitted, and may be committed: {job.contact}")
                raise
        return job

    def register_submit(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[GramJob]:
        """`submit` as an operation; of a job with two-phase commit, the first phase."""
        tracker = self._tracker
        listener = self._listener()
        tracker.expect()
        try:
            operation = self._submission(
                rm, rsl, JobState.ALL, listener, attr, timeout,
                lambda info: GramJob(
                    self,
                    info.contact,
                    tracker.claim(info.contact, submitted=True),
                    two_phase=info.failure_code == GramError.WAITING_FOR_COMMIT,
                ),
            )  # fmt: skip
        except BaseException:
            tracker.expected()
            raise
        operation.add_done_callback(lambda _: tracker.expected())
        return operation

    def job(self, job_contact: str | JobContact) -> GramJob:
        """Pick up a job that was submitted elsewhere or earlier; nothing is asked yet."""
        self._require_open()
        text = str(JobContact.parse(job_contact))
        return GramJob(self, text, self._tracker.claim(text, submitted=False), attach=True)

    def _listener(self) -> str:
        """Where job managers tell the tracker, which all jobs of this client share."""
        with self._lock:
            if self._tracker.contact is None:
                self._tracker.contact = self._listen(self._tracker.tell)
            return self._tracker.contact

    # --- callbacks -----------------------------------------------------------------------------

    def set_callback(self, func: StateFunc, arg: Any = None) -> str:
        """`callback_allow`, as the tutorial calls it: `submit_request` then uses it by itself."""
        contact = self.callback_allow(func, arg)
        self._default_contact = contact
        return contact

    def callback_allow(self, func: StateFunc, arg: Any = None) -> str:
        """Listen for changes of job states (globus_gram_client_callback_allow).

        Args:
            func: called with ``(arg, job_contact, state, error_code)`` for each change, on the
                thread that runs all callbacks: it must not block.
            arg: for `func`.

        Returns:
            The callback contact, for `submit_request` and `job_callback_register`.
        """
        return self._listen(lambda info: func(arg, info.contact, info.state, info.failure_code))

    def info_callback_allow(self, func: InfoFunc, arg: Any = None) -> str:
        """As `callback_allow`, with all that the job manager tells, such as an exit code
        (globus_gram_client_info_callback_allow).

        Args:
            func: called with ``(arg, job_contact, info)``.
            arg: for `func`.
        """
        return self._listen(lambda info: func(arg, info.contact, info))

    def callback_disallow(self, callback_contact: str) -> None:
        """Stop listening (globus_gram_client_callback_disallow)."""
        self._unlisten(callback_contact)
        if self._default_contact == callback_contact:
            self._default_contact = None

    def job_callback_register(
        self,
        job_contact: str | JobContact,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> JobState:
        """Be told of a job that is there already (globus_gram_client_job_callback_register).

        Args:
            job_contact: which job.
            job_state_mask: which changes of state to be told of.
            callback_contact: where to be told; that of the last `set_callback` when None.
            attr: credential for this request.
            timeout: seconds.

        Returns:
            The state that the job is in.
        """
        return self.register_job_callback_registration(
            job_contact, job_state_mask, callback_contact, attr=attr, timeout=timeout
        ).result()

    def register_job_callback_registration(
        self,
        job_contact: str | JobContact,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[JobState]:
        """`job_callback_register` as an operation."""
        where = self._callback_contact(callback_contact)
        return self._request(
            f"register a callback with {job_contact}", _state, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_callback_registration(
                job_text(job_contact), int(job_state_mask), where, attributes, REPLY, token
            ),
        )  # fmt: skip

    def job_callback_unregister(
        self,
        job_contact: str | JobContact,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> JobState:
        """Be told no more of a job (globus_gram_client_job_callback_unregister).

        Returns:
            The state that the job is in.
        """
        return self.register_job_callback_unregistration(
            job_contact, callback_contact, attr=attr, timeout=timeout
        ).result()

    def register_job_callback_unregistration(
        self,
        job_contact: str | JobContact,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[JobState]:
        """`job_callback_unregister` as an operation."""
        where = self._callback_contact(callback_contact)
        return self._request(
            f"unregister a callback from {job_contact}", _state, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_callback_unregistration(
                job_text(job_contact), where, attributes, REPLY, token
            ),
        )  # fmt: skip

    def _callback_contact(self, contact: str | None) -> bytes:
        contact = contact or self._default_contact
        if contact is None:
            raise ValueError("no callback contact: give one, or use set_callback() before")
        return contact.encode()

    # --- jobs by their contacts ------------------------------------------------------------------

    def submit_request(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> str:
        """Submit a job (globus_gram_client_job_request).

        Args:
            rm: contact of the resource manager: ``host[:port][/service][:subject]``.
            rsl: the job: an `RSL`, or its text, which is sent as it is.
            job_state_mask: which changes of state to be told of.
            callback_contact: where to be told; that of the last `set_callback` when None, nowhere
                when there was none.
            attr: credential and delegation for this request.
            timeout: seconds.

        Returns:
            The job contact, which names the job to `status`, `cancel` and `signal`.  A job whose
            RSL asks for two-phase commit waits for the signal `JobSignal.COMMIT_REQUEST`.

        Raises:
            GramClientException: one of its subclasses.
        """
        request = self.register_submit_request(
            rm, rsl, job_state_mask, callback_contact, attr=attr, timeout=timeout
        )
        return self._answer(rm, attr, request)

    def register_submit_request(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[str]:
        """`submit_request` as an operation (globus_gram_client_register_job_request)."""
        return self._submission(
            rm, rsl, job_state_mask, callback_contact or self._default_contact, attr, timeout,
            lambda info: info.contact,
        )  # fmt: skip

    def submit_request_with_info(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> JobInfo:
        """`submit_request`, with all that the job manager answers
        (globus_gram_client_job_request_with_info).

        Returns:
            The contact and what came with it; `JobInfo.failure_code` is
            `GramError.WAITING_FOR_COMMIT` of a job that waits for the second phase.
        """
        request = self.register_submit_request_with_info(
            rm, rsl, job_state_mask, callback_contact, attr=attr, timeout=timeout
        )
        return self._answer(rm, attr, request)

    def register_submit_request_with_info(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[JobInfo]:
        """`submit_request_with_info` as an operation."""
        return self._submission(
            rm, rsl, job_state_mask, callback_contact or self._default_contact, attr, timeout,
            lambda info: info,
        )  # fmt: skip

    def _submission(
        self,
        rm: str | ResourceContact,
        rsl: str | RSL,
        mask: int,
        callback: str | None,
        attr: GramClientAttr | None,
        timeout: float | None,
        convert: Callable[[JobInfo], T],
    ) -> Operation[T]:
        contact = str(ResourceContact.parse(rm))
        text = rsl.job_text() if isinstance(rsl, RSL) else rsl
        return self._question(
            f"submit to {contact}",
            # of a job that waits for its commit, that is no failure
            lambda info: bool(info.contact) and info.failure_code in _TAKEN,
            convert, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_request_with_info(
                contact.encode(), text.encode("utf-8", "surrogateescape"), int(mask),
                ffi.NULL if callback is None else callback.encode(), attributes, INFO, token,
            ),
        )  # fmt: skip

    def status(
        self,
        job_contact: str | JobContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> JobInfo:
        """Ask the job manager (globus_gram_client_job_status_with_info).

        Raises:
            GramClientConnectionError: no job manager answers: the job is long over, or its job
                manager has died.
            GramClientFileNotFoundError: its job manager does not know it: it is over.
        """
        return self.register_status(job_contact, attr=attr, timeout=timeout).result()

    def register_status(
        self,
        job_contact: str | JobContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[JobInfo]:
        """`status` as an operation (globus_gram_client_register_job_status_with_info)."""
        return self._question(
            f"status of {job_contact}",
            # of a job that has failed, the code is its own
            lambda info: info.state != 0 or not info.failure_code,
            lambda info: replace(
                info, contact=str(job_contact), failure_code=info.job_failure_code
            ),
            attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_status_with_info(
                job_text(job_contact), attributes, INFO, token
            ),
        )  # fmt: skip

    def cancel(
        self,
        job_contact: str | JobContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        """Cancel a job (globus_gram_client_job_cancel); it then fails with USER_CANCELLED."""
        self.register_cancel(job_contact, attr=attr, timeout=timeout).result()

    def register_cancel(
        self,
        job_contact: str | JobContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[None]:
        """`cancel` as an operation (globus_gram_client_register_job_cancel)."""
        return self._request(
            f"cancel {job_contact}", _nothing, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_cancel(
                job_text(job_contact), attributes, REPLY, token
            ),
        )  # fmt: skip

    def signal(
        self,
        job_contact: str | JobContact,
        signal: JobSignal,
        argument: str = "",
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> JobState:
        """Send a signal to a job's manager (globus_gram_client_job_signal).

        Returns:
            The state that the job is in.
        """
        return self.register_signal(
            job_contact, signal, argument, attr=attr, timeout=timeout
        ).result()

    def register_signal(
        self,
        job_contact: str | JobContact,
        signal: JobSignal,
        argument: str = "",
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[JobState]:
        """`signal` as an operation (globus_gram_client_register_job_signal)."""
        if signal in _NAMED:
            # without an argument, which says nothing, it would be refused as malformed
            argument = argument or signal.name.lower()
        return self._request(
            f"{signal.name} {job_contact}", _state, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_signal(
                job_text(job_contact), signal, argument.encode() if argument else ffi.NULL,
                attributes, REPLY, token,
            ),
        )  # fmt: skip

    def refresh_credentials(
        self,
        job_contact: str | JobContact,
        credential: Credential | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        """Give a job a new proxy (globus_gram_client_job_refresh_credentials).

        Args:
            job_contact: which job.
            credential: what the proxy is made of, and who asks; the client's, as found now, when
                None.
            attr: delegation mode for this request.
            timeout: seconds.
        """
        self.register_refresh_credentials(
            job_contact, credential, attr=attr, timeout=timeout
        ).result()

    def register_refresh_credentials(
        self,
        job_contact: str | JobContact,
        credential: Credential | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[None]:
        """`refresh_credentials` as an operation."""
        fresh = self._fresh(credential)
        return self._request(
            f"refresh the credential of {job_contact}", _nothing,
            attr if attr is not None else GramClientAttr(credential=fresh), timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_refresh_credentials(
                job_text(job_contact), fresh.gss(), attributes, REPLY, token
            ),
            keep=fresh,
        )  # fmt: skip

    # --- resource managers -----------------------------------------------------------------------

    def ping(
        self,
        rm: str | ResourceContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> None:
        """Check that a gatekeeper lets us in and has the service (globus_gram_client_ping)."""
        self._answer(rm, attr, self.register_ping(rm, attr=attr, timeout=timeout))

    def register_ping(
        self,
        rm: str | ResourceContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[None]:
        """`ping` as an operation (globus_gram_client_register_ping)."""
        contact = str(ResourceContact.parse(rm))
        return self._request(
            f"ping {contact}", _nothing, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_ping(
                contact.encode(), attributes, REPLY, token
            ),
        )  # fmt: skip

    def get_jobmanager_version(
        self,
        rm: str | ResourceContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Mapping[str, str]:
        """What a job manager says of itself (globus_gram_client_get_jobmanager_version).

        Returns:
            Such as ``toolkit-version`` and ``version``.
        """
        request = self.register_get_jobmanager_version(rm, attr=attr, timeout=timeout)
        return self._answer(rm, attr, request)

    def register_get_jobmanager_version(
        self,
        rm: str | ResourceContact,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = TIMEOUT,
    ) -> Operation[Mapping[str, str]]:
        """`get_jobmanager_version` as an operation."""
        contact = str(ResourceContact.parse(rm))
        return self._question(
            f"version of {contact}", lambda info: not info.failure_code,
            lambda info: info.extensions, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_get_jobmanager_version(
                contact.encode(), attributes, INFO, token
            ),
        )  # fmt: skip

    @staticmethod
    def error_string(code: int) -> str:
        """GCT's text for an error code (globus_gram_client_error_string)."""
        gram_text(code)  # makes it safe to ask
        return text_of(lib.globus_gram_client_error_string(code))

    @staticmethod
    def version() -> int:
        """Version of the GRAM protocol (globus_gram_client_version)."""
        return int(lib.globus_gram_client_version())


_NAMED = (JobSignal.CANCEL, JobSignal.SUSPEND, JobSignal.RESUME)
_TAKEN = (0, GramError.WAITING_FOR_COMMIT)


def _nothing(_: Any) -> None:
    """The answer says no more than that it is done."""


def _state(event: Any) -> JobState:
    return JobState(event.a)
