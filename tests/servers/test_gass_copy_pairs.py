"""Every pair of protocols that can be copied between, and how each fails."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import FtpClientHandleAttr
from pyGlobus.gassCopy import (
    GassCopy,
    GassCopyAttr,
    GassCopyAuthenticationError,
    GassCopyConnectionError,
    GassCopyCredentialError,
    GassCopyException,
    GassCopyFileNotFoundError,
    GassCopyHandleAttr,
    GassCopyPermissionError,
    GassCopyValueError,
)
from pyGlobus.gassTransfer import Authorization, GassRequestAttr
from pyGlobus.security import Credential

DATA = os.urandom(1_500_001)
SCHEMES = ("file", "http", "https", "ftp", "gsiftp")


class _Web(BaseHTTPRequestHandler):
    """Enough of a web server for files: GET, and PUT in chunks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.path)
        if path.name == "secret":
            self.send_error(403)
        elif not path.is_file():
            self.send_error(404)
        else:
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if path.name == "cut" else data)
        self.close_connection = True

    def do_PUT(self) -> None:
        data = b""
        self.close_connection = True
        if not Path(self.path).parent.is_dir():
            return
        while size := int(self.rfile.readline() or b"-1", 16):
            if size < 0:
                return  # broken off
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        Path(self.path).write_bytes(data)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@contextlib.contextmanager
def gass_server(environ: dict[str, str]) -> Iterator[str]:
    command = ["globus-gass-server", "-r", "-w"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environ}
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


@pytest.fixture(scope="module")
def https(grid: Sandbox) -> Iterator[str]:
    with gass_server(grid.environ) as url:
        yield url


