"""`RestartPlugin`: servers die and come back, and the files are right."""

from __future__ import annotations

import contextlib
import filecmp
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cogkit.sandbox import Sandbox, ServerHandle
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientPlugin,
    Mode,
    RestartPlugin,
)
from pyGlobus.gassCopy import GassCopy, GassCopyHandleAttr
from pyGlobus.globusException import GlobusTimeoutError, OperationCancelledError
from waiting import until

SIZE = 96 << 20
# so small that a transfer takes a second, and is not over before it is broken off
TCP_BUFFER = 8192
MODES = [Mode.STREAM, Mode.EXTENDED_BLOCK]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which no two blocks are alike: a byte out of place shows."""
    path = tmp_path_factory.mktemp("source") / "file"
    block = random.Random(1).randbytes(1 << 20)
    with path.open("wb") as file:
        for number in range(SIZE >> 20):
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


@pytest.fixture(scope="module")
def server(grid: Sandbox) -> Iterator[ServerHandle]:
    handle = grid.add_gridftp()
    yield handle
    handle.kill()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "target"
    yield path
    path.unlink(missing_ok=True)


class Notes:
    """What `on_restart` was told."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self.delays: list[float] = []
        self.attempts: list[int] = []

    def __call__(self, client: Any, error: Any, attempt: int, delay: float) -> None:
        self.errors.append(error)
        self.attempts.append(attempt)
        self.delays.append(delay)


@contextlib.contextmanager
def restarting(*others: FtpClientPlugin, **options: Any) -> Iterator[tuple[FtpClient, Notes]]:
    notes = Notes()
    options.setdefault("interval", 0.05)
    options.setdefault("stall_timeout", 10)
    plugin = RestartPlugin(on_restart=notes, **options)
    with FtpClient(FtpClientHandleAttr(plugins=[plugin, *others])) as client:
        yield client, notes


def sessions(server: ServerHandle) -> list[int]:
    """The processes that serve its clients."""
    text = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
    return [int(word) for word in text.split()]


def break_off(server: ServerHandle, how: int = signal.SIGKILL) -> list[int]:
    pids = sessions(server)
    for pid in pids:
        os.kill(pid, how)
    return pids


def attr(mode: Mode, streams: int = 1) -> FtpClientOperationAttr:
    return FtpClientOperationAttr(mode=mode, parallelism=streams, tcp_buffer=TCP_BUFFER)


