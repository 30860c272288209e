"""What the benchmarks run on: a sandbox, its files, and programs to be timed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cogkit.sandbox import Sandbox

from .harness import Cannot, Pace

__all__ = ["CHILD", "HERE", "Client", "Grid", "program"]

HERE = Path(__file__).parent
CHILD = HERE / "child.py"
_SOURCES = HERE.parent / "src"
_LIMIT = 600.0
"""Seconds that one program may take."""


def program(name: str) -> str:
    """The path of a program that must be installed."""
    path = shutil.which(name)
    if path is None:
        raise Cannot(f"{name} is not installed")
    return path


class Client:
    """Our side as a process that stays: sessions are kept from job to job."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.peak_kib = 0
        self._process = subprocess.Popen(
            [sys.executable, "-P", CHILD], env=environ, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, job: dict[str, Any]) -> float:
        """Do it; returns the seconds it took there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise Cannot(f"our own client failed at {job['do']}")
        told = json.loads(answer)
        self.peak_kib = max(self.peak_kib, told["peak_kib"])
        return float(told["seconds"])

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@dataclass
class Grid:
    """A sandbox with room for the benchmarks' files, which go when it goes."""

    sandbox: Sandbox
    pace: Pace
    size: int
    """Bytes of the large file."""
    files: int
    """Number of small files."""
    quick: bool = False
    tell: Callable[[str], None] = field(default=lambda text: None)

    @cached_property
    def directory(self) -> Path:
        """In the sandbox' own directory: that is removed however this process ends."""
        path = self.sandbox.directory / "bench"
        path.mkdir()
        return path

    @cached_property
    def environ(self) -> dict[str, str]:
        """For clients: this grid and no other, and our sources."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("X509_", "GLOBUS_", "GRIDMAP"))
        }
        # where nobody may write compiled modules each start would compile them: not what a user has
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        ours = {
            "PYTHONPATH": str(_SOURCES),
            "PYTHONPYCACHEPREFIX": str(self.directory / "pycache"),
        }
        return kept | self.sandbox.environ | ours

    @property
    def url(self) -> str:
        """The GridFTP server."""
        return self.sandbox.gridftp_url

    @cached_property
    def other_url(self) -> str:
        """A second GridFTP server, for transfers between two."""
        return self.sandbox.add_gridftp().url

    @cached_property
    def large(self) -> Path:
        """A file of `size` bytes that does not compress, in the page cache."""
        path = self.directory / "large"
        block = os.urandom(1 << 24)
        with path.open("wb") as file:
            left = self.size
            while left > 0:
                left -= file.write(block[:left])
        return path

    @cached_property
    def small(self) -> Path:
        """A directory of `files` files of 10 KiB."""
        path = self.directory / "small"
        path.mkdir()
        for number in range(self.files):
            (path / f"{number:06}").write_bytes(os.urandom(10 << 10))
        return path

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Our own client as a process that stays."""
        client = Client(self.environ)
        try:
            yield client
        finally:
            client.close()

    def time(
        self, command: Sequence[str | Path], environ: dict[str, str] | None = None
    ) -> tuple[float, str]:
        """Run a program; returns its seconds from start to end, and what it printed."""
        started = time.perf_counter()
        try:
            done = subprocess.run(
                command, env=environ or self.environ, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=_LIMIT,
            )  # fmt: skip
        except subprocess.TimeoutExpired as late:
            raise Cannot(f"{command[0]}: not done in {_LIMIT:g} s") from late
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            raise Cannot(f"{Path(command[0]).name} failed ({done.returncode}): {words[-600:]}")
        return seconds, done.stdout.decode(errors="replace")

    def own(self, job: dict[str, Any], facts: dict[str, Any] | None = None) -> float:
        """Our own client as a new process; its peak memory goes into `facts`."""
        # by a file: an argument has at most 128 KiB
        described = self.directory / "job"
        described.write_text(json.dumps(job))
        seconds, said = self.time([sys.executable, "-P", CHILD, described])
        if facts is not None:
            peak = json.loads(said)["peak_kib"]
            facts["peak_memory_mib"] = max(facts.get("peak_memory_mib", 0), round(peak / 1024, 1))
        return seconds
