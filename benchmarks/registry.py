"""The benchmarks by their names."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .grid import Grid
from .harness import Measurement

__all__ = ["BENCHMARKS", "Benchmark", "benchmark", "choose"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Something to measure."""

    name: str
    about: str
    measure: Callable[[Grid], Measurement]


BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str, about: str) -> Callable[[Callable[[Grid], Measurement]], None]:
    """Enter a function as a benchmark."""

    def enter(measure: Callable[[Grid], Measurement]) -> None:
        BENCHMARKS[name] = Benchmark(name, about, measure)

    return enter


def choose(patterns: Sequence[str]) -> list[Benchmark]:
    """Those that match one of the shell patterns; all when there are none.

    Raises:
        LookupError: a pattern matches nothing.
    """
    for pattern in patterns:
        if not fnmatch.filter(BENCHMARKS, pattern):
            raise LookupError(f"no benchmark is named {pattern!r}; --list shows them")
    return [
        one
        for name, one in BENCHMARKS.items()
        if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    ]
