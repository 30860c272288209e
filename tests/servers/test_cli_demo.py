"""``cogkit demo``: it works, it is quick, and nothing is left of it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import cogkit, started
from waiting import until

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where all temporary files go; its path must be short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as path:
        monkeypatch.setenv("TMPDIR", path)
        monkeypatch.setenv("XDG_RUNTIME_DIR", path)
        yield Path(path)


def processes(folder: Path) -> Iterator[str]:
    """Command lines of what runs with that folder as its temporary one."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environ = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{folder}".encode() in environ and int(process.name) != os.getpid():
            yield command


def assert_nothing_is_left(folder: Path) -> None:
    until(lambda: not list(processes(folder)))
    assert [path for path in folder.rglob("*") if not path.is_dir()] == []
    assert [path.name for path in folder.iterdir() if path.name.startswith("cogkit-demo")] == []


def test_the_demo_shows_what_ran_and_leaves_nothing(folder: Path) -> None:
    begin = time.monotonic()
    done = cogkit("demo")
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - begin < 20
    for words in ("hello from", "data.bin", "sorted 20000 lines", "stage in (GridFTP)"):
        assert words in done.stdout
    assert_nothing_is_left(folder)


def test_the_demo_as_json(folder: Path) -> None:
    told = json.loads(cogkit("demo", "--json").stdout)
    assert "hello from" in told["output"]
    assert told["steps"][0]["name"] == "start a grid"
    assert_nothing_is_left(folder)


def listens(pid: int) -> bool:
    """Whether the command line has come up: it handles SIGTERM then."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("after", [0.2, 0.8, 1.4, 2.0])
def test_an_interrupted_demo_leaves_nothing(folder: Path, after: float) -> None:
    with started("demo") as process:
        until(lambda: listens(process.pid))
        time.sleep(after)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (130, 0)
    assert "Traceback" not in errors
    assert_nothing_is_left(folder)


def test_a_demo_that_is_kept_goes_on_until_it_is_ended(folder: Path) -> None:
    done = cogkit("demo", "--keep")
    assert "cogkit sandbox down" in done.stdout
    try:
        assert cogkit("sandbox", "status").returncode == 0
    finally:
        assert cogkit("sandbox", "down").returncode == 0
    assert_nothing_is_left(folder)
