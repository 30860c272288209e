"""gfal2 by its Python binding, which lives in the system's Python."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .grid import Grid

__all__ = ["copy_with_gfal"]

_PYTHON = "/usr/bin/python3"
_SCRIPT = """
import json, sys, gfal2
context = gfal2.creat_context()
parameters = context.transfer_parameters()
parameters.overwrite = True
for source, target in json.load(open(sys.argv[1])):
    context.filecopy(parameters, source, target)
"""


def copy_with_gfal(grid: Grid, pairs: Sequence[tuple[str, str]]) -> float:
    """Seconds of a new process that copies them one after the other."""
    listed = grid.directory / "pairs-gfal"
    listed.write_text(json.dumps(pairs))
    environ = {name: value for name, value in grid.environ.items() if name != "PYTHONPATH"}
    return grid.time([_PYTHON, "-c", _SCRIPT, str(listed)], environ)[0]