@pytest.mark.parametrize("mode", MODES)
def test_a_get_goes_on_behind_what_has_arrived(
    grid_env: object, server: ServerHandle, source: Path, target: Path, mode: Mode
) -> None:
    with restarting() as (client, notes), target.open("wb") as file:
        streams = 4 if mode is Mode.EXTENDED_BLOCK else 1
        operation = client.get(f"{server.url}{source}", attr(mode, streams), into=file)
        until(lambda: operation.bytes_done > SIZE // 4)
        break_off(server)
        moved = operation.result(30)
    assert len(notes.errors) == 1
    assert filecmp.cmp(source, target, shallow=False)
    assert moved == SIZE


@pytest.mark.parametrize("mode", MODES)
def test_a_put_is_right_after_its_server_was_killed(
    grid_env: object, server: ServerHandle, source: Path, target: Path, mode: Mode
) -> None:
    with restarting() as (client, notes), source.open("rb") as file:
        operation = client.put(f"{server.url}{target}", attr(mode), source=file)
        until(lambda: operation.bytes_done > SIZE // 4)
        break_off(server)
        operation.result(30)
    assert len(notes.errors) == 1
    assert filecmp.cmp(source, target, shallow=False)


@pytest.mark.parametrize("mode", MODES)
def test_a_third_party_transfer_is_right_after_a_server_was_killed(
    grid_env: object, url: str, server: ServerHandle, source: Path, target: Path, mode: Mode
) -> None:
    with restarting() as (client, notes):
        operation = client.third_party_transfer(
            f"{server.url}{source}", attr(mode), f"{url}{target}", attr(mode)
        )
        until(lambda: target.exists() and target.stat().st_size > SIZE // 8)
        break_off(server)
        operation.result(30)
    assert len(notes.errors) >= 1
    assert filecmp.cmp(source, target, shallow=False)


def test_a_server_that_was_killed_and_comes_back(
    grid_env: object, server: ServerHandle, source: Path, target: Path
) -> None:
    with restarting(max_retries=20, backoff=1) as (client, notes), target.open("wb") as file:
        operation = client.get(f"{server.url}{source}", attr(Mode.EXTENDED_BLOCK), into=file)
        until(lambda: operation.bytes_done > SIZE // 8)
        server.kill()
        until(lambda: len(notes.errors) > 2)
        server.restart()
        operation.result(30)
    assert filecmp.cmp(source, target, shallow=False)
    assert notes.attempts == list(range(1, len(notes.attempts) + 1))
    assert all(isinstance(error, FtpClientConnectionError) for error in notes.errors)


def test_a_command_waits_for_its_server(
    grid_env: object, server: ServerHandle, source: Path
) -> None:
    with restarting(max_retries=None, interval=0.1, backoff=1) as (client, notes):
        server.kill()
        operation = client.size(f"{server.url}{source}")
        until(lambda: notes.errors)
        server.restart()
        assert operation.result(20) == SIZE


@pytest.mark.parametrize("verb", ["get", "put"])
def test_a_transfer_that_stalls_is_begun_again(
    grid_env: object, server: ServerHandle, source: Path, target: Path, verb: str
) -> None:
    stopped = []
    try:
        with restarting(stall_timeout=3) as (client, notes):
            if verb == "get":
                with target.open("wb") as file:
                    operation = client.get(f"{server.url}{source}", attr(Mode.STREAM), into=file)
            else:
                with source.open("rb") as file:
                    operation = client.put(f"{server.url}{target}", attr(Mode.STREAM), source=file)
            until(lambda: operation.bytes_done > SIZE // 8)
            stopped = break_off(server, signal.SIGSTOP)
            operation.result(30)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
    assert isinstance(notes.errors[0], GlobusTimeoutError)
    assert filecmp.cmp(source, target, shallow=False)


def test_a_pipe_gets_every_byte_once(grid_env: object, server: ServerHandle, source: Path) -> None:
    reader, writer = os.pipe()
    same = [False]

    def compare() -> None:
        with os.fdopen(reader, "rb") as pipe, source.open("rb") as file:
            while block := pipe.read(1 << 20):
                if block != file.read(len(block)):
                    return
            same[0] = not file.read(1)

    thread = threading.Thread(target=compare)
    thread.start()
    with restarting() as (client, notes):
        operation = client.get(f"{server.url}{source}", attr(Mode.STREAM), into=writer)
        until(lambda: operation.bytes_done > SIZE // 4)
        break_off(server)
        assert operation.result(30) == SIZE
    os.close(writer)
    thread.join(30)
    assert len(notes.errors) == 1
    assert same[0]


def test_registered_buffers_are_kept_for_the_next_attempt(
    grid_env: object, server: ServerHandle, source: Path, target: Path
) -> None:
    with restarting() as (client, notes), target.open("wb") as file:
        operation = client.get(f"{server.url}{source}", attr(Mode.EXTENDED_BLOCK))
        buffers = [bytearray(1 << 20) for _ in range(3)]
        reads = [(buffer, client.register_read(buffer)) for buffer in buffers]
        moved = 0
        ended = False
        while reads:
            buffer, read = reads.pop(0)
            block = read.result(30)
            ended |= block.eof
            os.pwrite(file.fileno(), memoryview(buffer)[: block.length], block.offset)
            moved += block.length
            if moved > SIZE // 4 and not notes.errors:
                break_off(server)
            try:
                if not ended:
                    reads.append((buffer, client.register_read(buffer)))
            except FtpClientException:
                ended = True  # one of the other buffers has the last block
        operation.result(30)
    assert len(notes.errors) == 1
    assert filecmp.cmp(source, target, shallow=False)


def test_what_the_caller_has_sent_himself_is_not_begun_again(
    grid_env: object, server: ServerHandle, target: Path
) -> None:
    with restarting() as (client, notes):
        operation = client.put(f"{server.url}{target}", attr(Mode.EXTENDED_BLOCK))
        client.register_write(b"x" * 1000, 0).result(10)
        break_off(server)
        with pytest.raises(FtpClientConnectionError):
            operation.result(10)
    assert notes.errors == []


def test_what_the_server_refuses_is_not_tried_again(
    grid_env: object, url: str, tmp_path: Path
) -> None:
    with restarting() as (client, notes), (tmp_path / "f").open("wb") as file:
        with pytest.raises(FileNotFoundError):
            client.get(f"{url}{tmp_path}/none", into=file).result(10)
        with pytest.raises(FileNotFoundError):
            client.size(f"{url}{tmp_path}/none").result(10)
    assert notes.errors == []


@pytest.fixture
def nobody() -> str:
    """The address of a server that is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"gsiftp://127.0.0.1:{server.getsockname()[1]}/x"


def test_it_gives_up_after_so_many_times(grid_env: object, nobody: str) -> None:
    with restarting(max_retries=3, interval=0.02, backoff=2) as (client, notes):
        for _ in range(2):  # each operation is counted by itself
            with pytest.raises(FtpClientConnectionError):
                client.size(nobody).result(10)
    assert notes.attempts == [1, 2, 3] * 2
    assert notes.delays == [0.02, 0.04, 0.08] * 2


@pytest.mark.parametrize(
    "deadline", [0.5, timedelta(seconds=0.5), datetime.now(UTC) - timedelta(seconds=1)]
)
def test_it_gives_up_at_its_deadline(grid_env: object, nobody: str, deadline: Any) -> None:
    with restarting(max_retries=None, interval=0.1, backoff=1, deadline=deadline) as (client, _):
        start = time.monotonic()
        with pytest.raises(FtpClientConnectionError):
            client.size(nobody).result(10)
        assert time.monotonic() - start < 2


def test_it_can_be_cancelled_while_it_waits(grid_env: object, nobody: str) -> None:
    with restarting(interval=30) as (client, notes):
        operation = client.size(nobody)
        until(lambda: notes.errors)
        assert operation.cancel()
        with pytest.raises(OperationCancelledError):
            operation.result(2)
        assert operation.cancelled()


def test_a_client_is_closed_while_it_waits(grid_env: object, nobody: str) -> None:
    with restarting(interval=30) as (client, notes):
        operation = client.size(nobody)
        until(lambda: notes.errors)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    with pytest.raises(OperationCancelledError):
        operation.result(2)


def test_the_deadline_of_a_command_holds_over_all_attempts(grid_env: object, nobody: str) -> None:
    forever = restarting(max_retries=None, interval=0.1, backoff=1)
    with forever as (client, _), pytest.raises(GlobusTimeoutError):
        client.size(nobody, timeout=0.5).result(5)


def test_other_plugins_are_told_that_it_is_a_restart(
    grid_env: object, server: ServerHandle, source: Path, target: Path
) -> None:
    told: list[bool] = []

    class Gets(FtpClientPlugin):
        def get(self, client: Any, url: str, restart: bool) -> None:
            told.append(restart)

    with restarting(Gets()) as (client, _), target.open("wb") as file:
        operation = client.get(f"{server.url}{source}", attr(Mode.STREAM), into=file)
        until(lambda: operation.bytes_done > SIZE // 8)
        break_off(server)
        operation.result(30)
        client.get(f"{server.url}{source}", into=file).result(30)
    assert told == [False, True, False]


def test_it_is_refused_where_it_would_do_nothing(grid_env: object) -> None:
    attr = GassCopyHandleAttr(ftp=FtpClientHandleAttr(plugins=[RestartPlugin()]))
    with pytest.raises(ValueError, match="needs an FtpClient"):
        GassCopy(attr)


def test_nonsense_is_refused() -> None:
    for options in (
        {"max_retries": -1},
        {"interval": -1},
        {"backoff": 0.5},
        {"stall_timeout": 0},
        {"deadline": datetime(2030, 1, 1)},
    ):
        with pytest.raises(ValueError):
            RestartPlugin(**options)  # type: ignore[arg-type]
