"""The results as a table and as JSON, and the machine they come from."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .harness import Measurement

__all__ = ["as_document", "machine", "print_table", "write_json"]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    from pyGlobus.globusMod import versions

    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "load_average": os.getloadavg(),
        "globus": {name: str(version) for name, version in versions().items()},
    }


def as_document(
    measured: Sequence[Measurement], failures: dict[str, str], about: dict[str, Any]
) -> dict[str, Any]:
    """All there is to keep."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv[1:],
        "machine": about,
        "benchmarks": [one.as_json() for one in measured],
        "not_measured": failures,
    }


def write_json(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def _value(measured: Measurement, seconds: float) -> str:
    return f"{seconds:.0f} ns" if measured.unit == "ns" else f"{seconds:.3f} s"


def print_table(measured: Sequence[Measurement], console: Console | None = None) -> None:
    """Two tables for each: what every side took, and what is to be made of it."""
    console = console or Console()
    for one in measured:
        table = Table("side", title=one.title, title_justify="left", title_style="bold")
        for column in ("median", "min", "max", "MB/s"):
            table.add_column(column, justify="right", no_wrap=True)
        for side, values in one.samples.items():
            rate = one.volume / one.median(side) / 1e6 if one.volume else 0
            table.add_row(
                side,
                *(_value(one, v) for v in (one.median(side), min(values), max(values))),
                f"{rate:.0f}" if rate else "",
            )
        console.print(table)
        for comparison in one.comparisons:
            ratio = one.ratio(comparison)
            words = (
                f"{comparison.side}: {_value(one, one.median(comparison.side))}"
                if ratio is None
                else f"{comparison.side} / {comparison.peer}: x {ratio.paired:.2f}"
                f" (of medians {ratio.of_medians:.2f})"
            )
            if comparison.most is not None:
                most = comparison.most
                limit = f"x {most:g}" if ratio is not None else _value(one, most)
                words += f"; target at most {limit}: {one.verdict(comparison)}"
            console.print(f"  {words}", highlight=False, soft_wrap=True)
        for name, fact in one.facts.items():
            console.print(f"  {name}: {fact}", highlight=False, soft_wrap=True)
        console.print()
