"""A transfer between two servers that fails tells at which of them it did."""

from __future__ import annotations

import contextlib
import os
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox, ServerHandle
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientIsADirectoryError,
    FtpClientNoSpaceError,
    FtpClientOperationAttr,
    FtpClientPermissionError,
    Mode,
)
from pyGlobus.globusException import AuthenticationError, GlobusException

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def servers(grid: Sandbox) -> tuple[ServerHandle, ServerHandle]:
    return grid.add_gridftp(), grid.add_gridftp()


@pytest.fixture
def pair(
    servers: tuple[ServerHandle, ServerHandle], grid_env: object
) -> Iterator[tuple[ServerHandle, ServerHandle]]:
    """Two servers that may be killed."""
    yield servers
    for server in servers:
        if server.pid is None:
            server.restart()


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(b"data")
    return path


def failure(
    source: str,
    dest: str,
    meanwhile: Callable[[], object] | None = None,
    attr: FtpClientOperationAttr | None = None,
) -> GlobusException:
    """What the transfer fails with; the client is as good as new after it."""
    with FtpClient() as client:
        operation = client.third_party_transfer(source, attr, dest, attr, timeout=30)
        if meanwhile is not None:
            time.sleep(0.5)
            meanwhile()
        with pytest.raises(GlobusException) as caught:
            operation.result(20)
        healthy = dest if caught.value.side == "source" else source
        with contextlib.suppress(GlobusException):
            client.exists(healthy).result(20)
    error = caught.value
    assert f"at the {error.side}" in str(error)
    assert error.url == {"source": source, "destination": dest}[error.side]
    again = pickle.loads(pickle.dumps(error))
    assert (again.side, again.url, str(again)) == (error.side, error.url, str(error))
    return error


@pytest.mark.parametrize(
    ("source", "dest", "side", "kind"),
    [
        ("{file}-missing", "{file}.2", "source", FtpClientFileNotFoundError),
        ("{file}", "{file}-missing/2", "destination", FtpClientFileNotFoundError),
        ("{file}/..", "{file}.2", "source", FtpClientIsADirectoryError),
        ("{file}", "{folder}", "destination", FtpClientIsADirectoryError),
        ("{file}", "/proc/sys/kernel/ostype", "destination", FtpClientPermissionError),
        ("{file}", "/dev/full", "destination", FtpClientNoSpaceError),
    ],
)
def test_what_a_server_says_is_told_of_that_server(
    pair: tuple[ServerHandle, ServerHandle],
    file: Path,
    source: str,
    dest: str,
    side: str,
    kind: type[FtpClientException],
) -> None:
    one, other = pair
    source, dest = (text.format(file=file, folder=file.parent) for text in (source, dest))
    error = failure(f"{one.url}{source}", f"{other.url}{dest}")
    assert (error.side, type(error)) == (side, kind)
    assert isinstance(error, FtpClientException)
    assert error.reply_code in (500, 550)
    assert os.strerror(getattr(error, "errno", 0)) in error.reply


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_server_that_is_killed_in_mid_transfer_is_named(
    pair: tuple[ServerHandle, ServerHandle], big_file: Path, side: str, mode: Mode
) -> None:
    one, other = pair
    attr = FtpClientOperationAttr(mode=mode)
    # of what has no end, neither end can be missed
    error = failure(
        f"{one.url}/dev/zero",
        f"{other.url}/dev/null",
        (one if side == "source" else other).kill,
        attr,
    )
    assert isinstance(error, FtpClientConnectionError)
    assert error.transient
    # unless the other one was quicker to tell that its data connection broke
    assert error.side == side or error.reply_code in (426, 500)


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_server_that_is_down_is_named(
    pair: tuple[ServerHandle, ServerHandle], file: Path, side: str
) -> None:
    one, other = pair
    (one if side == "source" else other).kill()
    error = failure(f"{one.url}{file}", f"{other.url}{file}.2")
    assert isinstance(error, FtpClientConnectionError)
    assert error.side == side


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_server_with_a_wrong_name_is_named(
    grid: Sandbox, pair: tuple[ServerHandle, ServerHandle], file: Path, side: str
) -> None:
    other = grid.add_gridftp(credential=grid.issue_host("other.example.org"))
    one = pair[0]
    source, dest = (other, one) if side == "source" else (one, other)
    error = failure(f"{source.url}{file}", f"{dest.url}{file}.2")
    assert isinstance(error, AuthenticationError)
    assert error.side == side
    assert "other.example.org" in str(error)
    other.kill()


def test_a_host_that_does_not_exist_is_named(
    pair: tuple[ServerHandle, ServerHandle], file: Path
) -> None:
    error = failure("gsiftp://nowhere.invalid/file", f"{pair[1].url}{file}.2")
    assert isinstance(error, FtpClientConnectionError)
    assert error.side == "source", error


def test_a_password_is_not_told(plain_url: str, file: Path) -> None:
    source = plain_url.replace("://", "://anonymous:secret@") + f"{file}-missing"
    with FtpClient() as client, pytest.raises(FtpClientFileNotFoundError) as caught:
        client.third_party_transfer(source, None, f"{plain_url}{file}.2").result(20)
    assert caught.value.side == "source"
    assert "secret" not in str(caught.value) + caught.value.url
