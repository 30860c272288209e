"""Every command of the client, with servers that GCT did not write."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from foreign import ForeignServer
from oddserver import OddServer
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientPlugin,
    ListingForm,
    Mode,
)
from waiting import until

# what a session begins with, whatever is asked of it
BEGINNING = ["USER", "PASS", "SITE", "FEAT", "SITE", "TYPE"]


@pytest.fixture
def client() -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        yield client


def fetch(client: FtpClient, url: str, folder: Path, *attr: FtpClientOperationAttr) -> bytes:
    with (folder / "fetched").open("w+b") as file:
        client.get(url, *attr, into=file).result(20)
        return (folder / "fetched").read_bytes()


def store(client: FtpClient, url: str, folder: Path, data: bytes) -> None:
    (folder / "stored").write_bytes(data)
    with (folder / "stored").open("rb") as file:
        client.put(url, source=file).result(20)


def every_command(client: FtpClient, url: str, attr: FtpClientOperationAttr, folder: Path) -> None:
    """All that plain FTP has, in `url`, with these attributes where nothing is transferred."""
    client.mkdir(f"{url}/d", attr).result(20)
    store(client, f"{url}/d/f", folder, b"four")
    assert client.size(f"{url}/d/f", attr).result(20) == 4
    assert client.modification_time(f"{url}/d/f", attr).result(20) > datetime(
        2020, 1, 1, tzinfo=UTC
    )
    assert client.cwd(f"{url}/d", attr).result(20).startswith("250")
    assert client.exists(f"{url}/d/f", attr).result(20)
    assert fetch(client, f"{url}/d/f", folder) == b"four"
    with client.scandir(f"{url}/d", attr, form=ListingForm.LONG) as entries:
        assert [(entry.name, entry.size) for entry in entries] == [("f", 4)]
    with client.scandir(f"{url}/d", attr, form=ListingForm.NAMES) as entries:
        assert [entry.name for entry in entries] == ["f"]
    client.move(f"{url}/d/f", f"{url}/d/g", attr).result(20)
    client.delete(f"{url}/d/g", attr).result(20)
    client.rmdir(f"{url}/d", attr).result(20)
    assert client.feat(f"{url}/", attr).result(20).words is not None


@pytest.mark.parametrize("home", ["", "/~"])
def test_vsftpd_takes_every_command_whatever_the_attributes_are_for_transfers(
    client: FtpClient, vsftpd: ForeignServer, remote: Path, tmp_path: Path, home: str
) -> None:
    place = home or str(remote)
    extended = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4)
    every_command(client, f"{vsftpd.url}{place}", extended, tmp_path)
    with pytest.raises(FtpClientException) as caught:
        fetch(client, f"{vsftpd.url}{place}/x", tmp_path, extended)
    assert caught.value.unsupported


@pytest.mark.parametrize("home", ["", "/~"])
def test_an_odd_server_takes_every_command(client: FtpClient, tmp_path: Path, home: str) -> None:
    (tmp_path / "root").mkdir()
    with OddServer(tmp_path / "root", home="/some/home") as server:
        extended = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4)
        every_command(client, f"{server.url}{home}", extended, tmp_path)
        client.chmod(f"{server.url}/some/home", 0o700, extended).result(20)
        assert not {"MODE", "DCAU", "PROT", "PBSZ", "OPTS"} & set(server.verbs())
    assert (tmp_path / "root/some/home").stat().st_mode & 0o777 == 0o700


def test_arc_takes_every_command_that_it_has(
    client: FtpClient, arc: ForeignServer, remote: Path, tmp_path: Path
) -> None:
    url = f"{arc.url}{remote}"
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=2)
    client.mkdir(f"{url}/d", attr).result(20)
    store(client, f"{url}/d/f", tmp_path, b"four")
    assert client.size(f"{url}/d/f", attr).result(20) == 4
    client.modification_time(f"{url}/d/f", attr).result(20)
    assert client.cwd(f"{url}/d", attr).result(20).startswith("250")
    assert client.exists(f"{url}/d/f", attr).result(20)
    assert client.exists(f"{url}/d", attr).result(20)
    assert not client.exists(f"{url}/none", attr).result(20)
    assert fetch(client, f"{url}/d/f", tmp_path) == b"four"
    assert fetch(client, f"{url}/d/f", tmp_path, attr) == b"four"
    assert client.mlst(f"{url}/d/f", attr).result(20).size == 4
    with client.scandir(f"{url}/d", attr) as entries:
        assert [(entry.name, entry.size) for entry in entries] == [("f", 4)]
    with pytest.raises(FtpClientException) as caught:
        client.move(f"{url}/d/f", f"{url}/d/g", attr).result(20)
    assert caught.value.unsupported
    client.delete(f"{url}/d/f", attr).result(20)
    client.rmdir(f"{url}/d", attr).result(20)
    assert "MLSD" in (client.feat(f"{url}/").result(20).words or {})


def test_a_command_asks_for_nothing_that_it_does_not_need(
    client: FtpClient, odd_server: OddServer
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4)
    assert client.size(f"{odd_server.url}/f", attr).result(20) == 4
    assert odd_server.verbs() == [*BEGINNING, "SIZE"]
    for use in (
        lambda: client.size(f"{odd_server.url}/f", attr),
        lambda: client.mkdir(f"{odd_server.url}/d", attr),
        lambda: client.delete(f"{odd_server.url}/f", attr),
    ):
        odd_server.commands.clear()
        use().result(20)
        assert len(odd_server.commands) == 1
    odd_server.commands.clear()
    client.feat(f"{odd_server.url}/").result(20)
    assert not odd_server.commands


def test_a_command_leaves_the_data_channel_of_a_session_as_it_is(
    client: FtpClient, plain_url: str, remote: Path, tmp_path: Path
) -> None:
    (remote / "f").write_bytes(b"four")
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)
    url = f"{plain_url}{remote}/f"
    assert fetch(client, url, tmp_path, attr) == b"four"
    guard = client._calls.session.guard
    assert guard.agreed(url)[0] == "E"
    assert client.size(url).result(20) == 4
    client.mkdir(f"{plain_url}{remote}/d").result(20)
    assert guard.agreed(url)[0] == "E"
    assert guard.agreed("ftp://elsewhere/") == ("-", "-", "-")


def test_a_path_in_the_login_directory_stays_one_after_cwd(
    client: FtpClient, tmp_path: Path
) -> None:
    with OddServer(tmp_path, home="/home") as server:
        (tmp_path / "home/f").write_bytes(b"four")
        (tmp_path / "f").write_bytes(b"1")
        assert client.size(f"{server.url}/~/f").result(20) == 4
        client.cwd(f"{server.url}/").result(20)
        assert client.size(f"{server.url}/f").result(20) == 1
        assert client.size(f"{server.url}/~/f").result(20) == 4


def test_gct_has_the_same_login_directory(
    client: FtpClient, url: str, grid_env: dict[str, str]
) -> None:
    client.mkdir(f"{url}/~/in-home").result(20)
    with client.scandir(f"{url}/~/") as entries:
        assert "in-home" in [entry.name for entry in entries]
    # as GCT's server itself reads it
    with client.scandir(f"{url}/%7E/") as entries, pytest.raises(FtpClientException):
        list(entries)
    client.rmdir(f"{url}/~/in-home").result(20)


def test_what_a_server_can_is_told_in_its_own_words(
    client: FtpClient, odd_server: OddServer, vsftpd: ForeignServer
) -> None:
    words = client.feat(f"{odd_server.url}/").result(20).words
    assert words == {
        "MDTM": "", "SIZE": "", "REST": "STREAM", "MLST": "type*;size*;modify*;", "UTF8": "",
    }  # fmt: skip
    theirs = client.feat(f"{vsftpd.url}/").result(20).words
    assert theirs is not None
    assert "EPSV" in theirs
    assert "MLST" not in theirs


def test_a_server_that_does_not_know_feat_tells_no_words(
    client: FtpClient, odd_server: OddServer
) -> None:
    odd_server.without = {"FEAT"}
    features = client.feat(f"{odd_server.url}/").result(20)
    assert features.words is None
    assert len(features) > 20


@pytest.mark.parametrize("reply", ["213 ", "213 soon"])
def test_a_time_that_is_none_is_an_error_before_the_library_reads_it(
    client: FtpClient, odd_server: OddServer, reply: str
) -> None:
    odd_server.replies["MDTM"] = reply
    with pytest.raises(FtpClientConnectionError, match="without a time"):
        client.modification_time(f"{odd_server.url}/x").result(20)
    odd_server.replies["MDTM"] = "213 20200101000000"
    when = client.modification_time(f"{odd_server.url}/x").result(20)
    assert when == datetime(2020, 1, 1, tzinfo=UTC)


def test_years_that_python_does_not_have_are_errors_of_the_server(
    client: FtpClient, odd_server: OddServer
) -> None:
    odd_server.replies["MDTM"] = "213 00000101000000"
    with pytest.raises(FtpClientException, match="year"):
        client.modification_time(f"{odd_server.url}/x").result(20)


NOT_THERE = [
    "550 Could not get file size.",
    "550 Can't check for file existence",
    "550 Das System kann die angegebene Datei nicht finden.",
    "550 Datei nicht gefunden",
    "550 The system cannot find the file specified.",
    "550 Failed to change directory.",
    "553 /x: Kein Zugriff möglich",
]


@pytest.mark.parametrize("words", NOT_THERE)
@pytest.mark.parametrize("without", [set(), {"MLST"}, {"MLST", "STAT"}, {"MLST", "SIZE"}])
def test_what_is_there_does_not_hang_on_words(
    client: FtpClient, odd_server: OddServer, words: str, without: set[str]
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    (odd_server.root / "d").mkdir()
    odd_server.without = without
    odd_server.texts = {550: words[4:]}
    for name, there in (("f", True), ("d", True), ("none", False), ("none/none", False)):
        assert client.exists(f"{odd_server.url}/{name}").result(20) is there, name


def test_a_server_that_agrees_to_any_stat_is_asked_otherwise(
    client: FtpClient, vsftpd: ForeignServer, remote: Path
) -> None:
    (remote / "f").write_bytes(b"")
    (remote / "d").mkdir()
    url = f"{vsftpd.url}{remote}"
    for name, there in (("f", True), ("d", True), ("none", False), ("none/none", False)):
        assert client.exists(f"{url}/{name}").result(20) is there, name


def test_a_server_that_knows_none_of_it_is_asked_for_a_list(
    client: FtpClient, odd_server: OddServer
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    odd_server.without = {"SIZE", "MLST", "STAT"}
    odd_server.features = []
    assert client.exists(f"{odd_server.url}/f").result(20)
    assert not client.exists(f"{odd_server.url}/none").result(20)


def test_whether_something_exists_is_unknown_where_the_server_has_other_troubles(
    client: FtpClient, odd_server: OddServer
) -> None:
    odd_server.without = {"MLST", "STAT"}
    odd_server.replies["CWD"] = "550 Permission denied."
    odd_server.replies["SIZE"] = "550 Permission denied."
    with pytest.raises(PermissionError):
        client.exists(f"{odd_server.url}/x").result(20)
    odd_server.replies["SIZE"] = "451 Local error."
    with pytest.raises(FtpClientException, match="451"):
        client.exists(f"{odd_server.url}/x").result(20)


def test_messages_and_plugins_tell_the_url_that_was_given(tmp_path: Path) -> None:
    told: list[str] = []

    class Hears(FtpClientPlugin):
        def size(self, client: object, url: str, restart: bool) -> None:
            told.append(url)

        def response(self, client: object, url: str, *rest: object) -> None:
            told.append(url)

    with (
        OddServer(tmp_path, home="/home") as server,
        FtpClient(FtpClientHandleAttr(plugins=[Hears()])) as client,
    ):
        url = f"{server.url}/~/none"
        with pytest.raises(FtpClientException, match=re.escape(f"size of {url}:")):
            client.size(url).result(20)
        until(lambda: len(told) > 2, "the plugin has heard")
        assert set(told) == {url}


def test_the_side_of_a_failed_transfer_between_servers_is_told_for_login_directories(
    client: FtpClient, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        OddServer(tmp_path / "a", home="/home") as source,
        OddServer(tmp_path / "b", home="/home") as target,
    ):
        target.replies["STOR"] = "553 Nein."
        (tmp_path / "a/home/f").write_bytes(b"four")
        with pytest.raises(FtpClientException, match="553") as caught:
            client.third_party_transfer(
                f"{source.url}/~/f", None, f"{target.url}/~/f", None
            ).result(20)
    assert caught.value.side == "destination"
    assert caught.value.url == f"{target.url}/~/f"
