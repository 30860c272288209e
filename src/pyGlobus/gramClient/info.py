"""What GRAM tells of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .._core.errors import text_of
from .constants import JobState, gram_text

__all__ = ["JobInfo"]

_RECORD, _UNIT = "\x1e", "\x1f"
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class JobInfo:
    """What a job manager tells of a job (globus_gram_client_job_info_t)."""

    contact: str
    """Which job; ``""`` where the question named it."""
    state: JobState
    failure_code: int = 0
    """Why it failed (a `GramError`), 0 otherwise."""
    extensions: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """All that the message said (GRAM 5), such as ``exit-code``; names as in the protocol."""
    message: str = ""
    """What the library says of the failure, with the details of one in staging."""

    @property
    def exit_code(self) -> int | None:
        """The job's own exit code, where the job manager knows it: one with an event generator."""
        text = self.extensions.get("exit-code", "")
        return int(text) if text.lstrip("-").isdecimal() else None

    @property
    def job_failure_code(self) -> int:
        """Of the job, where `failure_code` is the question's: in the answer to a status request."""
        text = self.extensions.get("job-failure-code", "")
        return int(text) if text.isdecimal() else self.failure_code

    @property
    def failure(self) -> str:
        """Why it failed, in words; ``""`` when it did not."""
        if not self.failure_code:
            return ""
        told = self.extensions.get("gt3-failure-message", "")
        return told or self.message or gram_text(self.failure_code)


def info_of(event: Any) -> JobInfo:
    """The event of the shim, with all that it says."""
    contact, message, *pairs = text_of(event.text).split(_RECORD)
    told = dict(pair.split(_UNIT, 1) for pair in pairs if _UNIT in pair)
    return JobInfo(contact, JobState(event.a), event.code, MappingProxyType(told), message)


def reply_of(event: Any) -> tuple[str, str]:
    """The contact and the error's message of an answer."""
    contact, _, message = text_of(event.text).partition(_RECORD)
    return contact, message
