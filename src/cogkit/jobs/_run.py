"""Running a job to its end, with its output here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cogkit.jobs._describe import Command, Job, described
from cogkit.jobs._errors import BadJob, JobLost, cut_short, failure_of, lost
from cogkit.jobs._output import Output, Sink, to_descriptor
from cogkit.jobs._staging import Staging
from pyGlobus.globusException import CredentialError, GlobusException, GlobusTimeoutError
from pyGlobus.gramClient import GramClient, GramClientJobLostError, GramJob, JobInfo, JobState
from pyGlobus.rsl import RSL
from pyGlobus.security import Credential

__all__ = ["Outcome", "cancelled", "client", "run", "submitted", "two_phase"]

StateFunc = Callable[[str, JobState], object]
"""``func(job_contact, state)``, on the caller's thread."""

Target = str | os.PathLike[str] | int | IO[Any] | Sink
"""A file's name, a descriptor, an open file, or a function of the bytes that come."""

_CANCEL_GRACE = 10.0
# Within this the job manager must hear that we know of the job, or it throws it away.
_COMMIT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job went that has ended."""

    contact: str
    state: JobState
    """DONE; or FAILED, where the batch system calls a job so for its exit code."""
    exit_code: int | None
    """The job's own; None where nobody tells it: of an RSL, and of several processes, only some job
    managers do."""
    seconds: float
    stdout: bytes | None = None
    """What it printed, when that was captured."""
    stderr: bytes | None = None


def run(
    contact: str,
    job: Job,
    *,
    timeout: float | None = None,
    submit_timeout: float | None = 60.0,
    capture: bool = False,
    stdout: Target | None = None,
    stderr: Target | None = None,
    on_state: StateFunc | None = None,
) -> Outcome:
    """Run a job and wait for its end; its output is passed on.

    That of a `Command` comes as it is printed, where the job finds ``globus-url-copy``; else, and
    of an RSL, the job manager sends it when the job has ended.

    Ctrl-C, and a `timeout` that passes, cancel the job.  It is submitted with two-phase commit: one
    whose submission was interrupted never runs.

    Args:
        contact: The gatekeeper: ``host[:port][/service][:subject]``.
        job: A `Command` or its words, or RSL without stdout and stderr, which are ours.
        timeout: Seconds that the job may take, its submission too; ``None``: as long as it wants.
        submit_timeout: Seconds until the gatekeeper must have taken it.
        capture: Keep what it prints for `Outcome`.
        stdout: Where its standard output goes; ours when None.  A function is called on a thread
            of its own.
        stderr: As `stdout`, for its standard error.
        on_state: Told each new state.

    Raises:
        JobFailed: The job has failed, or was killed there.
        JobLost: Its job manager no longer answers, or does not know it any more.
        TimeoutError: `timeout` has passed, and the job was cancelled.
        GramClientException: It could not be submitted: one of its subclasses.
        BadJob: It cannot be run as one job, or cannot be described in RSL; a file here that it
            should fetch is none.
        OSError: A file here that it should fetch does not exist, or cannot be read.
    """
    begin = time.monotonic()
    if timeout is not None:
        submit_timeout = timeout if submit_timeout is None else min(timeout, submit_timeout)
    description = described(job)
    kept = (bytearray(), bytearray())
    with ExitStack() as stack:
        session = stack.enter_context(client())
        sinks = [
            kept[number].extend if capture else _sink(target, number + 1, stack)
            for number, target in enumerate((stdout, stderr))
        ]
        files = Staging(description) if isinstance(description, Command) else None
        output = stack.enter_context(Output(sinks[0], sinks[1], files))
        url = output.channel.url
        channel = None
        if isinstance(description, Command):
            assert files is not None
            # several processes would send their output, and each an exit code, into one
            channel = output.channel if description.count == 1 else None
            text = files.with_urls(url).rsl(channel)
        else:
            text = _require_free(description)
        text = text.replace(stdout=f"{url}/dev/stdout", stderr=f"{url}/dev/stderr")
        submission = session.submit(contact, two_phase(text), commit=False, timeout=submit_timeout)
        info = _followed(submission, submit_timeout, begin, timeout, on_state)
        contact_of_job = submission.contact
    if output.failed is not None:
        output.failed.add_note(f"The job itself is done; its output was cut: {contact_of_job}")
        raise output.failed
    exit_code = output.exit_code if output.exit_code is not None else info.exit_code
    # a batch system may call a job failed that has only exited with another code than 0
    if info.state is JobState.FAILED and (info.failure_code or output.exit_code is None):
        raise failure_of(info)
    # and one done that was killed, which then did not come to tell its exit code
    if channel is not None and exit_code is None:
        raise cut_short(info)
    return Outcome(
        contact_of_job,
        info.state,
        exit_code,
        time.monotonic() - begin,
        bytes(kept[0]) if capture else None,
        bytes(kept[1]) if capture else None,
    )


def client() -> GramClient:
    """A client with the credential that GSI finds, which must be good yet."""
    credential = Credential.default()
    if credential.expired:
        # GRAM would say that the other side does not accept it
        raise CredentialError(
            f"the credential {credential.subject} expired at "
            f"{credential.not_after:%Y-%m-%d %H:%M:%S} UTC",
            hint="make a proxy with 'cogkit proxy init'",
        )
    return GramClient()


def two_phase(text: RSL) -> RSL:
    """The job with two-phase commit, unless it says something of that itself."""
    return text if "two_phase" in text else text.replace(two_phase=_COMMIT_SECONDS)


def submitted(session: GramClient, contact: str, text: RSL, timeout: float | None) -> GramJob:
    """Submit with two-phase commit.  What is interrupted before the commit never runs."""
    job = session.submit(contact, two_phase(text), commit=False, timeout=timeout)
    try:
        if not job.committed:
            job.commit(timeout=timeout)
    except BaseException as error:
        cancelled(job, error)  # the commit may be there already
        raise
    return job


def _followed(
    job: GramJob,
    submit_timeout: float | None,
    begin: float,
    timeout: float | None,
    on_state: StateFunc | None,
) -> JobInfo:
    """Commit the job and wait for its end; it is cancelled when that is left early."""
    try:
        if not job.committed:
            job.commit(timeout=submit_timeout)
        return _awaited(job, begin, timeout, on_state)
    except JobLost:
        raise
    except BaseException as error:
        cancelled(job, error)
        raise


def _awaited(
    job: GramJob, begin: float, timeout: float | None, on_state: StateFunc | None
) -> JobInfo:
    """Wait for the end, and tell of the states on the way."""
    left = None if timeout is None else max(0.0, begin + timeout - time.monotonic())
    try:
        for state in job.states(left):
            if on_state:
                on_state(job.contact, state)
    except GlobusTimeoutError:
        raise TimeoutError(f"the job did not end within {timeout:g} s and was cancelled") from None
    except GramClientJobLostError as problem:
        raise lost(problem, job.contact) from problem
    assert job.info is not None
    return job.info


def cancelled(job: GramJob, error: BaseException) -> None:
    """Cancel the job, wait a while for its end, and note on `error` what went wrong."""
    try:
        job.cancel(timeout=_CANCEL_GRACE)
        with suppress(GlobusTimeoutError, GramClientJobLostError):
            job.wait(_CANCEL_GRACE)  # it is cancelled, and may take its time
    except GlobusException as problem:
        error.add_note(f"The job was not cancelled: {problem}")


def _require_free(text: RSL) -> RSL:
    for name in ("stdout", "stderr"):
        if name in text:
            raise BadJob(f"{name} of a job that is run here is ours: submit it, or leave it out")
    return text


def _sink(target: Target | None, number: int, stack: ExitStack) -> Sink:
    """The sink for a target; files that are opened here are closed by `stack`."""
    if target is None:
        return to_descriptor(number)
    if isinstance(target, int):
        return to_descriptor(target)
    if isinstance(target, str | os.PathLike):
        return to_descriptor(stack.enter_context(Path(target).open("wb")).fileno())
    if callable(target):
        return target
    write = target.write
    # text files take text, and what is no text is shown as it can be
    return write if "b" in getattr(target, "mode", "b") else lambda data: write(_text(data))


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
