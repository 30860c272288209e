"""Many files one after another, both ways, against a real server."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientValueError,
    Mode,
    Protection,
)
from pyGlobus.globusException import GlobusTimeoutError, OperationCancelledError

COUNT = 300
SIZES = (0, 1, 1000, 10_000, 1 << 20, (1 << 20) + 1)


@pytest.fixture
def attr(grid_env: object) -> FtpClientOperationAttr:
    return FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)


@pytest.fixture
def client(grid_env: object) -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        yield client


def content(number: int) -> bytes:
    return (str(number) + ".").encode() * 1000 if number % 50 else b"x" * SIZES[number // 50]


@pytest.fixture
def source(remote: Path) -> Path:
    directory = remote / "in"
    directory.mkdir()
    for number in range(COUNT):
        (directory / str(number)).write_bytes(content(number))
    return directory


def opened(directory: Path, base: str, numbers: range, flags: int) -> Iterator[tuple[str, int]]:
    for number in numbers:
        yield f"{base}/{number}", os.open(directory / str(number), flags, 0o600)


def right(directory: Path, count: int = COUNT) -> bool:
    return all((directory / str(n)).read_bytes() == content(n) for n in range(count))


@pytest.mark.parametrize("protection", [Protection.CLEAR, Protection.PRIVATE])
@pytest.mark.parametrize("mode", list(Mode))
def test_all_files_come_and_go(
    client: FtpClient, url: str, source: Path, tmp_path: Path, mode: Mode, protection: Protection
) -> None:
    count = COUNT if (mode, protection) == (Mode.EXTENDED_BLOCK, Protection.CLEAR) else 60
    attr = FtpClientOperationAttr(mode=mode, data_protection=protection)
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    told: list[tuple[str, int]] = []

    def close(file: tuple[str, int], moved: int) -> None:
        told.append((file[0].rpartition("/")[2], moved))
        os.close(file[1])

    numbers = range(count)
    flags = os.O_WRONLY | os.O_CREAT
    got = client.get_files(opened(here, f"{url}{source}", numbers, flags), attr, file_func=close)
    assert got.result(60) == count
    assert right(here, count)
    assert told == [(str(number), len(content(number))) for number in numbers]
    assert got.bytes_done == sum(moved for _, moved in told)
    put = client.put_files(
        opened(here, f"{url}{there}", numbers, os.O_RDONLY), attr, file_func=close
    )
    assert put.result(60) == count
    assert right(there, count)
    assert client.exists(f"{url}{there}/0").result()


def test_several_clients_share_one_list(
    url: str, source: Path, tmp_path: Path, attr: FtpClientOperationAttr
) -> None:
    files = opened(tmp_path, f"{url}{source}", range(COUNT), os.O_WRONLY | os.O_CREAT)
    lock = threading.Lock()

    def share() -> Iterator[tuple[str, int]]:
        while True:
            with lock:
                file = next(files, None)
            if file is None:
                return
            yield file

    clients = [FtpClient(FtpClientHandleAttr(cache_all=True)) for _ in range(3)]
    runs = [
        client.get_files(share(), attr, file_func=lambda file, _: os.close(file[1]))
        for client in clients
    ]
    assert sum(run.result(60) for run in runs) == COUNT
    assert right(tmp_path)
    for client in clients:
        client.close()


def test_nothing_to_do_is_done_at_once(client: FtpClient, attr: FtpClientOperationAttr) -> None:
    assert client.get_files([], attr).result(5) == 0
    assert client.put_files(iter(()), attr).result(5) == 0


def test_the_file_that_fails_is_named_and_those_before_it_are_whole(
    client: FtpClient, url: str, source: Path, tmp_path: Path, attr: FtpClientOperationAttr
) -> None:
    flags = os.O_WRONLY | os.O_CREAT
    for bad in (0, 7, 70):
        (source / str(bad)).unlink()
        files = list(opened(tmp_path, f"{url}{source}", range(100), flags))
        done: list[object] = []
        tell = functools.partial(lambda done, file, moved: done.append(file), done)
        with pytest.raises(FtpClientFileNotFoundError, match=f"/in/{bad}: No such file") as error:
            client.get_files(files, attr, file_func=tell).result(30)
        assert len(done) == bad
        assert error.value.__notes__ == [f"{bad} files before it are complete."]
        assert right(tmp_path, bad)
        for _, descriptor in files:
            os.close(descriptor)
        (source / str(bad)).write_bytes(content(bad))
        # and the client goes on
        assert client.exists(f"{url}{source}/{bad}").result()


def test_a_full_disk_here_is_enospc(
    client: FtpClient, url: str, source: Path, attr: FtpClientOperationAttr
) -> None:
    with Path("/dev/full").open("wb") as full, Path("/dev/null").open("wb") as null:
        files = [(f"{url}{source}/1", null), (f"{url}{source}/2", full), (f"{url}{source}/3", null)]
        with pytest.raises(OSError, match="No space left on device on the local side"):
            client.get_files(files, attr).result(20)


def test_a_generator_may_be_slow_and_may_raise(
    client: FtpClient, url: str, source: Path, tmp_path: Path, attr: FtpClientOperationAttr
) -> None:
    def slow() -> Iterator[tuple[str, int]]:
        for number, file in enumerate(
            opened(tmp_path, f"{url}{source}", range(6), os.O_WRONLY | os.O_CREAT)
        ):
            time.sleep(0.4)
            if number == 5:
                raise LookupError("mine")
            yield file

    run = client.get_files(slow(), attr, stall_timeout=2)
    with pytest.raises(LookupError, match="mine"):
        run.result(20)
    assert right(tmp_path, 5)


def test_urls_of_two_kinds_are_refused(
    client: FtpClient, url: str, source: Path, attr: FtpClientOperationAttr
) -> None:
    with Path("/dev/null").open("wb") as null:
        mixed = [(f"{url}{source}/1", null), ("ftp://localhost:1/x", null)]
        with pytest.raises(FtpClientValueError, match="gsiftp"):
            client.get_files(mixed, attr).result(20)


def test_it_can_be_cancelled_and_closed_at_any_moment(
    url: str, source: Path, attr: FtpClientOperationAttr
) -> None:
    def endless(descriptor: int) -> Iterator[tuple[str, int]]:
        while True:
            yield f"{url}{source}/1", descriptor

    before = threading.active_count()
    with Path("/dev/null").open("wb") as null:
        for delay in (0.0, 0.02, 0.3, 0.35, 0.5):
            with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
                run = client.get_files(endless(null.fileno()), attr)
                time.sleep(delay)
                begin = time.monotonic()
                assert run.cancel()
                with pytest.raises(OperationCancelledError):
                    run.result(10)
                assert time.monotonic() - begin < 2
                assert client.exists(f"{url}{source}").result()
                run = client.get_files(endless(null.fileno()), attr)
                time.sleep(delay)
            with pytest.raises(OperationCancelledError):
                run.result(10)
    deadline = time.monotonic() + 5
    while threading.active_count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("put", [False, True])
@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_ends_it(
    grid: Sandbox, grid_env: object, source: Path, remote: Path, put: bool, fault: signal.Signals
) -> None:
    server = grid.add_gridftp()
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)

    def endless() -> Iterator[tuple[str, int]]:
        while True:
            if put:
                yield f"{server.url}{remote}/x", os.open(source / "1", os.O_RDONLY)
            else:
                yield f"{server.url}{source}/1", os.open("/dev/null", os.O_WRONLY)

    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        # the limit is for the data: on a busy machine the handshake alone may take longer
        assert client.exists(f"{server.url}{source}").result()
        run = (client.put_files if put else client.get_files)(
            endless(), attr, file_func=lambda file, _: os.close(file[1]), stall_timeout=3
        )
        deadline = time.monotonic() + 20
        while run.bytes_done < 200_000:
            assert not run.done(), run.exception(0)
            assert time.monotonic() < deadline
            time.sleep(0.001)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), fault)
        with pytest.raises((FtpClientConnectionError, GlobusTimeoutError, FtpClientException)):
            run.result(15)
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        assert client.exists(f"{server.url}{source}").result()
    server.kill()


def test_thousands_of_files_leave_nothing_behind(
    client: FtpClient, url: str, source: Path, attr: FtpClientOperationAttr
) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4

    def descriptors_open() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    with Path("/dev/null").open("wb") as null:
        file = (f"{url}{source}/1", null)
        assert client.get_files([file] * 1000, attr).result(60) == 1000
        before, descriptors = resident(), descriptors_open()
        assert client.get_files([file] * 5000, attr).result(60) == 5000
        assert resident() - before < 2000
        assert descriptors_open() == descriptors
