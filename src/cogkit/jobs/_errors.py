"""What goes wrong with a job."""

from __future__ import annotations

from pyGlobus.gramClient import GramClientJobLostError, GramError, JobInfo

__all__ = ["BadJob", "JobError", "JobFailed", "JobLost", "cut_short", "failure_of", "lost"]


class BadJob(ValueError):
    """What was described cannot be run as one job, or names what cannot be used."""


class JobError(Exception):
    """A job did not do what it should; `contact` names it."""

    def __init__(self, message: str, contact: str) -> None:
        super().__init__(message)
        self.contact = contact


class JobFailed(JobError):
    """The job has failed; `code` is GRAM's reason, a number of `GramError`."""

    def __init__(self, message: str, contact: str, code: int) -> None:
        super().__init__(message, contact)
        self.code = code


class JobLost(JobError):
    """Nothing more can be learned of the job: it may go on, or have ended."""


_UNTOLD = (
    "its job manager does not say why: it may have exited with another code than 0, have been "
    "killed, or have lost its node"
)


def failure_of(info: JobInfo) -> JobFailed:
    """The exception for a job that has failed."""
    code = info.failure_code
    words = f"{info.failure} (GRAM error {code})" if code else _UNTOLD
    error = JobFailed(f"the job failed: {words}", info.contact, code)
    known = next((one for one in GramError if one == code), None)
    if known is not None and known.advice:
        error.add_note(known.advice[0].upper() + known.advice[1:] + ".")
    return error


def cut_short(info: JobInfo) -> JobFailed:
    """The exception for a job that GRAM calls done, and that did not come to its end."""
    return JobFailed(
        "the job was cut short: it was killed, or stopped at a limit of the batch system, or what "
        "it sent here did not arrive",
        info.contact,
        0,
    )


def lost(error: GramClientJobLostError, contact: str) -> JobLost:
    """The exception for a job of which nothing is known any more."""
    found = JobLost(f"the job is lost: {error.msg}", contact)
    found.add_note(error.hint[0].upper() + error.hint[1:] + ".")
    found.__cause__ = error
    return found
