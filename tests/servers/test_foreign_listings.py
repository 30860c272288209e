"""Listings of servers that GCT did not write, and of GCT's without MLSD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from foreign import ForeignServer
from oddserver import OddServer
from pyGlobus.ftpClient import FtpClient, FtpClientException, FtpScan, ListingForm


@pytest.fixture
def client() -> Iterator[FtpClient]:
    with FtpClient() as client:
        yield client


def listed(scan: FtpScan) -> dict[str, str]:
    with scan:
        found = {entry.name: entry.type for entry in scan}
    assert not scan.rejected
    return found


@pytest.fixture
def tree(remote: Path) -> Path:
    (remote / "d").mkdir()
    (remote / "f").write_bytes(b"four")
    (remote / " a b ").write_bytes(b"")
    (remote / "l").symlink_to("f")
    return remote


def test_vsftpd_lists_by_list_and_names(
    client: FtpClient, vsftpd: ForeignServer, tree: Path
) -> None:
    url = f"{vsftpd.url}{tree}"
    assert listed(client.scandir(url, form=ListingForm.LONG)) == {
        "d": "dir", "f": "file", " a b ": "file", "l": "OS.unix=slink",
    }  # fmt: skip
    with client.scandir(url, form=ListingForm.LONG) as scan:
        entries = {entry.name: entry for entry in scan}
    assert entries["f"].size == 4
    assert entries["l"].link_target == "f"
    assert set(listed(client.scandir(url, form=ListingForm.NAMES))) == {"d", "f", " a b ", "l"}
    assert list(listed(client.scandir(f"{url}/f", form=ListingForm.LONG))) == ["f"]
    assert not listed(client.scandir(f"{url}/d", form=ListingForm.LONG))


def test_a_server_without_mlsd_says_that_it_does_not_know_it(
    client: FtpClient, vsftpd: ForeignServer, gct_without_mlst: str, odd_server: OddServer,
    tree: Path,
) -> None:  # fmt: skip
    odd_server.without = {"MLSD"}
    for url in (f"{vsftpd.url}{tree}", f"{gct_without_mlst}{tree}", f"{odd_server.url}"):
        with pytest.raises(FtpClientException) as caught:
            list(client.scandir(url))
        assert caught.value.unsupported
        assert caught.value.reply_code in (500, 502)
    assert not listed(client.scandir(f"{vsftpd.url}{tree}/none", form=ListingForm.LONG))
    for url in (f"{gct_without_mlst}{tree}", odd_server.url):
        with pytest.raises(FtpClientException) as caught:
            list(client.scandir(f"{url}/none", form=ListingForm.LONG))
        assert not caught.value.unsupported


def test_arc_lists_by_facts_but_does_not_tell_links(
    client: FtpClient, arc: ForeignServer, tree: Path
) -> None:
    with client.scandir(f"{arc.url}{tree}") as scan:
        entries = {entry.name: entry for entry in scan}
    assert not scan.rejected
    assert {name: entry.type for name, entry in entries.items()} == {
        "d": "dir", "f": "file", " a b ": "file", "l": "file",
    }  # fmt: skip
    assert entries["f"].size == 4
    assert not entries["l"].is_link


def test_gct_without_mlsd_lists_otherwise(
    client: FtpClient, gct_without_mlst: str, tree: Path
) -> None:
    (tree / "lf\nin the name").write_bytes(b"")
    url = f"{gct_without_mlst}{tree}"
    for form in (ListingForm.LONG, ListingForm.NAMES):
        with client.scandir(url, form=form) as scan:
            assert {entry.name for entry in scan} == {"d", "f", " a b ", "l"}
        (rejected,) = scan.rejected
        assert "lf\nin the name" in rejected.text


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/x", "", "a/b"])
def test_a_name_that_leads_out_of_the_directory_is_left_out(
    client: FtpClient, odd_server: OddServer, name: str
) -> None:
    lines = f"type=file;size=4; {name}\r\ntype=file;size=4; good\r\n"
    odd_server.listings["MLSD"] = lines.encode()
    with client.scandir(f"{odd_server.url}/") as scan:
        assert [entry.name for entry in scan] == ["good"]
    assert scan.rejected_count == 1
    assert "name" in scan.rejected[0].reason


def test_bad_lines_of_a_server_are_left_out_and_told(
    client: FtpClient, odd_server: OddServer
) -> None:
    odd_server.listings = {
        "MLSD": b"type=file;UNIX.groupname=domain users; a\r\nnonsense\r\ntype=dir; b\r\n",
        "LIST": b"-rw-r--r-- 1 a a 4 Jan  1  2020 a\nls: b: Permission denied\n",
        "NLST": b"a\nb\n",
    }
    url = f"{odd_server.url}/"
    for form, names, wrong in (
        (ListingForm.FACTS, ["a", "b"], ["nonsense"]),
        (ListingForm.LONG, ["a"], ["ls: b: Permission denied"]),
        (ListingForm.NAMES, ["a", "b"], []),
    ):
        with client.scandir(url, form=form) as scan:
            assert [entry.name for entry in scan] == names
        assert [line.text for line in scan.rejected] == wrong


def test_stat_of_other_servers_is_read_and_what_is_no_entry_left_out(
    client: FtpClient, vsftpd: ForeignServer, odd_server: OddServer, tree: Path
) -> None:
    (entry,) = client.stat(f"{vsftpd.url}{tree}/f").result()
    assert (entry.name, entry.size, entry.is_dir) == ("f", 4, False)
    assert not client.stat(f"{vsftpd.url}{tree}/none").result()
    odd_server.listings["STAT"] = b"-rw-r--r-- 1 a a 4 Jan  1  2020 ../x\r\nnonsense\r\n"
    assert not client.stat(f"{odd_server.url}/x").result()
