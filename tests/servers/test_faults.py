"""Bad days of the GridFTP client and of GRAM: each a typed error, within its deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Mode,
    Operation,
    Protection,
)
from pyGlobus.globusException import (
    AuthenticationError,
    CredentialError,
    GlobusException,
    GlobusTimeoutError,
)
from pyGlobus.gramClient import (
    GramClient,
    GramClientAuthenticationError,
    GramClientConnectionError,
    GramClientCredentialError,
    GramClientFileNotFoundError,
    GramClientValueError,
)
from pyGlobus.security import Credential
from waiting import until


@contextmanager
def within(seconds: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < seconds


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def sink() -> Iterator[int]:
    descriptor = os.open("/dev/null", os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def children(pid: int) -> list[int]:
    """The processes that a server has forked for its sessions."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def test_a_silent_server_costs_no_more_than_the_deadline(
    grid_env: object, silent: int, sink: int
) -> None:
    target = f"gsiftp://127.0.0.1:{silent}/x"
    with FtpClient() as client:
        with within(3), pytest.raises(GlobusTimeoutError, match="no answer within 1 s"):
            client.size(target, timeout=1).result()
        with within(3), pytest.raises(GlobusTimeoutError, match="no data for 1 s"):
            client.get(target, into=sink, stall_timeout=1).result()


def test_a_silent_gatekeeper_costs_no_more_than_the_deadline(grid_env: object, silent: int) -> None:
    with GramClient() as client, within(3), pytest.raises(GlobusTimeoutError):
        client.submit_request(f"localhost:{silent}", "&(executable=/bin/true)", timeout=1)


