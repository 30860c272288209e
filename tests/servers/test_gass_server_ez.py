"""GASS servers of one process: their streams, and what is left of one that could not be made."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.gassCopy import GassCopy
from pyGlobus.gassServerEZ import STDERR_ENABLE, STDOUT_ENABLE, WRITE_ENABLE, GassServerEZ


@pytest.fixture
def pipes(grid_env: object) -> Iterator[list[tuple[int, int]]]:
    """Three pipes, each its end to read and its end to write."""
    made = [os.pipe() for _ in range(3)]
    for reader, _ in made:
        os.set_blocking(reader, False)
    yield made
    for reader, writer in made:
        os.close(reader)
        os.close(writer)


def sent(server: GassServerEZ, words: bytes, folder: Path, stream: str = "stdout") -> None:
    (folder / "words").write_bytes(words)
    with GassCopy() as copy:
        target = f"{server.url}/dev/{stream}"
        copy.copy_url_to_url(f"file://{folder}/words", None, target, None, timeout=20)


def came(pipe: tuple[int, int]) -> bytes:
    try:
        return os.read(pipe[0], 4096)
    except BlockingIOError:
        return b""


def test_the_streams_of_a_server_outlive_those_that_came_after_it(
    pipes: list[tuple[int, int]], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with GassServerEZ(STDOUT_ENABLE) as own, GassServerEZ(STDOUT_ENABLE, stdout=pipes[0][1]) as a:
        b = GassServerEZ(STDOUT_ENABLE, stdout=pipes[1][1])
        c = GassServerEZ(STDOUT_ENABLE | STDERR_ENABLE, stderr=pipes[2][1])
        sent(c, b"of c", tmp_path)
        sent(c, b"oops", tmp_path, "stderr")
        assert (came(pipes[1]), came(pipes[2])) == (b"", b"oops")
        # the one in the middle goes, and changes nothing
        b.close()
        sent(a, b"to the newest", tmp_path)
        assert came(pipes[0]) == b""
        c.close()
        sent(a, b"of a", tmp_path)
        assert came(pipes[0]) == b"of a"
        with GassServerEZ(WRITE_ENABLE):
            pass  # it has no streams
        sent(own, b"of a, too", tmp_path)
        assert came(pipes[0]) == b"of a, too"
        a.close()
        sent(own, b", and own", tmp_path)
    assert capfd.readouterr().out == "of cto the newest, and own"


def test_a_descriptor_is_the_servers_own_from_the_beginning(
    pipes: list[tuple[int, int]], tmp_path: Path
) -> None:
    writer = os.dup(pipes[0][1])
    with GassServerEZ(STDOUT_ENABLE, stdout=writer) as first:
        os.close(writer)
        with GassServerEZ(STDOUT_ENABLE, stdout=pipes[1][1]):
            pass
        sent(first, b"still here", tmp_path)
    assert came(pipes[0]) == b"still here"


def test_a_server_that_cannot_be_made_serves_nobody(
    pipes: list[tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
            return port

    def serves(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    port = free()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for broken in ({"stdout": 999}, {"stdout": pipes[0][1], "stderr": 999}):
        with pytest.raises(OSError, match="Bad file descriptor"):
            GassServerEZ(WRITE_ENABLE | STDOUT_ENABLE, port=port, **broken)  # type: ignore[arg-type]
        assert not serves(port)
    # what fails later, too
    with monkeypatch.context() as patch:
        patch.setattr("pyGlobus.gassServerEZ.text_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            GassServerEZ(WRITE_ENABLE | STDOUT_ENABLE, port=port, stdout=pipes[0][1])
    assert not serves(port)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    with GassServerEZ(STDOUT_ENABLE, port=port, stdout=pipes[1][1]) as server:
        sent(server, b"here", tmp_path)
    assert (came(pipes[0]), came(pipes[1])) == (b"", b"here")


@pytest.mark.parametrize("before", ["no credential", "another user's"])
def test_it_serves_whoever_has_the_credential_of_its_start(
    grid: Sandbox, grid_env: dict[str, str], tmp_path: Path, before: str
) -> None:
    (tmp_path / "file").write_text("served")
    other = grid.issue_user("Somebody Else")
    nobody = dict.fromkeys(("X509_USER_CERT", "X509_USER_KEY", "X509_USER_PROXY"), "/nowhere")
    earlier = nobody if before == "no credential" else other.environ
    program = """
import json, os, subprocess, sys
from pyGlobus.gassServerEZ import READ_ENABLE, GassServerEZ
from pyGlobus.gassTransfer import GassRequestAttr
GassRequestAttr()  # GASS transfer is up
os.environ.update(json.loads(sys.argv[1]))
with GassServerEZ(READ_ENABLE) as server:
    copy = ["globus-url-copy", f"{server.url}{sys.argv[2]}/file", f"file://{sys.argv[2]}/got"]
    subprocess.run(copy, check=True, timeout=20)
    copy[1:] = ["-source-subject", sys.argv[4], copy[1], copy[2] + "2"]
    stranger = os.environ | json.loads(sys.argv[3])
    print(subprocess.run(copy, env=stranger, timeout=20, capture_output=True).returncode != 0)
    subprocess.run(copy, check=True, timeout=20)
"""
    done = subprocess.run(
        [
            sys.executable, "-c", program, json.dumps(grid_env), tmp_path,
            json.dumps(other.environ), grid.user.subject,
        ],
        env={**grid_env, **earlier}, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert (tmp_path / "got").read_text() == (tmp_path / "got2").read_text() == "served"
