"""``cogkit proxy``."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from cli import COGKIT, assert_fails, cogkit
from cogkit.sandbox import IssuedCredential, Sandbox

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def careful(grid: Sandbox) -> IssuedCredential:
    """Somebody whose key has a passphrase."""
    return grid.issue_user("Careful", passphrase="open sesame", proxy=False)


def pair(of: IssuedCredential) -> list[str | Path]:
    return ["--cert", of.cert_path, "--key", of.key_path]


def test_a_proxy_is_made_shown_used_and_destroyed(grid: Sandbox, url: str, tmp_path: Path) -> None:
    proxy = tmp_path / "proxy"
    mine = {"X509_USER_PROXY": str(proxy)}
    done = cogkit("proxy", "init", "--hours", "2", env=mine)
    assert (done.returncode, done.stderr) == (0, "")
    assert grid.user.subject in done.stdout
    assert proxy.stat().st_mode & 0o777 == 0o600
    told = json.loads(cogkit("proxy", "info", "--json", env=mine).stdout)
    assert told["identity"] == grid.user.subject
    assert 7000 < told["seconds_left"] <= 7200
    assert (told["strength"], told["path"], told["valid"]) == (2048, str(proxy), True)
    assert grid.user.subject in cogkit("proxy", "info", env=mine).stdout
    assert cogkit("ls", f"{url}/~/", env=mine).returncode == 0
    assert cogkit("proxy", "destroy", env=mine).returncode == 0
    assert not proxy.exists()
    assert_fails(cogkit("proxy", "destroy", env=mine), 4, str(proxy))


def test_every_option_of_init_is_in_the_proxy(grid_env: object, tmp_path: Path) -> None:
    done = cogkit(
        "proxy", "init", "--lifetime", "1:30", "--bits", "3072", "--limited", "--path-length", "1",
        "--out", tmp_path / "p", "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert 5300 < told["seconds_left"] <= 5400
    assert (told["strength"], told["path_length"]) == (3072, 1)
    assert "limited" in told["type"]


def test_a_script_asks_whether_a_proxy_is_good_for_long_enough(
    grid_env: object, tmp_path: Path
) -> None:
    cogkit("proxy", "init", "--hours", "1", "--out", tmp_path / "p")
    for arguments, code in (
        (["--file", tmp_path / "p"], 0),
        (["--file", tmp_path / "p", "--hours", "0.5"], 0),
        (["--file", tmp_path / "p", "--lifetime", "2:00"], 3),
        (["--file", tmp_path / "none"], 3),
    ):
        done = cogkit("proxy", "info", "--exists", *arguments)
        assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_passphrase_comes_from_standard_input(
    grid_env: object, careful: IssuedCredential, tmp_path: Path
) -> None:
    command = ["proxy", "init", *pair(careful), "--out", tmp_path / "p", "--passphrase-stdin"]
    assert_fails(cogkit(*command, stdin="wrong\n"), 3, "does not open")
    assert not (tmp_path / "p").exists()
    assert cogkit(*command, stdin="open sesame\n").returncode == 0
    assert (tmp_path / "p").exists()


def test_without_a_terminal_nothing_waits_for_a_passphrase(
    grid_env: object, careful: IssuedCredential, tmp_path: Path
) -> None:
    done = cogkit("proxy", "init", *pair(careful), "--out", tmp_path / "p", timeout=10)
    assert_fails(done, 3, "no terminal", "--passphrase-stdin")


def test_on_a_terminal_the_passphrase_is_asked_for_and_not_shown(
    grid_env: object, careful: IssuedCredential, tmp_path: Path
) -> None:
    # -c gives the child a terminal of its own
    command = [*COGKIT, "proxy", "init", *map(str, pair(careful)), "--out", str(tmp_path / "p")]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    shown = b""
    while b"Passphrase" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"open sesame\n")
    while True:
        try:
            shown += os.read(terminal, 1000)
        except OSError:  # the other end is closed
            break
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert b"sesame" not in shown
    assert (tmp_path / "p").exists()


def test_an_unencrypted_key_asks_nothing(grid: Sandbox, grid_env: object, tmp_path: Path) -> None:
    done = cogkit("proxy", "init", *pair(grid.user), "--out", tmp_path / "p", timeout=10)
    assert done.returncode == 0


def test_a_proxy_that_ends_early_is_announced(grid_env: object, tmp_path: Path) -> None:
    done = cogkit("proxy", "init", "--hours", "9999", "--out", tmp_path / "p")
    assert done.returncode == 0
    assert "certificate ends then" in done.stderr


def test_wrong_usage_is_said(grid_env: object, tmp_path: Path) -> None:
    for arguments in (
        ["--hours", "1", "--lifetime", "1:00"],
        ["--lifetime", "soon"],
        ["--hours", "-1"],
        ["--hours", "1e300"],
        ["--hours", "0"],
        ["--lifetime", "0:00"],
        ["--lifetime", "999999999999:00"],
        ["--bits", "99999999"],
        ["--path-length", "99999999999"],
        ["--hours", "nan"],
        ["--bits", "12"],
        ["--path-length", "-1"],
    ):
        done = cogkit("proxy", "init", "--out", tmp_path / "p", *arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "p").exists()


def test_a_proxy_cannot_be_written_where_there_is_no_place(
    grid_env: object, tmp_path: Path
) -> None:
    place = tmp_path / "no" / "p"
    assert_fails(cogkit("proxy", "init", "--out", place), 4, f"{place}: No such file")


def test_a_lifetime_beyond_all_measure_is_that_of_the_certificate(
    grid_env: object, tmp_path: Path
) -> None:
    assert cogkit("proxy", "init", "--hours", "1e9", "--out", tmp_path / "p").returncode == 0


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_plain_file_is_not_destroyed(
    kind: str, grid_env: object, tmp_path: Path
) -> None:
    path = tmp_path / "odd"
    path.mkdir() if kind == "directory" else os.mkfifo(path)
    assert_fails(cogkit("proxy", "destroy", path, timeout=10), 3, "is not a plain file; left alone")
    assert path.exists()


def test_grid_proxy_info_agrees(grid_env: object, tmp_path: Path) -> None:
    cogkit("proxy", "init", "--out", tmp_path / "p")
    told = json.loads(cogkit("proxy", "info", "--json", "--file", tmp_path / "p").stdout)
    try:
        theirs = subprocess.run(
            ["grid-proxy-info", "-file", tmp_path / "p", "-subject", "-type"],
            capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs globus-proxy-utils")
    assert theirs.stdout.splitlines() == [told["subject"], told["type"]]
