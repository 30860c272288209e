"""Copies between URLs, against real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyGlobus.ftpClient import FtpClientOperationAttr, Mode
from pyGlobus.gassCopy import (
    GassCopy,
    GassCopyAttr,
    GassCopyException,
    GassCopyFileNotFoundError,
    GassCopyIsADirectoryError,
    GassCopyValueError,
)

DATA = os.urandom(3_000_001)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


def test_a_file_goes_to_a_server_and_back(url: str, file: Path, tmp_path: Path) -> None:
    with GassCopy() as copy:
        copy.copy_url_to_url(f"file://{file}", None, f"{url}{file}.there", None)
        copy.copy_url_to_url(f"{url}{file}.there", None, f"file://{tmp_path}/back", None)
    assert Path(f"{file}.there").read_bytes() == DATA
    assert (tmp_path / "back").read_bytes() == DATA


def test_a_third_party_copy(url: str, file: Path) -> None:
    with GassCopy() as copy:
        copy.copy_url_to_url(f"{url}{file}", None, f"{url}{file}.copy", None)
    assert Path(f"{file}.copy").read_bytes() == DATA


def test_parallel_streams_need_no_order(url: str, file: Path, tmp_path: Path) -> None:
    attr = GassCopyAttr(ftp=FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4))
    with GassCopy() as copy:
        operation = copy.register_url_to_url(f"{url}{file}", attr, f"file://{tmp_path}/got", None)
        operation.result()
        assert operation.bytes_done == len(DATA)
    assert (tmp_path / "got").read_bytes() == DATA


def test_a_shorter_file_overwrites_a_longer_one(url: str, file: Path, tmp_path: Path) -> None:
    for name in ("got", "local"):
        (tmp_path / name).write_bytes(bytes(2 * len(DATA)))
    with GassCopy() as copy:
        copy.copy_url_to_url(f"{url}{file}", None, f"file://{tmp_path}/got", None)
        copy.copy_url_to_url(f"file://{file}", None, f"file://{tmp_path}/local", None)
    assert (tmp_path / "got").read_bytes() == DATA
    assert (tmp_path / "local").read_bytes() == DATA


@pytest.mark.parametrize("direction", ["up", "down", "third party", "local"])
def test_a_missing_source_is_told_and_harms_nothing(
    url: str, file: Path, tmp_path: Path, direction: str
) -> None:
    near, far = f"file://{tmp_path}/", f"{url}{file.parent}/"
    source, destination = {
        "up": (near, far), "down": (far, near), "third party": (far, far), "local": (near, near),
    }[direction]  # fmt: skip
    (tmp_path / "kept").write_bytes(DATA)
    with GassCopy() as copy:
        with pytest.raises(GassCopyFileNotFoundError) as error:
            copy.copy_url_to_url(f"{source}missing", None, f"{destination}new", None)
        assert (error.value.side, error.value.url) == ("source", f"{source}missing")
        assert not (tmp_path / "new").exists()
        if destination is near:
            with pytest.raises(FileNotFoundError):
                copy.copy_url_to_url(f"{source}missing", None, f"{near}kept", None)
    assert (tmp_path / "kept").read_bytes() == DATA


@pytest.mark.parametrize("direction", ["up", "down", "third party", "local"])
def test_a_destination_that_cannot_be_is_told(
    url: str, file: Path, tmp_path: Path, direction: str
) -> None:
    near, far = f"file://{tmp_path}/no/such/x", f"{url}{file.parent}/no/such/x"
    source, destination = {
        "up": (f"file://{file}", far), "down": (f"{url}{file}", near),
        "third party": (f"{url}{file}", far), "local": (f"file://{file}", near),
    }[direction]  # fmt: skip
    with GassCopy() as copy:
        with pytest.raises(GassCopyFileNotFoundError) as error:
            copy.copy_url_to_url(source, None, destination, None)
        assert (error.value.side, error.value.url) == ("destination", destination)


def test_a_directory_is_no_file(url: str, file: Path, tmp_path: Path) -> None:
    with GassCopy() as copy:
        for source, destination, side in (
            (f"file://{tmp_path}", f"{url}{file}.x", "source"),
            (f"{url}{file}", f"file://{tmp_path}", "destination"),
            (f"file://{file}", f"{url}{tmp_path}", "destination"),
        ):
            with pytest.raises(GassCopyIsADirectoryError) as error:
                copy.copy_url_to_url(source, None, destination, None)
            assert error.value.side == side


@pytest.mark.parametrize(
    "bad",
    [
        "gopher://host/x",
        "file://elsewhere/x",
        "nonsense",
        "file:///x\ny",
        "gsiftp://h/" + "x" * 3000,
    ],
)
def test_urls_that_nothing_can_copy_are_refused_at_once(grid_env: object, bad: str) -> None:
    with GassCopy() as copy, pytest.raises(ValueError) as error:
        copy.register_url_to_url(bad, None, "file:///dev/null", None)
    assert isinstance(error.value, GassCopyValueError) or "CR or LF" in str(error.value)


def test_one_copy_at_a_time(url: str, file: Path) -> None:
    with GassCopy() as copy:
        operation = copy.register_url_to_url(f"{url}{file}", None, "file:///dev/null", None)
        with pytest.raises(GassCopyException, match="busy"):
            copy.register_url_to_url(f"{url}{file}", None, "file:///dev/null", None)
        operation.result()
