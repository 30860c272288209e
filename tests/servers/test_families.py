"""Servers of either family of addresses; and what names have to do with data connections."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from foreign import running_gridftp, start_vsftpd
from names import Names
from oddserver import OddServer
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientException,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Mode,
)
from pyGlobus.gassCopy import GassCopy

TRY = """
import sys
from pyGlobus.ftpClient import FtpClient, FtpClientHandleAttr
from pyGlobus.gassCopy import GassCopy
url, folder = sys.argv[1:]
with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
    for _ in range(2):
        with open(folder + "/got", "wb") as file:
            client.get(url + "/f", into=file).result(20)
        print(client.size(url + "/f").result(20))
with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
    print(client.size(url + "/f").result(20))
with GassCopy() as copy:
    copy.copy_url_to_url(url + "/f", None, "file://" + folder + "/copied", None)
print(open(folder + "/copied").read())
"""


@pytest.fixture
def client() -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        yield client


def use(client: FtpClient, url: str, folder: Path, attr: FtpClientOperationAttr | None) -> None:
    (folder / "four").write_bytes(b"four")
    with (folder / "four").open("rb") as file:
        client.put(f"{url}/f", attr, source=file).result(20)
    assert client.size(f"{url}/f", attr).result(20) == 4
    with (folder / "got").open("wb") as file:
        client.get(f"{url}/f", attr, into=file).result(20)
    assert (folder / "got").read_bytes() == b"four"


def test_a_server_is_reached_by_its_ipv6_address(
    client: FtpClient, foreign_directory: Path, tmp_path: Path
) -> None:
    with start_vsftpd(foreign_directory / "v", host="::1") as server:
        use(client, f"{server.url}/~", tmp_path, None)
        with GassCopy() as copy:
            copy.copy_url_to_url(f"{server.url}/~/f", None, f"file://{tmp_path}/copied", None)
    assert (tmp_path / "copied").read_bytes() == b"four"


@pytest.mark.parametrize("mode", Mode)
def test_gct_is_reached_by_its_ipv6_address(
    client: FtpClient, grid: Sandbox, grid_env: dict[str, str], remote: Path, tmp_path: Path,
    foreign_directory: Path, mode: Mode,
) -> None:  # fmt: skip
    with running_gridftp(foreign_directory, "::1") as url:
        use(client, f"{url}{remote}", tmp_path, FtpClientOperationAttr(mode=mode))
        client.third_party_transfer(
            f"{url}{remote}/f", FtpClientOperationAttr(mode=mode), f"{url}{remote}/g",
            FtpClientOperationAttr(mode=mode),
        ).result(20)  # fmt: skip
    assert (remote / "g").read_bytes() == b"four"


def test_whoever_forbids_ipv6_gets_none(client: FtpClient, tmp_path: Path) -> None:
    attr = FtpClientOperationAttr(allow_ipv6=False)
    with OddServer(tmp_path, host="::1") as server:
        with pytest.raises(FtpClientException, match="Address family"):
            client.size(f"{server.url}/f", attr).result(20)
        assert server.connections == 0
    assert FtpClientOperationAttr().allow_ipv6 is None


def test_ipv4_is_asked_as_before(client: FtpClient, odd_server: OddServer) -> None:
    (odd_server.root / "f").write_bytes(b"four")
    list(client.scandir(f"{odd_server.url}/"))
    assert "PASV" in odd_server.verbs()
    assert "EPSV" not in odd_server.verbs()


@contextlib.contextmanager
def only_there(root: Path, host: str) -> Iterator[OddServer]:
    """A server whose port is refused at the loopback address of the other family."""
    other, family = (
        ("::1", socket.AF_INET6) if host == "127.0.0.1" else ("127.0.0.1", socket.AF_INET)
    )
    for _ in range(20):
        with OddServer(root, host=host) as server, socket.socket(family) as nobody:
            try:
                nobody.bind((other, server.port))
            except OSError:
                continue  # another test's server has it
            yield server
            return
    pytest.fail("no port is free for both families")


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("::1", "::1"),
        ("::1", "127.0.0.1,::1"),
        ("::1", "::1,127.0.0.1"),
        ("127.0.0.1", "127.0.0.1,::1"),
        ("127.0.0.1", "::1,127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_name_leads_to_the_family_that_answers(tmp_path: Path, host: str, answer: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "f").write_bytes(b"four")
    names = Names(tmp_path, {"some.test": answer})
    with only_there(root, host) as server:
        printed = names.run(TRY, f"ftp://some.test:{server.port}", str(tmp_path))
        assert printed.split() == ["4", "4", "4", "four"]
        # by the family that answers alone, once that is known
        assert server.connections <= 4


STRANGER = """
import sys
from pyGlobus.ftpClient import FtpClient, FtpClientDataAddressError
with FtpClient() as client:
    try:
        print([entry.name for entry in client.scandir(sys.argv[1] + "/")])
    except FtpClientDataAddressError as error:
        print("refused", error.address)
"""


def test_data_at_the_address_of_the_control_connection_is_welcome_whatever_names_say(
    tmp_path: Path,
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/f").write_bytes(b"four")
    # whoever connects has another answer than whoever looks where the data may come from
    names = Names(tmp_path, {"turns.test": "127.0.0.1,/,127.0.0.9"})
    with OddServer(tmp_path / "root") as server:
        printed = names.run(STRANGER, f"ftp://turns.test:{server.port}")
    assert printed == "['f']"


def test_data_at_another_address_of_the_name_is_welcome(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    names = Names(tmp_path, {"wide.test": "127.0.0.1,127.0.0.2"})
    with OddServer(tmp_path / "root") as server:
        server.data_host = "127.0.0.2"
        assert names.run(STRANGER, f"ftp://wide.test:{server.port}") == "[]"
        server.data_host = "127.0.0.3"
        assert names.run(STRANGER, f"ftp://wide.test:{server.port}") == "refused 127.0.0.3"


SLOW = """
import sys, time
from pyGlobus.ftpClient import FtpClient, FtpClientConnectionError
with FtpClient() as stranger, FtpClient() as other:
    operation = stranger.list(sys.argv[1] + "/", into=open("/dev/null", "wb"))
    size = sys.argv[2] + "/f"
    longest = 0.0
    while not operation.done():
        began = time.monotonic()
        other.size(size).result(30)
        longest = max(longest, time.monotonic() - began)
    print(longest < 8, type(operation.exception(0)).__name__)
"""


def test_a_slow_resolver_is_waited_for_a_few_seconds_and_not_for_ever(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/f").write_bytes(b"four")
    names = Names(tmp_path, {"slow.test": "127.0.0.1,/,s15,127.0.0.2"})
    with OddServer(tmp_path / "root") as server:
        # a stranger's address, which only the resolver could make the server's own
        server.data_host = "127.0.0.2"
        words = names.run(SLOW, f"ftp://slow.test:{server.port}", server.url)
    assert words == "True FtpClientDataAddressError"
