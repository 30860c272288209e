"""The tutorial's examples run as they stand in examples/."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus import gramClient

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: str, environ: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        env={**os.environ, **environ}, capture_output=True, timeout=50, check=False,
    )  # fmt: skip


def test_slide_10_hears_of_every_state(grid_env: dict[str, str]) -> None:
    done = run("slide10_gram_client.py", grid_env["COGKIT_SANDBOX_GRAM"], environ=grid_env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    # the first change of state may be quicker than the answer to the request
    assert sum(line.startswith("https://") for line in lines) == 1
    assert [line for line in lines if line.isupper()][-2:] == ["ACTIVE", "DONE"]


def test_slide_10_says_what_is_wrong(grid_env: dict[str, str]) -> None:
    done = run("slide10_gram_client.py", "localhost:1", environ=grid_env)
    assert done.returncode == 1
    assert b"connection to the server failed" in done.stderr


SLIDE_10 = """\
try:
    gramClient = GramClient.GramClient()
    callbackContact = gramClient.set_callback(func, condV)
    jobContact = gramClient.submit_request(rm, rsl, GramClient.JOB_STATE_ALL)
except GramClient.GramClientException as ex:
    print(ex.msg)
    sys.exit(-1)
"""


def test_slide_10_runs_as_it_stands(rm: str, capsys: pytest.CaptureFixture[str]) -> None:
    ended = threading.Event()

    def func(arg: object, contact: str, state: gramClient.JobState, error: int) -> None:
        assert arg is ended
        if state.is_final:
            ended.set()

    names: dict[str, Any] = {
        "GramClient": gramClient, "sys": sys, "func": func, "condV": ended, "rm": rm,
        "rsl": "&(executable=/bin/true)",
    }  # fmt: skip
    exec(SLIDE_10, names)
    assert ended.wait(30)
    names["gramClient"].close()
    assert names["jobContact"].startswith("https://")
    names["rsl"] = "&(executable"
    with pytest.raises(SystemExit) as left:
        exec(SLIDE_10, names)
    names["gramClient"].close()
    assert left.value.code == -1
    assert "RSL" in capsys.readouterr().out


def test_slide_15_gets_the_file(grid_env: dict[str, str], remote: Path) -> None:
    data = os.urandom(1_000_000)
    (remote / "data").write_bytes(data)
    url = f"{grid_env['COGKIT_SANDBOX_GRIDFTP']}{remote}/data"
    done = run("slide15_ftp_client.py", url, environ=grid_env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == data
    missing = run("slide15_ftp_client.py", url + "x", environ=grid_env)
    assert missing.returncode == 1
    assert b"No such file" in missing.stderr


def test_slide_17_collects_the_output(grid_env: dict[str, str]) -> None:
    done = run("slide17_gass_server_ez.py", grid_env["COGKIT_SANDBOX_GRAM"], environ=grid_env)
    assert (done.returncode, done.stdout) == (0, b"Hello, Grid!\n"), done.stderr


def test_slide_19_copies_the_file(grid_env: dict[str, str], remote: Path) -> None:
    data = os.urandom(1_000_000)
    (remote / "data").write_bytes(data)
    url = f"{grid_env['COGKIT_SANDBOX_GRIDFTP']}{remote}/data"
    done = run("slide19_gass_copy.py", url, f"file://{remote}/copy", environ=grid_env)
    assert done.returncode == 0, done.stderr
    assert (remote / "copy").read_bytes() == data
    missing = run("slide19_gass_copy.py", url + "x", f"file://{remote}/copy", environ=grid_env)
    assert missing.returncode == 1
    assert b"No such file" in missing.stderr
    assert (remote / "copy").read_bytes() == data


def test_the_readmes_program_moves_and_runs(grid_env: dict[str, str]) -> None:
    done = run("move_and_run.py", environ=grid_env)
    assert done.returncode == 0, done.stderr
    assert b"bytes are there" in done.stdout


def test_the_readme_shows_that_program() -> None:
    program = (EXAMPLES / "move_and_run.py").read_text()
    shown = (EXAMPLES.parent / "README.md").read_text().split("```python\n")[1].split("```")[0]
    kept = [line.split("  # noqa")[0] for line in program.splitlines()]
    assert shown.strip() in "\n".join(kept)


def test_slide_20_delegates_over_a_context(grid: Sandbox, grid_env: dict[str, str]) -> None:
    server = subprocess.Popen(
        [sys.executable, "-W", "error", EXAMPLES / "slide20_gss.py", "accept"],
        env={**os.environ, **grid_env, "X509_USER_CERT": str(grid.host.cert_path),
             "X509_USER_KEY": str(grid.host.key_path)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        done = run("slide20_gss.py", port, environ=grid_env)
        said, _ = server.communicate(timeout=30)
    finally:
        server.kill()
        server.wait()
    assert (done.returncode, done.stdout) == (0, b"HELLO\n"), done.stderr
    assert said.splitlines() == [
        "this is /O=Grid/OU=Sandbox/CN=Sandbox User",
        "a proxy of /O=Grid/OU=Sandbox/CN=Sandbox User",
    ]


def test_slide_20_edits_a_grid_mapfile(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    done = run("slide20_gridmap.py", str(path), "/O=Grid/CN=Ann Other", "nobody", environ={})
    assert (done.returncode, done.stdout) == (0, b"/O=Grid/CN=Ann Other is nobody\n"), done.stderr
    done = run("slide20_gridmap.py", str(path), "CN=Ann,O=Grid", "nobody", environ={})
    assert done.returncode == 1
    assert b"with slashes" in done.stderr
