"""Many small files in one session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .gfal import GFAL, gfal_side
from .grid import Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

OURS, WARM = "pyGlobus, new process", "pyGlobus, warm session"
DEFAULT = "globus-url-copy -f"
FAST = "globus-url-copy -fast -f"
PIPELINED = "globus-url-copy -fast -pp -f"
CONCURRENT = "globus-url-copy -fast -pp -cc 2 -f"
_KEPT = {"extended": True}


def _pairs(grid: Grid, count: int) -> list[tuple[str, Path]]:
    got = grid.directory / "got-small"
    got.mkdir(exist_ok=True)
    return [(f"{grid.url}{path}", got / path.name) for path in sorted(grid.small.iterdir())][:count]


def _cleared(pairs: list[tuple[str, Path]], side: Callable[[], float]) -> Callable[[], float]:
    """Every run makes its files anew, and they must be there and whole."""

    def run() -> float:
        for _, path in pairs:
            path.unlink(missing_ok=True)
        seconds = side()
        assert sum(path.stat().st_size for _, path in pairs) == len(pairs) * (10 << 10)
        return seconds

    return run


def _job(pairs: list[tuple[str, Path]], options: dict[str, Any]) -> dict[str, Any]:
    return {"do": "get", "pairs": [(url, str(path)) for url, path in pairs], "options": options}


def _copy(grid: Grid, pairs: list[tuple[str, Path]], *options: str) -> Callable[[], float]:
    listed = grid.directory / f"pairs-{len(pairs)}"
    listed.write_text("".join(f"{url} file://{path}\n" for url, path in pairs))
    command = [program("globus-url-copy"), *options, "-f", str(listed)]
    return lambda: grid.time(command)[0]


@benchmark("small-files", "many files of 10 KiB, the data channel kept")
def small_files(grid: Grid) -> Measurement:
    pairs = _pairs(grid, grid.files)
    job = _job(pairs, _KEPT)
    facts: dict[str, Any] = {"files": len(pairs)}
    with grid.client() as client:
        sides = {
            OURS: lambda: grid.own(job, facts),
            WARM: lambda: client(job),
            FAST: _copy(grid, pairs, "-fast"),
            PIPELINED: _copy(grid, pairs, "-fast", "-pp"),
            CONCURRENT: _copy(grid, pairs, "-fast", "-pp", "-cc", "2"),
        }
        samples = interleave(
            {side: _cleared(pairs, run) for side, run in sides.items()}, grid.pace, grid.tell
        )
    return Measurement(
        "small-files", f"get {len(pairs)} x 10 KiB, data channel kept", samples, facts=facts,
        volume=len(pairs) * (10 << 10),
        comparisons=[
            Comparison(OURS, FAST, 1.2), Comparison(OURS, PIPELINED), Comparison(OURS, CONCURRENT),
        ],
    )  # fmt: skip


@benchmark("small-files-default", "files of 10 KiB, everybody at the defaults")
def small_files_default(grid: Grid) -> Measurement:
    pairs = _pairs(grid, max(1, grid.files // 10))
    facts: dict[str, Any] = {"files": len(pairs)}
    job, kept = _job(pairs, {}), _job(pairs, _KEPT)
    ours = "pyGlobus, stream mode, new process"
    sides = {
        ours: lambda: grid.own(job, facts),
        OURS: lambda: grid.own(kept, facts),
        DEFAULT: _copy(grid, pairs),
        **gfal_side(grid, [(url, f"file://{path}") for url, path in pairs], facts),
    }
    samples = interleave(
        {side: _cleared(pairs, run) for side, run in sides.items()}, grid.pace, grid.tell
    )
    return Measurement(
        "small-files-default", f"get {len(pairs)} x 10 KiB", samples, facts=facts,
        volume=len(pairs) * (10 << 10),
        comparisons=[
            Comparison(ours, DEFAULT),
            *(Comparison(side, GFAL) for side in (ours, OURS) if GFAL in sides),
        ],
    )  # fmt: skip
