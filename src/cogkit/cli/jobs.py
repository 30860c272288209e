"""``cogkit run`` and ``submit``: jobs for GRAM gatekeepers, from a command line or from RSL."""

from __future__ import annotations

import shlex
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cogkit.cli._common import ExitCode, JsonOption, bad_usage, epilog, print_json

if TYPE_CHECKING:
    from cogkit.jobs import Command as JobCommand

CODES = [ExitCode.CREDENTIAL, ExitCode.NOT_FOUND, ExitCode.DENIED, ExitCode.UNREACHABLE]

Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[--] COMMAND [ARGUMENT...]",
        help="What to run there.  A program without a slash is looked for in the PATH there.",
        show_default=False,
    ),
]
Resource = Annotated[
    str | None,
    typer.Option(
        "--resource",
        "-r",
        metavar="CONTACT",
        help="The gatekeeper: host[:port][/service][:subject].  Default: the sandbox' "
        "($COGKIT_SANDBOX_GRAM), else $COGKIT_GRAM.",
    ),
]
Environment = Annotated[
    list[str] | None,
    typer.Option("--env", "-e", metavar="NAME=VALUE", help="A variable for the job; repeatable."),
]
Directory = Annotated[
    str | None,
    typer.Option("--dir", "-d", help="Where it runs there.  Default: the home directory."),
]
Stdin = Annotated[
    str | None, typer.Option("--stdin", help="A file there, or a URL, that it reads.")
]
StageIn = Annotated[
    list[str] | None,
    typer.Option(
        "--stage-in",
        metavar="FILE|URL[=PATH]",
        help="A file that it needs: fetched to PATH there before it runs; the same name by "
        "default, in its directory.  Repeatable.",
    ),
]
StageOut = Annotated[
    list[str] | None,
    typer.Option(
        "--stage-out",
        metavar="PATH[=FILE|URL]",
        help="A file that it makes: sent when it has ended; to the same name here by default.  "
        "Repeatable.",
    ),
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many processes.")]
JobType = Annotated[
    str | None,
    typer.Option("--type", metavar="single|multiple|mpi", help="How they are started."),
]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Of the batch system.")]
Project = Annotated[
    str | None, typer.Option("--project", help="Whose allocation the batch system charges.")
]
Walltime = Annotated[
    int | None,
    typer.Option("--walltime", "-w", metavar="MINUTES", min=1, help="How long it may run."),
]
Rsl = Annotated[
    str | None,
    typer.Option("--rsl", metavar="FILE|TEXT", help="The job in RSL, instead of a COMMAND."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Only ask the job manager whether it would take the job, and run nothing."
    ),
]
SubmitTimeout = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="How long the server may take; 0: for ever."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        "run",
        epilog=epilog(
            [
                "cogkit run -- sort -n /data/numbers",
                "cogkit run --stage-in model.py --stage-out result.csv -- python3 model.py",
                "cogkit run --rsl job.rsl --json",
            ],
            [*CODES, ExitCode.JOB_FAILED],
            ok="the job is done; its own exit code instead where that is known",
        ),
    )(run)
    app.command(
        "submit",
        epilog=epilog(
            ['job="$(cogkit submit -- sleep 600)"', "cogkit submit --queue long -w 90 -- ./model"],
            [*CODES, ExitCode.JOB_FAILED],
            ok="submitted",
            job_failed="its files could not be staged in",
        ),
    )(submit)


def run(
    command: Command = None,
    resource: Resource = None,
    env: Environment = None,
    directory: Directory = None,
    stdin: Stdin = None,
    stdout: Annotated[
        str | None,
        typer.Option(
            "--stdout", metavar="FILE", help="Its output goes to FILE here; there with --detach."
        ),
    ] = None,
    stderr: Annotated[
        str | None, typer.Option("--stderr", metavar="FILE", help="As --stdout, for its errors.")
    ] = None,
    stage_in: StageIn = None,
    stage_out: StageOut = None,
    count: Count = 1,
    job_type: JobType = None,
    queue: Queue = None,
    project: Project = None,
    walltime: Walltime = None,
    rsl: Rsl = None,
    detach: Annotated[
        bool, typer.Option("--detach", help='Leave the job to itself: as "cogkit submit".')
    ] = False,
    dry_run: DryRun = False,
    timeout: Annotated[
        float,
        typer.Option(
            min=0, metavar="SECONDS", help="Cancel the job after so long; 0, the default: never."
        ),
    ] = 0,
    submit_timeout: SubmitTimeout = 60,
    json: JsonOption = False,
) -> None:
    """Run a command there, with its output here; Ctrl-C cancels it.

    The output comes as it is printed, where the job finds globus-url-copy; else, and of an RSL,
    when the job has ended: then the job manager sends it.
    """
    job = _job(
        rsl, command, env=env, directory=directory, stdin=stdin, stage_in=stage_in,
        stage_out=stage_out, count=count, job_type=job_type, queue=queue, project=project,
        walltime=walltime,
    )  # fmt: skip
    if dry_run:
        _check(job, resource, submit_timeout, json=json)
        return
    if detach:
        if timeout:
            raise typer.BadParameter("--timeout is for a job that is waited for: use --walltime")
        _submit(job, command, rsl, resource, stdout, stderr, submit_timeout, json=json)
        return
    if json and (stdout or stderr):
        raise typer.BadParameter("--json holds the output: give no --stdout or --stderr")
    from cogkit import jobs

    outcome = jobs.run(
        resource or jobs.default_contact(),
        job,
        timeout=timeout or None,
        submit_timeout=submit_timeout or None,
        capture=json,
        stdout=stdout,
        stderr=stderr,
    )
    if json:
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
    raise typer.Exit(outcome.exit_code or 0)