def test_nobody_listens(grid_env: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with FtpClient() as client, pytest.raises(ConnectionError) as error:
        client.size(f"gsiftp://localhost:{port}/x").result()
    assert isinstance(error.value, FtpClientConnectionError)
    assert error.value.transient
    with GramClient() as gram, pytest.raises(GramClientConnectionError):
        gram.ping(f"localhost:{port}")


@pytest.fixture
def own_server(grid: Sandbox, grid_env: object) -> Iterator[object]:
    server = grid.add_gridftp()
    yield server
    server.kill()


def test_a_server_killed_in_mid_transfer(own_server: object, endless_file: Path, sink: int) -> None:
    with FtpClient() as client:
        operation = client.get(f"{own_server.url}{endless_file}", into=sink)  # type: ignore[attr-defined]
        until(lambda: operation.bytes_done > 1_000_000)
        for pid in children(own_server.pid):  # type: ignore[attr-defined]
            os.kill(pid, signal.SIGKILL)
        with within(5), pytest.raises(FtpClientConnectionError):
            operation.result(10)
        assert client.size(f"{own_server.url}{endless_file}").result() == 64 << 30  # type: ignore[attr-defined]


def test_a_server_stopped_in_mid_transfer(
    own_server: object, endless_file: Path, sink: int
) -> None:
    with FtpClient() as client:
        operation = client.get(f"{own_server.url}{endless_file}", into=sink, stall_timeout=3)  # type: ignore[attr-defined]
        until(lambda: operation.bytes_done > 1_000_000)
        stopped = children(own_server.pid)  # type: ignore[attr-defined]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        with within(9), pytest.raises(GlobusTimeoutError, match="no data for 3 s"):
            operation.result(12)
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        assert client.size(f"{own_server.url}{endless_file}").result() == 64 << 30  # type: ignore[attr-defined]


EXTENDED = {"mode": Mode.EXTENDED_BLOCK}


def put(client: FtpClient, url: str, big: Path, sink: int) -> Operation[int]:
    source = os.open("/dev/zero", os.O_RDONLY)
    try:
        return client.put(f"{url}/dev/null", source=source, stall_timeout=3)
    finally:
        os.close(source)  # the transfer has one of its own


def get_with(**values: object) -> Callable[..., Operation[int]]:
    def start(client: FtpClient, url: str, big: Path, sink: int) -> Operation[int]:
        attr = FtpClientOperationAttr(**values)
        return client.get(f"{url}{big}", attr, into=sink, stall_timeout=3)

    return start


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize(
    "start",
    [
        put,
        get_with(data_protection=Protection.PRIVATE),
        get_with(**EXTENDED, parallelism=3),
        get_with(**EXTENDED, data_protection=Protection.PRIVATE, parallelism=2),
    ],
    ids=["put", "private", "parallel", "private-parallel"],
)
def test_a_session_killed_or_stopped_in_any_transfer(
    own_server: object, endless_file: Path, sink: int, start: Callable[..., Operation[int]],
    fault: signal.Signals,
) -> None:  # fmt: skip
    server: str = own_server.url  # type: ignore[attr-defined]
    with FtpClient() as client:
        operation = start(client, server, endless_file, sink)
        until(lambda: operation.bytes_done > 1_000_000)
        victims = children(own_server.pid)  # type: ignore[attr-defined]
        for pid in victims:
            os.kill(pid, fault)
        with within(9), pytest.raises((ConnectionError, GlobusTimeoutError)):
            operation.result(12)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert client.size(f"{server}{endless_file}").result() == 64 << 30


def test_what_is_taken_for_a_stale_connection_is_begun_again_once(
    own_server: object, big_file: Path, sink: int
) -> None:
    server: str = own_server.url  # type: ignore[attr-defined]
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        assert client.exists(f"{server}{big_file}").result()
        operation = put(client, server, big_file, sink)
        before: list[int] = []
        for _ in range(2):
            moved = operation.bytes_done
            until(lambda: operation.bytes_done > moved + 1_000_000)  # noqa: B023
            until(lambda: children(own_server.pid) not in ([], before))  # type: ignore[attr-defined]  # noqa: B023
            before = children(own_server.pid)  # type: ignore[attr-defined]
            for pid in before:
                os.kill(pid, signal.SIGKILL)
        with within(8), pytest.raises(ConnectionError):
            operation.result(12)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_session_killed_or_stopped_in_a_listing(
    own_server: object, tmp_path: Path, fault: signal.Signals
) -> None:
    for number in range(2_000):
        os.close(os.open(tmp_path / f"{number:0200}", os.O_CREAT | os.O_WRONLY))
    server: str = own_server.url  # type: ignore[attr-defined]
    with FtpClient() as client:
        # with a small buffer, much of the listing is with the server yet
        attr = FtpClientOperationAttr(tcp_buffer=8192)
        entries = client.scandir(f"{server}{tmp_path}", attr, stall_timeout=2)
        next(entries)  # type: ignore[call-overload]
        victims = children(own_server.pid)  # type: ignore[attr-defined]
        for pid in victims:
            os.kill(pid, fault)
        with within(10), pytest.raises((ConnectionError, GlobusTimeoutError)):
            list(entries)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert client.exists(f"{server}{tmp_path}").result()


def use(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)


def ftp_error(url: str) -> GlobusException:
    with FtpClient() as client, pytest.raises(GlobusException) as error:
        client.size(f"{url}/etc/hostname").result()
    return error.value


def gram_error(rm: str) -> GlobusException:
    with pytest.raises(GlobusException) as error, GramClient() as client:
        client.ping(rm)
    return error.value


def test_no_credential(url: str, rm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use(
        monkeypatch,
        dict.fromkeys(("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"), "/nowhere/x"),
    )
    for error in (ftp_error(url), gram_error(rm)):
        assert isinstance(error, CredentialError)
        assert "no credential found" in str(error)
        assert "X509_USER_PROXY=/nowhere/x (not there)" in str(error)
        assert "cogkit proxy init" in str(error)


def test_an_expired_proxy(
    grid: Sandbox, url: str, rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, grid.expired_credential().environ)
    for error in (ftp_error(url), gram_error(rm)):
        assert isinstance(error, CredentialError)
        assert "expired" in str(error)
        assert "cogkit proxy init" in str(error)
    assert isinstance(gram_error(rm), GramClientCredentialError)


def test_a_ca_that_the_server_does_not_know(
    grid: Sandbox, url: str, rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, grid.foreign_credential().environ)
    error = ftp_error(url)
    assert isinstance(error, AuthenticationError)
    assert "the CA that issued it is not among them" in str(error)
    assert isinstance(gram_error(rm), GramClientAuthenticationError)


def test_a_ca_that_we_do_not_know(
    url: str, rm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X509_CERT_DIR", str(tmp_path))
    for error in (ftp_error(url), gram_error(rm)):
        assert isinstance(error, AuthenticationError)
        assert "the CA that issued it is not among them" in str(error)


def test_a_server_of_another_name(grid: Sandbox, grid_env: object) -> None:
    server = grid.add_gridftp(credential=grid.issue_host("other.example.org"))
    error = ftp_error(server.url)
    server.kill()
    assert isinstance(error, AuthenticationError)
    assert "other.example.org" in str(error)


def test_nobody_in_the_grid_mapfile(
    grid: Sandbox, url: str, rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, grid.issue_user("stranger", mapped=False).environ)
    error = ftp_error(url)
    assert isinstance(error, AuthenticationError)
    assert "CN=stranger" in str(error)
    assert "CN=stranger" in str(gram_error(rm))


def test_gram_says_what_is_wrong_with_a_request(rm: str) -> None:
    with GramClient() as client:
        with pytest.raises(GramClientValueError, match="RSL"):
            client.submit_request(rm, "&(executable=")
        with pytest.raises(GramClientValueError, match="contact"):
            client.submit_request("", "&(executable=/bin/true)")
        with pytest.raises(GramClientFileNotFoundError, match="service"):
            client.submit_request(
                rm.replace("jobmanager-fork", "jobmanager-none"), "&(executable=/bin/true)"
            )


def test_a_proxy_file_that_others_may_read_is_refused(grid: Sandbox, tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.write_bytes(grid.proxy_path.read_bytes())
    path.chmod(0o644)
    with pytest.raises(CredentialError, match="open to others"):
        Credential.load(path)
