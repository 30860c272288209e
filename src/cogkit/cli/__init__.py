"""The ``cogkit`` command.

Each command is an object of a module of this package, and is named below; its module is imported
when the command is needed.  Modules import what is heavy inside their functions: a command shall
begin at once.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import click

from cogkit import __version__
from cogkit.cli import _standard
from cogkit.cli._common import Settings, Terminated, report
from cogkit.cli._parameters import Group

if TYPE_CHECKING:
    from collections.abc import Sequence

# The one place to register commands: each with its module, in the order of the help.
_COMMANDS = {
    "ls": "files",
    "cp": "files",
    "cat": "files",
    "mkdir": "files",
    "rm": "files",
    "run": "jobs",
    "submit": "jobs",
    "jobs": "later",
    "status": "later",
    "wait": "later",
    "logs": "later",
    "cancel": "later",
    "clean": "later",
    "demo": "demo",
    "proxy": "proxy",
    "sandbox": "sandbox",
}
_COMPLETION = "_COGKIT_COMPLETE"


def main() -> None:
    """Run the command line, and leave with its exit code (the entry point ``cogkit``)."""
    _standard.prepare()
    for number in (signal.SIGTERM, signal.SIGHUP):
        # not where we shall outlive a terminal: nohup
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)
    if instruction := os.environ.get(_COMPLETION):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(root, {}, "cogkit", _COMPLETION, instruction))
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code.  Here, and only here, exceptions end."""
    how = Settings()
    try:
        try:
            with root.make_context("cogkit", list(arguments), obj=how) as context:
                result = root.invoke(context)
        finally:
            sys.stdout.flush()  # what cannot be written shows here, not at the very end
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, click.ClickException):
            how.json = how.json or "--json" in _options(arguments)
        return report(error, how)
    return int(result or 0)


def _options(arguments: Sequence[str]) -> Sequence[str]:
    """The words that can be options."""
    words = list(arguments)
    return words[: words.index("--")] if "--" in words else words


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def _print_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        print(f"cogkit {__version__}")
        context.exit()


def _show_completion(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from cogkit.cli import _completion

        print(_completion.script(root, _COMPLETION))
        context.exit()


def _install_completion(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from cogkit.cli import _completion

        print(f"Completion is in {_completion.install(root, _COMPLETION)}: it works in new shells")
        context.exit()


def _at_once(name: str, act: Any, help: str) -> click.Option:
    """An option that does something by itself, and ends the program."""
    return click.Option(
        [name], is_flag=True, is_eager=True, expose_value=False, callback=act, help=help
    )


def _root(debug: bool) -> None:
    how = click.get_current_context().obj
    assert isinstance(how, Settings)
    how.debug = debug


root = Group(
    "cogkit",
    _COMMANDS,
    callback=_root,
    params=[
        click.Option(
            ["--debug"],
            is_flag=True,
            envvar="COGKIT_DEBUG",
            show_envvar=True,
            help="Show tracebacks of errors.",
        ),
        _at_once("--version", _print_version, "Print the version."),
        _at_once(
            "--install-completion", _install_completion, "Install completion for the current shell."
        ),
        _at_once(
            "--show-completion",
            _show_completion,
            "Show completion for the current shell, to copy it or customize the installation.",
        ),
    ],
    help="Work with a grid: credentials, files, jobs; and a sandbox to try it on.",
    epilog="Example: cogkit sandbox up",
)
