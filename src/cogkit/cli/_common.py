"""What all commands share: exit codes, errors, JSON.

A command raises what its work raises; :func:`report` turns it into one or two lines on
standard error and an exit code.  A hint for the user goes onto the exception as a note
(:meth:`BaseException.add_note`) and is printed as the second line.
"""

from __future__ import annotations

import errno
import json
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

import click

from cogkit.cli._standard import OutputError
from pyGlobus.urls import shown_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class ExitCode(IntEnum):
    """How a command ended, for scripts."""

    OK = 0, "done"
    FAILED = 1, "failed"
    USAGE = 2, "wrong usage"
    CREDENTIAL = 3, "credential missing, expired or not trusted"
    NOT_FOUND = 4, "not found"
    DENIED = 5, "permission or authorization denied"
    UNREACHABLE = 6, "server unreachable or timed out: try again"
    JOB_FAILED = 7, "the job failed"
    OUTPUT = 8, "what it printed could not be written"
    INTERRUPTED = 130, "interrupted"
    NO_READER = 141, "nobody read what it printed"
    TERMINATED = 143, "terminated"

    meaning: str

    def __new__(cls, value: int, meaning: str) -> ExitCode:
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member


#: The one table from exceptions to exit codes.  An exception gets the code of the
#: first class in its method resolution order that is here, so that a subclass may
#: differ from its base; FAILED only when no class says more.  Classes are named, not
#: imported, as imports cost time.
EXIT_CODES = {
    "cogkit.cli._standard.OutputError": ExitCode.OUTPUT,
    "cogkit.cli._common.Terminated": ExitCode.TERMINATED,
    "builtins.KeyboardInterrupt": ExitCode.INTERRUPTED,
    "builtins.FileNotFoundError": ExitCode.NOT_FOUND,
    "builtins.PermissionError": ExitCode.DENIED,
    "builtins.ConnectionError": ExitCode.UNREACHABLE,
    "builtins.TimeoutError": ExitCode.UNREACHABLE,
    "builtins.OSError": ExitCode.FAILED,
    "cogkit.sandbox._errors.SandboxError": ExitCode.FAILED,
    "cogkit.files._location.LocationError": ExitCode.USAGE,
    "cogkit.demo.DemoError": ExitCode.FAILED,
    "cogkit.jobs._errors.BadJob": ExitCode.USAGE,
    "cogkit.jobs._describe.NoContact": ExitCode.USAGE,
    "cogkit.jobs._record.RecordDamaged": ExitCode.FAILED,
    "cogkit.jobs._record.UnknownJob": ExitCode.NOT_FOUND,
    "cogkit.jobs._errors.JobFailed": ExitCode.JOB_FAILED,
    "cogkit.jobs._errors.JobError": ExitCode.NOT_FOUND,
    "cogkit.jobs._errors.JobLost": ExitCode.UNREACHABLE,
    "pyGlobus._core.exceptions.GlobusException": ExitCode.FAILED,
    "pyGlobus._core.exceptions.CredentialError": ExitCode.CREDENTIAL,
    "pyGlobus._core.exceptions.AuthenticationError": ExitCode.DENIED,
    "pyGlobus._core.exceptions.GlobusEnvironmentError": ExitCode.USAGE,
    "pyGlobus.ftpClient.errors.FtpClientValueError": ExitCode.USAGE,
    "pyGlobus.gramClient.errors.GramClientValueError": ExitCode.USAGE,
    "pyGlobus.rsl.errors.RSLError": ExitCode.USAGE,
    "click.exceptions.ClickException": ExitCode.USAGE,
}


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: as Ctrl-C, so that what is under way is undone."""


@dataclass(slots=True)
class Settings:
    """What the options that all commands share were set to."""

    debug: bool = False
    json: bool = False


def settings(context: click.Context) -> Settings:
    """The settings of this run."""
    root = context.find_root()
    if root.obj is None:
        root.obj = Settings()
    assert isinstance(root.obj, Settings)
    return root.obj


def exit_code(error: BaseException) -> ExitCode | None:
    """The exit code for an exception, or ``None`` for one that nobody foresaw."""
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    codes = [EXIT_CODES[name] for name in names if name in EXIT_CODES]
    if not codes:
        return None
    return next((code for code in codes if code is not ExitCode.FAILED), ExitCode.FAILED)


def report(error: BaseException, how: Settings) -> ExitCode:
    """Print an error in one or two lines on standard error; returns the exit code.

    With ``--debug`` the traceback comes first; with ``--json`` an object
    ``{"error": …, "type": …, "exit_code": …}`` goes to standard output as well.  Of a reader that
    has gone (``| head``) nothing is said but what is noted.
    """
    if isinstance(error, OutputError) and error.errno == errno.EPIPE:
        for hint in getattr(error, "__notes__", ()):
            print(f"cogkit: {hint}", file=sys.stderr)
        return ExitCode.NO_READER
    code = exit_code(error)
    text = _describe(error)
    hints = [*getattr(error, "__notes__", ()), *filter(None, [getattr(error, "hint", "")])]
    if isinstance(error, click.UsageError) and error.ctx is not None:
        hints.append(f"Try '{error.ctx.command_path} --help'.")
    if code is None:
        text = f"internal error: {type(error).__name__}: {text}"
        hints = hints or ["Run it again with --debug for the details, and please report it."]
    code = code or ExitCode.FAILED
    if how.debug:
        import traceback

        traceback.print_exception(error)
    print(f"cogkit: {text}", file=sys.stderr)
    for hint in map(shown_in, hints[:1]):
        print(hint[:1].upper() + hint[1:], file=sys.stderr)
    if how.json:
        with suppress(OutputError):
            print_json({"error": text, "type": type(error).__name__, "exit_code": int(code)})
            sys.stdout.flush()
    return code


def print_json(value: object) -> None:
    """Print a value as JSON on standard output."""
    print(json.dumps(value, indent=2, default=str))


def local_time(when: datetime | None, *, zone: bool = False) -> str:
    """A time as a user reads it; ``?`` for one that is not known or has no local form."""
    try:
        if when is None:
            return "?"
        here = when.astimezone()
        text = here.replace(tzinfo=None).isoformat(" ", "seconds")
        return f"{text} {here.tzname()}" if zone else text
    except (OverflowError, ValueError, OSError):  # at the end of the year 9999, or in the year 1
        return "?"


@contextmanager
def bad_usage() -> Iterator[None]:
    """What is a plain `ValueError` in this block is the command line's fault."""
    try:
        yield
    except ValueError as error:
        if exit_code(error) is not None:
            raise  # one that says for itself what it is
        raise click.UsageError(str(error)) from error


def _describe(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "terminated" if isinstance(error, Terminated) else "interrupted"
    if isinstance(error, click.ClickException):
        text = error.format_message().removesuffix(".")
    elif message := getattr(error, "msg", None):  # pyGlobus': without the hint
        text = str(message)
    elif isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error)
    return " ".join(shown_in(text).split()) or type(error).__name__
