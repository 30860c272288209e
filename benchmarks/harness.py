"""How a comparison is made: all sides in turns, the order turned round each time, medians.

What else runs on the machine slows all sides of one round alike, so that ratios within a run can be
trusted where times cannot.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cannot", "Comparison", "Measurement", "Pace", "Ratio", "interleave"]

Samples = dict[str, list[float]]


class Cannot(Exception):
    """This cannot be measured here: a program is missing, or failed."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure."""

    runs: int
    warm: int = 1
    """Rounds before those that count."""


def interleave(
    sides: Mapping[str, Callable[[], float]],
    pace: Pace,
    tell: Callable[[str], None] = lambda text: None,
) -> Samples:
    """Run every side once a round: A B C, C B A, A B C, ...; each returns what it measured."""
    samples: Samples = {name: [] for name in sides}
    names = list(sides)
    for number in range(-pace.warm, pace.runs):
        for name in names if number % 2 == 0 else reversed(names):
            tell(f"{name}, {'warm-up' if number < 0 else f'{number + 1} of {pace.runs}'}")
            value = sides[name]()
            if number >= 0:
                samples[name].append(value)
    return samples


@dataclass(frozen=True, slots=True)
class Ratio:
    """Two sides of one interleaved run."""

    of_medians: float
    paired: float
    """Median of the ratios within each round."""

    @classmethod
    def between(cls, ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
        return cls(
            statistics.median(ours) / statistics.median(theirs),
            statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What to make of the samples: one side against another, or against a fixed limit."""

    side: str
    peer: str | None = None
    most: float | None = None
    """The target: the ratio, or the value itself where there is no peer, is to be at most this."""


@dataclass(slots=True)
class Measurement:
    """One benchmark, measured."""

    name: str
    title: str
    samples: Samples
    comparisons: Sequence[Comparison] = ()
    unit: str = "s"
    volume: int = 0
    """Bytes that each run moves, where a rate is of interest."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What else was found out."""

    def median(self, side: str) -> float:
        return statistics.median(self.samples[side])

    def ratio(self, comparison: Comparison) -> Ratio | None:
        if comparison.peer is None:
            return None
        return Ratio.between(self.samples[comparison.side], self.samples[comparison.peer])

    def verdict(self, comparison: Comparison) -> str:
        """``met``, ``missed``, or ``""`` where there is no target."""
        if comparison.most is None:
            return ""
        ratio = self.ratio(comparison)
        # the paired ratio: what disturbs one round does not count
        value = self.median(comparison.side) if ratio is None else ratio.paired
        return "met" if value <= comparison.most else "missed"

    def as_json(self) -> dict[str, Any]:
        compared = []
        for one in self.comparisons:
            ratio = self.ratio(one)
            compared.append(
                {
                    "side": one.side,
                    "peer": one.peer,
                    "ratio_of_medians": ratio and ratio.of_medians,
                    "median_of_ratios": ratio and ratio.paired,
                    "target_at_most": one.most,
                    "verdict": self.verdict(one),
                }
            )
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "volume": self.volume,
            "sides": {
                side: {
                    "median": statistics.median(values),
                    "min": min(values),
                    "max": max(values),
                    "samples": values,
                }
                for side, values in self.samples.items()
            },
            "comparisons": compared,
            "facts": self.facts,
        }
