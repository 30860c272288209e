"""Jobs on GRAM gatekeepers: run a command there as if it ran here.

::

    from cogkit import jobs

    outcome = jobs.run("localhost:2119/jobmanager-fork", ["/bin/echo", "hello"])
    print(outcome.state, outcome.exit_code)

`run` passes the job's output on to standard output and error, or to where it is told to, through
a GASS server in this process.  A GRAM 5 job manager sends it when the job has ended; a `Command`
sends it as it comes.

`submit` leaves a job to itself, and its output there: `logs` fetches that, `wait`, `status` and
`cancel` follow and end the job, from any process of the same user.  `history` remembers what was
submitted from here.  `check` asks a job manager whether it would take a job.
"""

from __future__ import annotations

from ._check import check
from ._describe import Command, Job, NoContact, default_contact
from ._errors import BadJob, JobError, JobFailed, JobLost
from ._kept import Submitted, find, states, submit_recorded
from ._record import Entry, History, RecordDamaged, UnknownJob, history
from ._remote import cancel, clean, logs, status, submit, wait
from ._run import Outcome, run
from ._written import command_from, read_rsl

__all__ = [
    "BadJob",
    "Command",
    "Entry",
    "History",
    "Job",
    "JobError",
    "JobFailed",
    "JobLost",
    "NoContact",
    "Outcome",
    "RecordDamaged",
    "Submitted",
    "UnknownJob",
    "cancel",
    "check",
    "clean",
    "command_from",
    "default_contact",
    "find",
    "history",
    "logs",
    "read_rsl",
    "run",
    "states",
    "status",
    "submit",
    "submit_recorded",
    "wait",
]
