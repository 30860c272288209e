"""Parts of files, server-side processing, blocks in any order, and going on where it stopped."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientException,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientRestartMarker,
    FtpClientValueError,
    Layout,
    Mode,
    Protection,
    Striping,
    TcpBuffer,
    Type,
)
from pyGlobus.security import Credential

DATA = random.Random(3).randbytes(3_000_001)
STREAM = FtpClientOperationAttr
MODES = list(Mode)


def attributes(mode: Mode, **values: object) -> FtpClientOperationAttr:
    return FtpClientOperationAttr(mode=mode, **values)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


# --- parts ---


@pytest.mark.parametrize("mode", MODES)
def test_a_part_is_put_where_it_belongs_and_nowhere_else(
    url: str, file: Path, tmp_path: Path, mode: Mode
) -> None:
    new = bytes(reversed(DATA))
    (tmp_path / "new").write_bytes(new)
    first, end = 1_000, 2_500_000
    with FtpClient() as client, (tmp_path / "new").open("rb") as source:
        moved = client.partial_put(
            f"{url}{file}", attributes(mode), None, first, end, source=source
        ).result()
    assert moved == end - first
    assert file.read_bytes() == DATA[:first] + new[first:end] + DATA[end:]


@pytest.mark.parametrize("length", [0, 1, 1 << 20, (2 << 20) + 1])
def test_the_length_of_a_part_may_be_any(url: str, file: Path, tmp_path: Path, length: int) -> None:
    (tmp_path / "new").write_bytes(b"x" * len(DATA))
    with FtpClient() as client, (tmp_path / "new").open("rb") as source:
        operation = client.partial_put(f"{url}{file}", None, None, 7, 7 + length, source=source)
        assert operation.result() == length
    assert file.read_bytes() == DATA[:7] + b"x" * length + DATA[7 + length :]


def test_a_part_from_a_buffer(url: str, file: Path) -> None:
    with FtpClient() as client:
        operation = client.partial_put(f"{url}{file}", None, None, 100, 110)
        client.register_write(b"0123456789", 100, eof=True).result()
        operation.result()
    assert file.read_bytes() == DATA[:100] + b"0123456789" + DATA[110:]


@pytest.mark.parametrize("mode", MODES)
def test_a_part_between_servers(
    grid: Sandbox, url: str, file: Path, remote: Path, mode: Mode
) -> None:
    (remote / "other").write_bytes(b"." * 3000)
    with FtpClient() as client:
        client.partial_third_party_transfer(
            f"{url}{file}", attributes(mode), f"{url}{remote}/other", attributes(mode), None,
            1000, 2000,
        ).result(20)  # fmt: skip
    assert (remote / "other").read_bytes() == b"." * 1000 + DATA[1000:2000] + b"." * 1000


# --- with processing at the server ---


@pytest.mark.parametrize("mode", MODES)
def test_eret_takes_a_part_and_esto_puts_one(
    url: str, file: Path, tmp_path: Path, mode: Mode
) -> None:
    with FtpClient() as client:
        with (tmp_path / "got").open("wb") as into:
            client.extended_get(
                f"{url}{file}", attributes(mode), None, "P 500 100", into=into
            ).result()
        assert (tmp_path / "got").read_bytes() == DATA[500:600]
        with (tmp_path / "got").open("rb") as source:
            client.extended_put(
                f"{url}{file}", attributes(mode), None, "A 0", source=source
            ).result()
    assert file.read_bytes() == DATA[500:600] + DATA[100:]


def test_eret_and_esto_between_servers(url: str, file: Path, remote: Path) -> None:
    (remote / "other").write_bytes(b"." * 200)
    with FtpClient() as client:
        client.extended_third_party_transfer(
            f"{url}{file}", None, "P 500 100", f"{url}{remote}/other", None, "A 50"
        ).result(20)
    assert (remote / "other").read_bytes() == b"." * 50 + DATA[500:600] + b"." * 50


def test_an_algorithm_that_the_server_has_not_is_an_error(url: str, file: Path) -> None:
    with FtpClient() as client, Path("/dev/null").open("wb") as into:
        with pytest.raises(FtpClientException) as error:
            client.extended_get(f"{url}{file}", None, None, "ZIP=9", into=into).result()
        assert error.value.reply_code is not None
        with pytest.raises(FtpClientValueError, match="not an algorithm"):
            client.extended_get(f"{url}{file}", None, None, "P 0 1 /x\r\nDELE y", into=into)


# --- blocks ---


def test_blocks_may_be_written_in_any_order_in_extended_block_mode(url: str, remote: Path) -> None:
    size = 64 << 10
    blocks = [DATA[first : first + size] for first in range(0, len(DATA), size)]
    order = list(range(len(blocks)))
    random.Random(1).shuffle(order)
    with FtpClient() as client:
        operation = client.put(f"{url}{remote}/x", attributes(Mode.EXTENDED_BLOCK, parallelism=3))
        writes = [
            client.register_write(blocks[number], number * size, eof=number == order[-1])
            for number in order
        ]
        for write in writes:
            write.result(20)
        assert operation.result() == len(DATA)
    assert (remote / "x").read_bytes() == DATA


def test_buffers_that_cannot_be_written_are_refused(url: str, file: Path) -> None:
    with FtpClient() as client:
        operation = client.get(f"{url}{file}")
        with pytest.raises((BufferError, TypeError, ValueError)):
            client.register_read(b"read only")  # type: ignore[arg-type]
        with pytest.raises((BufferError, TypeError, ValueError)):
            client.register_read(memoryview(bytearray(100))[::2])
        operation.cancel()
        operation.wait()


@pytest.mark.parametrize("mode", MODES)
def test_read_all_brings_the_whole_file_into_one_buffer(url: str, file: Path, mode: Mode) -> None:
    told: list[tuple[object, ...]] = []
    attr = attributes(mode)
    attr.set_read_all(True, lambda *block: told.append(block), "mine")
    assert attr.read_all
    assert attr.get_read_all()
    buffer = bytearray(len(DATA) + 10)
    with FtpClient() as client:
        operation = client.get(f"{url}{file}", attr)
        block = client.register_read(buffer).result(20)
        operation.result(20)
    assert block.length == len(DATA)
    assert buffer[: block.length] == DATA
    assert sum(length for *_, length, _, _ in told) in (0, len(DATA))  # type: ignore[misc]
    assert all(first[0] == "mine" for first in told)


def test_read_all_into_a_descriptor_is_refused(url: str, file: Path) -> None:
    with FtpClient() as client, pytest.raises(FtpClientValueError, match="read_all"):
        client.get(f"{url}{file}", FtpClientOperationAttr(read_all=True), into=1)


# --- forms of transfers ---


@pytest.mark.parametrize(
    "values",
    [
        {"tcp_buffer": 1 << 17},
        {
            "mode": Mode.EXTENDED_BLOCK, "parallelism": 4,
            "layout": Layout(Striping.PARTITIONED, len(DATA)),
        },
        {
            "mode": Mode.EXTENDED_BLOCK, "striped": True,
            "layout": Layout(Striping.BLOCKED_ROUND_ROBIN, 1 << 16),
        },
        {"delayed_pasv": True, "mode": Mode.EXTENDED_BLOCK},
        {"allow_ipv6": True},
        {"allocate": len(DATA)},
        {"data_protection": Protection.SAFE},
        {"control_protection": Protection.PRIVATE},
        {"control_protection": Protection.CLEAR},
    ],
    ids=lambda values: "-".join(values),
)  # fmt: skip
def test_files_survive_every_form_of_transfer(
    url: str, file: Path, tmp_path: Path, values: dict[str, object]
) -> None:
    attr = FtpClientOperationAttr(**values)
    with FtpClient() as client:
        with file.open("rb") as source:
            client.put(f"{url}{file}.copy", attr, source=source).result()
        with (tmp_path / "got").open("wb") as into:
            client.get(f"{url}{file}.copy", attr, into=into).result()
    assert Path(f"{file}.copy").read_bytes() == (tmp_path / "got").read_bytes() == DATA


def test_a_buffer_size_that_the_server_should_choose_needs_a_server_that_can(
    url: str, file: Path
) -> None:
    attr = FtpClientOperationAttr(tcp_buffer=TcpBuffer(1 << 16, 1 << 14, 1 << 18))
    with (
        FtpClient() as client,
        Path("/dev/null").open("wb") as into,
        pytest.raises(FtpClientException, match="ABUF"),
    ):
        client.get(f"{url}{file}", attr, into=into).result()


def test_a_block_longer_than_the_layouts_is_refused(url: str, remote: Path) -> None:
    attr = attributes(Mode.EXTENDED_BLOCK, layout=Layout(Striping.BLOCKED_ROUND_ROBIN, 1000))
    with FtpClient() as client:
        operation = client.put(f"{url}{remote}/x", attr)
        with pytest.raises(FtpClientValueError, match="the layout's blocks have 1000"):
            client.register_write(bytes(1001), 0)
        client.register_write(bytes(1000), 0, eof=True)
        assert operation.result() == 1000


def test_append_adds_to_the_end(url: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / "more").write_bytes(b"more")
    with FtpClient() as client, (tmp_path / "more").open("rb") as source:
        client.put(f"{url}{file}", FtpClientOperationAttr(append=True), source=source).result()
    assert file.read_bytes() == DATA + b"more"


def test_ascii_translates_line_ends_and_image_does_not(
    url: str, remote: Path, tmp_path: Path
) -> None:
    (remote / "text").write_bytes(b"one\ntwo\n")
    for kind in Type:
        with FtpClient() as client, (tmp_path / kind.name).open("wb") as into:
            client.get(f"{url}{remote}/text", FtpClientOperationAttr(type=kind), into=into).result()
    assert (tmp_path / "IMAGE").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "ASCII").read_bytes().replace(b"\r", b"") == b"one\ntwo\n"


def test_a_relative_url_is_of_the_home_directory(url: str, file: Path) -> None:
    with FtpClient(FtpClientHandleAttr(rfc1738_url=True)) as client:
        assert client.size(f"{url}/%2F{str(file)[1:]}").result() == len(DATA)
        with file.open("rb") as source:
            client.put(f"{url}/relative", source=source).result()
        assert client.size(f"{url}/relative").result() == len(DATA)
    with FtpClient() as client:
        assert client.size(f"{url}/~/relative").result() == len(DATA)
        client.delete(f"{url}/~/relative").result()


def test_a_server_without_getput_is_served_as_ever(url: str, file: Path, tmp_path: Path) -> None:
    with FtpClient(FtpClientHandleAttr(gridftp2=True, cache_all=True)) as client:
        for _ in range(3):
            with file.open("rb") as source:
                client.put(f"{url}{file}.2", source=source).result(20)
            with (tmp_path / "got").open("wb") as into:
                client.get(f"{url}{file}.2", into=into).result(20)
    assert (tmp_path / "got").read_bytes() == DATA


def test_a_credential_of_its_own_on_the_data_channel(
    grid: Sandbox, url: str, file: Path, tmp_path: Path
) -> None:
    attr = FtpClientOperationAttr(data_security=Credential.load(grid.issue_user("data").proxy_path))
    with FtpClient() as client, (tmp_path / "got").open("wb") as into:
        client.get(f"{url}{file}", attr, into=into).result()
    assert (tmp_path / "got").read_bytes() == DATA


# --- going on ---


def interrupted(client: FtpClient, operation: object, least: int) -> FtpClientRestartMarker:
    while operation.bytes_done < least:  # type: ignore[attr-defined]
        time.sleep(0.0001)
    operation.cancel()  # type: ignore[attr-defined]
    operation.wait()  # type: ignore[attr-defined]
    return client.get_restart_marker()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9])
def test_an_interrupted_get_goes_on_and_the_file_is_right(
    url: str, remote: Path, tmp_path: Path, mode: Mode, part: float
) -> None:
    data = random.Random(5).randbytes(40 << 20)
    (remote / "big").write_bytes(data)
    attr = attributes(mode, parallelism=1 if mode is Mode.STREAM else 3)
    with FtpClient() as client, (tmp_path / "got").open("wb") as into:
        least = int(part * len(data))
        marker = interrupted(client, client.get(f"{url}{remote}/big", attr, into=into), least)
        assert least <= marker.total < len(data)
        moved = client.get(f"{url}{remote}/big", attr, marker, into=into).result(20)
        assert client.get_restart_marker().total == len(data)
    assert (tmp_path / "got").read_bytes() == data
    assert moved == len(data) - marker.total


@pytest.mark.parametrize("mode", MODES)
def test_a_get_that_is_interrupted_again_and_again_becomes_right(
    url: str, remote: Path, tmp_path: Path, mode: Mode
) -> None:
    data = random.Random(6).randbytes(40 << 20)
    (remote / "big").write_bytes(data)
    attr = attributes(mode, parallelism=1 if mode is Mode.STREAM else 3)
    marker: FtpClientRestartMarker | None = None
    total = 0
    with FtpClient() as client, (tmp_path / "got").open("wb") as into:
        for _ in range(4):
            operation = client.get(f"{url}{remote}/big", attr, marker, into=into)
            marker = interrupted(client, operation, 5 << 20)
            # what had arrived before counts, too
            assert total + (5 << 20) <= marker.total
            total = marker.total
            got = (tmp_path / "got").read_bytes()
            assert all(
                got[part.start : part.stop] == data[part.start : part.stop] for part in marker
            )
        client.get(f"{url}{remote}/big", attr, marker, into=into).result(20)
    assert (tmp_path / "got").read_bytes() == data


def test_a_marker_tells_what_has_come_into_registered_buffers(url: str, file: Path) -> None:
    with FtpClient() as client:
        operation = client.get(f"{url}{file}", attributes(Mode.EXTENDED_BLOCK))
        blocks = [client.register_read(bytearray(100_000)).result(10) for _ in range(3)]
        assert client.get_restart_marker().total == sum(block.length for block in blocks)
        operation.cancel()
        operation.wait()
        assert client.get_restart_marker().total == sum(block.length for block in blocks)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", [0.1, 0.9])
def test_an_interrupted_put_goes_on_and_the_file_is_right(
    url: str, remote: Path, tmp_path: Path, mode: Mode, part: float
) -> None:
    data = random.Random(5).randbytes(40 << 20)
    (tmp_path / "big").write_bytes(data)
    attr = attributes(mode)
    with FtpClient() as client, (tmp_path / "big").open("rb") as source:
        target = f"{url}{remote}/big"
        marker = interrupted(client, client.put(target, attr, source=source), int(part * len(data)))
        if mode is Mode.STREAM:
            # nobody says what has arrived but the file itself
            time.sleep(0.1)
            marker = FtpClientRestartMarker()
            marker.set_offset(client.size(target).result())
        client.put(target, attr, marker, source=source).result(20)
    assert (remote / "big").read_bytes() == data


def test_a_third_party_transfer_resumes(grid: Sandbox, url: str, file: Path, remote: Path) -> None:
    (remote / "copy").write_bytes(DATA[:1_000_000])
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, resume_third_party_transfer=True)
    with FtpClient() as client:
        marker = FtpClientRestartMarker()
        marker.insert_range(0, 1_000_000)
        client.third_party_transfer(
            f"{url}{file}", attr, f"{url}{remote}/copy", attr, marker
        ).result(20)
    assert (remote / "copy").read_bytes() == DATA