def submit(
    command: Command = None,
    resource: Resource = None,
    env: Environment = None,
    directory: Directory = None,
    stdin: Stdin = None,
    stdout: Annotated[
        str | None,
        typer.Option(
            "--stdout",
            metavar="PATH|URL",
            help='Where its output goes: a file there, or a URL.  Default: kept for "cogkit logs".',
        ),
    ] = None,
    stderr: Annotated[
        str | None,
        typer.Option("--stderr", metavar="PATH|URL", help="As --stdout, for its errors."),
    ] = None,
    stage_in: StageIn = None,
    stage_out: StageOut = None,
    count: Count = 1,
    job_type: JobType = None,
    queue: Queue = None,
    project: Project = None,
    walltime: Walltime = None,
    rsl: Rsl = None,
    dry_run: DryRun = False,
    timeout: SubmitTimeout = 60,
    json: JsonOption = False,
) -> None:
    """Submit a job, leave it to itself, and print its contact.

    "cogkit jobs" lists it, "cogkit wait", "logs", "status" and "cancel" take its number there or
    its contact.
    """
    job = _job(
        rsl, command, env=env, directory=directory, stdin=stdin, stage_in=stage_in,
        stage_out=stage_out, count=count, job_type=job_type, queue=queue, project=project,
        walltime=walltime,
    )  # fmt: skip
    if dry_run:
        _check(job, resource, timeout, json=json)
        return
    _submit(job, command, rsl, resource, stdout, stderr, timeout, json=json)


def _check(job: JobCommand | str, resource: str | None, timeout: float, *, json: bool) -> None:
    from cogkit import jobs

    contact = resource or jobs.default_contact()
    jobs.check(contact, job, timeout=timeout or None)
    if json:
        print_json({"taken": True, "resource": contact})


def _submit(
    job: JobCommand | str,
    command: list[str] | None,
    rsl: str | None,
    resource: str | None,
    stdout: str | None,
    stderr: str | None,
    timeout: float,
    *,
    json: bool,
) -> None:
    from cogkit import jobs

    contact = resource or jobs.default_contact()
    submitted = jobs.submit(contact, job, stdout=stdout, stderr=stderr, timeout=timeout or None)
    number = None
    try:
        what = shlex.join(command) if command else str(rsl)
        number = jobs.history().add(submitted, contact, what).number
    except (OSError, jobs.RecordDamaged) as error:
        # it runs, and its contact must not be lost
        print(f"cogkit: the job was submitted, and is not in the record: {error}", file=sys.stderr)
    if json:
        print_json({"job": submitted, "number": number, "resource": contact})
    else:
        print(submitted)


def _job(rsl: str | None, words: list[str] | None, **options: Any) -> JobCommand | str:
    """The job that the command line means."""
    from cogkit import jobs

    with bad_usage():
        if rsl is not None:
            if words or any(value for name, value in options.items() if name != "count"):
                raise ValueError("--rsl says it all: give no COMMAND, and none of its options")
            if options["count"] != 1:
                raise ValueError("--rsl says it all: give no --count")
            return _read_rsl(rsl)
        if not words:
            raise ValueError("give a COMMAND, or --rsl")
        walltime = options["walltime"]
        job = jobs.Command(
            words,
            directory=options["directory"],
            stdin=options["stdin"],
            environ=dict(_pair("--env", text) for text in options["env"] or ()),
            count=options["count"],
            job_type=options["job_type"],
            queue=options["queue"],
            project=options["project"],
            walltime=timedelta(minutes=walltime) if walltime else None,
            stage_in=[_staged(text, options["directory"]) for text in options["stage_in"] or ()],
            stage_out=[
                (_there(source, options["directory"]), target or Path(source).name)
                for source, _, target in (
                    text.partition("=") for text in options["stage_out"] or ()
                )
            ],
        )
        job.rsl()  # says what is wrong with it, as usage
        return job


def _staged(text: str, directory: str | None) -> tuple[str, str]:
    """A file to stage in, and its path there."""
    # a URL may have = in it, and a path there has it hardly
    source, equals, target = text.rpartition("=")
    if not equals or ("/" in target and not source):
        source, target = text, ""
    return source, _there(target or source.rstrip("/").rpartition("/")[2], directory)


def _there(path: str, directory: str | None) -> str:
    """A path there: relative ones are below the job's directory."""
    if path.startswith(("/", "~")) or not directory:
        return path
    return f"{directory.rstrip('/')}/{path}"


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ValueError(f"{option} takes NAME=VALUE, not {text!r}")
    return name, value


def _read_rsl(text: str) -> str:
    # an RSL begins with an operator or a parenthesis, and a file's name hardly
    if text.lstrip()[:1] in ("&", "+", "|", "("):
        return text
    return Path(text).read_text()
