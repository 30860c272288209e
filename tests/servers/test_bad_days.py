"""Full disks, spent descriptors, passwords, and credentials that end meanwhile."""

from __future__ import annotations

import errno
import os
import pwd
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientException,
    FtpClientOperationAttr,
    FtpClientValueError,
    Mode,
    Protection,
)
from pyGlobus.gassCopy import GassCopy
from pyGlobus.globusException import AuthenticationError, CredentialError, GlobusException

pytestmark = pytest.mark.timeout(60)

DATA = os.urandom(300_000)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


def put(client: FtpClient, url: str, file: Path, attr: FtpClientOperationAttr | None = None) -> int:
    with file.open("rb") as source:
        return client.put(url, attr, source=source, stall_timeout=5).result(30)


def get(client: FtpClient, url: str, attr: FtpClientOperationAttr | None = None) -> int:
    with Path("/dev/null").open("wb") as sink:
        return client.get(url, attr, into=sink, stall_timeout=5).result(30)


# --- full disks -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_a_full_disk_at_the_server(url: str, file: Path, mode: Mode) -> None:
    attr = FtpClientOperationAttr(mode=mode)
    with FtpClient() as client:
        with pytest.raises(OSError, match="No space left") as caught:
            put(client, f"{url}/dev/full", file, attr)
        assert caught.value.errno == errno.ENOSPC
        assert put(client, f"{url}{file}.2", file, attr) == len(DATA)


@pytest.mark.parametrize("mode", Mode)
def test_a_full_disk_at_our_end(url: str, file: Path, mode: Mode) -> None:
    attr = FtpClientOperationAttr(mode=mode)
    with FtpClient() as client:
        with (
            Path("/dev/full").open("wb", buffering=0) as sink,
            pytest.raises(OSError, match="No space left") as caught,
        ):
            client.get(f"{url}{file}", attr, into=sink).result(30)
        assert caught.value.errno == errno.ENOSPC
        assert get(client, f"{url}{file}", attr) == len(DATA)


def test_a_quota_at_the_server(grid: Sandbox, grid_env: object, file: Path) -> None:
    server = grid.add_gridftp()
    limit = 100 * 1024
    assert server.pid is not None
    subprocess.run(["prlimit", f"--pid={server.pid}", f"--fsize={limit}:{limit}"], check=True)
    with FtpClient() as client:
        with pytest.raises(GlobusException):
            put(client, f"{server.url}{file}.2", file)
        assert get(client, f"{server.url}{file}") == len(DATA)
    server.kill()


# --- descriptors ------------------------------------------------------------------------


def test_no_descriptor_is_left_to_open(plain_url: str, file: Path) -> None:
    script = """
        import os, resource, sys
        from pyGlobus.ftpClient import FtpClient
        from pyGlobus.globusException import GlobusException
        with FtpClient() as client:
            assert client.size(sys.argv[1]).result(20) == 300_000
            used = len(os.listdir("/proc/self/fd"))
            resource.setrlimit(resource.RLIMIT_NOFILE, (used, 4096))
            try:
                client.size(sys.argv[1]).result(20)
            except (GlobusException, OSError) as error:
                print(type(error).__name__)
            resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 4096))
            print(client.size(sys.argv[1]).result(20))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), f"{plain_url}{file}"],
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("300000\n")


# --- a credential that ends meanwhile -------------------------------------------------------------


def test_a_proxy_that_expires_ends_the_next_session_and_not_this_transfer(
    grid: Sandbox, url: str, remote: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = grid.issue_proxy(lifetime=timedelta(seconds=4))
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, str(proxy))
    os.mkfifo(remote / "pipe")
    with FtpClient() as client, Path("/dev/null").open("wb") as sink:
        operation = client.get(f"{url}{remote}/pipe", into=sink, stall_timeout=20)
        with (remote / "pipe").open("wb") as pipe:
            pipe.write(DATA)
            pipe.flush()
            time.sleep(5)
            pipe.write(DATA)
        assert operation.result(20) == 2 * len(DATA)
    with FtpClient() as client, pytest.raises((CredentialError, AuthenticationError)) as caught:
        client.size(f"{url}{file}").result(20)
    assert "expired" in str(caught.value)


# --- protection -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protection", [Protection.SAFE, Protection.PRIVATE])
def test_a_server_without_gsi_is_never_sent_private_data(
    plain_url: str, file: Path, protection: Protection
) -> None:
    attr = FtpClientOperationAttr(data_protection=protection)
    with FtpClient() as client:
        with pytest.raises(FtpClientValueError, match="GSI"):
            put(client, f"{plain_url}{file}.2", file, attr)
        assert not Path(f"{file}.2").exists()


# --- plain FTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def password_url(grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A server with a password file, in the clear."""
    account = pwd.getpwuid(os.getuid())
    # "sesame", by DES: what the server calls is DES_crypt()
    digest = "sab06ANh7.9gw"
    path = tmp_path_factory.mktemp("password") / "file"
    path.write_text(
        f"{account.pw_name}:{digest}:{account.pw_uid}:{account.pw_gid}::{account.pw_dir}:/bin/sh\n"
    )
    path.chmod(0o600)
    return f"ftp://localhost:{grid.add_gridftp('-password-file', str(path)).port}"


@pytest.mark.parametrize("way", ["attributes", "url"])
def test_a_password_opens(password_url: str, grid_env: object, file: Path, way: str) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    attr, url = None, password_url
    if way == "url":
        url = url.replace("://", f"://{name}:sesame@")
    else:
        attr = FtpClientOperationAttr(user=name, password="sesame")
    with FtpClient() as client:
        assert put(client, f"{url}{file}.2", file, attr) == len(DATA)
        assert get(client, f"{url}{file}.2", attr) == len(DATA)
        assert client.size(f"{url}{file}", attr).result(20) == len(DATA)


@pytest.mark.parametrize(
    ("user", "password"),
    [(None, "wrong"), (None, ""), ("nobody-here", "sesame"), ("anonymous", "x")],
)
def test_a_wrong_password_does_not(
    password_url: str, grid_env: object, file: Path, user: str | None, password: str
) -> None:
    attr = FtpClientOperationAttr(user=user or pwd.getpwuid(os.getuid()).pw_name, password=password)
    with FtpClient() as client, pytest.raises(AuthenticationError) as caught:
        client.size(f"{password_url}{file}", attr).result(20)
    assert caught.value.code == 530
    assert not isinstance(caught.value, FtpClientException) or caught.value.reply_code == 530


def test_anybody_is_served_without_a_name(plain_url: str, file: Path) -> None:
    with FtpClient() as client:
        assert put(client, f"{plain_url}{file}.2", file) == len(DATA)
        assert get(client, f"{plain_url}{file}.2") == len(DATA)
        assert [entry.size for entry in client.scandir(f"{plain_url}{file}.2")] == [len(DATA)]


def test_the_name_in_a_url_is_of_that_url_alone(
    password_url: str, plain_url: str, grid_env: object, file: Path
) -> None:
    name = pwd.getpwuid(os.getuid()).pw_name
    named = password_url.replace("://", f"://{name}:ses%61me@")
    with FtpClient() as client:
        client.third_party_transfer(f"{named}{file}", None, f"{plain_url}{file}.2").result(20)
        with pytest.raises(AuthenticationError):
            client.size(f"{password_url}{file}").result(20)
    assert Path(f"{file}.2").read_bytes() == DATA
    with GassCopy() as copy:
        copy.copy_url_to_url(f"{plain_url}{file}", None, f"{named}{file}.3", None)
    assert Path(f"{file}.3").read_bytes() == DATA
