"""The way of a callback from a Globus thread to Python."""

from __future__ import annotations

import re

from .grid import HERE, Grid, program
from .harness import Cannot, Comparison, Measurement, interleave
from .registry import benchmark

_NATIVE = HERE.parent / "tests" / "native"
QUEUED, PYTHON = "registered, posted and taken, in C", "posted, taken and handled, in Python"


@benchmark("event", "one event through the completion queue")
def event(grid: Grid) -> Measurement:
    make = [program("make"), "--no-print-directory", "-s", "-C", str(_NATIVE), "bench"]
    count = 20_000 if grid.quick else 200_000

    def queued() -> float:
        said = grid.time(make)[1]
        found = re.search(r"([\d.]+) ns an event", said)
        if found is None:
            raise Cannot(f"tests/native said no figure: {said!r}")
        return float(found[1])

    with grid.client() as client:
        samples = interleave(
            {
                QUEUED: queued,
                PYTHON: lambda: client({"do": "dispatch", "events": count}) / count * 1e9,
            },
            grid.pace, grid.tell,
        )  # fmt: skip
    return Measurement(
        "event", "one event", samples, unit="ns",
        comparisons=[Comparison(QUEUED, most=1000.0), Comparison(PYTHON)],
    )  # fmt: skip
