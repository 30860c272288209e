"""The tour: a whole grid on this machine, and the main things done on it.

A sandbox is started; data goes there by GridFTP; a GRAM job works on it, its output comes here by
GASS; the results come back by GridFTP, and are compared with what Python computes.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cogkit.sandbox import Sandbox

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cogkit.files import Progress

    Bar = Callable[[], AbstractContextManager[Callable[[Progress], object] | None]]

__all__ = ["DemoError", "Step", "Tour", "run"]

_DATA_SIZE = 64 << 20
_LINES = 20_000
_JOB_TIMEOUT = 60.0
_WORK = """
set -e
echo "hello from $(id -un), in $PWD"
sha256sum data.bin | tee data.sha256
LC_ALL=C sort words.txt > sorted.txt
echo "sorted $(wc -l < sorted.txt) lines, from $(head -n 1 sorted.txt) to $(tail -n 1 sorted.txt)"
"""


class DemoError(Exception):
    """The tour did not show what it should."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that was done."""

    name: str
    detail: str
    seconds: float


@dataclass(slots=True)
class Tour:
    """What was done on which grid."""

    steps: list[Step] = field(default_factory=list)
    grid: dict[str, Any] = field(default_factory=dict)
    """What `Sandbox.describe` tells."""
    output: str | None = None
    """What the job printed, when that was captured."""

    @property
    def seconds(self) -> float:
        """How long it all took."""
        return sum(step.seconds for step in self.steps)


def run(
    *,
    bar: Bar,
    say: Callable[[str], object] = lambda text: None,
    keep: bool = False,
    capture: bool = False,
) -> Tour:
    """Do it all.

    Args:
        bar: Makes what shows how far the data has got: `cogkit.progress.bar`.
        say: Told what comes next.
        keep: Leave the grid running.
        capture: Keep the job's output, instead of letting it appear on standard output.

    Raises:
        DemoError: The results are wrong.
        SandboxError: There is no grid to be had on this machine.
    """
    tour = Tour()
    with tempfile.TemporaryDirectory(prefix="cogkit-demo-") as folder:
        grid = Sandbox()
        try:
            say("Starting a grid: a certificate authority, a GridFTP server, a GRAM gatekeeper")
            with _timed(tour, "start a grid") as note:
                grid.start()
                tour.grid = grid.describe()
                note(tour.grid["directory"])
            with _environ(grid.environ):
                _work(tour, Path(folder), bar, say, capture=capture)
            if keep:
                grid.detach()
            else:
                with _timed(tour, "end the grid") as note:
                    grid.down()
                    note("no process and no file is left")
        finally:
            grid.close()
    return tour


def _work(
    tour: Tour, folder: Path, bar: Bar, say: Callable[[str], object], *, capture: bool
) -> None:
    # Globus reads some of its environment when it is loaded, so not before there is a grid.
    from cogkit import jobs
    from cogkit.files import Files

    home = f"{tour.grid['gridftp_url']}/~/"
    data, words = folder / "data.bin", folder / "words.txt"
    with _timed(tour, "make data") as note:
        checksum = _make_data(data)
        lines = _make_words(words)
        note(f"{_DATA_SIZE >> 20} MiB at random, {len(lines)} lines of text")
    with Files() as files:
        say(f"Copying {data.name} and {words.name} to {home}")
        with _timed(tour, "stage in (GridFTP)") as note, bar() as progress:
            done = files.copy([str(data), str(words)], home, progress=progress)
            note(f"{done.bytes / 1e6:.1f} MB at {done.rate / 1e6:.0f} MB/s")
        say("Running a job on it; its output comes here through GASS:")
        with _timed(tour, "run a job (GRAM, GASS)") as note:
            outcome = jobs.run(
                tour.grid["gram_contact"],
                ["/bin/sh", "-c", _WORK],
                timeout=_JOB_TIMEOUT,
                capture=capture,
            )
            tour.output = None if outcome.stdout is None else outcome.stdout.decode()
            note(f"sha256sum and sort: {outcome.state.name}")
        say("Fetching the results")
        with _timed(tour, "stage out (GridFTP)") as note:
            done = files.copy(
                [home + "data.sha256", home + "sorted.txt", home + "data.bin"], str(folder)
            )
            note(f"{done.bytes / 1e6:.1f} MB at {done.rate / 1e6:.0f} MB/s")
    with _timed(tour, "compare") as note:
        theirs = (folder / "data.sha256").read_text().split()[0]
        if not checksum == theirs == _sha256(data):
            raise DemoError(f"the checksums differ: {checksum} here, {theirs} there")
        if (folder / "sorted.txt").read_text().splitlines() != sorted(lines):
            raise DemoError("the sorted text is not what it should be")
        note(f"SHA-256 {checksum[:16]}… here and there")


def _make_data(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(_DATA_SIZE >> 20):
            block = os.urandom(1 << 20)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _make_words(path: Path) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    lines = ["".join(random.choices(letters, k=8)) for _ in range(_LINES)]
    path.write_text("\n".join(lines) + "\n")
    return lines


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _timed(tour: Tour, name: str) -> Iterator[Callable[[str], object]]:
    detail: list[str] = []
    begin = time.monotonic()
    yield detail.append
    tour.steps.append(Step(name, " ".join(detail), time.monotonic() - begin))


@contextmanager
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables, for the time of the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
