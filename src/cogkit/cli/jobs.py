"""``cogkit run`` and ``submit``: jobs for GRAM gatekeepers, from a command line or from RSL."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING

import click

from cogkit.cli import _standard
from cogkit.cli._common import ExitCode, bad_usage, print_json
from cogkit.cli._parameters import Output, argument, command, flag, option, seconds

if TYPE_CHECKING:
    from cogkit.jobs import Command

CODES = [ExitCode.CREDENTIAL, ExitCode.NOT_FOUND, ExitCode.DENIED, ExitCode.UNREACHABLE]


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which gatekeeper."""

    resource: str | None = option(
        "--resource",
        "-r",
        metavar="CONTACT",
        help="The gatekeeper: host[:port][/service][:subject].  Default: the sandbox' "
        "($COGKIT_SANDBOX_GRAM), else $COGKIT_GRAM.",
    )

    @property
    def contact(self) -> str:
        """It, or the one that the environment names."""
        from cogkit import jobs

        return self.resource or jobs.default_contact()


@dataclass(frozen=True, kw_only=True)
class Words:
    """What is run."""

    words: tuple[str, ...] = argument(
        "[--] COMMAND [ARGUMENT...]",
        several=True,
        required=False,
        help="What to run there.  A program without a slash is looked for in the PATH there.",
    )


@dataclass(frozen=True, kw_only=True)
class Details:
    """How it is run."""

    environ: tuple[str, ...] = option(
        "--env",
        "-e",
        metavar="NAME=VALUE",
        multiple=True,
        help="A variable for the job; repeatable.",
    )
    directory: str | None = option(
        "--dir", "-d", metavar="PATH", help="Where it runs there.  Default: the home directory."
    )
    stdin: str | None = option(
        "--stdin", metavar="PATH|URL", help="A file there, or a URL, that it reads."
    )
    stage_in: tuple[str, ...] = option(
        "--stage-in",
        metavar="FILE|URL[=PATH]",
        multiple=True,
        help="A file that it needs: fetched to PATH there before it runs; the same name by "
        "default, in its directory.  Repeatable.",
    )
    stage_out: tuple[str, ...] = option(
        "--stage-out",
        metavar="PATH[=FILE|URL]",
        multiple=True,
        help="A file that it makes: sent when it has ended; to the same name here by default.  "
        "Repeatable.",
    )
    count: int = option(
        "--count",
        "-n",
        metavar="N",
        type=click.IntRange(min=1, max=1_000_000),
        default=1,
        help="How many processes.",
    )
    job_type: str | None = option(
        "--type", metavar="single|multiple|mpi", help="How they are started."
    )
    queue: str | None = option("--queue", "-q", metavar="NAME", help="Of the batch system.")
    project: str | None = option(
        "--project", metavar="NAME", help="Whose allocation the batch system charges."
    )
    walltime: int | None = option(
        "--walltime",
        "-w",
        metavar="MINUTES",
        type=click.IntRange(min=1),
        help="How long it may run.",
    )


@dataclass(frozen=True, kw_only=True)
class Rsl:
    """The job in another form, and whether it runs."""

    rsl: str | None = option(
        "--rsl", metavar="FILE|TEXT", help="The job in RSL, instead of a COMMAND."
    )
    dry_run: bool = flag(
        "--dry-run", help="Only ask the job manager whether it would take the job, and run nothing."
    )


@dataclass(frozen=True, kw_only=True)
class OutputHere:
    """Where the output of a job goes that is waited for."""

    stdout: str | None = option(
        "--stdout", metavar="FILE", help="Its output goes to FILE here; there with --detach."
    )
    stderr: str | None = option("--stderr", metavar="FILE", help="As --stdout, for its errors.")


@dataclass(frozen=True, kw_only=True)
class OutputThere:
    """Where the output of a job goes that is left to itself."""

    stdout: str | None = option(
        "--stdout",
        metavar="PATH|URL",
        help='Where its output goes: a file there, or a URL.  Default: kept for "cogkit logs".',
    )
    stderr: str | None = option("--stderr", metavar="PATH|URL", help="As --stdout, for its errors.")


