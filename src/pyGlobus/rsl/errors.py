"""What can be wrong with RSL."""

from __future__ import annotations

from .._core.errors import GlobusException
from .._core.passwords import shown_in

__all__ = ["RSLError", "RSLEvaluationError", "RSLSyntaxError", "RSLTypeError", "RSLValueError"]

_WIDTH = 72
"""Characters of a long line that are shown around a fault."""


class RSLError(GlobusException):
    """Base of what `pyGlobus.rsl` raises."""


class RSLValueError(RSLError, ValueError):
    """A value that RSL cannot hold, such as a string with NUL, or an empty list."""


class RSLTypeError(RSLError, TypeError):
    """An object that is nothing in RSL."""


class RSLEvaluationError(RSLError, ValueError):
    """A variable that nothing defines, or a substitution that is no pair."""


class RSLSyntaxError(RSLError, ValueError):
    """A text that is not RSL.

    Attributes:
        text: all of it.
        line: where it goes wrong, from 1.
        column: in that line, in characters, from 1.
        reason: what is wrong there.
        hint: what to do.

    `str()` shows the line with a caret below the place.
    """

    text: str = ""
    line: int = 1
    column: int = 1
    reason: str = ""

    @classmethod
    def at(cls, text: str, offset: int, reason: str, hint: str = "") -> RSLSyntaxError:
        """The error at a character of `text`."""
        before = text[:offset]
        line = before.count("\n") + 1
        column = offset - (before.rfind("\n") + 1) + 1
        error = cls(f"bad RSL, line {line}, column {column}: {reason}", hint=hint)
        error.text, error.line, error.column, error.reason = text, line, column, reason
        return error

    def __str__(self) -> str:
        shown = shown_in(self.text.split("\n")[self.line - 1], keep_length=True)
        first = max(0, self.column - 1 - _WIDTH // 2)
        shown = shown[first : first + _WIDTH]
        # one character each, whatever a terminal would make of it
        shown = "".join(char if char.isprintable() else " " for char in shown)
        caret = " " * (self.column - 1 - first) + "^"
        return f"{super().__str__()}\n  {shown.rstrip()}\n  {caret}"
