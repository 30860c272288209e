"""Pipelined transfers between two real servers, fed by generators."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox, ServerHandle
from faultproxy import FaultProxy, Tamper
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientValueError,
    FtpError,
    Mode,
)
from pyGlobus.globusException import OperationCancelledError

COUNT = 200


@pytest.fixture(scope="module")
def other(grid: Sandbox) -> Iterator[ServerHandle]:
    server = grid.add_gridftp()
    yield server
    server.kill()


@pytest.fixture
def attr(grid_env: object) -> FtpClientOperationAttr:
    return FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)


@pytest.fixture
def client(grid_env: object) -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(pipeline=8, cache_all=True)) as client:
        yield client


@pytest.fixture
def pairs(url: str, other: ServerHandle, remote: Path) -> list[tuple[str, str]]:
    (remote / "in").mkdir()
    (remote / "out").mkdir()
    made = []
    for number in range(COUNT):
        (remote / "in" / str(number)).write_bytes(str(number).encode() * 1000)
        made.append((f"{url}{remote}/in/{number}", f"{other.url}{remote}/out/{number}"))
    return made


def arrived(remote: Path) -> set[str]:
    return {
        path.name
        for path in (remote / "out").iterdir()
        if path.read_bytes() == path.name.encode() * 1000
    }


def test_every_pair_of_a_generator_is_transferred_and_told_of_in_order(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]], remote: Path
) -> None:
    told: list[tuple[str, str]] = []
    threads: set[str] = set()

    def generate() -> Iterator[tuple[str, str]]:
        for pair in pairs:
            threads.add(threading.current_thread().name)
            yield pair

    operation = client.third_party_transfers(generate(), attr, attr, pair_func=told.append)
    assert operation.result(60) == COUNT
    assert told == pairs
    assert len(arrived(remote)) == COUNT
    assert threads == {"pyGlobus-pipeline"}
    # and the session is kept, and usable
    assert client.size(pairs[0][0]).result() == 1000


def test_a_generator_may_take_its_time(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]], remote: Path
) -> None:
    def generate() -> Iterator[tuple[str, str]]:
        for number, pair in enumerate(pairs[:9]):
            if number % 3 == 0:
                time.sleep(0.15)
            yield pair

    assert client.third_party_transfers(generate(), attr, attr).result(30) == 9
    assert len(arrived(remote)) == 9
    assert client.third_party_transfers([], attr, attr).result(10) == 0


def test_a_file_that_is_not_there_ends_it_and_the_next_run_is_whole(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]], remote: Path
) -> None:
    bad = [*pairs[:20], (pairs[20][0] + "-none", pairs[20][1]), *pairs[21:]]
    with pytest.raises(FtpClientFileNotFoundError, match=r"transfer gsiftp://.* to ") as error:
        client.third_party_transfers(bad, attr, attr).result(30)
    assert any("files before it are complete" in note for note in error.value.__notes__)
    assert client.third_party_transfers(pairs, attr, attr).result(60) == COUNT
    assert len(arrived(remote)) == COUNT


def test_a_generator_that_raises_ends_it_with_its_own_error(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]], remote: Path
) -> None:
    def generate() -> Iterator[tuple[str, str]]:
        yield from pairs[:5]
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        client.third_party_transfers(generate(), attr, attr).result(30)
    smuggled = [(pairs[0][0] + "\r\nDELE x", pairs[0][1])]
    with pytest.raises(ValueError, match="CR or LF"):
        client.third_party_transfers(smuggled, attr, attr).result(30)


def test_it_can_be_cancelled_and_closed_at_any_moment(
    attr: FtpClientOperationAttr, pairs: list[tuple[str, str]]
) -> None:
    for delay in (0.0, 0.1, 0.3, 0.4):
        with FtpClient(FtpClientHandleAttr(pipeline=8, cache_all=True)) as client:
            operation = client.third_party_transfers(pairs * 50, attr, attr)
            time.sleep(delay)
            operation.cancel()
            with pytest.raises(OperationCancelledError):
                operation.result(10)
            assert client.exists(pairs[0][0]).result()
            operation = client.third_party_transfers(pairs * 50, attr, attr)
            time.sleep(delay)
        with pytest.raises(Exception, match=r"closed|cancelled"):
            operation.result(10)


def test_one_client_does_one_run_at_a_time(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]]
) -> None:
    operation = client.third_party_transfers(pairs, attr, attr)
    with pytest.raises(FtpClientException, match="busy") as error:
        client.third_party_transfers(pairs, attr, attr)
    assert error.value.code == FtpError.IN_USE
    assert operation.result(60) == COUNT


def test_a_server_killed_in_mid_run(
    grid: Sandbox, client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]]
) -> None:
    victim = grid.add_gridftp()
    mine = [(source, victim.url + target[target.index("/", 9) :]) for source, target in pairs]
    told: list[object] = []
    operation = client.third_party_transfers(mine * 50, attr, attr, pair_func=told.append)
    deadline = time.monotonic() + 20
    while len(told) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    for child in Path(f"/proc/{victim.pid}/task/{victim.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    with pytest.raises(FtpClientConnectionError):
        operation.result(20)
    victim.kill()


def test_replies_in_pieces_are_read_right(
    grid: Sandbox, client: FtpClient, attr: FtpClientOperationAttr, other: ServerHandle,
    pairs: list[tuple[str, str]], remote: Path,
) -> None:  # fmt: skip
    with (
        FaultProxy(grid.gridftp.port, to_client=crumbs) as first,
        FaultProxy(other.port, to_client=crumbs) as second,
    ):
        mine = [
            (
                source.replace(str(grid.gridftp.port), str(first.port)),
                dest.replace(str(other.port), str(second.port)),
            )
            for source, dest in pairs
        ]
        assert client.third_party_transfers(mine, attr, attr).result(60) == COUNT
        assert first.connections == second.connections == 1
    assert len(arrived(remote)) == COUNT


def crumbs() -> Tamper:
    """What comes after the handshake comes in pieces of any length."""
    chance = random.Random(7)
    left = 20_000

    def tamper(data: bytes) -> Iterator[bytes]:
        nonlocal left
        left -= len(data)
        if left > 0:
            yield data
            return
        while data:
            length = chance.choice([chance.randint(1, 12), chance.randint(20, 400), len(data)])
            yield data[:length]
            data = data[length:]

    return tamper


def test_what_cannot_be_pipelined_is_refused(
    client: FtpClient, attr: FtpClientOperationAttr, pairs: list[tuple[str, str]]
) -> None:
    with pytest.raises(FtpClientValueError, match="kept"):
        client.third_party_transfers(pairs, FtpClientOperationAttr(), attr)
    with FtpClient() as plain, pytest.raises(FtpClientValueError, match="pipeline=16"):
        plain.third_party_transfers(pairs, attr, attr)
