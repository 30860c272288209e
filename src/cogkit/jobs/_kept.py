"""Jobs that are left to themselves, and the record of them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cogkit.jobs._describe import Job, default_contact
from cogkit.jobs._record import Entry, RecordDamaged, history
from cogkit.jobs._remote import status, submit
from pyGlobus.globusException import CredentialError, GlobusException

__all__ = ["Submitted", "find", "states", "submit_recorded"]

_ASK_TIMEOUT = 10.0
"""Seconds that a job manager may take when all are asked."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was submitted, and how it is entered."""

    job: str
    """Its contact."""
    number: int | None
    """Names it in `history`; None: it could not be entered."""
    problem: str = ""
    """Why not."""


def submit_recorded(
    contact: str,
    job: Job,
    command: str,
    *,
    stdout: str | None = None,
    stderr: str | None = None,
    timeout: float | None = 60.0,
) -> Submitted:
    """`submit` a job, and enter it into `history`; one that cannot be entered runs all the same.

    Args:
        contact: The gatekeeper.
        job: What to run.
        command: What it runs, in short, for the record.
        stdout: As for `submit`.
        stderr: As for `submit`.
        timeout: Seconds that the gatekeeper may take.

    Raises:
        GramClientException: It could not be submitted; see `submit`.
    """
    submitted = submit(contact, job, stdout=stdout, stderr=stderr, timeout=timeout)
    try:
        return Submitted(submitted, history().add(submitted, contact, command).number)
    except (OSError, RecordDamaged) as error:
        return Submitted(submitted, None, str(error))


def find(reference: str, resource: str | None = None) -> tuple[str, str]:
    """The contact of a job, and the gatekeeper that it was submitted to.

    Args:
        reference: Its number in `history`, or its contact.
        resource: The gatekeeper, if it is to be another one than the record says.

    Raises:
        UnknownJob: There is no job with this number.
        NoContact: Neither the record nor the environment names a gatekeeper.
    """
    record = history()
    entry = record.find(reference)
    if entry is not None:
        return entry.job, resource or entry.resource
    return record.contact(reference), resource or default_contact()


def states(entries: Sequence[Entry]) -> list[str]:
    """The states of jobs, all asked for at once.

    Returns:
        The name of a `JobState` for each; ``over`` for one that its job manager has forgotten, and
        ``?`` where none answers.

    Raises:
        CredentialError: Nobody can be asked.
    """
    if not entries:
        return []
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(_state, entries))


def _state(entry: Entry) -> str:
    try:
        state = status(entry.job, timeout=_ASK_TIMEOUT).state
    except CredentialError:
        raise
    except FileNotFoundError:
        return "over"
    except (GlobusException, OSError):
        return "?"
    return state.name or str(int(state))
