"""``cogkit demo``: the tour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cogkit.cli._common import ExitCode, print_json
from cogkit.cli._parameters import Output, command, flag

if TYPE_CHECKING:
    from cogkit.demo import Tour


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What is left."""

    keep: bool = flag("--keep", help="Leave the grid running.")


@command(
    Keeping,
    Output,
    examples=["cogkit demo", 'cogkit demo --keep && eval "$(cogkit sandbox env)"'],
    codes=[ExitCode.UNREACHABLE, ExitCode.JOB_FAILED],
    failed="the grid could not be started, or a result is wrong",
)
def demo(keeping: Keeping, output: Output) -> None:
    """Start a grid on this machine and do the main things on it.

    Data goes there, a job works on it, the results come back and are checked.  Nothing is
    left, without --keep.
    """
    from cogkit import demo as tour_guide
    from cogkit.progress import bar

    keep = keeping.keep
    if output.json:
        tour = tour_guide.run(bar=lambda: bar(quiet=True), keep=keep, capture=True)
        steps = [
            {"name": step.name, "detail": step.detail, "seconds": round(step.seconds, 3)}
            for step in tour.steps
        ]
        print_json(
            {
                "steps": steps,
                "seconds": round(tour.seconds, 3),
                "output": tour.output,
                "grid": tour.grid if keep else None,
            }
        )
        return
    # The job's output goes past Python to the descriptor: what we say must not wait in a buffer.
    tour = tour_guide.run(bar=bar, say=lambda text: print(text, flush=True), keep=keep)
    _print(tour)
    if keep:
        directory = tour.grid["directory"]
        print(f"The grid goes on in {directory}")
        print(f'Use it:    eval "$(cogkit sandbox env --dir {directory})"')
        print('           cogkit ls -l "$COGKIT_SANDBOX_GRIDFTP/~/"')
        print("           cogkit run -- sha256sum data.bin")
        print(f"End it:    cogkit sandbox down --dir {directory}")


def _print(tour: Tour) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(show_footer=True)
    table.add_column("what ran", footer="all")
    table.add_column("with")
    table.add_column("seconds", footer=f"{tour.seconds:.2f}", justify="right")
    for step in tour.steps:
        table.add_row(step.name, step.detail, f"{step.seconds:.2f}")
    Console().print(table)
