"""Starting: what a user waits for before anything happens."""

from __future__ import annotations

import sys

from .grid import Grid
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

BARE = "python -c pass"
IMPORT = "python -c 'import pyGlobus.ftpClient'"
HELP = "cogkit --help"
_CLI = "import sys; sys.argv[0] = 'cogkit'; from cogkit.cli import main; sys.exit(main())"


@benchmark("start", "import, and the command's --help")
def start(grid: Grid) -> Measurement:
    def side(*arguments: str) -> float:
        return grid.time([sys.executable, *arguments])[0]

    measured = Measurement(
        "start", "start a new process",
        interleave(
            {
                BARE: lambda: side("-c", "pass"),
                IMPORT: lambda: side("-c", "import pyGlobus.ftpClient"),
                HELP: lambda: side("-c", _CLI, "--help"),
            },
            grid.pace, grid.tell,
        ),
        comparisons=[Comparison(IMPORT, most=0.150), Comparison(HELP, most=0.300)],
    )  # fmt: skip
    bare = measured.median(BARE)
    measured.facts["without_the_interpreter_s"] = {
        side: round(measured.median(side) - bare, 4) for side in (IMPORT, HELP)
    }
    return measured
