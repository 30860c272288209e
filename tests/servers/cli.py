"""Running the real command line, for the tests of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

COGKIT = [sys.executable, "-c", "from cogkit.cli import main; main()"]


def cogkit(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = 40,
) -> subprocess.CompletedProcess[str]:
    """Run ``cogkit`` to its end, without a terminal."""
    return subprocess.run(
        [*COGKIT, *map(str, arguments)],
        env={**os.environ, **(env or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        start_new_session=True,
    )


def assert_fails(
    done: subprocess.CompletedProcess[str], code: int, *words: str, lines: int = 2
) -> None:
    """It failed as failures should: this exit code, one or two lines that say it, no traceback."""
    told = done.stderr.splitlines()
    assert done.returncode == code, done.stderr
    assert 1 <= len(told) <= lines, done.stderr
    assert told[0].startswith("cogkit: ")
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@contextlib.contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """``cogkit`` under way, as a shell runs it; it is gone when the block is left."""
    process = subprocess.Popen(
        [*COGKIT, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()
