"""``cogkit jobs``, ``status``, ``wait``, ``logs``, ``cancel`` and ``clean``: jobs left alone."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cogkit.cli._common import ExitCode, JsonOption, epilog, print_json
from cogkit.cli.jobs import CODES, Resource, SubmitTimeout

if TYPE_CHECKING:
    from cogkit.jobs import Entry
    from pyGlobus.gramClient import JobInfo, JobState

Job = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help='Its number in "cogkit jobs", or the contact that "submit" printed.'
    ),
]
Timeout = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="How long to wait at most; 0: for ever."),
]

_FORGOTTEN = "its job manager does not know the job (any more)"
_ASK_TIMEOUT = 10.0
_TIMEOUT = 60.0


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command("jobs", epilog=epilog(["cogkit jobs"], [ExitCode.CREDENTIAL]))(jobs)
    app.command(
        "status",
        epilog=epilog(
            ['cogkit status "$job"', "cogkit status --follow 3"],
            [*CODES, ExitCode.JOB_FAILED],
            not_found=_FORGOTTEN,
        ),
    )(status)
    app.command(
        "wait",
        epilog=epilog(
            ["cogkit wait 3 && cogkit logs 3"],
            [*CODES, ExitCode.JOB_FAILED],
            ok="the job is done; its own exit code instead where that is known",
            not_found="there is no such job",
            unreachable=f"still running after --timeout, or {_FORGOTTEN}",
        ),
    )(wait)
    app.command(
        "logs",
        epilog=epilog(
            ["cogkit logs 3", "cogkit logs --follow --stderr 3"],
            CODES,
            not_found="it is not kept there: not yet, not any more, or it goes elsewhere",
        ),
    )(logs)
    app.command("cancel", epilog=epilog(['cogkit cancel "$job"'], CODES))(cancel)
    app.command("clean", epilog=epilog(["cogkit clean 3"], CODES))(clean)


def jobs(
    ask: Annotated[
        bool, typer.Option("--ask/--no-ask", help="Ask the job managers for the states.")
    ] = True,
    json: JsonOption = False,
) -> None:
    """List the jobs that were submitted from here in the last 30 days."""
    from cogkit.jobs import history

    entries = list(history())
    states = _states(entries) if ask else ["" for _ in entries]
    if json:
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


def status(
    job: Job,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print each new state, until the job ends.")
    ] = False,
    timeout: SubmitTimeout = _TIMEOUT,
    json: JsonOption = False,
) -> None:
    """Print a job's state: PENDING, ACTIVE, DONE, FAILED, …"""
    from cogkit import jobs

    if follow and json:
        raise typer.BadParameter("--follow prints states as they come: give no --json")
    if follow and timeout != _TIMEOUT:
        raise typer.BadParameter("--follow lasts as long as the job: give no --timeout")
    contact = jobs.history().contact(job)
    if follow:
        jobs.wait(contact, on_state=lambda _, state: print(_name(state), flush=True))
        return
    told = jobs.status(contact, timeout=timeout or None)
    if json:
        print_json(_described(contact, told))
    else:
        print(_name(told.state))
        if told.failure:
            print(told.failure, file=sys.stderr)
    if _name(told.state) == "FAILED":
        raise typer.Exit(ExitCode.JOB_FAILED)


def wait(job: Job, timeout: Timeout = 0, json: JsonOption = False) -> None:
    """Wait for a job's end; Ctrl-C ends the wait, and not the job."""
    from cogkit import jobs

    contact = jobs.history().contact(job)
    told = jobs.wait(contact, timeout=timeout or None)
    if json:
        print_json(_described(contact, told))
    raise typer.Exit(told.exit_code or 0)


def logs(
    job: Job,
    stderr: Annotated[
        bool, typer.Option("--stderr", help="What it printed on standard error.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends.")
    ] = False,
    resource: Resource = None,
    timeout: SubmitTimeout = 60,
) -> None:
    """Print what a job has printed so far.

    A small job fetches it, by the fork job manager of the same gatekeeper.
    """
    from cogkit import jobs

    contact, where = _found(job, resource)
    sys.stdout.flush()
    jobs.logs(
        contact,
        where,
        lambda data: _write(1, data),
        stream="stderr" if stderr else "stdout",
        follow=follow,
        timeout=timeout or None,
    )


def cancel(job: Job, timeout: SubmitTimeout = 60, json: JsonOption = False) -> None:
    """Cancel a job."""
    from cogkit import jobs

    contact = jobs.history().contact(job)
    jobs.cancel(contact, timeout=timeout or None)
    if json:
        print_json({"cancelled": contact})


def clean(
    job: Job, resource: Resource = None, timeout: SubmitTimeout = 60, json: JsonOption = False
) -> None:
    """Cancel a job that goes on yet, remove its output there, and forget it."""
    from cogkit import jobs

    contact, where = _found(job, resource)
    jobs.clean(contact, where, timeout=timeout or None)
    jobs.history().remove(contact)
    if json:
        print_json({"cleaned": contact})


def _found(job: str, resource: str | None) -> tuple[str, str]:
    """The contact of a job, and where it was submitted to."""
    from cogkit import jobs

    record = jobs.history()
    entry = record.find(job)
    if entry is not None:
        return entry.job, resource or entry.resource
    return record.contact(job), resource or jobs.default_contact()


def _states(entries: list[Entry]) -> list[str]:
    """The states of jobs, all asked for at once."""
    if not entries:
        return []
    from cogkit import jobs
    from pyGlobus.globusException import CredentialError, GlobusException

    def state(entry: Entry) -> str:
        try:
            return _name(jobs.status(entry.job, timeout=_ASK_TIMEOUT).state)
        except CredentialError:
            raise
        except FileNotFoundError:
            return "over"
        except (GlobusException, OSError):
            return "?"

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(state, entries))


def _described(contact: str, told: JobInfo) -> dict[str, Any]:
    return {
        "job": contact,
        "state": _name(told.state),
        "failure_code": told.failure_code,
        "failure": told.failure,
        "exit_code": told.exit_code,
        "extensions": dict(told.extensions),
    }


def _write(number: int, data: bytes) -> None:
    while data:
        data = data[os.write(number, data) :]


def _name(state: JobState) -> str:
    return state.name or str(int(state))
