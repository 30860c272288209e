"""One large file: get and put, in the clear and private."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import raw
from .gfal import gfal_side
from .grid import Client, Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

DEFAULT, FAST, PARALLEL = (
    "globus-url-copy",
    "globus-url-copy -fast -bs 4M",
    "globus-url-copy -fast -p 2 -bs 1M",
)
OURS, WARM = "pyGlobus, new process", "pyGlobus, warm session"
TWO, TWO_WARM = "pyGlobus, 2 sessions, new process", "pyGlobus, 2 sessions, warm"
RAW = "raw TCP, Python sockets"
_OPTIONS = {
    DEFAULT: [],
    FAST: ["-fast", "-bs", "4M"],
    PARALLEL: ["-fast", "-p", "2", "-bs", "1M"],
}
# at least 1.2 times the speed of its defaults, and as fast as it with its best options
_TARGETS = {DEFAULT: 1 / 1.2, FAST: 1.0, PARALLEL: 1.0}


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


def _ours(
    grid: Grid, client: Client, do: str, pair: list[str], private: bool, facts: dict[str, Any]
) -> dict[str, Callable[[], float]]:
    """One session and two, each as a new process and with sessions that are there already."""

    def job(sessions: int) -> dict[str, Any]:
        return {"do": do, "pairs": [pair], "options": {"sessions": sessions, "private": private}}

    return {
        OURS: lambda: grid.own(job(1), facts),
        WARM: lambda: client(job(1)),
        TWO: lambda: grid.own(job(2), facts),
        TWO_WARM: lambda: client(job(2)),
    }


def _finish(measured: Measurement) -> Measurement:
    """What is to be made of it."""
    sides, facts = measured.samples, measured.facts
    peers = [side for side in sides if side not in (OURS, WARM, TWO, TWO_WARM, RAW)]
    measured.comparisons = [
        *(Comparison(TWO, peer, _TARGETS.get(peer)) for peer in peers),
        *(Comparison(OURS, peer) for peer in peers),
        *(Comparison(side, RAW) for side in (WARM, TWO_WARM) if RAW in sides),
    ]
    if RAW in sides:
        for name, side in (("one", WARM), ("two", TWO_WARM)):
            share = measured.median(RAW) / measured.median(side)
            facts[f"share_of_raw_tcp_{name}_session"] = round(share, 3)
    facts["peak_memory_target_mib"] = 100
    facts["peak_memory_verdict"] = "met" if facts["peak_memory_mib"] < 100 else "missed"
    return measured


def _get(grid: Grid, name: str, title: str, target: str, private: bool = False) -> Measurement:
    remote, size = f"{grid.url}{grid.large}", grid.size
    facts: dict[str, Any] = {"size": size}
    with grid.client() as client:
        sides = {
            **_ours(grid, client, "get", [remote, target], private, facts),
            **_copies(grid, remote, f"file://{target}", *(["-dcpriv"] if private else [])),
        }
        if not private:
            sides[RAW] = lambda: raw.stream(size, target)
        if target != os.devnull:  # gfal2 refuses to write to a device
            sides |= gfal_side(grid, [(remote, f"file://{target}")], facts)
        samples = interleave(
            {side: _fresh(target, run) for side, run in sides.items()}, grid.pace, grid.tell
        )
    return _finish(Measurement(name, title, samples, volume=size, facts=facts))


def _put(grid: Grid, name: str, title: str, target: str, private: bool = False) -> Measurement:
    source, remote = str(grid.large), f"{grid.url}{target}"
    facts: dict[str, Any] = {"size": grid.size}
    with grid.client() as client:
        sides = {
            **_ours(grid, client, "put", [source, remote], private, facts),
            **_copies(grid, f"file://{source}", remote, *(["-dcpriv"] if private else [])),
        }
        if target != os.devnull:
            sides |= gfal_side(grid, [(f"file://{source}", remote)], facts)
        samples = interleave(
            {side: _fresh(target, run) for side, run in sides.items()}, grid.pace, grid.tell
        )
    return _finish(Measurement(name, title, samples, volume=grid.size, facts=facts))


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


@benchmark("put-null", "put a large file to /dev/null")
def put_null(grid: Grid) -> Measurement:
    return _put(grid, "put-null", "put a large file to /dev/null", os.devnull)


@benchmark("put-file", "put a large file to a file")
def put_file(grid: Grid) -> Measurement:
    return _put(grid, "put-file", "put a large file to a file", str(grid.directory / "put"))


@benchmark("put-private", "put a large file to /dev/null, data channel private")
def put_private(grid: Grid) -> Measurement:
    return _put(
        grid, "put-private", "put a large file to /dev/null, private", os.devnull, private=True
    )


@benchmark("third-party", "a large file from one server to another")
def third_party(grid: Grid) -> Measurement:
    target = str(grid.directory / "third")
    source, remote = f"{grid.url}{grid.large}", f"{grid.other_url}{target}"
    job = {"do": "third-party", "pairs": [[source, remote]]}
    facts: dict[str, Any] = {"size": grid.size}
    sides: dict[str, Callable[[], float]] = {
        OURS: lambda: grid.own(job, facts),
        DEFAULT: lambda: grid.time([program("globus-url-copy"), source, remote])[0],
    }
    samples = interleave(
        {side: _fresh(target, run) for side, run in sides.items()}, grid.pace, grid.tell
    )
    return Measurement(
        "third-party", "a large file from one server to another", samples, volume=grid.size,
        facts=facts, comparisons=[Comparison(OURS, DEFAULT, 1.05)],
    )  # fmt: skip
