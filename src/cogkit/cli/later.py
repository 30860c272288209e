"""``cogkit jobs``, ``status``, ``wait``, ``logs``, ``cancel`` and ``clean``: jobs left alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cogkit.cli import _standard
from cogkit.cli._common import ExitCode, print_json
from cogkit.cli._parameters import Output, argument, command, flag, seconds
from cogkit.cli.jobs import CODES, Waiting, Where

if TYPE_CHECKING:
    from pyGlobus.gramClient import JobInfo, JobState

_FORGOTTEN = "its job manager does not know the job (any more)"


@dataclass(frozen=True, kw_only=True)
class Job:
    """Which job."""

    job: str = argument(
        "JOB", help='Its number in "cogkit jobs", or the contact that "submit" printed.'
    )


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Whether job managers are asked."""

    ask: bool = flag("--ask/--no-ask", default=True, help="Ask the job managers for the states.")


@dataclass(frozen=True, kw_only=True)
class Following:
    """Whether a state is followed."""

    follow: bool = flag("--follow", "-f", help="Print each new state, until the job ends.")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is read of a job's output."""

    stderr: bool = flag("--stderr", help="What it printed on standard error.")
    follow: bool = flag("--follow", "-f", help="Go on until the job ends.")


@dataclass(frozen=True, kw_only=True)
class AtMost:
    """How long to wait for a job."""

    timeout: float = seconds("--timeout", default=0, help="How long to wait at most; 0: for ever.")


@command(Asking, Output, examples=["cogkit jobs"], codes=[ExitCode.CREDENTIAL])
def jobs(asking: Asking, output: Output) -> None:
    """List the jobs that were submitted from here in the last 30 days."""
    from cogkit.jobs import history
    from cogkit.jobs import states as ask

    entries = list(history())
    states = ask(entries) if asking.ask else ["" for _ in entries]
    if output.json:
        print_json(
            [
                {
                    "number": entry.number,
                    "job": entry.job,
                    "resource": entry.resource,
                    "submitted": entry.submitted.isoformat(),
                    "command": entry.command,
                    "state": state or None,
                }
                for entry, state in zip(entries, states, strict=True)
            ]
        )
        return
    for entry, state in zip(entries, states, strict=True):
        when = entry.submitted.astimezone().strftime("%Y-%m-%d %H:%M")
        text = " ".join(entry.command.split())
        text = text if len(text) <= 60 else text[:59] + "…"
        host = entry.resource.split(":/", 1)[0]
        print(f"{entry.number:>4}  {when}  {state or '-':<11}  {host}  {text}")


@command(
    Job,
    Following,
    Waiting,
    Output,
    examples=['cogkit status "$job"', "cogkit status --follow 3"],
    codes=[*CODES, ExitCode.JOB_FAILED],
    not_found=_FORGOTTEN,
)
def status(which: Job, following: Following, waiting: Waiting, output: Output) -> int | None:
    """Print a job's state: PENDING, ACTIVE, DONE, FAILED, …"""
    from cogkit import jobs

    if following.follow and output.json:
        raise _usage("--follow prints states as they come: give no --json")
    if following.follow and waiting != Waiting():
        raise _usage("--follow lasts as long as the job: give no --timeout")
    contact = jobs.history().contact(which.job)
    if following.follow:
        jobs.wait(contact, on_state=lambda _, state: print(_name(state), flush=True))
        return None
    told = jobs.status(contact, timeout=waiting.timeout or None)
    if output.json:
        print_json(_described(contact, told))
    else:
        print(_name(told.state))
        if told.failure:
            print(told.failure, file=sys.stderr)
    return ExitCode.JOB_FAILED if _name(told.state) == "FAILED" else None


@command(
    Job,
    AtMost,
    Output,
    examples=["cogkit wait 3 && cogkit logs 3"],
    codes=[*CODES, ExitCode.JOB_FAILED],
    ok="the job is done; its own exit code instead where that is known",
    not_found="there is no such job",
    unreachable=f"still running after --timeout, or {_FORGOTTEN}",
)
def wait(which: Job, at_most: AtMost, output: Output) -> int | None:
    """Wait for a job's end; Ctrl-C ends the wait, and not the job."""
    from cogkit import jobs

    contact = jobs.history().contact(which.job)
    told = jobs.wait(contact, timeout=at_most.timeout or None)
    if output.json:
        print_json(_described(contact, told))
    return told.exit_code


@command(
    Job,
    Reading,
    Where,
    Waiting,
    examples=["cogkit logs 3", "cogkit logs --follow --stderr 3"],
    codes=CODES,
    not_found="it is not kept there: not yet, not any more, or it goes elsewhere",
)
def logs(which: Job, reading: Reading, where: Where, waiting: Waiting) -> None:
    """Print what a job has printed so far.

    A small job fetches it, by the fork job manager of the same gatekeeper.
    """
    from cogkit import jobs

    contact, gatekeeper = jobs.find(which.job, where.resource)
    try:
        jobs.logs(
            contact,
            gatekeeper,
            _standard.write,
            stream="stderr" if reading.stderr else "stdout",
            follow=reading.follow,
            timeout=waiting.timeout or None,
        )
    except _standard.OutputError as error:
        # without what is noted of the small job
        raise _standard.OutputError(error.errno or 0) from error


@command(Job, Waiting, Output, examples=['cogkit cancel "$job"'], codes=CODES)
def cancel(which: Job, waiting: Waiting, output: Output) -> None:
    """Cancel a job."""
    from cogkit import jobs

    contact = jobs.history().contact(which.job)
    jobs.cancel(contact, timeout=waiting.timeout or None)
    if output.json:
        print_json({"cancelled": contact})


@command(Job, Where, Waiting, Output, examples=["cogkit clean 3"], codes=CODES)
def clean(which: Job, where: Where, waiting: Waiting, output: Output) -> None:
    """Cancel a job that goes on yet, remove its output there, and forget it."""
    from cogkit import jobs

    contact, gatekeeper = jobs.find(which.job, where.resource)
    jobs.clean(contact, gatekeeper, timeout=waiting.timeout or None)
    jobs.history().remove(contact)
    if output.json:
        print_json({"cleaned": contact})


def _described(contact: str, told: JobInfo) -> dict[str, Any]:
    return {
        "job": contact,
        "state": _name(told.state),
        "failure_code": told.failure_code,
        "failure": told.failure,
        "exit_code": told.exit_code,
        "extensions": dict(told.extensions),
    }


def _name(state: JobState) -> str:
    return state.name or str(int(state))


def _usage(message: str) -> click.UsageError:
    return click.UsageError(message, click.get_current_context())
