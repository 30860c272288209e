"""What to run, and where: commands and contacts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any

from cogkit.jobs._errors import BadJob
from cogkit.jobs._live import Channel, live
from pyGlobus.rsl import RSL, Operator
from pyGlobus.urls import shown_in

__all__ = ["Command", "Job", "NoContact", "default_contact", "described"]


class NoContact(LookupError):
    """No gatekeeper was named."""


def default_contact() -> str:
    """The contact to use when none is given: that of a sandbox, else ``$COGKIT_GRAM``.

    A shell that was led to a sandbox shall reach no other grid.

    Raises:
        NoContact: There is none.
    """
    for variable in ("COGKIT_SANDBOX_GRAM", "COGKIT_GRAM"):
        if contact := os.environ.get(variable):
            return contact
    raise NoContact("no gatekeeper is named: give --resource CONTACT, or set COGKIT_GRAM to one")


@dataclass(frozen=True, repr=False)
class Command:
    """A command line to run there, every word as it is given, and what it needs.

    >>> Command(["/bin/echo", "a b"], environ={"X": "1"}, queue="long").rsl()
    RSL(executable='/bin/echo', arguments=('a b',), environment={'X': '1'}, queue='long')
    """

    words: Sequence[str]
    """Program and arguments.  A program without a slash is looked for in the remote ``PATH``."""
    directory: str | None = None
    """Where it runs, on the remote machine; the home directory there when None."""
    stdin: str | None = None
    """A file on the remote machine, or a URL, that it reads."""
    environ: Mapping[str, str] = field(default_factory=dict)
    """Variables for it."""
    count: int = 1
    """How many processes, all of this command."""
    job_type: str | None = None
    """How they are started: ``single``, ``multiple`` or ``mpi``; the job manager's default when
    None, which is ``multiple``."""
    queue: str | None = None
    """Of the batch system; its default when None."""
    project: str | None = None
    """Whose allocation is charged, where the batch system charges."""
    walltime: timedelta | None = None
    """How long it may run; the queue's limit when None.  The batch system is told, in minutes,
    and ``timeout`` there ends it with exit code 124: GCT's job manager for Slurm tells nobody."""
    stage_in: Sequence[tuple[str, str]] = ()
    """Files that are fetched before it runs: pairs of a URL, or of a file here, and of a path there
    (relative to the home directory there)."""
    stage_out: Sequence[tuple[str, str]] = ()
    """Files that are sent when it has ended: pairs of a path there and of a URL, or a file here."""
    clean_up: Sequence[str] = ()
    """Files there that are removed in the end."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Any others of GRAM's, as `RSL` takes them."""

    def __repr__(self) -> str:
        given = (f"{one.name}={getattr(self, one.name)!r}" for one in fields(self))
        return shown_in(f"Command({', '.join(given)})")

    def rsl(self, channel: Channel | None = None) -> RSL:
        """The job in RSL.

        Args:
            channel: Where it sends its output as it comes; None: not.

        Raises:
            BadJob: There is no program, or a word holds NUL.
        """
        if isinstance(self.words, str) or not self.words or not self.words[0]:
            raise BadJob("there is no command to run: give a list of words")
        words = list(self.words)
        if "/" not in words[0]:
            if "=" in words[0]:
                raise BadJob(f"{words[0]!r} is no program that is looked for; give its path")
            words = ["/usr/bin/env", "--", *words]
        if self.walltime is not None:
            seconds = f"{self.walltime.total_seconds():.15g}"
            words = ["/usr/bin/env", "timeout", "-k", "30", seconds, *words]
        if channel is not None:
            words = live(words, channel)
        if self.count < 1:
            raise BadJob(f"a job has at least one process, not {self.count}")
        return RSL(
            executable=words[0],
            arguments=words[1:],
            directory=self.directory,
            stdin=self.stdin,
            environment=dict(self.environ) or None,
            count=self.count if self.count > 1 else None,
            job_type=self.job_type,
            queue=self.queue,
            project=self.project,
            max_wall_time=self.walltime,
            file_stage_in=list(self.stage_in),
            file_stage_out=list(self.stage_out),
            file_clean_up=list(self.clean_up),
            **self.attributes,
        )


Job = Command | RSL | str | Sequence[str]
"""A `Command`, the words of one, an `RSL`, or its text."""


def described(job: Job) -> Command | RSL:
    """A job as one of two.

    Raises:
        RSLSyntaxError: A text is no RSL.
        BadJob: It is a multi-request (``+``), which GRAM takes apart no more.
    """
    if isinstance(job, str):
        job = RSL.parse(_joined(job.strip()))
    if isinstance(job, RSL):
        if job.tree.operator is Operator.MULTIREQ:
            raise BadJob("a multi-request (+) cannot be run as one job: submit each part")
        return job
    return job if isinstance(job, Command) else Command(job)


# Blanks and comments, in front of the first word of RSL.
_BLANK = re.compile(r"(?:[ \t\n]+|\(\*.*?\*\))*", re.DOTALL)


def _joined(text: str) -> str:
    """The text with the ``&`` that users leave out before relations, and that RSL asks for."""
    blank = _BLANK.match(text)
    begin = blank.end() if blank else 0
    # a comment that is never closed begins with a parenthesis too: the parser tells what is wrong
    if text.startswith("(", begin) and not text.startswith("(*", begin):
        return f"{text[:begin]}&{text[begin:]}"
    return text
