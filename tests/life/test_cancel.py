"""Whatever ends an operation at whatever moment: the process lives, and nothing piles up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.life

COMMANDS = "size,mkdir,list"
TRANSFERS = "get,put,many,transfer"
WAYS = "cancel,close,deadline,task,interrupt"

CONNECTION = 9.5
"""KiB that GCT itself loses with each connection that is refused (GCT 6.2: it cannot destroy the
control handle in the state in which a failed connection leaves it)."""


def end_anywhere(
    environ: dict[str, str], rounds: int, kinds: str, verbs: str, ways: str = WAYS
) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, HERE / "_cancel_anywhere.py", "1", str(rounds), kinds, verbs, ways],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-5000:])
    outcome: dict[str, Any] = json.loads(done.stdout)
    assert outcome["stuck"] == [], outcome
    # a busy machine is slow; what Globus does not let go of takes 5 s
    assert outcome["slowest"] < 4, outcome
    assert outcome["descriptors"] <= 0, outcome
    assert outcome["threads"] <= 4, outcome  # Globus keeps some for later
    return outcome


def rounds(few: int, many: int) -> Any:
    return pytest.mark.parametrize("rounds", [few, pytest.param(many, marks=pytest.mark.soak)])


@pytest.mark.timeout(1200)
@rounds(200, 4000)
@pytest.mark.parametrize("verbs", [COMMANDS, TRANSFERS])
def test_an_operation_ends_at_any_moment_with_servers_that_are_not_well(
    rounds: int, verbs: str
) -> None:
    outcome = end_anywhere({}, rounds, "refusing,hung,resetting,dying", verbs)
    assert outcome["kilobytes"] < 2 * CONNECTION * rounds + 8192, outcome


@pytest.mark.timeout(1200)
@rounds(150, 2000)
def test_a_copy_ends_at_any_moment_with_servers_that_are_not_well(rounds: int) -> None:
    end_anywhere({}, rounds, "refusing,hung,resetting,dying", "copy")


@pytest.mark.timeout(1200)
@rounds(150, 2000)
def test_an_operation_ends_at_any_moment_with_servers_that_are_well(
    grid_env: dict[str, str], plain_url: str, rounds: int
) -> None:
    verbs = "size,list,get,many,transfer,copy"
    end_anywhere({**grid_env, "PLAIN_URL": plain_url}, rounds, "plain,plain,grid,refusing", verbs)


@pytest.mark.timeout(1200)
@rounds(300, 10_000)
def test_cancels_during_a_connection_leave_memory_as_it_was(rounds: int) -> None:
    outcome = end_anywhere({}, rounds, "hung", "size,mkdir,transfer", "cancel,close,deadline")
    assert outcome["kilobytes"] < 4096, outcome


@pytest.mark.timeout(300)
@rounds(2000, 20_000)
def test_a_connection_that_is_refused_can_be_cancelled_at_any_moment(rounds: int) -> None:
    """It took some hundred to end the process."""
    end_anywhere({}, rounds, "refusing", "size", "cancel")


@pytest.mark.timeout(300)
@rounds(3000, 30_000)
def test_a_copy_from_a_server_that_refuses_fails_and_no_more(rounds: int) -> None:
    """Its end could come while the library still began it, and ended the process."""
    done = subprocess.run(
        [sys.executable, "-c", """
import contextlib, sys
from pyGlobus.gassCopy import GassCopy
for _ in range(int(sys.argv[1])):
    with GassCopy() as copy, contextlib.suppress(ConnectionError):
        copy.copy_url_to_url("ftp://127.0.0.1:1/x", None, "file:///dev/null", None)
""", str(rounds)],
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-5000:])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("leave", ["return", "raise", "interrupt"])
def test_a_program_leaves_while_connections_are_refused_or_hang(leave: str) -> None:
    program = """
import os, signal, socket, sys
from pyGlobus.ftpClient import FtpClient
from pyGlobus.gassCopy import GassCopy
listener = socket.create_server(("127.0.0.1", 0))
silent = f"ftp://127.0.0.1:{listener.getsockname()[1]}"
alive = []
for number in range(30):
    for url in ("ftp://127.0.0.1:1/x", f"{silent}/x"):
        client = FtpClient()
        alive.append((client, client.third_party_transfer(url, None, url, None)))
        client = FtpClient()
        alive.append((client, client.size(url)))
        copy = GassCopy()
        alive.append((copy, copy.register_url_to_url(url, None, "file:///dev/null", None)))
if sys.argv[1] == "raise":
    raise RuntimeError("on purpose")
if sys.argv[1] == "interrupt":
    os.kill(os.getpid(), signal.SIGINT)
"""
    expected = {"return": 0, "raise": 1, "interrupt": -2}[leave]
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", program, leave],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == expected, (done.returncode, done.stderr[-3000:])
