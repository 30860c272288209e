"""Whether a job manager would take a job: a dry run."""

from __future__ import annotations

from cogkit.jobs._describe import Command, Job, described
from cogkit.jobs._run import client
from cogkit.jobs._staging import Staging
from pyGlobus.gramClient import GramClientException, GramError

__all__ = ["check"]


def check(contact: str, job: Job, *, timeout: float | None = 60.0) -> None:
    """Have a job manager read a job, and run nothing (RSL's ``dry_run``).

    It looks at the RSL, its variables, the names of its attributes and the values that it knows.
    Whether the program, the directory, the queue and the files are there shows only when a job
    runs.

    What is to be staged and removed is left out here: in a dry run a GRAM 5 job manager stages in,
    and removes what ``file_clean_up`` names, all the same.  Files of this machine that are to be
    staged in must be there.

    Args:
        contact: The gatekeeper: ``host[:port][/service][:subject]``.
        job: A `Command` or its words, or RSL.
        timeout: Seconds that the gatekeeper may take.

    Raises:
        GramClientException: It would not be taken: one of its subclasses.
        BadJob, OSError: A file here cannot be staged in.
    """
    description = described(job)
    if isinstance(description, Command):
        Staging(description)  # whether the files are there
        description = description.rsl()
    text = description.replace(
        dry_run=True, file_stage_in=None, file_stage_in_shared=None, file_stage_out=None,
        file_clean_up=None,
    )  # fmt: skip
    with client() as session:
        try:
            session.submit(contact, text, commit=False, timeout=timeout)
        except GramClientException as answer:
            if answer.code != GramError.DRYRUN:
                raise
