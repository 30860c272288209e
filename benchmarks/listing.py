"""A directory of many entries."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from .grid import Grid, program
from .harness import Comparison, Measurement, interleave
from .registry import benchmark

OURS, WARM = "pyGlobus scandir, new process", "pyGlobus scandir, warm session"
PEER = "globus-url-copy -list"


@benchmark("list", "list a directory of 100 times as many entries as there are small files")
def list_many(grid: Grid) -> Measurement:
    count = grid.files * 100
    directory = grid.directory / "entries"
    directory.mkdir()
    for number in range(count):
        os.close(os.open(directory / f"entry-{number:06}", os.O_CREAT | os.O_WRONLY, 0o644))
    url = f"{grid.url}{directory}"
    job = {"do": "list", "url": url, "entries": count}
    small: dict[str, Any] = {}
    facts: dict[str, Any] = {"entries": count}
    (grid.directory / "empty").mkdir()
    grid.own({"do": "list", "url": f"{grid.url}{grid.directory}/empty", "entries": 0}, small)

    def peer() -> float:
        seconds, listed = grid.time([program("globus-url-copy"), "-list", f"{url}/"])
        assert listed.count("entry-") == count
        return seconds

    with grid.client() as client:
        sides: dict[str, Callable[[], float]] = {
            OURS: lambda: grid.own(job, facts),
            WARM: lambda: client(job),
            PEER: peer,
        }
        samples = interleave(sides, grid.pace, grid.tell)
    facts["peak_memory_of_an_empty_directory_mib"] = small["peak_memory_mib"]
    return Measurement(
        "list", f"list a directory of {count} entries", samples, facts=facts,
        comparisons=[Comparison(OURS, PEER, 1.0), Comparison(WARM, PEER)],
    )  # fmt: skip
