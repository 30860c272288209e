"""One large file: get and put, in the clear and private."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import raw
from .gfal import gfal_side
from .grid import Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

DEFAULT, FAST, PARALLEL = (
    "globus-url-copy",
    "globus-url-copy -fast -bs 4M",
    "globus-url-copy -fast -p 2 -bs 1M",
)
OURS, WARM = "pyGlobus, new process", "pyGlobus, warm session"
RAW = "raw TCP, Python sockets"
_OPTIONS = {
    DEFAULT: [],
    FAST: ["-fast", "-bs", "4M"],
    PARALLEL: ["-fast", "-p", "2", "-bs", "1M"],
}


def _copies(grid: Grid, source: str, target: str, *options: str) -> dict[str, Callable[[], float]]:
    """`globus-url-copy` at its defaults and with its fast options."""
    tool = program("globus-url-copy")

    def side(chosen: list[str]) -> Callable[[], float]:
        return lambda: grid.time([tool, *chosen, *options, source, target])[0]

    return {name: side(chosen) for name, chosen in _OPTIONS.items()}


def _fresh(path: str, side: Callable[[], float]) -> Callable[[], float]:
    """Every run writes a new file; what it held goes from memory before the disk gets it."""

    def run() -> float:
        if path != os.devnull:
            Path(path).write_bytes(b"")
        try:
            return side()
        finally:
            if path != os.devnull:
                os.truncate(path, 0)

    return run


def _get(grid: Grid, name: str, title: str, target: str, private: bool = False) -> Measurement:
    remote, size = f"{grid.url}{grid.large}", grid.size
    job: dict[str, Any] = {"do": "get", "pairs": [[remote, target]]}
    if private:
        job["options"] = {"private": True}
    facts: dict[str, Any] = {"size": size}
    with grid.client() as client:
        sides: dict[str, Callable[[], float]] = {
            OURS: lambda: grid.own(job, facts),
            WARM: lambda: client(job),
            **_copies(grid, remote, f"file://{target}", *(["-dcpriv"] if private else [])),
            RAW: lambda: raw.stream(size, target),
        }
        if target != os.devnull:  # gfal2 refuses to write to a device
            sides |= gfal_side(grid, [(remote, f"file://{target}")], facts)
        samples = interleave(
            {side: _fresh(target, run) for side, run in sides.items()}, grid.pace, grid.tell
        )
    peers = [side for side in sides if side not in (OURS, WARM, RAW)]
    measured = Measurement(
        name, title, samples, volume=size, facts=facts,
        comparisons=[
            *(Comparison(OURS, peer, 1.0 if peer == DEFAULT else None) for peer in peers),
            Comparison(WARM, RAW),
        ],
    )  # fmt: skip
    facts["share_of_raw_tcp"] = round(measured.median(RAW) / measured.median(WARM), 3)
    facts["peak_memory_target_mib"] = 100
    facts["peak_memory_verdict"] = "met" if facts["peak_memory_mib"] < 100 else "missed"
    return measured


@benchmark("get-null", "get a large file to /dev/null")
def get_null(grid: Grid) -> Measurement:
    return _get(grid, "get-null", "get a large file to /dev/null", os.devnull)


@benchmark("get-file", "get a large file to a file")
def get_file(grid: Grid) -> Measurement:
    return _get(grid, "get-file", "get a large file to a file", str(grid.directory / "got"))


@benchmark("get-private", "get a large file to /dev/null, data channel private")
def get_private(grid: Grid) -> Measurement:
    return _get(
        grid, "get-private", "get a large file to /dev/null, private", os.devnull, private=True
    )


@benchmark("put-file", "put a large file")
def put_file(grid: Grid) -> Measurement:
    source, target = str(grid.large), str(grid.directory / "put")
    job = {"do": "put", "pairs": [[source, f"{grid.url}{target}"]]}
    facts: dict[str, Any] = {"size": grid.size}
    with grid.client() as client:
        sides: dict[str, Callable[[], float]] = {
            OURS: lambda: grid.own(job, facts),
            WARM: lambda: client(job),
            **_copies(grid, f"file://{source}", f"{grid.url}{target}"),
        }
        samples = interleave(
            {side: _fresh(target, run) for side, run in sides.items()}, grid.pace, grid.tell
        )
    return Measurement(
        "put-file", "put a large file", samples, volume=grid.size, facts=facts,
        comparisons=[
            Comparison(OURS, peer, 1.0 if peer == DEFAULT else None)
            for peer in (DEFAULT, FAST, PARALLEL)
        ],
    )  # fmt: skip
