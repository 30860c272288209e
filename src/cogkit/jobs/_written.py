"""Jobs as they are written on a command line, or into a form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path

from cogkit.jobs._describe import Command
from cogkit.jobs._errors import BadJob

__all__ = ["command_from", "read_rsl"]


def command_from(
    words: Sequence[str],
    *,
    directory: str | None = None,
    stdin: str | None = None,
    environ: Iterable[str] = (),
    count: int = 1,
    job_type: str | None = None,
    queue: str | None = None,
    project: str | None = None,
    walltime: int | None = None,
    stage_in: Iterable[str] = (),
    stage_out: Iterable[str] = (),
) -> Command:
    """A `Command` from texts.

    Args:
        words: Program and arguments.
        directory: Where it runs there; paths there that are relative are below it.
        stdin: A file there, or a URL, that it reads.
        environ: Variables, each as ``NAME=VALUE``.
        count: How many processes.
        job_type: ``single``, ``multiple`` or ``mpi``.
        queue: Of the batch system.
        project: Whose allocation is charged.
        walltime: Minutes that it may run.
        stage_in: Files that it needs, each as ``FILE|URL[=PATH]``.
        stage_out: Files that it makes, each as ``PATH[=FILE|URL]``.

    Raises:
        BadJob: A text is malformed, or there is no program.
    """
    job = Command(
        words,
        directory=directory,
        stdin=stdin,
        environ=dict(_variable(text) for text in environ),
        count=count,
        job_type=job_type,
        queue=queue,
        project=project,
        walltime=timedelta(minutes=walltime) if walltime else None,
        stage_in=[_staged_in(text, directory) for text in stage_in],
        stage_out=[_staged_out(text, directory) for text in stage_out],
    )
    job.rsl()  # says what is wrong with it
    return job


def read_rsl(text: str) -> str:
    """RSL from a text, or from the file of that name.

    Raises:
        OSError: The file cannot be read.
        BadJob: It holds no text.
    """
    # an RSL begins with an operator or a parenthesis, and a file's name hardly
    if text.lstrip()[:1] in ("&", "+", "|", "("):
        return text
    try:
        return Path(text).read_text()
    except UnicodeDecodeError as error:
        raise BadJob(f"{text} is no RSL: {error}") from error


def _staged_in(text: str, directory: str | None) -> tuple[str, str]:
    """A file to stage in, and its path there."""
    # a URL may have = in it, and a path there has it hardly
    source, equals, target = text.rpartition("=")
    if not equals or ("/" in target and not source):
        source, target = text, ""
    return source, _there(target or source.rstrip("/").rpartition("/")[2], directory)


def _staged_out(text: str, directory: str | None) -> tuple[str, str]:
    """A path there, and where the file goes."""
    source, _, target = text.partition("=")
    return _there(source, directory), target or Path(source).name


def _there(path: str, directory: str | None) -> str:
    """A path there: relative ones are below the job's directory."""
    if path.startswith(("/", "~")) or not directory:
        return path
    return f"{directory.rstrip('/')}/{path}"


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadJob(f"a variable is NAME=VALUE, not {text!r}")
    return name, value
