"""Commands whose options are dataclasses.

A group of options that belong together is a frozen dataclass; each field is one option or
argument, with its name, type, default and help.  A command takes one object of each group::

    @dataclass(frozen=True, kw_only=True)
    class Greeting:
        name: str = argument("NAME", help="Who is greeted.")
        loud: bool = flag("--loud", "-l", help="In capitals.")

    @command(Greeting, Output, examples=["cogkit greet --loud world"])
    def greet(greeting: Greeting, output: Output) -> None:
        \"\"\"Greet somebody.\"\"\"

What a command returns is its exit code; ``None`` is success.
"""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from cogkit.cli._common import ExitCode, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}


class Seconds(click.FloatRange):
    """A time that something may take: 0 or more seconds, and 0 is for ever."""

    def __init__(self) -> None:
        super().__init__(min=0)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Refuse what is no number of seconds; more than a year is for ever."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return 0.0 if seconds > 366 * 86400 else seconds


def option(
    *names: str,
    help: str,
    default: Any = None,
    type: click.ParamType[Any] | None = None,
    metavar: str | None = None,
    multiple: bool = False,
) -> Any:
    """A field that an option fills.

    Args:
        names: ``--name`` and ``-n``.
        help: What it is for.
        default: Its value where it is not given; `()` with `multiple`.
        type: What turns its text into a value; text stays text by default.
        metavar: What stands for the value in the help.
        multiple: Whether it may be given several times; the field is a tuple.
    """

    def make(name: str) -> click.Parameter:
        return click.Option(
            [*names, name],
            default=default,
            show_default=default is not None,
            type=type,
            metavar=metavar,
            multiple=multiple,
            help=help,
        )

    return field(default=() if multiple else default, metadata={"make": make})


def flag(names: str, *more: str, help: str, default: bool = False) -> Any:
    """A field that is true where an option is given; ``--yes/--no`` names both ways."""

    def make(name: str) -> click.Parameter:
        return click.Option(
            [names, *more, name],
            is_flag=True,
            default=default,
            show_default="/" in names,
            help=help,
        )

    return field(default=default, metadata={"make": make})


def seconds(*names: str, help: str, default: float = 60) -> Any:
    """A field with a number of seconds; 0 is for ever."""
    return option(*names, help=help, default=default, type=Seconds(), metavar="SECONDS")


def argument(
    metavar: str, *, help: str, several: bool = False, required: bool = True, files: bool = False
) -> Any:
    """A field that an argument fills.

    Args:
        metavar: Its name in the help.
        help: What it is for.
        several: Whether it takes all that follow; the field is a tuple.
        required: Whether it must be there.
        files: Whether a shell shall complete it as the name of a file.
    """

    def make(name: str) -> click.Parameter:
        return _Argument(
            [name],
            metavar=metavar,
            nargs=-1 if several else 1,
            required=required,
            explained=help,
            shell_complete=_as_files if files else None,
        )

    return field(default=() if several else None, metadata={"make": make})


@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command tells what it did."""

    json: bool = flag("--json", help="Print JSON, also for an error.")


class _Argument(click.Argument):
    """An argument that the help explains, which click's does in its newest versions only."""

    def __init__(self, declarations: Sequence[str], *, explained: str, **more: Any) -> None:
        super().__init__(declarations, **more)
        self.explained = explained

    def make_metavar(self, ctx: click.Context) -> str:
        """As it was given: it says itself whether more may follow."""
        assert self.metavar is not None
        return self.metavar if self.required else f"[{self.metavar}]"


class _Command(click.Command):
    """A command whose help has a section of its arguments."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The arguments first."""
        rows = [
            (one.metavar or "", one.explained + ("  [required]" if one.required else ""))
            for one in self.get_params(ctx)
            if isinstance(one, _Argument)
        ]
        if rows:
            with formatter.section("Arguments"):
                formatter.write_dl(rows)
        super().format_options(ctx, formatter)


def command(
    *groups: type[Any],
    examples: Iterable[str],
    codes: Iterable[ExitCode] = (),
    name: str | None = None,
    **meanings: str,
) -> Callable[[Callable[..., int | None]], click.Command]:
    """Make a command of a function, which takes one object of each group.

    Args:
        groups: Dataclasses of options and arguments, in the order of the help.
        examples: Command lines for the help.
        codes: The exit codes that it may end with, besides those that any command has.
        name: Its name, if not that of the function.
        meanings: What a code means for this command, such as ``failed="not running"``.
    """

    def decorate(function: Callable[..., int | None]) -> click.Command:
        def call(**values: Any) -> int | None:
            made = [
                group(**{one.name: values[one.name] for one in fields(group)}) for group in groups
            ]
            for one in made:
                if isinstance(one, Output):
                    settings(click.get_current_context()).json = one.json
            return function(*made)

        return _Command(
            name or function.__name__,
            callback=call,
            params=[one.metadata["make"](one.name) for group in groups for one in fields(group)],
            help=function.__doc__,
            epilog=_epilog(examples, codes, meanings),
            context_settings=HELP_OPTIONS,
        )

    return decorate


class Group(click.Group):
    """Commands, listed in the order in which they are named."""

    def __init__(self, name: str, places: Mapping[str, str | click.Command], **more: Any) -> None:
        """`places`: for each name the command, or the module that has it, imported when needed."""
        super().__init__(name, no_args_is_help=True, context_settings=HELP_OPTIONS, **more)
        self.places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were named."""
        return list(self.places)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, from its module."""
        place = self.places.get(cmd_name)
        if not isinstance(place, str):
            return place
        found = getattr(importlib.import_module(f"cogkit.cli.{place}"), cmd_name)
        assert isinstance(found, click.Command)
        return found


def _as_files(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]


def _epilog(examples: Iterable[str], codes: Iterable[ExitCode], meanings: Mapping[str, str]) -> str:
    """The end of a command's help: examples and exit codes."""
    always = {ExitCode.OK, ExitCode.FAILED, ExitCode.USAGE, ExitCode.INTERRUPTED}
    parts = [
        f"{int(code)} {meanings.get(code.name.lower(), code.meaning)}"
        for code in sorted(always | set(codes))
    ]
    lines = [f"Example: {example}" for example in examples]
    # click ends a paragraph at a blank line only
    return "\n\n".join([*lines, "Exit codes: " + ", ".join(parts) + "."])
