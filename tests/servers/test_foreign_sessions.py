"""Sessions that servers end, and renames that they refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from foreign import start_vsftpd
from oddserver import DROP, OddServer
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    ListingForm,
)
from waiting import until


@pytest.fixture
def client() -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        yield client


def get(client: FtpClient, url: str, folder: Path) -> object:
    with (folder / "got").open("wb") as file:
        return client.get(f"{url}/f", into=file).result(20)


def put(client: FtpClient, url: str, folder: Path) -> object:
    with (folder / "odd" / "f").open("rb") as file:
        return client.put(f"{url}/put", source=file).result(20)


def scan(client: FtpClient, url: str, folder: Path) -> object:
    return list(client.scandir(f"{url}/", form=ListingForm.NAMES))


USES: dict[str, Callable[[FtpClient, str, Path], object]] = {
    "size": lambda client, url, folder: client.size(f"{url}/f").result(20),
    "mlst": lambda client, url, folder: client.mlst(f"{url}/f").result(20),
    "mdtm": lambda client, url, folder: client.modification_time(f"{url}/f").result(20),
    "stat": lambda client, url, folder: client.stat(f"{url}/f").result(20),
    "exists": lambda client, url, folder: client.exists(f"{url}/f").result(20),
    "cwd": lambda client, url, folder: client.cwd(f"{url}/").result(20),
    "chmod": lambda client, url, folder: client.chmod(f"{url}/f", 0o644).result(20),
    "mkdir": lambda client, url, folder: client.mkdir(f"{url}/{time.monotonic_ns()}").result(20),
    "move": lambda client, url, folder: client.move(f"{url}/f", f"{url}/f").result(20),
    "get": get,
    "put": put,
    "scan": scan,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("words", ["421 Timeout.", ""])
def test_a_session_that_has_ended_is_begun_again_for_what_has_not_begun(
    client: FtpClient, odd_server: OddServer, tmp_path: Path, use: str, words: str
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    for _ in range(20):
        client.size(f"{odd_server.url}/f").result(20)
        if words:
            odd_server.end_sessions(words)
        else:
            odd_server.hang_up()
        USES[use](client, odd_server.url, tmp_path)


def test_a_server_that_ends_every_session_is_not_asked_for_ever(
    client: FtpClient, odd_server: OddServer
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    client.size(f"{odd_server.url}/f").result(20)
    odd_server.replies["SIZE"] = DROP
    before = odd_server.connections
    with pytest.raises(FtpClientConnectionError):
        client.size(f"{odd_server.url}/f").result(20)
    assert odd_server.connections <= before + 1


def test_what_may_have_begun_is_not_begun_again(client: FtpClient, odd_server: OddServer) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    client.size(f"{odd_server.url}/f").result(20)
    odd_server.commands.clear()
    odd_server.replies["RNTO"] = DROP
    with pytest.raises(FtpClientConnectionError):
        client.move(f"{odd_server.url}/f", f"{odd_server.url}/g").result(20)
    assert odd_server.verbs().count("RNTO") == 1


def test_a_server_that_allows_one_connection_serves_one_client_for_all(
    client: FtpClient, foreign_directory: Path, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"four")

    def is_let_in() -> bool:
        try:
            return bool(client.feat(f"{server.url}/").result(20))
        except FtpClientConnectionError:
            return False

    with start_vsftpd(foreign_directory / "v", max_per_ip=1) as server:
        until(is_let_in, "vsftpd has noticed that whoever looked whether it serves has gone")
        for name in ("a", "b"):
            with (tmp_path / "f").open("rb") as file:
                client.put(f"{server.url}/~/{name}", source=file).result(20)
        assert client.size(f"{server.url}/~/a").result(20) == 4
        entries = client.scandir(f"{server.url}/~/", form=ListingForm.LONG)
        assert {entry.name for entry in entries} == {"a", "b"}
        with FtpClient() as other, pytest.raises(FtpClientConnectionError, match="421"):
            other.size(f"{server.url}/~/a").result(20)


@pytest.mark.parametrize("words", ["550 Datei nicht gefunden", "550 No such file or directory"])
def test_a_rename_ends_where_the_file_is_refused(
    client: FtpClient, odd_server: OddServer, words: str
) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    odd_server.replies["RNTO"] = ["550 Not there."]
    with pytest.raises(FtpClientException, match="Not there"):
        client.move(f"{odd_server.url}/f", f"{odd_server.url}/other/g").result(20)
    odd_server.replies["RNFR"] = [words]
    odd_server.commands.clear()
    with pytest.raises(FtpClientException, match=words[4:]) as caught:
        client.move(f"{odd_server.url}/none", f"{odd_server.url}/g").result(20)
    # it would have renamed what RNFR had named before
    assert "RNTO" not in odd_server.verbs()
    assert (odd_server.root / "f").exists()
    assert caught.value.reply_code == 550
    assert isinstance(caught.value, FtpClientFileNotFoundError) == words.startswith("550 No")
    client.move(f"{odd_server.url}/f", f"{odd_server.url}/g").result(20)


def test_a_server_that_cannot_rename_says_so_and_keeps_the_session(
    client: FtpClient, odd_server: OddServer
) -> None:
    odd_server.without = {"RNFR", "RNTO"}
    for _ in range(2):
        with pytest.raises(FtpClientException) as caught:
            client.move(f"{odd_server.url}/f", f"{odd_server.url}/g").result(20)
        assert caught.value.unsupported
    assert odd_server.connections == 1
