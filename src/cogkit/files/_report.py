"""What a copy did: `Summary`, and `CopyIncomplete` when something was left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


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


_PARTS = "Parts may be left there: "
_MOST_NAMES = 10


def tell_parts(error: BaseException, names: Sequence[str]) -> None:
    """Say in an error which temporary files of a copy may be left at a server, in one note."""
    left = [*getattr(error, "parts_left", ()), *names]
    error.__dict__["parts_left"] = left
    notes = getattr(error, "__notes__", [])
    notes[:] = [note for note in notes if not note.startswith(_PARTS)]
    more = f", and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else ""
    error.add_note(f"{_PARTS}{', '.join(left[:_MOST_NAMES])}{more}")


def pass_on_parts(error: BaseException, to: BaseException) -> None:
    """Say so in another error, which is the one that the user sees."""
    if error is not to and (names := getattr(error, "parts_left", ())):
        tell_parts(to, names)


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
