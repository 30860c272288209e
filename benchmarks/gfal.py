"""gfal2 by its Python binding, which lives in the system's Python.

It is gone from newer distributions: where it does not work, the rest is measured without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .grid import Grid
from .harness import Cannot

__all__ = ["GFAL", "gfal_side"]

GFAL = "gfal2, new process"

_PYTHON = "/usr/bin/python3"
_TRIES = 3
_SCRIPT = """
import json, sys, gfal2
context = gfal2.creat_context()
parameters = context.transfer_parameters()
parameters.overwrite = True
for source, target in json.load(open(sys.argv[1])):
    context.filecopy(parameters, source, target)
"""


def gfal_side(
    grid: Grid, pairs: Sequence[tuple[str, str]], facts: dict[str, Any]
) -> dict[str, Callable[[], float]]:
    """The side that copies `pairs`, tried with the first; none, and a fact, when it cannot."""
    try:
        _copy(grid, pairs[:1])
    except Cannot as problem:
        facts["gfal2"] = f"not measured: {problem}"
        return {}

    def side() -> float:
        # gfal2 itself crashes now and then: that is a fact about it, and no end of the measurement
        for _ in range(_TRIES):
            try:
                return _copy(grid, pairs)
            except Cannot as problem:
                failures = facts.setdefault("gfal2_failures", [])
                failures.append(str(problem))
        raise Cannot(f"gfal2 failed {_TRIES} times: {failures[-1]}")

    return {GFAL: side}


def _copy(grid: Grid, pairs: Sequence[tuple[str, str]]) -> float:
    """Seconds of a new process that copies them one after the other."""
    listed = grid.directory / "pairs-gfal"
    listed.write_text(json.dumps(pairs))
    if not Path(_PYTHON).exists():
        raise Cannot(f"no {_PYTHON}")
    environ = {
        name: value for name, value in grid.environ.items() if not name.startswith("PYTHONP")
    }
    return grid.time([_PYTHON, "-c", _SCRIPT, str(listed)], environ)[0]