@pytest.fixture(scope="module")
def ftp(grid: Sandbox) -> Iterator[str]:
    """A GridFTP server that anybody may use, in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        "/usr/sbin/globus-gridftp-server", "-aa", "-allow-root", "-anonymous-user",
        getpass.getuser(), "-p", str(port), "-home-dir", "/",
        "-control-interface", "127.0.0.1", "-data-interface", "127.0.0.1",
    ]  # fmt: skip
    environ = {**os.environ, **grid.environ}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environ) as server:
        try:
            for _ in range(500):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            yield f"ftp://localhost:{port}"
        finally:
            server.kill()


@pytest.fixture
def bases(url: str, http: str, https: str, ftp: str) -> dict[str, str]:
    return {"file": "file://", "http": http, "https": https, "ftp": ftp, "gsiftp": url}


@pytest.mark.parametrize("destination", SCHEMES)
@pytest.mark.parametrize("source", SCHEMES)
def test_every_pair_brings_the_bytes(
    bases: dict[str, str], remote: Path, source: str, destination: str
) -> None:
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        for name, size in (("out", len(DATA)), ("empty", 0)):
            (remote / "in").write_bytes(DATA[:size])
            operation = copy.register_url_to_url(
                f"{bases[source]}{remote}/in", None, f"{bases[destination]}{remote}/{name}", None
            )
            operation.result(20)
            assert (remote / name).read_bytes() == DATA[:size]
            if {source, destination} - {"ftp", "gsiftp"}:  # servers tell every 5 s only
                assert operation.bytes_done == size


@pytest.mark.parametrize("destination", SCHEMES)
@pytest.mark.parametrize("source", SCHEMES)
def test_every_pair_tells_what_is_not_there(
    bases: dict[str, str], remote: Path, source: str, destination: str
) -> None:
    (remote / "in").write_bytes(DATA)
    with GassCopy() as copy:
        missing = f"{bases[source]}{remote}/missing"
        with pytest.raises(GassCopyFileNotFoundError) as error:
            copy.copy_url_to_url(
                missing, None, f"{bases[destination]}{remote}/out", None, timeout=20
            )
        assert (error.value.side, error.value.url) == ("source", missing)
        nowhere = f"{bases[destination]}{remote}/no/such/x"
        with pytest.raises(GassCopyException) as refused:
            copy.copy_url_to_url(f"{bases[source]}{remote}/in", None, nowhere, None, timeout=20)
        assert (refused.value.side, refused.value.url) == ("destination", nowhere)
        # a GASS server says no by breaking off
        expected = (
            GassCopyConnectionError if destination.startswith("http") else GassCopyFileNotFoundError
        )
        assert isinstance(refused.value, expected)
        copy.copy_url_to_url(
            f"{bases[source]}{remote}/in", None, f"{bases[destination]}{remote}/out", None
        )
    assert (remote / "out").read_bytes() == DATA


def test_a_forbidden_page(bases: dict[str, str], remote: Path) -> None:
    (remote / "secret").write_bytes(DATA)
    with GassCopy() as copy, pytest.raises(GassCopyPermissionError, match="403"):
        copy.copy_url_to_url(f"{bases['http']}{remote}/secret", None, f"file://{remote}/x", None)
    assert not (remote / "x").exists()


@pytest.mark.parametrize("destination", SCHEMES)
def test_a_page_that_breaks_off_is_no_success(
    bases: dict[str, str], remote: Path, destination: str
) -> None:
    (remote / "cut").write_bytes(DATA)
    with GassCopy() as copy, pytest.raises(GassCopyConnectionError) as error:
        copy.copy_url_to_url(
            f"{bases['http']}{remote}/cut",
            None,
            f"{bases[destination]}{remote}/x",
            None,
            timeout=20,
        )
    assert error.value.side == "source"


def test_an_https_server_of_somebody_else(
    grid: Sandbox, bases: dict[str, str], remote: Path
) -> None:
    (remote / "in").write_bytes(DATA)
    other = grid.issue_user("somebody else")
    with gass_server(other.environ) as theirs, GassCopy() as copy:
        source, out = f"{theirs}{remote}/in", f"file://{remote}/out"
        with pytest.raises(GassCopyAuthenticationError, match=r"somebody else.*GassRequestAttr"):
            copy.copy_url_to_url(source, None, out, None, timeout=10)
        for wrong in (
            GassRequestAttr(subject="/O=Grid/OU=Sandbox/CN=nobody"),
            GassRequestAttr(authorization=Authorization.SELF),
        ):
            with pytest.raises(GassCopyAuthenticationError):
                copy.copy_url_to_url(source, GassCopyAttr(gass=wrong), out, None, timeout=10)
        # and one that is who it shall be, but lets in nobody else
        theirs_only = GassCopyAttr(gass=GassRequestAttr(subject=other.subject))
        with pytest.raises(GassCopyConnectionError):
            copy.copy_url_to_url(source, theirs_only, out, None, timeout=10)


def test_https_takes_no_credential_but_the_process_own(bases: dict[str, str], remote: Path) -> None:
    with GassCopy(credential=Credential.default()) as copy, pytest.raises(GassCopyValueError):
        copy.copy_url_to_url(f"{bases['https']}{remote}/x", None, f"file://{remote}/y", None)


def test_https_without_a_credential(
    bases: dict[str, str], remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, "/nowhere/x")
    with GassCopy() as copy, pytest.raises(GassCopyCredentialError, match="no credential found"):
        copy.copy_url_to_url(f"{bases['https']}{remote}/x", None, f"file://{remote}/y", None)


def test_between_gridftp_servers_with_and_without_a_third_party(url: str, remote: Path) -> None:
    (remote / "in").write_bytes(DATA)
    with GassCopy() as copy:
        for indirect in (True, False, True):
            copy.set_no_third_party_transfers(indirect)
            assert copy.get_no_third_party_transfers() is indirect
            operation = copy.register_url_to_url(
                f"{url}{remote}/in", None, f"{url}{remote}/out", None
            )
            operation.result()
            assert (remote / "out").read_bytes() == DATA
            assert operation.bytes_done == len(DATA)
            (remote / "out").unlink()
