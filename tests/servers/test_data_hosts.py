"""A server that sends us to another host for data is refused, unless that is allowed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from faultproxy import FaultProxy, lines, reply
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientDataAddressError,
    FtpClientOperationAttr,
    Mode,
)
from pyGlobus.gassCopy import GassCopy, GassCopyAttr, GassCopyDataAddressError

pytestmark = pytest.mark.timeout(60)

DATA = os.urandom(300_000)
ELSEWHERE = b"227 Entering Passive Mode (192,0,2,1,100,20)"


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def liar(plain_port: int) -> Iterator[str]:
    """A server whose data is at another host, if it is to be believed."""
    with FaultProxy(plain_port, to_client=reply(b"227", ELSEWHERE)) as proxy:
        yield f"ftp://localhost:{proxy.port}"


@pytest.fixture
def elsewhere(plain_port: int) -> Iterator[str]:
    """A server whose data truly is at another address, which is this machine's too."""
    here, there = b"(127,0,0,1,", b"(127,0,0,5,"
    with FaultProxy(plain_port, to_client=lines(lambda line: line.replace(here, there))) as proxy:
        yield f"ftp://localhost:{proxy.port}"


def get(client: FtpClient, url: str, file: Path, attr: FtpClientOperationAttr | None = None) -> int:
    with Path("/dev/null").open("wb") as sink:
        return client.get(f"{url}{file}", attr, into=sink).result(20)


def put(client: FtpClient, url: str, file: Path) -> object:
    with file.open("rb") as source:
        return client.put(f"{url}{file}.2", source=source).result(20)


def put_many(client: FtpClient, url: str, file: Path) -> object:
    with file.open("rb") as source:
        return client.put_files([(f"{url}{file}.2", source)]).result(20)


@pytest.mark.parametrize(
    "use",
    [
        get,
        put,
        put_many,
        lambda client, url, file: list(client.scandir(f"{url}{file.parent}/")),
    ],
)
def test_nothing_is_connected_to(
    liar: str, file: Path, plain_url: str, use: Callable[[FtpClient, str, Path], object]
) -> None:
    began = time.monotonic()
    with FtpClient() as client:
        with pytest.raises(FtpClientDataAddressError) as caught:
            use(client, liar, file)
        assert caught.value.address == "192.0.2.1"
        assert caught.value.url.startswith(liar)
        assert not caught.value.transient
        assert "data_hosts=['192.0.2.1']" in str(caught.value)
        assert time.monotonic() - began < 5  # a connection to there would take for ever
        assert get(client, plain_url, file) == len(DATA)


def test_the_other_server_is_not_sent_there_either(liar: str, plain_url: str, file: Path) -> None:
    with FtpClient() as client:
        with pytest.raises(FtpClientDataAddressError) as caught:
            transfer = client.third_party_transfer(
                f"{plain_url}{file}", None, f"{liar}{file}.2", None
            )
            transfer.result(20)
        assert caught.value.url == f"{liar}{file}.2"
        client.third_party_transfer(f"{plain_url}{file}", None, f"{plain_url}{file}.3").result(20)
    assert Path(f"{file}.3").read_bytes() == DATA


@pytest.mark.parametrize(
    "hosts", ["*", ["127.0.0.5"], ["localhost", "127.0.0.0/24"], ["192.0.2.0/24", "127.0.0.5/32"]]
)
def test_what_is_allowed_is_connected_to(
    elsewhere: str, file: Path, hosts: str | list[str]
) -> None:
    with FtpClient() as client:
        assert get(client, elsewhere, file, FtpClientOperationAttr(data_hosts=hosts)) == len(DATA)
        with pytest.raises(FtpClientDataAddressError):  # it is that operation's alone
            get(client, elsewhere, file)


@pytest.mark.parametrize("hosts", [None, (), ["127.0.0.4", "127.0.0.8/30"], ["localhost"]])
def test_what_is_not_allowed_is_not(elsewhere: str, file: Path, hosts: list[str] | None) -> None:
    attr = FtpClientOperationAttr(data_hosts=hosts)
    with FtpClient() as client, pytest.raises(FtpClientDataAddressError):
        get(client, elsewhere, file, attr)


def test_striped_transfers_ask_for_several_hosts(elsewhere: str, file: Path) -> None:
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, striped=True)
    with FtpClient() as client:
        assert get(client, elsewhere, file, attr) == len(DATA)
        attr.data_hosts = ()
        assert attr.data_hosts == ()


@pytest.mark.parametrize(
    "nonsense",
    [
        b"227 Entering Passive Mode",
        b"227 Entering Passive Mode (1,2,3)",
        b"227 (127,0,0,1,0,0)",
        b"227 (|1|localhost|22|)",
        b"229 Striped",
        b"229 (",
    ],
)
def test_a_reply_that_makes_no_sense_is_an_error(
    plain_port: int, plain_url: str, file: Path, nonsense: bytes
) -> None:
    with FaultProxy(plain_port, to_client=reply(b"227", nonsense)) as proxy, FtpClient() as client:
        with pytest.raises(FtpClientDataAddressError, match="no sense") as caught:
            get(client, f"ftp://localhost:{proxy.port}", file)
        assert caught.value.address == ""
        assert get(client, plain_url, file) == len(DATA)


def test_gass_copy_is_guarded_too(liar: str, elsewhere: str, file: Path, tmp_path: Path) -> None:
    got = f"file://{tmp_path}/got"
    with GassCopy() as copy:
        with pytest.raises(GassCopyDataAddressError) as caught:
            copy.copy_url_to_url(f"{liar}{file}", None, got, None)
        assert (caught.value.address, caught.value.side) == ("192.0.2.1", "source")
        attr = GassCopyAttr(ftp=FtpClientOperationAttr(data_hosts="127.0.0.5"))
        copy.copy_url_to_url(f"{elsewhere}{file}", attr, got, None)
    assert (tmp_path / "got").read_bytes() == DATA


def test_a_delayed_address_is_looked_at_when_it_comes(grid: Sandbox, url: str, file: Path) -> None:
    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, delayed_pasv=True)
    with FtpClient() as client:
        assert put_with(client, f"{url}{file}.2", file, attr) == len(DATA)
    assert Path(f"{file}.2").read_bytes() == DATA


def put_with(client: FtpClient, url: str, file: Path, attr: FtpClientOperationAttr) -> int:
    with file.open("rb") as source:
        return client.put(url, attr, source=source).result(20)


def test_hosts_are_named_one_by_one() -> None:
    assert FtpClientOperationAttr(data_hosts="one").data_hosts == ("one",)
    assert FtpClientOperationAttr(data_hosts=["a", "b"]).copy().data_hosts == ("a", "b")
    for bad in ("", "a,b", "a b"):
        with pytest.raises(ValueError, match="not a host"):
            FtpClientOperationAttr(data_hosts=bad)


def test_a_name_that_nobody_knows(plain_url: str, file: Path) -> None:
    attr = FtpClientOperationAttr(data_hosts=["nowhere.invalid"])
    with FtpClient() as client:
        with pytest.raises(FtpClientDataAddressError, match=r"nowhere\.invalid"):
            client.get(f"{plain_url}{file}", attr)
        assert get(client, plain_url, file) == len(DATA)


def test_addresses_are_those_of_the_name_in_the_url(plain_port: int, file: Path) -> None:
    for name in ("localhost", "LOCALHOST", "127.0.0.1", "anonymous:secret@localhost"):
        with FtpClient() as client:
            assert get(client, f"ftp://{name}:{plain_port}", file) == len(DATA)
