"""Submitting a job."""

from __future__ import annotations

from typing import Any

from .grid import Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

OURS, WARM = "pyGlobus, new process", "pyGlobus, warm process"
BATCH, FAST = "globusrun -b", "globusrun -F"


@benchmark("submit", "submit a job, not waiting for it")
def submit(grid: Grid) -> Measurement:
    contact, rsl = grid.sandbox.gram_contact, "&(executable=/bin/true)"
    tool = program("globusrun")
    job = {"do": "submit", "rm": contact, "rsl": rsl}
    facts: dict[str, Any] = {}
    with grid.client() as client:
        samples = interleave(
            {
                OURS: lambda: grid.own(job, facts),
                WARM: lambda: client(job),
                BATCH: lambda: grid.time([tool, "-q", "-b", "-r", contact, rsl])[0],
                FAST: lambda: grid.time([tool, "-q", "-F", "-r", contact, rsl])[0],
            },
            grid.pace, grid.tell,
        )  # fmt: skip
    return Measurement(
        "submit", "submit a job", samples, facts=facts,
        comparisons=[
            Comparison(OURS, BATCH, 1.0), Comparison(OURS, FAST), Comparison(WARM, BATCH),
        ],
    )  # fmt: skip
