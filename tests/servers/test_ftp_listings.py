"""Directories, entry by entry, from a real server."""

from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Mode,
    parse_list_line,
)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("many")
    for number in range(20_000):
        os.close(os.open(directory / f"name of file {number}", os.O_CREAT | os.O_WRONLY))
    return directory


def test_entries_come_with_what_the_file_system_has(url: str, remote: Path) -> None:
    (remote / "file; with=signs").write_bytes(b"12345")
    (remote / "directory").mkdir()
    (remote / "directory").chmod(0o750)
    (remote / "link").symlink_to("file; with=signs")
    with FtpClient() as client:
        entries = {entry.name: entry for entry in client.scandir(f"{url}{remote}")}
    assert set(entries) == {"file; with=signs", "directory", "link"}
    file = entries["file; with=signs"]
    assert (file.type, file.size) == ("file", 5)
    assert file.modified is not None
    status = (remote / "file; with=signs").stat()
    assert int(file.modified.timestamp()) == int(status.st_mtime)
    assert file.mode == stat.S_IMODE(status.st_mode)
    assert file.facts["unix.uid"] == str(os.getuid())
    assert entries["directory"].is_dir
    assert entries["directory"].mode == 0o750


def test_every_entry_of_a_large_directory_comes_once(url: str, many: Path) -> None:
    with FtpClient() as client:
        names = [entry.name for entry in client.scandir(f"{url}{many}")]
        assert len(names) == len(set(names)) == 20_000
        # and the client is free for something else
        assert client.exists(f"{url}{many}").result()


def test_async_iteration_brings_the_same(url: str, many: Path) -> None:
    async def count(client: FtpClient) -> int:
        seen = 0
        async for _ in client.scandir(f"{url}{many}"):
            seen += 1
            if seen % 5000 == 0:
                await asyncio.sleep(0.01)
        return seen

    async def both() -> list[int]:
        with FtpClient() as one, FtpClient() as two:
            return await asyncio.gather(count(one), count(two))

    assert asyncio.run(both()) == [20_000, 20_000]


def test_a_scan_can_be_left_at_any_entry(url: str, many: Path) -> None:
    with FtpClient() as client:
        for taken in (0, 1, 700):
            with client.scandir(f"{url}{many}") as entries:
                for _ in range(taken):
                    next(entries)  # type: ignore[call-overload]
            assert client.exists(f"{url}{many}").result()


def test_a_directory_that_is_not_there(url: str, remote: Path) -> None:
    with FtpClient() as client:
        with pytest.raises(FtpClientFileNotFoundError):
            list(client.scandir(f"{url}{remote}/none"))

        async def look() -> None:
            async for _ in client.scandir(f"{url}{remote}/none"):
                pass

        with pytest.raises(FtpClientFileNotFoundError):
            asyncio.run(look())
        assert list(client.scandir(f"{url}{remote}")) == []


def test_a_whole_tree_comes_with_relative_names(url: str, remote: Path) -> None:
    (remote / "a" / "b").mkdir(parents=True)
    (remote / "a" / "b" / "x").touch()
    (remote / "y").touch()
    with FtpClient() as client:
        names = {entry.name for entry in client.scandir(f"{url}{remote}", recursive=True)}
    assert names == {"a", "a/b", "a/b/x", "y"}


@pytest.mark.parametrize("mode", list(Mode))
def test_listings_in_either_mode_on_a_session_that_is_kept(
    url: str, many: Path, mode: Mode
) -> None:
    attr = FtpClientOperationAttr(mode=mode, list_uses_data_mode=True)
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        for _ in range(3):
            assert sum(1 for _ in client.scandir(f"{url}{many}", attr)) == 20_000


def test_stat_and_list_agree_on_a_line(url: str, remote: Path) -> None:
    (remote / "x y").write_bytes(b"123")
    with FtpClient() as client:
        with (remote / "listing").open("wb") as into:
            client.verbose_list(f"{url}{remote}", into=into).result()
        lines = [line for line in (remote / "listing").read_text().splitlines() if "x y" in line]
        (entry,) = client.stat(f"{url}{remote}/x%20y").result()
    assert parse_list_line(lines[0]) == entry


SCAN = """
import resource, sys
from pyGlobus.ftpClient import FtpClient
with FtpClient() as client:
    for directory in sys.argv[1:]:
        sum(1 for _ in client.scandir(directory))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_directory(
    url: str, many: Path, remote: Path, grid_env: dict[str, str]
) -> None:
    (remote / "x").touch()
    output = subprocess.run(
        [sys.executable, "-c", SCAN, f"{url}{remote}", f"{url}{many}"],
        check=True, capture_output=True, text=True, env=grid_env,
    ).stdout  # fmt: skip
    small, large = map(int, output.split())
    # 20,000 entries kept would be more than 15 MiB
    assert large - small < 3000, f"{small} KiB before, {large} KiB after"
