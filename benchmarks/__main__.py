"""``python -m benchmarks [NAME...]``: measure, print a table, write JSON."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.status import Status

from cogkit.sandbox import Sandbox, SandboxError

from . import bulk, events, gss, jobs, listing, small, startup  # noqa: F401  # they enter themselves
from .grid import HERE, Grid
from .harness import Cannot, Measurement, Pace
from .registry import BENCHMARKS, choose
from .report import as_document, machine, print_table, write_json

_UNITS = {"K": 10, "M": 20, "G": 30}


def size(text: str) -> int:
    """``64M`` is 67108864."""
    unit = _UNITS.get(text[-1:].upper())
    return int(text[:-1]) << unit if unit else int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure against other clients, on a grid of its own.",
        epilog="Exit code: 0 measured (met or missed), 1 something could not be measured.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="a benchmark, or a pattern")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument("--runs", type=int, default=5, help="rounds that count (%(default)s)")
    parser.add_argument("--size", type=size, default=1 << 30, help="of the large file (1G)")
    parser.add_argument("--files", type=int, default=1000, help="small files (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="does it run? The figures say little")
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    return parser


def _show(status: Status, name: str, text: str) -> None:
    status.update(f"{name}: {text}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = _parser().parse_args(arguments)
    if options.list:
        for name, one in BENCHMARKS.items():
            print(f"{name:22}{one.about}")
        return 0
    try:
        chosen = choose(options.names)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 2
    # where tools/setup.sh puts Slurm, which it does not install
    places = [str(HERE.parent / ".setup/slurm/usr" / name) for name in ("bin", "sbin")]
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *places])
    # as Ctrl-C does: leave the blocks, so that nothing stays behind
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    pace = Pace(1, 0) if options.quick else Pace(options.runs)
    large, files = (16 << 20, 20) if options.quick else (options.size, options.files)
    console = Console(stderr=True)
    measured: list[Measurement] = []
    failures: dict[str, str] = {}
    try:
        with Sandbox() as sandbox, console.status("starting") as status:
            grid = Grid(sandbox, pace, large, files, quick=options.quick)
            for one in chosen:
                grid.tell = partial(_show, status, one.name)
                try:
                    measured.append(one.measure(grid))
                except Cannot as problem:
                    failures[one.name] = str(problem)
    except SandboxError as error:
        print(f"no grid to measure on: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    write_json(options.json, as_document(measured, failures, machine()))
    print_table(measured)
    for name, reason in failures.items():
        print(f"{name} could not be measured: {reason}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
