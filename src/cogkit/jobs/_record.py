"""What was submitted from here: a small local record."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pyGlobus.urls import shown_in

__all__ = ["Entry", "History", "RecordDamaged", "UnknownJob", "history"]

# Job managers forget their jobs long before.
_KEPT = timedelta(days=30)


class UnknownJob(LookupError):
    """No job with this number was submitted from here."""


class RecordDamaged(ValueError):
    """The file cannot be read; the jobs themselves go on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A job that was submitted."""

    number: int
    """Names it here: ``cogkit status 3``."""
    job: str
    """Its contact."""
    resource: str
    """Where it was submitted to."""
    submitted: datetime
    """When, with zone."""
    command: str
    """What it runs, in short."""


_KNOWN = {field.name for field in fields(Entry)}


class History:
    """The jobs that this user has submitted from this machine, oldest first.

    A file, ``$XDG_STATE_HOME/cogkit/jobs.json`` (``~/.local/state``), that only its owner may read;
    programs that run at the same time wait for each other.  Jobs of the last 30 days are kept.
    All methods raise `RecordDamaged` when it cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path`: another file."""
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        self.path = path or Path(state) / "cogkit" / "jobs.json"

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._read()[1])

    def add(self, job: str, resource: str, command: str) -> Entry:
        """Enter a job, without the passwords of URLs; returns it with its number."""
        with self._locked():
            last, entries = self._read()
            number = last + 1
            now = datetime.now(UTC)
            entry = Entry(number, job, resource, now, shown_in(command))
            self._write(number, [*(one for one in entries if now - one.submitted < _KEPT), entry])
        return entry

    def find(self, reference: str) -> Entry | None:
        """The job with this number or contact; None when it is not from here."""
        wanted = reference.strip()
        for entry in self:
            if wanted in (str(entry.number), entry.job):
                return entry
        return None

    def contact(self, reference: str) -> str:
        """The contact that a user means: a number of ours, or a contact as it is.

        Raises:
            UnknownJob: There is no job with this number.
        """
        entry = self.find(reference)
        if entry is not None:
            return entry.job
        if reference.strip().isdecimal():
            raise UnknownJob(f"no job {reference} was submitted from here: see 'cogkit jobs'")
        return reference

    def remove(self, job: str) -> None:
        """Forget a job."""
        with self._locked():
            last, entries = self._read()
            self._write(last, [one for one in entries if one.job != job])

    def _read(self) -> tuple[int, list[Entry]]:
        """The last number that was given (none is given again), and the jobs."""
        try:
            text = self.path.read_text()
        except FileNotFoundError:
            return 0, []
        try:
            record = json.loads(text)
            return int(record["last"]), [_entry(one) for one in record["jobs"]]
        except (ValueError, TypeError, KeyError) as error:
            raise RecordDamaged(
                f"{self.path} is damaged: {error}; remove it (the jobs themselves go on)"
            ) from error

    def _write(self, last: int, entries: Sequence[Entry]) -> None:
        """Replace the file: a full disk leaves the old one."""
        fresh = self.path.with_suffix(".new")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        try:
            with os.fdopen(os.open(fresh, flags, 0o600), "w") as file:
                record = {"last": last, "jobs": [asdict(one) for one in entries]}
                json.dump(record, file, indent=1, default=str)
            fresh.replace(self.path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            yield
        finally:
            os.close(number)


def _entry(one: dict[str, Any]) -> Entry:
    # another version may have entered more
    known = {name: value for name, value in one.items() if name in _KNOWN}
    return Entry(**(known | {"submitted": datetime.fromisoformat(one["submitted"])}))


def history() -> History:
    """The record of this user."""
    return History()
