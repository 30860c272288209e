"""``cogkit run``, ``submit``, ``status`` and ``cancel``: jobs on GRAM gatekeepers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cogkit.cli._common import ExitCode, JsonOption, bad_usage, epilog, print_json

if TYPE_CHECKING:
    from pyGlobus.gramClient import JobState

_CODES = [ExitCode.CREDENTIAL, ExitCode.NOT_FOUND, ExitCode.DENIED, ExitCode.UNREACHABLE]

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
Rsl = Annotated[
    str | None,
    typer.Option("--rsl", metavar="FILE|TEXT", help="The job in RSL, instead of a COMMAND."),
]
SubmitTimeout = Annotated[
    float,
    typer.Option(min=0, metavar="SECONDS", help="How long the server may take; 0: for ever."),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help='The contact that "submit" printed.')]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        "run",
        epilog=epilog(
            ["cogkit run -- sort -n /data/numbers", "cogkit run --rsl job.rsl --json"],
            [*_CODES, ExitCode.JOB_FAILED],
            ok="the job is done; its own exit code instead where that is known",
        ),
    )(run)
    app.command(
        "submit", epilog=epilog(['job="$(cogkit submit -- sleep 600)"'], _CODES, ok="submitted")
    )(submit)
    app.command(
        "status",
        epilog=epilog(
            ['cogkit status "$job"'],
            [*_CODES, ExitCode.JOB_FAILED],
            not_found="its job manager does not know the job (any more)",
        ),
    )(status)
    app.command("cancel", epilog=epilog(['cogkit cancel "$job"'], _CODES))(cancel)


def run(
    command: Command = None,
    resource: Resource = None,
    env: Environment = None,
    directory: Directory = None,
    stdin: Stdin = None,
    rsl: Rsl = None,
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
    text = _job(command, env, directory, stdin, rsl)
    from cogkit import jobs

    with bad_usage():
        jobs.with_attributes(text)
    outcome = jobs.run(
        resource or jobs.default_contact(),
        (lambda channel: _job(jobs.live(command, channel), env, directory, stdin, None))
        if command
        else text,
        timeout=timeout or None,
        submit_timeout=submit_timeout or None,
        capture=json,
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
    rsl: Rsl = None,
    timeout: SubmitTimeout = 60,
    json: JsonOption = False,
) -> None:
    """Submit a job and print its contact; its output is lost unless its RSL says where to."""
    text = _job(command, env, directory, stdin, rsl)
    from cogkit import jobs

    contact = resource or jobs.default_contact()
    job = jobs.submit(contact, text, timeout=timeout or None)
    if json:
        print_json({"job": job, "resource": contact})
    else:
        print(job)


def status(job: Job, timeout: SubmitTimeout = 60, json: JsonOption = False) -> None:
    """Print a job's state: PENDING, ACTIVE, DONE, FAILED, …"""
    from cogkit import jobs

    told = jobs.status(job, timeout=timeout or None)
    if json:
        print_json(
            {
                "job": job,
                "state": _name(told.state),
                "failure_code": told.failure_code,
                "failure": told.failure,
                "exit_code": told.exit_code,
                "extensions": dict(told.extensions),
            }
        )
    else:
        print(_name(told.state))
        if told.failure:
            print(told.failure, file=sys.stderr)
    if _name(told.state) == "FAILED":
        raise typer.Exit(ExitCode.JOB_FAILED)


def cancel(job: Job, timeout: SubmitTimeout = 60, json: JsonOption = False) -> None:
    """Cancel a job."""
    from cogkit import jobs

    jobs.cancel(job, timeout=timeout or None)
    if json:
        print_json({"cancelled": job})


def _job(
    command: list[str] | None,
    env: list[str] | None,
    directory: str | None,
    stdin: str | None,
    text: str | None,
) -> str:
    """The RSL that the command line means."""
    with bad_usage():
        if text is not None:
            if command or env or directory or stdin:
                raise ValueError("--rsl says it all: give no COMMAND, --env, --dir or --stdin")
            return _read_rsl(text)
        if not command:
            raise ValueError("give a COMMAND, or --rsl")
        environ: dict[str, str] = {}
        for pair in env or ():
            name, equals, value = pair.partition("=")
            if not name or not equals:
                raise ValueError(f"--env takes NAME=VALUE, not {pair!r}")
            environ[name] = value
        from cogkit import jobs

        return jobs.rsl(command, directory=directory, stdin=stdin, environ=environ)


def _read_rsl(text: str) -> str:
    # an RSL begins with an operator or a parenthesis, and a file's name hardly
    if text.lstrip()[:1] in ("&", "+", "|", "("):
        return text
    return Path(text).read_text()


def _name(state: JobState) -> str:
    return state.name or str(int(state))
