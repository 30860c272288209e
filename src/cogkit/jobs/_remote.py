"""Jobs that are left to themselves: submitted, followed, cancelled; their output fetched later."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from cogkit.jobs._describe import Command, Job, described
from cogkit.jobs._errors import JobError, failure_of, lost
from cogkit.jobs._output import Output, Sink
from cogkit.jobs._run import cancelled, client, run, submitted
from cogkit.jobs._staging import Staging
from pyGlobus.gassServerEZ import GassServerEZ
from pyGlobus.globusException import GlobusException, GlobusTimeoutError
from pyGlobus.gramClient import (
    GramClient,
    GramClientJobLostError,
    GramJob,
    JobInfo,
    JobState,
    ResourceContact,
)
from pyGlobus.rsl import RSL, Literal, Variable

__all__ = ["cancel", "clean", "logs", "status", "submit", "wait"]

# As globus-job-submit does, so that either finds the output of the other's jobs.
_TAG = "anExtraTag"
# So long a job manager remembers how a job went, if nobody says that he knows.
_REMEMBER_SECONDS = 600
# Output that comes no more for so long after the end of a job has all come.
_QUIET = 1.0
_GRACE = 10.0
# How often is looked whether anybody still takes the output.
_LOOK = 0.5

_FIND = (
    'PATH=$PATH:/usr/bin:/bin; p=$(globus-gass-cache -query -t "$1" "$2") && [ -f "$p" ] || exit 44'
)
_FETCH = _FIND + '; exec tail -c "+$3" "$p"'
_FOLLOW = _FIND + '; exec tail -c "+$3" -f "$p"'
_CLEAN = (
    "PATH=$PATH:/usr/bin:/bin; for name in stdout stderr; do"
    ' globus-gass-cache -cleanup-url "$1$name" || :; done'
)
_NOT_KEPT = 44


def submit(
    contact: str,
    job: Job,
    *,
    stdout: str | None = None,
    stderr: str | None = None,
    timeout: float | None = 60.0,
) -> str:
    """Submit a job and leave it to itself; returns its job contact.

    It is submitted with two-phase commit: when this raises, no job runs, and it can be repeated.
    With files of this machine to be staged in, it returns when they are there.

    Args:
        contact: The gatekeeper: ``host[:port][/service][:subject]``.
        job: A `Command` or its words, or RSL.
        stdout: Where its standard output goes: a path there, or a URL.  When None, and not said by
            RSL, it is kept there for `logs`.
        stderr: As `stdout`, for its standard error.
        timeout: Seconds that the gatekeeper may take.

    Raises:
        GramClientException: It could not be submitted: one of its subclasses.
        JobFailed: Its files could not be staged in.
        JobLost: Its job manager died meanwhile.
    """
    description = described(job)
    with client() as session, ExitStack() as stack:
        serves = False
        if isinstance(description, Command):
            files = Staging(description, stays=False)
            serves = files.serves
            base = ""
            if serves:
                base = stack.enter_context(GassServerEZ(readable=files.readable)).url
            text = files.with_urls(base).rsl()
        else:
            text = description
        fresh = submitted(session, contact, _kept(text, stdout=stdout, stderr=stderr), timeout)
        if serves:
            try:
                _await_stage_in(fresh)
            except JobError:
                raise
            except BaseException as error:
                cancelled(fresh, error)  # nobody is here any more to stage from
                raise
        return fresh.contact


def _await_stage_in(job: GramJob) -> None:
    """Stay until its files have been fetched from here."""
    try:
        for state in job.states():
            if state is JobState.FAILED:
                assert job.info is not None
                raise failure_of(job.info)
            if state not in (JobState.UNSUBMITTED, JobState.STAGE_IN):
                return
    except GramClientJobLostError as problem:
        raise lost(problem, job.contact) from problem


def status(job_contact: str, *, timeout: float | None = 60.0) -> JobInfo:
    """What the job manager tells of a job.

    Raises:
        GramClientException: One of its subclasses; of a job that is over, a job manager soon
            knows nothing any more.
    """
    with client() as session:
        return session.status(job_contact, timeout=timeout)


def wait(
    job_contact: str,
    *,
    timeout: float | None = None,
    on_state: Callable[[str, JobState], object] | None = None,
) -> JobInfo:
    """Wait for a job's end; Ctrl-C ends the wait, and not the job.

    Args:
        job_contact: Which job.
        timeout: Seconds; None for as long as it takes.
        on_state: Told each new state.

    Raises:
        JobFailed: The job has failed.
        JobLost: Nothing more can be learned of it: it ended a while ago, or its job manager died.
        GlobusTimeoutError: `timeout` has passed; the job goes on.
    """
    with client() as session:
        job = session.job(job_contact)
        try:
            for state in job.states(timeout):
                if on_state:
                    on_state(job_contact, state)
        except GramClientJobLostError as problem:
            raise lost(problem, job_contact) from problem
        assert job.info is not None
        if job.info.state is JobState.FAILED:
            raise failure_of(job.info)
        return job.info


def cancel(job_contact: str, *, timeout: float | None = 60.0) -> None:
    """Cancel a job."""
    with client() as session:
        session.cancel(job_contact, timeout=timeout)


def logs(
    job_contact: str,
    resource: str,
    sink: Sink,
    *,
    stream: str = "stdout",
    follow: bool = False,
    offset: int = 0,
    timeout: float | None = 60.0,
) -> int:
    """Fetch what a job of `submit`, or of ``globus-job-submit``, has printed so far.

    A small job there sends it, by the fork job manager of the same gatekeeper.

    Args:
        job_contact: Which job.
        resource: Where it was submitted.
        sink: Gets the bytes, on a thread of its own.
        stream: ``stdout`` or ``stderr``.
        follow: Go on until the job has ended.
        offset: How many bytes to leave out at the beginning.
        timeout: Seconds that the small job may take; with `follow`, that may pass until it has been
            taken.

    Returns:
        How many bytes came.

    Raises:
        JobError: Its output is not kept there: not yet, not any more, or its RSL sent it elsewhere.
    """
    if stream not in ("stdout", "stderr"):
        raise ValueError(f"a job has stdout and stderr, not {stream!r}")
    moved = 0
    latest = time.monotonic()

    def count(data: bytes) -> None:
        nonlocal moved, latest
        moved += len(data)
        latest = time.monotonic()
        sink(data)

    there = _fork(resource)

    def arguments() -> list[str]:
        return [_TAG, _url(job_contact, stream), str(offset + moved + 1)]

    if follow:
        with client() as session, Output(count, lambda data: None) as output:
            job = session.job(job_contact)
            if _await_start(job):
                tail = Command(["/bin/sh", "-c", _FOLLOW, "logs", *arguments()])
                with (
                    suppress(GramClientJobLostError),
                    _running(session, there, tail.rsl(output.channel), output.channel.url, timeout),
                ):
                    _await_end(job, output)
                    latest = time.monotonic()
                    while output.failed is None and time.monotonic() - latest < _QUIET:
                        time.sleep(0.1)
        if output.failed is not None:
            raise output.failed
    outcome = run(
        there, ["/bin/sh", "-c", _FETCH, "logs", *arguments()],
        timeout=timeout, stdout=count, stderr=lambda data: None,
    )  # fmt: skip
    if outcome.exit_code == _NOT_KEPT:
        raise JobError(
            f"the {stream} of {job_contact} is not kept at {there}: it has not begun, was cleaned "
            "away, or goes elsewhere",
            job_contact,
        )
    return moved


def clean(job_contact: str, resource: str, *, timeout: float | None = 60.0) -> None:
    """Cancel a job that goes on yet, and remove its output there.

    Args:
        job_contact: Which job.
        resource: Where it was submitted.
        timeout: Seconds.
    """
    with client() as session, suppress(FileNotFoundError, ConnectionError):
        if not session.status(job_contact, timeout=timeout).state.is_final:
            session.cancel(job_contact, timeout=timeout)
    run(
        _fork(resource), ["/bin/sh", "-c", _CLEAN, "clean", f"x-gass-cache://{job_contact}"],
        timeout=timeout, capture=True,
    )  # fmt: skip


class _running:
    """A job of ours for as long as a block runs; then it is cancelled."""

    def __init__(
        self, session: GramClient, contact: str, text: RSL, url: str, timeout: float | None
    ) -> None:
        text = text.replace(stdout=f"{url}/dev/stdout", stderr=f"{url}/dev/stderr")
        self._job = submitted(session, contact, text, timeout)

    def __enter__(self) -> GramJob:
        return self._job

    def __exit__(self, *_: object) -> None:
        with suppress(GlobusException):
            self._job.cancel(timeout=_GRACE)
            self._job.wait(_GRACE)


def _await_start(job: GramJob) -> bool:
    """Wait until it prints; False when it has ended already."""
    try:
        for state in job.states():
            if state in (JobState.ACTIVE, JobState.SUSPENDED):
                return True
    except GramClientJobLostError:
        pass
    return False


def _await_end(job: GramJob, output: Output) -> None:
    """Wait until it is over, or nobody takes its output any more."""
    while output.failed is None:
        with suppress(GlobusTimeoutError):
            job.wait(_LOOK)
            return


def _kept(text: RSL, **outputs: str | None) -> RSL:
    """The job with its output sent where it shall go, or kept."""
    for name, target in outputs.items():
        if target is not None:
            text = text.replace(**{name: target})
        elif name not in text:
            url = Literal("x-gass-cache://") + Variable("GLOBUS_GRAM_JOB_CONTACT") + name
            text = text | {name: [url, _TAG]}
    return text if "two_phase" in text else text.replace(two_phase=_REMEMBER_SECONDS)


def _url(job_contact: str, stream: str) -> str:
    return f"x-gass-cache://{job_contact}{stream}"


def _fork(resource: str) -> str:
    """The job manager of the same gatekeeper that starts jobs at once."""
    there = ResourceContact.parse(resource)
    return str(ResourceContact(there.host, there.port, "jobmanager-fork", there.subject))