@dataclass(frozen=True, kw_only=True)
class Staying:
    """How long `run` stays with its job."""

    detach: bool = flag("--detach", help='Leave the job to itself: as "cogkit submit".')
    timeout: float = seconds(
        "--timeout", default=0, help="Cancel the job after so long; 0, the default: never."
    )
    submit_timeout: float = seconds(
        "--submit-timeout", help="How long the server may take; 0: for ever."
    )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How long to wait for a server."""

    timeout: float = seconds("--timeout", help="How long the server may take; 0: for ever.")


@command(
    Words,
    Where,
    Details,
    OutputHere,
    Rsl,
    Staying,
    Output,
    examples=[
        "cogkit run -- sort -n /data/numbers",
        "cogkit run --stage-in model.py --stage-out result.csv -- python3 model.py",
        "cogkit run --rsl job.rsl --json",
    ],
    codes=[*CODES, ExitCode.JOB_FAILED],
    ok="the job is done; its own exit code instead where that is known",
    unreachable="server unreachable or timed out: try again; or the job took longer than --timeout",
)
def run(
    what: Words,
    where: Where,
    details: Details,
    target: OutputHere,
    form: Rsl,
    staying: Staying,
    output: Output,
) -> int | None:
    """Run a command there, with its output here; Ctrl-C cancels it.

    The output comes as it is printed, where the job finds globus-url-copy; else, and of an RSL,
    when the job has ended: then the job manager sends it.
    """
    job = _job(what, details, form)
    if form.dry_run:
        _check(job, where, staying.submit_timeout, output)
        return None
    if staying.detach:
        if staying.timeout:
            raise _usage("--timeout is for a job that is waited for: use --walltime")
        _submit(job, what, form, where, target, staying.submit_timeout, output)
        return None
    if output.json and (target.stdout or target.stderr):
        raise _usage("--json holds the output: give no --stdout or --stderr")
    from cogkit import jobs

    outcome = jobs.run(
        where.contact,
        job,
        timeout=staying.timeout or None,
        submit_timeout=staying.submit_timeout or None,
        capture=output.json,
        stdout=target.stdout or partial(_standard.write, needs_reader=False),
        stderr=target.stderr or partial(_standard.write, number=2, needs_reader=False),
    )
    if output.json:
        print_json(
            {
                "job": outcome.contact,
                "state": outcome.state.name,
                "exit_code": outcome.exit_code,
                "seconds": round(outcome.seconds, 3),
                "stdout": (outcome.stdout or b"").decode(errors="backslashreplace"),
                "stderr": (outcome.stderr or b"").decode(errors="backslashreplace"),
            }
        )
    return outcome.exit_code


@command(
    Words,
    Where,
    Details,
    OutputThere,
    Rsl,
    Waiting,
    Output,
    examples=['job="$(cogkit submit -- sleep 600)"', "cogkit submit --queue long -w 90 -- ./model"],
    codes=[*CODES, ExitCode.JOB_FAILED],
    ok="submitted",
    job_failed="its files could not be staged in",
)
def submit(
    what: Words,
    where: Where,
    details: Details,
    target: OutputThere,
    form: Rsl,
    waiting: Waiting,
    output: Output,
) -> None:
    """Submit a job, leave it to itself, and print its contact.

    "cogkit jobs" lists it, "cogkit wait", "logs", "status" and "cancel" take its number there or
    its contact.
    """
    job = _job(what, details, form)
    if form.dry_run:
        _check(job, where, waiting.timeout, output)
    else:
        _submit(job, what, form, where, target, waiting.timeout, output)


def _check(job: Command | str, where: Where, timeout: float, output: Output) -> None:
    from cogkit import jobs

    contact = where.contact
    jobs.check(contact, job, timeout=timeout or None)
    if output.json:
        print_json({"taken": True, "resource": contact})


def _submit(
    job: Command | str,
    what: Words,
    form: Rsl,
    where: Where,
    target: OutputHere | OutputThere,
    timeout: float,
    output: Output,
) -> None:
    from cogkit import jobs

    contact = where.contact
    done = jobs.submit_recorded(
        contact,
        job,
        shlex.join(what.words) if what.words else str(form.rsl),
        stdout=target.stdout,
        stderr=target.stderr,
        timeout=timeout or None,
    )
    if done.problem:
        # it runs, and its contact must not be lost
        print(
            f"cogkit: the job was submitted, and is not in the record: {done.problem}",
            file=sys.stderr,
        )
    named = f"it is number {done.number} of 'cogkit jobs'" if done.number else done.job
    with _standard.noting(f"The job was submitted all the same: {named}"):
        if output.json:
            print_json({"job": done.job, "number": done.number, "resource": contact})
        else:
            print(done.job)


def _job(what: Words, details: Details, form: Rsl) -> Command | str:
    """The job that the command line means."""
    from cogkit import jobs

    if form.rsl is not None:
        if what.words or details != Details():
            raise _usage("--rsl says it all: give no COMMAND, and none of its options")
        return jobs.read_rsl(form.rsl)
    if not what.words:
        raise _usage("give a COMMAND, or --rsl")
    with bad_usage():
        given = {one.name: getattr(details, one.name) for one in fields(details)}
        return jobs.command_from(what.words, **given)


def _usage(message: str) -> click.UsageError:
    return click.UsageError(message, click.get_current_context())
