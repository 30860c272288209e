"""What the commands say when something is wrong: one or two lines, the right exit code, in time."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import COGKIT, assert_fails, cogkit
from cogkit.sandbox import Sandbox

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def nobody(tmp_path: Path) -> dict[str, str]:
    """Variables of a user who has no credential at all."""
    none = str(tmp_path / "none")
    return {
        "HOME": str(tmp_path),
        "X509_USER_PROXY": none,
        "X509_USER_CERT": none,
        "X509_USER_KEY": none,
    }


@contextlib.contextmanager
def silent_server() -> Iterator[int]:
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_no_proxy(url: str, rm: str, nobody: dict[str, str]) -> None:
    for arguments in (["ls", url], ["run", "--", "true"], ["proxy", "info"]):
        assert_fails(cogkit(*arguments, env=nobody), 3, "proxy init")


def test_an_expired_proxy(grid: Sandbox, url: str, rm: str) -> None:
    expired = grid.expired_credential().environ
    for arguments in (["ls", url], ["run", "--", "true"]):
        assert_fails(cogkit(*arguments, env=expired), 3, "expired")
    done = cogkit("proxy", "info", env=expired)
    assert (done.returncode, done.stderr) == (3, "")
    assert "expired" in done.stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_an_unreadable_key(grid: Sandbox, tmp_path: Path) -> None:
    # for root nothing is unreadable: it is another user who reads
    for folder in (*tmp_path.parents, tmp_path):
        if folder.owner() == "root" and folder.is_relative_to("/tmp/pytest-of-root"):
            folder.chmod(0o755)
    if subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *COGKIT, "--version"],
        capture_output=True,
    ).returncode:
        pytest.skip("another user cannot run this Python")
    for name, path in (("cert", grid.user.cert_path), ("key", grid.user.key_path)):
        (tmp_path / name).write_bytes(path.read_bytes())
        (tmp_path / name).chmod(0o600 if name == "key" else 0o644)
    done = subprocess.run(
        [
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *COGKIT,
            "proxy", "init", "--cert", tmp_path / "cert", "--key", tmp_path / "key",
            "--out", tmp_path / "proxy",
        ],
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert_fails(done, 3, "Permission denied", str(tmp_path / "key"))


def test_a_key_that_is_open_to_others(grid: Sandbox, grid_env: object, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(grid.user.key_path.read_bytes())
    (tmp_path / "key").chmod(0o644)
    done = cogkit("proxy", "init", "--cert", grid.user.cert_path, "--key", tmp_path / "key")
    assert_fails(done, 3, "open to others", "hmod go=")


def test_an_unknown_authority(grid: Sandbox, url: str, rm: str, tmp_path: Path) -> None:
    trusting_none = {"X509_CERT_DIR": str(tmp_path)}
    assert_fails(cogkit("ls", url, env=trusting_none), 3, "trust")
    assert_fails(cogkit("run", "--", "true", env=trusting_none), 3, "trust")
    foreign = grid.foreign_credential().environ
    assert_fails(cogkit("ls", url, env=foreign), 3, "the CA that issued it")


def test_an_authority_that_the_gatekeeper_does_not_know(grid: Sandbox, rm: str) -> None:
    # In TLS 1.3 it hangs up after our handshake has gone well: GRAM then often reports no more
    # than a broken connection.
    done = cogkit("run", "--", "true", env=grid.foreign_credential().environ)
    assert_fails(done, 3, "the CA that issued it is not among them")


def test_a_server_with_a_wrong_name(grid: Sandbox, grid_env: object) -> None:
    server = grid.add_gridftp(credential=grid.issue_host("elsewhere.example.org"))
    try:
        assert_fails(cogkit("ls", f"{server.url}/"), 5, "elsewhere.example.org")
    finally:
        server.kill()


def test_somebody_who_is_not_in_the_grid_mapfile(grid: Sandbox, url: str, rm: str) -> None:
    stranger = grid.issue_user("Stranger", mapped=False)
    done = cogkit("ls", url, env=stranger.environ)
    assert_fails(done, 5)
    done = cogkit("run", "--", "true", env=stranger.environ)
    assert_fails(done, 5, "grid-mapfile")


def test_a_server_that_is_down(grid_env: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert_fails(cogkit("ls", f"gsiftp://localhost:{port}/"), 6, "refused")
    assert_fails(cogkit("submit", "-r", f"localhost:{port}", "--", "true"), 6)
    assert_fails(cogkit("status", f"https://localhost:{port}/1/2/"), 6)


def test_a_server_that_says_nothing(grid_env: object) -> None:
    with silent_server() as port:
        for arguments in (
            ["ls", "--timeout", "1", f"gsiftp://localhost:{port}/"],
            ["cp", "--timeout", "1", "/etc/hosts", f"gsiftp://localhost:{port}/x"],
            ["cat", "--stall", "1", f"gsiftp://localhost:{port}/x"],
            ["submit", "--timeout", "1", "-r", f"localhost:{port}", "--", "true"],
            ["run", "--submit-timeout", "1", "-r", f"localhost:{port}", "--", "true"],
            ["status", "--timeout", "1", f"https://localhost:{port}/1/2/"],
            ["cancel", "--timeout", "1", f"https://localhost:{port}/1/2/"],
        ):
            begin = time.monotonic()
            assert_fails(cogkit(*arguments), 6)
            assert time.monotonic() - begin < 10, arguments


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ls", "gsiftp:/x"], 2),
        (["ls", "http://localhost/x"], 2),
        (["cp", "/etc/hosts", "gsiftp://localhost:99999/x"], 2),
        (["submit", "-r", "no contact", "--", "true"], 2),
        (["submit", "--rsl", "&(executable"], 2),
        (["submit", "--rsl", "/no/such/file"], 4),
        (["status", "nonsense"], 2),
        (["cancel", "nonsense"], 2),
        (["cat", "/no/such/file"], 4),
    ],
)
def test_malformed_input(grid_env: object, arguments: list[str], code: int) -> None:
    assert_fails(cogkit(*arguments), code)


def test_a_gatekeeper_without_that_service(rm: str) -> None:
    contact = rm.replace("jobmanager-fork", "jobmanager-none")
    assert_fails(cogkit("submit", "-r", contact, "--", "true"), 4, "no such job manager")


def test_a_remote_file_that_is_missing(url: str, tmp_path: Path) -> None:
    for arguments in (["cat"], ["ls"], ["rm"]):
        assert_fails(cogkit(*arguments, f"{url}{tmp_path}/none"), 4, "No such file")
    assert_fails(cogkit("cp", f"{url}{tmp_path}/none", tmp_path / "x"), 4, "No such file")
    assert_fails(cogkit("cp", "/etc/hosts", f"{url}{tmp_path}/no/x"), 4, "/no/x")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.getuid() == 0, reason="for root nothing is unreadable")
def test_a_remote_file_that_is_unreadable(url: str, tmp_path: Path) -> None:
    (tmp_path / "secret").touch(mode=0)
    assert_fails(cogkit("cp", f"{url}{tmp_path}/secret", tmp_path / "x"), 5, "Permission denied")
    assert not (tmp_path / "x").exists()


def test_an_error_with_json_is_an_object_too(url: str, tmp_path: Path) -> None:
    told = json.loads(cogkit("ls", "--json", f"{url}{tmp_path}/none").stdout)
    assert told["exit_code"] == 4
    assert "No such file" in told["error"]


@pytest.mark.parametrize(
    "command",
    [
        *("ls", "cp", "cat", "mkdir", "rm", "run", "submit", "status", "cancel", "demo"),
        *("proxy init", "proxy info", "proxy destroy"),
    ],
)
def test_every_command_documents_an_example_and_its_exit_codes(command: str) -> None:
    text = cogkit(*command.split(), "--help").stdout
    assert "Example: cogkit" in text or "Example: job=" in text
    assert "Exit codes: 0 " in text
