"""The GSS-API and the grid-mapfile: against C doing the same, and against limits."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from pyGlobus.security.gridmap import GridMap, edit_gridmap

from .grid import HERE, Grid
from .harness import Cannot, Comparison, Measurement, interleave
from .registry import benchmark

OURS = "pyGlobus"
PEER = "C"
_AS_QUICK = 1 / 0.95
"""At least 0.95 of what C does in the same time."""
_LINES = 100_000


def _peer(grid: Grid) -> Path:
    program = grid.directory / "gss_peer"
    if not program.exists():
        try:
            flags = subprocess.run(
                ["pkg-config", "--cflags", "--libs", "globus-gssapi-gsi", "globus-common"],
                check=True, capture_output=True, text=True,
            ).stdout  # fmt: skip
            subprocess.run(
                ["cc", "-O2", "-o", program, HERE / "gss_peer.c", *shlex.split(flags)],
                check=True, capture_output=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            raise Cannot(f"the C program cannot be made: {error}") from error
    return program


def _against_c(grid: Grid, name: str, title: str, *work: str, volume: int = 0) -> Measurement:
    program = _peer(grid)

    def side(*command: str | Path) -> float:
        return float(grid.time([*command, *work])[1])

    return Measurement(
        name, title,
        interleave(
            {
                OURS: lambda: side(sys.executable, HERE / "gss_child.py"),
                PEER: lambda: side(program),
            },
            grid.pace, grid.tell,
        ),
        comparisons=[Comparison(OURS, PEER, most=_AS_QUICK)], volume=volume,
    )  # fmt: skip


@benchmark("gss-contexts", "GSS contexts, both sides in one process, against C")
def contexts(grid: Grid) -> Measurement:
    count = 5 if grid.quick else 100
    measured = _against_c(
        grid, "gss-contexts", f"establish {count} contexts", "contexts", str(count)
    )
    measured.facts["contexts_per_s"] = {
        side: round(count / measured.median(side), 1) for side in (OURS, PEER)
    }
    return measured


def _messages(grid: Grid, name: str, size: int, volume: int) -> Measurement:
    volume = volume >> 4 if grid.quick else volume
    count = max(1, volume // size)
    return _against_c(
        grid, name, f"wrap and unwrap {count} messages of {size >> 10} KiB",
        "messages", str(count), str(size), volume=size * count,
    )  # fmt: skip


@benchmark("gss-messages", "GSS messages of 64 KiB wrapped and unwrapped, against C")
def messages(grid: Grid) -> Measurement:
    measured = _messages(grid, "gss-messages", 64 << 10, 1 << 30)
    done = subprocess.run(
        ["openssl", "speed", "-elapsed", "-seconds", "1", "-bytes", "16384", "-evp", "aes-256-gcm"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    words = done.stdout.split()
    if words and words[-1].endswith("k"):
        cipher = float(words[-1][:-1]) * 1000
        # each octet is encrypted once and decrypted once
        measured.facts["share_of_the_cipher"] = {
            side: round(2 * measured.volume / measured.median(side) / cipher, 2)
            for side in (OURS, PEER)
        }
    return measured


@benchmark("gss-small", "GSS messages of 1 KiB wrapped and unwrapped, against C")
def small(grid: Grid) -> Measurement:
    return _messages(grid, "gss-small", 1 << 10, 64 << 20)


def _mapfile(grid: Grid) -> Path:
    path = grid.directory / "mapfile"
    if not path.exists():
        lines = (f'"/O=Grid/OU=Users/CN=User {n}" user{n},guest\n' for n in range(_LINES))
        path.write_text("".join(lines))
    return path


@benchmark("mapfile-lookup", "one subject of a grid-mapfile of 100,000 lines, loaded")
def lookup(grid: Grid) -> Measurement:
    mapping = GridMap.load(_mapfile(grid))
    mapping.lookup("/O=Grid/OU=Users/CN=User 1")
    subjects = [f"/O=Grid/OU=Users/CN=User {n}" for n in range(0, _LINES, 100)]

    def look() -> float:
        began = time.perf_counter()
        for subject in subjects:
            mapping.lookup(subject)
        return (time.perf_counter() - began) / len(subjects)

    return Measurement(
        "mapfile-lookup", "look one subject up among 100,000",
        interleave({OURS: look}, grid.pace, grid.tell),
        comparisons=[Comparison(OURS, most=0.001)],
    )  # fmt: skip


@benchmark("mapfile-edit", "one entry added to a grid-mapfile of 100,000 lines")
def edit(grid: Grid) -> Measurement:
    path = _mapfile(grid)
    number = iter(range(1 << 20))

    def change() -> float:
        began = time.perf_counter()
        with edit_gridmap(path) as mapping:
            mapping.add(f"/O=Grid/CN=New {next(number)}", "somebody", force=True)
        return time.perf_counter() - began

    return Measurement(
        "mapfile-edit", "add an entry to 100,000 (read, lock, replace)",
        interleave({OURS: change}, grid.pace, grid.tell),
        comparisons=[Comparison(OURS, most=1.0)],
    )  # fmt: skip
