"""Gass copy with servers that GCT did not write: wildcards, and what their lists say."""

from __future__ import annotations

from pathlib import Path

import pytest

from foreign import ForeignServer
from oddserver import OddServer
from pyGlobus.gassCopy import GassCopy, GlobType


def found(copy: GassCopy, url: str, pattern: str) -> dict[str, GlobType]:
    entries = copy.glob_expand_url(f"{url}/{pattern}")
    told = {entry.url.removeprefix(f"{url}/"): entry.stat.type for entry in entries}
    assert not entries.rejected
    return told


@pytest.fixture
def tree(remote: Path) -> Path:
    (remote / "d").mkdir()
    for name in ("a b.txt", "c.txt", "star*.txt", "e"):
        (remote / name).write_bytes(b"four")
    return remote


@pytest.mark.parametrize("server", ["vsftpd", "arc", "gct_without_mlst"])
def test_wildcards_are_expanded_by_what_the_server_has(
    request: pytest.FixtureRequest, grid_env: dict[str, str], tree: Path, server: str
) -> None:
    one = request.getfixturevalue(server)
    url = f"{one.url if isinstance(one, ForeignServer) else one}{tree}"
    # ARC refuses a data connection now and then
    for tries_left in (3, 2, 1, 0):
        with GassCopy() as copy:
            try:
                expand_all(copy, url)
                break
            except ConnectionError:
                if server != "arc" or not tries_left:
                    raise


def expand_all(copy: GassCopy, url: str) -> None:
    assert found(copy, url, "*.txt") == {
        "a%20b.txt": GlobType.FILE, "c.txt": GlobType.FILE, "star%2A.txt": GlobType.FILE,
    }  # fmt: skip
    assert found(copy, url, "d*") == {"d/": GlobType.DIRECTORY}
    assert len(found(copy, url, "")) == 5
    assert found(copy, url, "[!a-d]*") == {"star%2A.txt": GlobType.FILE, "e": GlobType.FILE}
    (entry,) = copy.glob_expand_url(f"{url}/c.*")
    assert entry.stat.size == 4


def test_names_that_lead_elsewhere_are_left_out(odd_server: OddServer) -> None:
    odd_server.listings["MLSD"] = (
        b"type=file;size=4; ../../escaped\r\ntype=file;size=4; good\r\nnonsense\r\n"
        b"type=file;modify=33658; /tmp/x\r\ntype=file;modify=336580101000000; late\r\n"
    )
    with GassCopy() as copy:
        entries = copy.glob_expand_url(f"{odd_server.url}/")
        assert [entry.url for entry in entries] == [
            f"{odd_server.url}/good",
            f"{odd_server.url}/late",
        ]
    assert len(entries.rejected) == 3


def test_a_name_of_any_length_is_no_more_than_a_long_name(odd_server: OddServer) -> None:
    # the library has 4096 bytes for a URL on its stack
    name = b"\xff" * 20000
    odd_server.listings["MLSD"] = b"type=file;size=4; " + name + b"\r\ntype=file; x\r\n"
    with GassCopy() as copy:
        urls = [entry.url for entry in copy.glob_expand_url(f"{odd_server.url}/*")]
    assert [len(url) - len(odd_server.url) - 1 for url in urls] == [60000, 1]


def test_a_path_in_the_login_directory_is_expanded_there(tmp_path: Path) -> None:
    with OddServer(tmp_path, home="/home/me") as server, GassCopy() as copy:
        (tmp_path / "home/me/f").write_bytes(b"four")
        assert found(copy, f"{server.url}/~", "*") == {"f": GlobType.FILE}
        copy.copy_url_to_url(f"{server.url}/~/f", None, f"file://{tmp_path}/got", None)
    assert (tmp_path / "got").read_bytes() == b"four"


def test_a_list_that_fails_says_why(odd_server: OddServer) -> None:
    odd_server.texts = {550: "Verzeichnis nicht gefunden"}
    with GassCopy() as copy, pytest.raises(Exception, match="nicht gefunden"):
        odd_server.without = {"MLSD"}
        list(copy.glob_expand_url(f"{odd_server.url}/none/"))
