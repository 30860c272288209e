"""The ``cogkit`` command.

Each group of commands is a module of this package with a Typer ``app``, or a
function, and is registered below.  Modules import what is heavy inside their
functions: ``cogkit --help`` shall come at once.
"""

from __future__ import annotations

import io
import signal
import sys
from typing import Annotated

import typer

from cogkit import __version__
from cogkit.cli import demo, files, jobs, later, proxy, sandbox
from cogkit.cli._common import Group, Terminated, settings

app = typer.Typer(
    name="cogkit",
    cls=Group,
    no_args_is_help=True,
    # Plain help and tracebacks: rich would double the time until they are there.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: cogkit sandbox up",
)

# The one place to register commands.
app.add_typer(proxy.app, name="proxy")
files.register(app)
jobs.register(app)
later.register(app)
demo.register(app)
app.add_typer(sandbox.app, name="sandbox")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"cogkit {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="COGKIT_DEBUG", help="Show tracebacks of errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Work with a grid: credentials, files, jobs; and a sandbox to try it on."""
    settings(context).debug = debug


def main() -> None:
    """Run the command line (the entry point ``cogkit``)."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # not where we shall outlive a terminal: nohup
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)
    # A file's name may be any bytes: they go out as they came in.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    app()


def _terminate(number: int, frame: object) -> None:
    raise Terminated
