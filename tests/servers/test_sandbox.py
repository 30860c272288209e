"""A sandbox works as a grid does, and its servers fail as servers do."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cogkit.sandbox import IssuedCredential, Sandbox, SandboxError

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        shutil.which("globus-url-copy") is None, reason="needs globus-gass-copy-progs"
    ),
]


@pytest.fixture(scope="module")
def grid() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def run(
    grid: Sandbox, *command: str | Path, credential: IssuedCredential | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ = {**kept, **grid.environ, **(credential.environ if credential else {})}
    return subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=40, check=False
    )


def get(
    grid: Sandbox, credential: IssuedCredential | None = None, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    source = f"{url or grid.gridftp_url}/etc/hosts"
    return run(grid, "globus-url-copy", source, "file:///dev/null", credential=credential)


def test_it_is_ready_within_five_seconds() -> None:
    begin = time.monotonic()
    with Sandbox():
        assert time.monotonic() - begin < 5


def test_grid_proxy_info_accepts_the_proxy(grid: Sandbox) -> None:
    told = run(grid, "grid-proxy-info", "-identity")
    assert told.stdout.strip() == grid.user.subject


def test_a_file_goes_up_and_comes_down_unchanged(grid: Sandbox, tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.write_bytes(os.urandom(300_000))
    url = f"{grid.gridftp_url}{tmp_path}/remote"
    assert run(grid, "globus-url-copy", original.as_uri(), url).returncode == 0
    assert run(grid, "globus-url-copy", url, copy.as_uri()).returncode == 0
    assert copy.read_bytes() == original.read_bytes()


@pytest.mark.skipif(shutil.which("globus-job-run") is None, reason="needs gram-client-tools")
def test_a_job_runs_and_its_output_comes_back(grid: Sandbox) -> None:
    done = run(grid, "globus-job-run", grid.gram_contact, "/bin/echo", "hello, grid")
    assert (done.returncode, done.stdout) == (0, "hello, grid\n")


@pytest.mark.skipif(shutil.which("globus-job-run") is None, reason="needs gram-client-tools")
def test_a_job_is_at_home_in_the_sandbox(grid: Sandbox) -> None:
    done = run(grid, "globus-job-run", grid.gram_contact, "/bin/sh", "-c", "pwd; echo $HOME")
    assert done.stdout.split() == [str(grid.directory / "home")] * 2


def test_the_servers_listen_on_the_loopback_interface_only(grid: Sandbox) -> None:
    ports = {f"{server.port:04X}" for server in (grid.gridftp, grid.gatekeeper)}
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    listening = {fields[1] for fields in lines if fields[3] == "0A"}
    addresses = {a.partition(":")[0] for a in listening if a.partition(":")[2] in ports}
    assert addresses == {"0100007F"}


def test_an_expired_proxy_is_refused(grid: Sandbox) -> None:
    refused = get(grid, grid.expired_credential())
    assert refused.returncode != 0
    assert "expired" in refused.stderr


def test_an_expired_certificate_is_refused(grid: Sandbox) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    user = grid.issue_user("Yesterday", not_before=past, lifetime=timedelta(days=1))
    refused = get(grid, user)
    assert refused.returncode != 0


def test_a_foreign_authority_is_not_trusted_even_for_the_same_name(grid: Sandbox) -> None:
    foreign = grid.foreign_credential()
    assert foreign.subject == grid.user.subject
    assert get(grid, foreign).returncode != 0


def test_an_unmapped_user_is_known_but_not_authorized(grid: Sandbox) -> None:
    refused = get(grid, grid.issue_user("Mallory", mapped=False))
    assert refused.returncode != 0
    assert "530" in refused.stderr


@pytest.mark.skipif(shutil.which("globusrun") is None, reason="needs gram-client-tools")
def test_the_gatekeeper_refuses_an_unmapped_user(grid: Sandbox) -> None:
    mallory = grid.issue_user("Mallory", mapped=False)
    refused = run(grid, "globusrun", "-a", "-r", grid.gram_contact, credential=mallory)
    assert refused.returncode != 0
    assert run(grid, "globusrun", "-a", "-r", grid.gram_contact).returncode == 0


def test_a_limited_proxy_moves_files(grid: Sandbox) -> None:
    # What it must not do, start jobs, this gatekeeper lets it do: GCT's matter, not ours.
    limited = replace(grid.user, proxy_path=grid.issue_proxy(limited=True))
    assert run(grid, "grid-proxy-info", "-type", credential=limited).stdout.endswith(
        "limited proxy\n"
    )
    assert get(grid, limited).returncode == 0


def test_a_second_mapped_user_is_served_at_once(grid: Sandbox) -> None:
    assert get(grid, grid.issue_user("Bob")).returncode == 0


def test_secrets_are_for_the_owner_only(grid: Sandbox) -> None:
    secrets = [grid.proxy_path, *grid.directory.glob("ca/*-key.pem")]
    assert len(secrets) >= 4
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    assert stat.S_IMODE(grid.directory.stat().st_mode) == 0o700


def test_files_that_are_put_have_ordinary_permissions(grid: Sandbox, tmp_path: Path) -> None:
    run(grid, "globus-url-copy", "file:///etc/hosts", f"{grid.gridftp_url}{tmp_path}/put")
    umask = os.umask(0)
    os.umask(umask)
    # the server's option perms, which is 0644 by default
    assert stat.S_IMODE((tmp_path / "put").stat().st_mode) == 0o644 & ~umask


def test_two_sandboxes_at_once_do_not_know_each_other(grid: Sandbox) -> None:
    with Sandbox() as other:
        assert other.gridftp.port != grid.gridftp.port
        assert get(other).returncode == 0
        assert get(grid, other.user).returncode != 0
    assert get(grid).returncode == 0


def test_a_killed_server_refuses_connections_until_it_is_restarted() -> None:
    with Sandbox() as grid:
        for server in (grid.gridftp, grid.gatekeeper):
            before = server.pid
            server.kill()
            assert server.pid is None
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", server.port), timeout=5)
            server.restart()
            assert server.pid not in (None, before)
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        assert get(grid).returncode == 0


def test_a_stopped_server_is_silent_until_it_is_continued(grid: Sandbox) -> None:
    grid.gridftp.stop()
    try:
        with socket.create_connection(("127.0.0.1", grid.gridftp.port), timeout=5) as client:
            client.settimeout(0.3)
            with pytest.raises(TimeoutError):
                client.recv(3)
            grid.gridftp.cont()
            client.settimeout(10)
            assert client.recv(3) == b"220"
    finally:
        grid.gridftp.cont()


def test_a_second_gridftp_server_takes_options(grid: Sandbox, tmp_path: Path) -> None:
    second = grid.add_gridftp(banner="the second one", log_level="ALL")
    with socket.create_connection(("127.0.0.1", second.port), timeout=5) as client:
        client.settimeout(5)
        assert b"the second one" in client.recv(4096)
    third_party = run(
        grid,
        "globus-url-copy",
        f"{grid.gridftp_url}/etc/hosts",
        f"{second.url}{tmp_path}/hosts",
    )
    assert third_party.returncode == 0
    assert (tmp_path / "hosts").read_bytes() == Path("/etc/hosts").read_bytes()


def test_a_server_with_a_wrong_option_is_an_error_and_the_grid_goes_on(grid: Sandbox) -> None:
    with pytest.raises(SandboxError, match="did not start"):
        grid.add_gridftp("-no-such-option")
    assert get(grid).returncode == 0


def test_a_port_in_use_is_an_error(grid: Sandbox) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(SandboxError, match="did not start"),
    ):
        grid.add_gridftp(port=taken.getsockname()[1])


def test_the_servers_see_no_other_grid_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X509_USER_PROXY", "/nonexistent")
    monkeypatch.setenv("GLOBUS_TCP_PORT_RANGE", "1,2")
    with Sandbox() as grid:
        environ = Path(f"/proc/{grid.gridftp.pid}/environ").read_bytes().split(b"\0")
        assert b"X509_USER_PROXY=" in environ
        assert not [each for each in environ if each.startswith(b"GLOBUS_TCP")]
        assert get(grid).returncode == 0


def test_a_grid_works_in_an_environment_that_is_almost_empty() -> None:
    script = (
        "import os, subprocess; from cogkit.sandbox import Sandbox\n"
        "with Sandbox() as grid:\n"
        "    subprocess.run(['globus-job-run', grid.gram_contact, '/bin/echo', 'hello'],"
        " env=os.environ | grid.environ, check=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.environ.get("PYTHONPATH", "")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr
