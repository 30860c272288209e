"""``sshftp://``: GridFTP whose control channel is an SSH session, against an OpenSSH server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import cogkit
from cogkit.sandbox import Sandbox, _processes
from pyGlobus.ftpClient import FtpClient, FtpClientConnectionError, FtpClientOperationAttr, Mode
from pyGlobus.gassCopy import GassCopy
from waiting import until

pytestmark = pytest.mark.timeout(60)

DATA = os.urandom(2_000_003)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def folder(grid: Sandbox, ssh_url: str) -> Path:
    """Where the server's and the client's keys are."""
    return grid.directory / "ssh"


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    until(lambda: not ssh_processes(os.getpid()))


def ssh_processes(parent: int) -> list[str]:
    """The ``ssh`` clients of a process, those that have ended but were not waited for included."""
    found = []
    for pid in _processes.children().get(parent, ()):
        with contextlib.suppress(OSError):  # it has just gone
            found.append(f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}")
    return [line for line in found if "ssh" in line]


def test_a_file_goes_up_and_comes_down(ssh_url: str, file: Path, tmp_path: Path) -> None:
    got = tmp_path / "got"
    with FtpClient() as client, file.open("rb") as source, got.open("wb") as sink:
        assert client.put(f"{ssh_url}{file}.2", source=source).result(30) == len(DATA)
        assert client.get(f"{ssh_url}{file}.2", into=sink).result(30) == len(DATA)
    assert got.read_bytes() == DATA


def test_parallel_streams(ssh_url: str, file: Path, tmp_path: Path) -> None:
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=3)
    with FtpClient() as client, (tmp_path / "got").open("wb") as sink:
        client.get(f"{ssh_url}{file}", attr, into=sink).result(30)
    assert (tmp_path / "got").read_bytes() == DATA


def test_directories_are_listed(ssh_url: str, file: Path) -> None:
    with FtpClient() as client:
        facts = client.mlst(f"{ssh_url}{file}").result(30)
        assert (facts.size, facts.type) == (len(DATA), "file")
        assert [entry.name for entry in client.scandir(f"{ssh_url}{file.parent}/")] == ["file"]


def test_gass_copy_copies_from_a_server_to_another(
    url: str, ssh_url: str, file: Path, tmp_path: Path
) -> None:
    with GassCopy() as copy:
        copy.copy_url_to_url(f"{ssh_url}{file}", None, f"file://{tmp_path}/got", None)
        copy.copy_url_to_url(f"{ssh_url}{file}", None, f"{ssh_url}{file}.copy", None)
    assert (tmp_path / "got").read_bytes() == Path(f"{file}.copy").read_bytes() == DATA


def test_the_command_line_takes_such_urls(ssh_url: str, file: Path, tmp_path: Path) -> None:
    assert cogkit("cp", f"{ssh_url}{file}", tmp_path / "got").returncode == 0
    assert (tmp_path / "got").read_bytes() == DATA
    assert cogkit("ls", f"{ssh_url}{file.parent}").stdout.split() == ["file"]


def refused(url: str) -> FtpClientConnectionError:
    started = time.monotonic()
    with FtpClient() as client, pytest.raises(FtpClientConnectionError) as caught:
        client.size(f"{url}/etc/hosts").result(20)
    assert time.monotonic() - started < 10
    assert "ssh -p" in str(caught.value)
    return caught.value


def test_a_key_that_the_server_does_not_know_is_refused(ssh_url: str, folder: Path) -> None:
    known = folder / "authorized_keys"
    before = known.read_text()
    try:
        known.write_text("")
        refused(ssh_url)
    finally:
        known.write_text(before)


def test_a_server_with_another_host_key_is_not_trusted(ssh_url: str, folder: Path) -> None:
    known = folder / "known_hosts"
    before = known.read_text()
    other = (folder / "authorized_keys").read_text()
    try:
        known.write_text(f"{before.partition(' ')[0]} {other}")
        refused(ssh_url)
    finally:
        known.write_text(before)


def test_a_server_that_crashed_and_came_back(grid: Sandbox, ssh_url: str, file: Path) -> None:
    server = grid.with_ssh()
    with FtpClient() as client:
        try:
            server.kill()
            with pytest.raises(FtpClientConnectionError):
                client.size(f"{ssh_url}{file}").result(20)
        finally:
            server.restart()
        assert client.size(f"{ssh_url}{file}").result(20) == len(DATA)


def test_a_server_that_is_frozen_meets_the_deadline(grid: Sandbox, ssh_url: str) -> None:
    server = grid.with_ssh()
    server.stop()
    try:
        started = time.monotonic()
        with FtpClient() as client, pytest.raises(TimeoutError):
            client.size(f"{ssh_url}/etc/hosts", timeout=1).result(20)
        assert time.monotonic() - started < 8
    finally:
        server.cont()


@pytest.mark.parametrize(
    "bad",
    [
        "sshftp://-oProxyCommand=touch%20x/file",
        "sshftp://-oProxyCommand=x@localhost/file",
        "sshftp://user@-v/file",
        "sshftp://a b@localhost/file",
        "sshftp://a%20b@localhost/file",
        "sshftp://localhost/file#-oProxyCommand=x#22",
        "sshftp://localhost;x/file",
    ],
)
def test_a_url_cannot_give_ssh_options(grid_env: object, bad: str) -> None:
    with FtpClient() as client, pytest.raises(ValueError, match="ssh"):
        client.size(bad)


@pytest.mark.parametrize("way", ["return", "sigint"])
def test_nothing_is_left_when_the_process_ends(ssh_url: str, remote: Path, way: str) -> None:
    os.mkfifo(remote / "never")
    script = """
        import sys
        from pyGlobus.ftpClient import FtpClient
        client = FtpClient()
        client.get(sys.argv[1] + "/etc/hosts", into=1).result(20)
        print("ready", flush=True)
        operation = client.get(sys.argv[1] + sys.argv[2], into=1)
        operation.result() if sys.argv[3] == "sigint" else operation.wait(0.3)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), ssh_url, str(remote / "never"), way],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        assert process.stdout is not None
        while process.stdout.readline() not in ("ready\n", ""):
            pass
        until(lambda: ssh_processes(process.pid))
        clients = [int(line.split()[0]) for line in ssh_processes(process.pid)]
        if way == "sigint":
            process.send_signal(signal.SIGINT)
        process.wait(15)
        assert process.returncode == (0 if way == "return" else -signal.SIGINT)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in clients))
    finally:
        process.kill()
        process.communicate()


def test_a_sandbox_in_the_background_has_it_when_asked(ssh_url: str) -> None:
    # not in tmp_path, which may be too long for the sockets of a job manager
    with tempfile.TemporaryDirectory(prefix="s-") as scratch:
        place = Path(scratch) / "s"
        assert cogkit("sandbox", "up", "--ssh", "--dir", place).returncode == 0
        try:
            environ = json.loads(cogkit("sandbox", "env", "--json", "--dir", place).stdout)
            done = cogkit("cat", f"{environ['COGKIT_SANDBOX_SSHFTP']}/etc/hosts", env=environ)
            assert done.stdout == Path("/etc/hosts").read_text()
        finally:
            assert cogkit("sandbox", "down", "--dir", place).returncode == 0
        assert not place.exists()
