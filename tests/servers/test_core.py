"""What all libraries share: callbacks that leave, attributes that are shared, handles that end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

import pytest

import pyGlobus.ftpClient.handle as ftp_handle
from oddserver import OddServer
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientPlugin,
    FtpError,
    Mode,
    Protection,
    RestartPlugin,
)
from pyGlobus.gassCopy import GassCopy
from pyGlobus.globusException import GlobusException, OperationCancelledError
from pyGlobus.gramClient import GramClient
from waiting import until

NULL = os.open("/dev/null", os.O_WRONLY)


# --- callbacks that leave -------------------------------------------------------------------------


def leave(*_: object) -> Any:
    sys.exit(1)


def by_done_func(url: str, path: Path) -> None:
    with FtpClient() as client:
        client.exists(url + str(path), None, leave).result(30)


def by_file_func(url: str, path: Path) -> None:
    with FtpClient() as client:
        files = [(url + str(path), NULL)] * 3
        assert client.get_files(files, file_func=leave).result(30) == 3


def by_data_func(url: str, path: Path) -> None:
    with FtpClient() as client:
        operation = client.get(url + str(path))
        client.register_read(bytearray(100), leave)
        client.register_read(bytearray(100), leave)
        operation.result(30)


def by_pair_func(url: str, path: Path) -> None:
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)
    with FtpClient(FtpClientHandleAttr(cache_all=True, pipeline=4)) as client:
        pairs = [(url + str(path), f"{url}{path}.{number}") for number in range(3)]
        assert client.third_party_transfers(pairs, attr, attr, pair_func=leave).result(30) == 3


def by_plugin(url: str, path: Path) -> None:
    class Leaves(FtpClientPlugin):
        command = response = connect = complete = leave

    with FtpClient(FtpClientHandleAttr(plugins=[Leaves()])) as client:
        client.exists(url + str(path)).result(30)


def by_retry_if(url: str, path: Path) -> None:
    with FtpClient(FtpClientHandleAttr(plugins=[RestartPlugin(retry_if=leave)])) as client:
        assert isinstance(client.size("ftp://127.0.0.1:1/x").exception(30), ConnectionError)


def by_retry_if_of_a_second_attempt(url: str, path: Path) -> None:
    answers = iter([lambda: True, leave])
    plugin = RestartPlugin(interval=0, retry_if=lambda error: next(answers)())
    with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
        assert isinstance(client.size("ftp://127.0.0.1:1/x").exception(30), ConnectionError)


def by_on_restart(url: str, path: Path) -> None:
    plugin = RestartPlugin(max_retries=2, interval=0, on_restart=leave)
    with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
        assert isinstance(client.size("ftp://127.0.0.1:1/x").exception(30), ConnectionError)


def by_copys_done_func(url: str, path: Path) -> None:
    with GassCopy() as copy:
        copy.register_url_to_url(
            url + str(path), None, "file:///dev/null", None, leave
        ).result(30)  # fmt: skip


@pytest.mark.parametrize(
    "way",
    [
        by_done_func, by_file_func, by_data_func, by_pair_func, by_plugin, by_retry_if,
        by_retry_if_of_a_second_attempt, by_on_restart, by_copys_done_func,
    ],
)  # fmt: skip
def test_a_callback_that_calls_exit_harms_nobody(
    way: Callable[[str, Path], None], plain_url: str, tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    with caplog.at_level(logging.ERROR, "pyGlobus"):
        way(plain_url, path)
        with FtpClient() as client:
            assert client.exists(plain_url + str(path)).result(30)
        until(lambda: any("raised" in record.message for record in caplog.records))


# --- attributes of several clients ----------------------------------------------------------------


def test_an_operation_changes_nothing_of_the_attributes_that_it_is_given(
    plain_url: str, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"four")
    attr = FtpClientOperationAttr(data_protection=Protection.PRIVATE)
    before = attr.copy()
    with FtpClient() as client:
        client.get(url + str(file), attr, into=NULL).result()
        assert attr == before
        assert attr.dcau == before.dcau
        with pytest.raises(ValueError, match="needs GSI"):
            client.get(plain_url + str(file), attr, into=NULL)
        assert attr == before


def test_one_client_s_login_is_not_another_s(odd_server: OddServer, tmp_path: Path) -> None:
    """Many at once, with the same attributes, and each with the name in its own URL."""
    names: list[str] = []
    odd_server.replies["USER"] = lambda line: names.append(line.split()[1])  # type: ignore[func-returns-value]
    attr = FtpClientOperationAttr()
    (odd_server.root / "x").write_bytes(b"four")
    wanted = [f"user{number}" for number in range(8)]

    def ask(name: str) -> None:
        with FtpClient() as client:
            for _ in range(5):
                host = odd_server.url.partition("://")[2]
                client.size(f"ftp://{name}:word@{host}/x", attr).result(20)
                client.size(f"{odd_server.url}/x", attr).result(20)

    threads = [threading.Thread(target=ask, args=(name,)) for name in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(names) == sorted(5 * [*wanted, *["anonymous"] * len(wanted)])


@pytest.mark.parametrize("name", ["user", "password", "account"])
@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\0"])
def test_what_is_sent_to_log_in_is_one_line(name: str, sign: str) -> None:
    text = f"me{sign}DELE x"
    with pytest.raises(ValueError, match=f"a {name} cannot hold NUL, CR or LF"):
        FtpClientOperationAttr(**{name: text})
    attr = FtpClientOperationAttr()
    with pytest.raises(ValueError, match="cannot hold") as caught:
        attr.set_authorization(**{name: text})
    assert "DELE" not in str(caught.value)


# --- what servers say -----------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["213 " + "a" * 200_000, "213 \t" + "a" * 129 + " b"])
def test_a_checksum_that_is_too_long_is_refused_and_not_copied(
    odd_server: OddServer, reply: str
) -> None:
    odd_server.replies["CKSM"] = reply
    (odd_server.root / "x").write_bytes(b"four")
    with FtpClient() as client:
        with pytest.raises(GlobusException, match="a checksum that is too long"):
            client.cksm(f"{odd_server.url}/x").result(20)
        odd_server.replies["CKSM"] = "213 " + "a" * 128
        assert client.cksm(f"{odd_server.url}/x", "SHA512").result(20) == "a" * 128
    with GassCopy() as copy:
        odd_server.replies["CKSM"] = reply
        with pytest.raises(GlobusException, match="a checksum that is too long"):
            copy.cksm(f"{odd_server.url}/x", "MD5")


@pytest.mark.parametrize("reply", ["226 Done.", "250 Done."])
def test_a_transfer_between_servers_is_not_over_before_both_have_been_asked(
    odd_server: OddServer, tmp_path: Path, reply: str
) -> None:
    """It was told to have succeeded, and ended the process soon after."""
    (tmp_path / "other").mkdir()
    with OddServer(tmp_path / "other", host="127.0.0.2") as source:
        (source.root / "x").write_bytes(b"four")
        odd_server.replies["STOR"] = reply
        for _ in range(5):
            refused = threading.Event()

            def not_yet(line: str, refused: threading.Event = refused) -> None:
                refused.wait(20)

            source.replies["USER"] = not_yet
            with (
                FtpClient() as client,
                pytest.raises(ConnectionError, match="before the other server has been asked"),
            ):
                client.third_party_transfer(
                    f"{source.url}/x", None, f"{odd_server.url}/x", None
                ).result(20)
            refused.set()


def test_a_receiver_that_begins_and_ends_at_once_is_refused_or_believed(
    odd_server: OddServer, tmp_path: Path
) -> None:
    """Its 226 may come before the other server has been asked, or after; the client lives on."""
    (tmp_path / "other").mkdir()
    with OddServer(tmp_path / "other", host="127.0.0.2") as source:
        (source.root / "x").write_bytes(b"four")
        odd_server.replies["STOR"] = "150 Well.\r\n226 Done."
        for _ in range(5):
            with FtpClient() as client:
                with contextlib.suppress(ConnectionError):
                    client.third_party_transfer(
                        f"{source.url}/x", None, f"{odd_server.url}/x", None
                    ).result(20)
                assert client.size(f"{source.url}/x").result(20) == 4


# --- handles --------------------------------------------------------------------------------------


def test_a_scan_that_is_left_lets_go_of_its_client(plain_url: str, tmp_path: Path) -> None:
    for number in range(5000):
        (tmp_path / f"{number:0200}").touch()

    def idle() -> bool:
        try:
            return client.exists(plain_url + str(tmp_path)).result(20)
        except GlobusException as error:
            assert error.code == FtpError.IN_USE
            return False

    with FtpClient() as client:
        for _ in client.scandir(plain_url + str(tmp_path)):
            break
        gc.collect()
        until(idle, seconds=20)


def test_a_client_that_cannot_be_made_leaves_no_handle(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Any] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(lib, name)

        def globus_ftp_client_handle_init(self, pointer: Any, attr: Any) -> int:
            alive.append(pointer)
            return int(lib.globus_ftp_client_handle_init(pointer, attr))

        def globus_ftp_client_handle_destroy(self, pointer: Any) -> int:
            alive.remove(pointer)
            return int(lib.globus_ftp_client_handle_destroy(pointer))

    lib = ftp_handle.lib
    monkeypatch.setattr(ftp_handle, "lib", Counting())
    FtpClient().close()
    until(lambda: not alive)
    with pytest.raises(AttributeError):
        FtpClient(credential=object())  # type: ignore[arg-type]

    class Broken(FtpClientPlugin):
        def _c_plugin(self) -> Any:
            raise MemoryError

    attr = FtpClientHandleAttr()
    attr._plugins = (Broken(),)
    client = FtpClient()
    client._calls.session.plugins.plugins.append(Broken())
    client._calls.session.renew()
    with pytest.raises(MemoryError):
        client.size("ftp://127.0.0.1:1/x")
    client.close()
    gc.collect()
    until(lambda: not alive)


def test_a_client_that_nobody_keeps_lives_until_its_operation_is_over(
    plain_url: str, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"four")

    def size() -> int:
        return FtpClient().size(f"{plain_url}{tmp_path}/f").result(20)

    with pytest.warns(ResourceWarning, match="unclosed <FtpClient open>"):
        assert size() == 4
        gc.collect()


def test_handles_are_closed_in_asyncio_without_holding_it_up(plain_url: str) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)

    async def work() -> None:
        ticking = asyncio.create_task(tick())
        async with FtpClient() as client, GassCopy() as copy, GramClient():
            assert await client.exists(f"{plain_url}/etc/hostname")
            await copy.register_url_to_url(
                f"{plain_url}/etc/hostname", None, "file:///dev/null", None
            )
            async with client.scandir(f"{plain_url}/etc") as entries:
                async for _ in entries:
                    break
            running = client.get(f"{plain_url}/dev/zero", into=NULL)
            before = ticks
        assert client.closed
        assert running.done()
        assert ticks > before
        await client.aclose()
        ticking.cancel()

    asyncio.run(work())


def test_operations_of_several_clients_are_taken_as_they_complete(plain_url: str) -> None:
    clients = [FtpClient() for _ in range(4)]
    futures = [
        client.get(f"{plain_url}{path}", into=NULL).as_future()
        for client, path in zip(clients, ["/etc/hostname"] * 3 + ["/dev/zero"], strict=True)
    ]
    taken: Iterator[Any] = as_completed(futures, timeout=30)
    assert {next(taken).result() for _ in range(3)} == {Path("/etc/hostname").stat().st_size}
    assert futures[3].cancel()
    assert next(taken) is futures[3]
    assert isinstance(futures[3].exception(), OperationCancelledError)
    assert futures[3].cancelled()
    for client in clients:
        client.close()
