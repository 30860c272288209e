"""What a copy did: `Summary`, and `CopyIncomplete` when something was left out."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Copied:
    """One file that was copied."""

    source: str
    target: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Refused:
    """One file or directory that was not copied, though the others were."""

    place: str
    """The source, or the target; without a password."""
    reason: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a copy did."""

    copied: list[Copied]
    skipped: list[str]
    """Targets that existed and were to be left alone."""
    seconds: float
    refused: list[Refused] = field(default_factory=list)
    """What was not copied; a copy that has any ends with `CopyIncomplete`."""

    @property
    def bytes(self) -> int:
        """Bytes that were moved."""
        return sum(one.bytes for one in self.copied)

    @property
    def rate(self) -> float:
        """Bytes a second, the handshakes included."""
        return self.bytes / self.seconds if self.seconds else 0.0


class CopyIncomplete(OSError):
    """Some files could not be copied; all the others were.

    Attributes:
        summary: What was copied, and in ``summary.refused`` what was not, and why.
    """

    def __init__(self, summary: Summary) -> None:
        """Make it."""
        self.summary = summary
        first, *others = summary.refused
        more = f"; and {len(others)} more" if others else ""
        super().__init__(f"{first.place}: {first.reason}{more}")
        self.add_note(f"Not copied: {len(summary.refused)}.  Copied: {len(summary.copied)}.")
