"""The GridFTP client against a real server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pyGlobus.ftpClient import (
    DcauMode,
    FtpClient,
    FtpClientException,
    FtpClientFileExistsError,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientIsADirectoryError,
    FtpClientOperationAttr,
    FtpClientRestartMarker,
    FtpClientValueError,
    FtpError,
    Mode,
    Protection,
)
from pyGlobus.globusException import (
    GlobusDeadlockError,
    GlobusTimeoutError,
    HandleClosedError,
    OperationCancelledError,
)
from pyGlobus.security import Credential

DATA = os.urandom(3_000_001)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


def test_get_brings_the_bytes(url: str, file: Path, tmp_path: Path) -> None:
    with FtpClient() as client, (tmp_path / "got").open("wb") as out:
        assert client.get(f"{url}{file}", into=out).result() == len(DATA)
    assert (tmp_path / "got").read_bytes() == DATA


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("protection", [Protection.CLEAR, Protection.PRIVATE])
def test_put_and_get_in_extended_blocks(
    url: str, file: Path, tmp_path: Path, streams: int, protection: Protection
) -> None:
    attr = FtpClientOperationAttr(
        mode=Mode.EXTENDED_BLOCK, parallelism=streams, data_protection=protection
    )
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        with file.open("rb") as source:
            client.put(f"{url}{file}.copy", attr, source=source).result()
        with (tmp_path / "got").open("wb") as out:
            client.get(f"{url}{file}.copy", attr, into=out).result()
    assert Path(f"{file}.copy").read_bytes() == DATA
    assert (tmp_path / "got").read_bytes() == DATA


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 4 << 20])
def test_sizes_around_the_block_size_survive_both_ways(
    url: str, remote: Path, tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    (tmp_path / "source").write_bytes(data)
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        with (tmp_path / "source").open("rb") as source:
            assert client.put(f"{url}{remote}/x", source=source).result() == size
        with (tmp_path / "got").open("wb") as out:
            assert client.get(f"{url}{remote}/x", into=out).result() == size
    assert (tmp_path / "got").read_bytes() == (remote / "x").read_bytes() == data


def test_registered_reads_bring_every_byte_to_its_offset(url: str, file: Path) -> None:
    got = bytearray(len(DATA))
    with FtpClient() as client:
        operation = client.get(f"{url}{file}")
        buffer = bytearray(100_000)
        while True:
            block = client.register_read(buffer).result(10)
            got[block.offset : block.offset + block.length] = buffer[: block.length]
            if block.eof:
                break
        assert operation.result() == len(DATA)
    assert got == DATA


def test_registered_writes_from_memory_without_copies(url: str, remote: Path) -> None:
    view = memoryview(DATA)
    with FtpClient() as client:
        operation = client.put(f"{url}{remote}/written")
        writes = [
            client.register_write(view[at : at + 500_000], at, at + 500_000 >= len(DATA))
            for at in range(0, len(DATA), 500_000)
        ]
        assert sum(write.result(10).length for write in writes) == len(DATA)
        operation.result(10)
    assert (remote / "written").read_bytes() == DATA


def test_the_tutorials_callbacks_get_their_arguments_in_order(url: str, file: Path) -> None:
    done = threading.Event()
    calls: list[str] = []
    pieces: dict[int, bytes] = {}

    def data_func(
        arg: object, client: FtpClient, error: object, buffer: bytearray, length: int,
        offset: int, eof: bool,
    ) -> None:  # fmt: skip
        assert arg == "data"
        assert error is None
        calls.append("data")
        pieces[offset] = bytes(buffer[:length])
        if not eof:
            client.register_read(buffer, data_func, arg)

    def done_func(arg: object, client: FtpClient, error: object) -> None:
        calls.append("done")
        assert (arg, error) == ("cond", None)
        done.set()

    with FtpClient() as client:
        client.get(f"{url}{file}", None, None, done_func, "cond")
        client.register_read(bytearray(1 << 20), data_func, "data")
        assert done.wait(10)
    assert b"".join(pieces[at] for at in sorted(pieces)) == DATA
    assert calls[-1] == "done"


def test_a_pipe_takes_a_get_in_order(url: str, file: Path) -> None:
    reader, writer = os.pipe()
    pieces: list[bytes] = []

    def drain() -> None:
        while piece := os.read(reader, 1 << 16):
            pieces.append(piece)

    thread = threading.Thread(target=drain)
    thread.start()
    with FtpClient() as client:
        client.get(f"{url}{file}", into=writer).result()
    os.close(writer)
    thread.join(10)
    os.close(reader)
    assert b"".join(pieces) == DATA


def test_a_reader_in_no_hurry_does_not_stall_a_get(url: str, file: Path) -> None:
    reader, writer = os.pipe()
    with FtpClient() as client, os.fdopen(reader, "rb") as pipe:
        operation = client.get(f"{url}{file}", into=writer, stall_timeout=1.5)
        os.close(writer)
        assert not operation.wait(4)
        assert pipe.read() == DATA
        assert operation.result(10) == len(DATA)


def test_a_pipe_that_nobody_reads_can_be_left(url: str, file: Path) -> None:
    reader, writer = os.pipe()
    with FtpClient() as client:
        operation = client.get(f"{url}{file}", into=writer)
        assert not operation.wait(0.5)
        operation.cancel()
        assert isinstance(operation.exception(3), OperationCancelledError)
        assert client.size(f"{url}{file}").result() == len(DATA)
    os.close(reader)
    os.close(writer)


def test_pipes_that_nobody_reads_hold_nobody_else_up(url: str, file: Path) -> None:
    with contextlib.ExitStack() as stack:
        stuck = []
        for _ in range(4):
            reader, writer = os.pipe()
            stack.callback(os.close, writer)
            pipe = stack.enter_context(os.fdopen(reader, "rb"))
            client = stack.enter_context(FtpClient())
            stuck.append((client.get(f"{url}{file}", into=writer), pipe))
        client = stack.enter_context(FtpClient())
        for _ in range(10):
            time.sleep(0.02)
            assert client.size(f"{url}{file}").result(5) == len(DATA)
        for operation, pipe in stuck:
            assert pipe.read(len(DATA)) == DATA
            assert operation.result(10) == len(DATA)


def test_a_part_of_a_file_lands_where_it_is_wanted(url: str, file: Path, tmp_path: Path) -> None:
    with FtpClient() as client, (tmp_path / "part").open("wb") as out:
        got = client.partial_get(
            f"{url}{file}", None, None, 1000, 5000, into=out, file_offset=-1000
        ).result()
    assert got == 4000
    assert (tmp_path / "part").read_bytes() == DATA[1000:5000]


@pytest.mark.parametrize("mode", [Mode.STREAM, Mode.EXTENDED_BLOCK])
def test_a_restart_marker_spares_what_has_arrived(
    url: str, file: Path, tmp_path: Path, mode: Mode
) -> None:
    target = tmp_path / "got"
    target.write_bytes(DATA[:2_000_000])
    marker = FtpClientRestartMarker("2000000" if mode is Mode.STREAM else "0-2000000")
    attr = FtpClientOperationAttr(mode=mode)
    with FtpClient() as client, target.open("r+b") as out:
        assert client.get(f"{url}{file}", attr, marker, into=out).result() == len(DATA) - 2_000_000
    assert target.read_bytes() == DATA


def test_a_put_resumes_behind_its_marker(url: str, remote: Path, file: Path) -> None:
    (remote / "half").write_bytes(DATA[:1_000_000])
    marker = FtpClientRestartMarker()
    marker.set_offset(1_000_000)
    with FtpClient() as client, file.open("rb") as source:
        sent = client.put(f"{url}{remote}/half", None, marker, source=source).result()
    assert sent == len(DATA) - 1_000_000
    assert (remote / "half").read_bytes() == DATA


def test_facts_about_a_file(url: str, file: Path) -> None:
    moment = datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC)
    os.utime(file, (moment.timestamp(),) * 2)
    file.chmod(0o640)
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        assert client.size(f"{url}{file}").result() == len(DATA)
        assert client.modification_time(f"{url}{file}").result() == moment
        assert client.exists(f"{url}{file}").result() is True
        assert client.exists(f"{url}{file}.none").result() is False
        assert client.exists(f"{url}{file}/below").result() is False
        entry = client.mlst(f"{url}{file}").result()
    assert (entry.type, entry.size, entry.modified, entry.mode) == (
        "file", len(DATA), moment, 0o640,
    )  # fmt: skip


def test_directories_and_names(url: str, remote: Path) -> None:
    base = f"{url}{remote}"
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        client.mkdir(f"{base}/a").result()
        (remote / "a/f").write_text("x")
        client.chmod(f"{base}/a/f", 0o600).result()
        assert (remote / "a/f").stat().st_mode & 0o777 == 0o600
        client.move(f"{base}/a/f", f"{base}/a/g").result()
        with pytest.raises(FtpClientFileExistsError):
            client.rmdir(f"{base}/a").result()
        client.delete(f"{base}/a/g").result()
        client.rmdir(f"{base}/a").result()
    assert list(remote.iterdir()) == []


@pytest.mark.parametrize("name", ["list", "verbose_list", "machine_list"])
def test_listings_come_as_data(url: str, file: Path, name: str) -> None:
    memory = os.memfd_create("listing")
    with FtpClient() as client:
        length = getattr(client, name)(f"{url}{file.parent}/", into=memory).result()
    text = os.pread(memory, length, 0).decode()
    os.close(memory)
    assert "file" in text.split()


def test_third_party_transfer(url: str, file: Path, remote: Path) -> None:
    with FtpClient() as client:
        client.third_party_transfer(f"{url}{file}", None, f"{url}{remote}/third").result(20)
    assert (remote / "third").read_bytes() == DATA


def test_the_servers_reply_tells_which_error_it_is(url: str, remote: Path, file: Path) -> None:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        with pytest.raises(FtpClientFileNotFoundError) as missing:
            client.get(f"{url}{remote}/none", into=os.open("/dev/null", os.O_WRONLY)).result()
        assert isinstance(missing.value, FileNotFoundError)
        assert missing.value.errno == 2
        assert missing.value.reply_code == 500
        assert f"{remote}/none" in str(missing.value)
        with pytest.raises(FtpClientIsADirectoryError):
            client.get(f"{url}{remote}", into=os.open("/dev/null", os.O_WRONLY)).result()
        with pytest.raises(FileExistsError):
            client.mkdir(f"{url}{remote}").result()


def test_a_malformed_url_is_a_value_error(grid_env: object) -> None:
    with FtpClient() as client:
        with pytest.raises(FtpClientValueError):
            client.size("nonsense")
        with pytest.raises(ValueError, match="CR or LF"):
            client.size("gsiftp://localhost/x\r\nDELE y")
        with pytest.raises(ValueError, match="CR or LF"):
            client.size("gsiftp://localhost/x%0d%0aDELE%20y")


def test_protection_that_cannot_be_had_is_an_error_and_never_clear(url: str, file: Path) -> None:
    none = FtpClientOperationAttr(data_protection=Protection.PRIVATE, dcau=DcauMode.NONE)
    plain = FtpClientOperationAttr(data_protection=Protection.PRIVATE)
    with FtpClient() as client:
        with pytest.raises(FtpClientValueError, match="PRIVATE needs GSI"):
            client.size(f"{url}{file}", none)
        with pytest.raises(FtpClientValueError, match="PRIVATE needs GSI"):
            client.size("ftp://localhost/x", plain)
        assert client.size(f"{url}{file}", plain).result() == len(DATA)
    # what the library takes for "as the server likes" is a demand, in a copy of the caller's
    assert plain.dcau.mode is DcauMode.DEFAULT


def test_a_password_in_a_url_is_not_told(grid_env: object) -> None:
    with FtpClient() as client, pytest.raises(ConnectionError) as error:
        client.size("ftp://alice:secret@localhost:1/x").result()
    assert "secret" not in str(error.value)
    assert "alice:...@localhost" in str(error.value)


def test_a_host_that_does_not_exist_is_a_connection_error(grid_env: object) -> None:
    with FtpClient() as client, pytest.raises(ConnectionError):
        client.size("gsiftp://no.such.host.invalid/x").result()


def test_one_client_does_one_thing_at_a_time(url: str, file: Path) -> None:
    with FtpClient() as client:
        first = client.size(f"{url}{file}")
        with pytest.raises(FtpClientException, match="busy with size of") as busy:
            client.size(f"{url}{file}")
        assert busy.value.code == FtpError.IN_USE
        assert first.result() == len(DATA)


def test_a_cancelled_get_leaves_the_client_usable(url: str, endless_file: Path, file: Path) -> None:
    sink = os.open("/dev/null", os.O_WRONLY)
    with FtpClient() as client:
        for _ in range(3):
            operation = client.get(f"{url}{endless_file}", into=sink)
            assert operation.cancel()
            with pytest.raises(OperationCancelledError):
                operation.result(5)
            assert operation.cancelled()
            assert client.size(f"{url}{file}").result() == len(DATA)
    os.close(sink)


def test_a_full_disk_on_our_side_is_enospc(url: str, file: Path) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with FtpClient() as client:
        with pytest.raises(OSError, match="No space left on device") as error:
            client.get(f"{url}{file}", into=full).result()
        assert error.value.errno == 28
        assert client.size(f"{url}{file}").result() == len(DATA)
    os.close(full)


def test_await_and_several_clients_at_once(url: str, file: Path) -> None:
    async def sizes() -> list[int]:
        clients = [FtpClient() for _ in range(4)]
        try:
            return list(await asyncio.gather(*(c.size(f"{url}{file}") for c in clients)))
        finally:
            for client in clients:
                client.close()

    assert asyncio.run(sizes()) == [len(DATA)] * 4


def test_a_cancelled_task_cancels_its_operation(url: str, endless_file: Path) -> None:
    async def give_up() -> bool:
        with FtpClient() as client:
            sink = os.open("/dev/null", os.O_WRONLY)
            operation = client.get(f"{url}{endless_file}", into=sink)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await operation
            operation.wait(5)
            os.close(sink)
            return operation.cancelled()

    assert asyncio.run(give_up())


def test_a_callback_that_waits_is_told_rather_than_hung(url: str, file: Path) -> None:
    errors: list[BaseException] = []
    told = threading.Event()

    def done_func(arg: object, client: FtpClient, error: object) -> None:
        try:
            client.size(f"{url}{file}").result()
        except GlobusDeadlockError as problem:
            errors.append(problem)
        told.set()

    with FtpClient() as client:
        client.size(f"{url}{file}", None, done_func)
        assert told.wait(10)
        client.abort()
    assert len(errors) == 1


def test_result_may_time_out_and_the_operation_goes_on(url: str, file: Path) -> None:
    with FtpClient() as client:
        operation = client.size(f"{url}{file}")
        with pytest.raises(GlobusTimeoutError):
            operation.result(0.0001)
        assert operation.result(10) == len(DATA)


def test_a_closed_client_says_so(grid_env: object) -> None:
    client = FtpClient()
    client.close()
    client.close()
    with pytest.raises(HandleClosedError):
        client.size("gsiftp://localhost/x")


def test_closing_ends_what_runs(url: str, endless_file: Path) -> None:
    sink = os.open("/dev/null", os.O_WRONLY)
    client = FtpClient()
    operation = client.get(f"{url}{endless_file}", into=sink)
    client.close()
    assert isinstance(operation.exception(5), OperationCancelledError)
    os.close(sink)


def test_an_explicit_credential_needs_no_proxy_file(
    grid: object, url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    credential = Credential.default()
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, "/nowhere")
    with FtpClient(credential=credential) as client:
        assert client.size(f"{url}{file}").result() == len(DATA)
        attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)
        assert client.exists(f"{url}{file}", attr).result()


def test_a_wait_of_the_stall_limit_is_not_a_wait_of_the_whole_transfer(
    url: str, big_file: Path
) -> None:
    sink = os.open("/dev/null", os.O_WRONLY)
    with FtpClient() as client:
        moved = client.get(f"{url}{big_file}", into=sink, stall_timeout=5).result()
    os.close(sink)
    assert moved == 256 << 20


def test_unclosed_clients_warn_and_are_freed(grid_env: object) -> None:
    with pytest.warns(ResourceWarning, match="unclosed"):
        FtpClient()


def test_timeouts_are_seconds_as_numbers(url: str, file: Path) -> None:
    assert timedelta(seconds=60).total_seconds() == 60.0
    with FtpClient() as client, pytest.raises(GlobusTimeoutError, match=r"within 0\.001 s"):
        client.size(f"{url}{file}", timeout=0.001).result()
