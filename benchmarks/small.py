"""Many small files in one session."""

from __future__ import annotations

import itertools
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .gfal import GFAL, gfal_side
from .grid import Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

OURS, WARM = "pyGlobus, 2 sessions, new process", "pyGlobus, 2 sessions, warm"
KIT = "cogkit cp -r"
DEFAULT = "globus-url-copy -f"
FAST = "globus-url-copy -fast -f"
PIPELINED = "globus-url-copy -pp -f"
CONCURRENT = "globus-url-copy -pp -cc 2 -f"
_KIT = "import sys; from cogkit.cli import main; sys.exit(main())"
_KEPT = {"extended": True, "sessions": 2}
_SIZE = 10 << 10
_MANY = 20
"""How many times more files, to see whether the cost is linear."""


def _pairs(grid: Grid, count: int, do: str = "get") -> list[tuple[str, str]]:
    """Sources and targets as `globus-url-copy` takes them, but for the scheme of local ones."""
    got = grid.directory / "got-small"
    got.mkdir(exist_ok=True)
    names = itertools.islice(itertools.cycle(sorted(grid.small.iterdir())), count)
    if do == "put":
        return [(str(path), f"{grid.url}{got}/{number:06}") for number, path in enumerate(names)]
    return [(f"{grid.url}{path}", f"{got}/{number:06}") for number, path in enumerate(names)]


def _cleared(grid: Grid, count: int, side: Callable[[], float]) -> Callable[[], float]:
    """Every run makes its files anew, and they must be there and whole."""
    got = grid.directory / "got-small"

    def run() -> float:
        shutil.rmtree(got)
        got.mkdir()
        seconds = side()
        assert sum(path.stat().st_size for path in got.iterdir()) == count * _SIZE
        return seconds

    return run


def _copy(grid: Grid, pairs: list[tuple[str, str]], *options: str) -> Callable[[], float]:
    listed = grid.directory / "pairs"
    lines = [
        " ".join(place if "://" in place else f"file://{place}" for place in pair) for pair in pairs
    ]
    command = [program("globus-url-copy"), *options, "-f", str(listed)]

    def run() -> float:
        listed.write_text("".join(f"{line}\n" for line in lines))
        return grid.time(command)[0]

    return run


def _small(grid: Grid, name: str, do: str, count: int, *, all_sides: bool) -> Measurement:
    pairs = _pairs(grid, count, do)
    job = {"do": f"{do}-many", "pairs": pairs, "options": _KEPT}
    facts: dict[str, Any] = {"files": count}
    with grid.client() as client:
        sides: dict[str, Callable[[], float]] = {
            OURS: lambda: grid.own(job, facts),
            CONCURRENT: _copy(grid, pairs, "-pp", "-cc", "2"),
        }
        if all_sides:
            sides |= {
                WARM: lambda: client(job),
                FAST: _copy(grid, pairs, "-fast"),
                PIPELINED: _copy(grid, pairs, "-pp"),
            }
            here, there = str(grid.small), f"{grid.url}{grid.directory}/got-small"
            if do == "get":
                here, there = f"{grid.url}{grid.small}", str(grid.directory / "got-small")
            command = [sys.executable, "-c", _KIT, "cp", "-r", f"{here}/.", there]
            sides[KIT] = lambda: grid.time(command)[0]
        samples = interleave(
            {side: _cleared(grid, count, run) for side, run in sides.items()},
            grid.pace, grid.tell,
        )  # fmt: skip
    measured = Measurement(
        name, f"{do} {count} x 10 KiB, data channel kept", samples, facts=facts,
        volume=count * _SIZE,
        comparisons=[
            Comparison(OURS, CONCURRENT, 1.0),
            *(Comparison(OURS, peer) for peer in (FAST, PIPELINED) if peer in sides),
            *(Comparison(KIT, peer) for peer in (CONCURRENT,) if KIT in sides),
        ],
    )  # fmt: skip
    facts["ms_a_file"] = round(measured.median(OURS) / count * 1000, 3)
    return measured


@benchmark("small-files", "many files of 10 KiB from the server, the data channel kept")
def small_files(grid: Grid) -> Measurement:
    return _small(grid, "small-files", "get", grid.files, all_sides=True)


@benchmark("small-files-put", "many files of 10 KiB to the server, the data channel kept")
def small_files_put(grid: Grid) -> Measurement:
    return _small(grid, "small-files-put", "put", grid.files, all_sides=True)


@benchmark("small-files-20", "20 times as many from the server")
def small_files_20(grid: Grid) -> Measurement:
    return _small(grid, "small-files-20", "get", grid.files * _MANY, all_sides=False)


@benchmark("small-files-20-put", "20 times as many to the server")
def small_files_20_put(grid: Grid) -> Measurement:
    return _small(grid, "small-files-20-put", "put", grid.files * _MANY, all_sides=False)


@benchmark("third-party-small", "many files of 10 KiB from server to server, pipelined")
def third_party_small(grid: Grid) -> Measurement:
    got = f"{grid.other_url}{grid.directory}/got-small"
    pairs = [(source, f"{got}/{Path(target).name}") for source, target in _pairs(grid, grid.files)]
    options = {"extended": True, "pipeline": 16}
    job = {"do": "third-party", "pairs": pairs, "options": options}
    facts: dict[str, Any] = {"files": grid.files}
    ours = "pyGlobus, pipelined, new process"
    sides: dict[str, Callable[[], float]] = {
        ours: lambda: grid.own(job, facts),
        PIPELINED: _copy(grid, pairs, "-pp"),
        CONCURRENT: _copy(grid, pairs, "-pp", "-cc", "2"),
    }
    samples = interleave(
        {side: _cleared(grid, grid.files, run) for side, run in sides.items()},
        grid.pace, grid.tell,
    )  # fmt: skip
    return Measurement(
        "third-party-small", f"{grid.files} x 10 KiB from server to server", samples, facts=facts,
        volume=grid.files * _SIZE,
        comparisons=[Comparison(ours, PIPELINED, 1.05), Comparison(ours, CONCURRENT)],
    )  # fmt: skip


@benchmark("small-files-default", "files of 10 KiB, everybody at the defaults")
def small_files_default(grid: Grid) -> Measurement:
    count = max(1, grid.files // 10)
    pairs = _pairs(grid, count)
    facts: dict[str, Any] = {"files": count}
    job = {"do": "get", "pairs": pairs}
    kept = {"do": "get-many", "pairs": pairs, "options": _KEPT}
    ours = "pyGlobus, stream mode, new process"
    sides = {
        ours: lambda: grid.own(job, facts),
        OURS: lambda: grid.own(kept, facts),
        DEFAULT: _copy(grid, pairs),
        **gfal_side(grid, [(url, f"file://{path}") for url, path in pairs], facts),
    }
    samples = interleave(
        {side: _cleared(grid, count, run) for side, run in sides.items()}, grid.pace, grid.tell
    )
    return Measurement(
        "small-files-default", f"get {count} x 10 KiB", samples, facts=facts,
        volume=count * _SIZE,
        comparisons=[
            Comparison(ours, DEFAULT),
            *(Comparison(side, GFAL) for side in (ours, OURS) if GFAL in sides),
        ],
    )  # fmt: skip
