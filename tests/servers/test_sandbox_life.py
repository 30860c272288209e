"""A sandbox ends with its creator, whatever happens, and leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cogkit.sandbox import (
    NoSandbox,
    ProgramsMissing,
    Sandbox,
    SandboxError,
    _processes,
    _records,
)
from cogkit.sandbox._servers import find_programs
from waiting import until

pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.skipif(
        shutil.which("globus-url-copy") is None, reason="needs globus-gass-copy-progs"
    ),
]

COGKIT = [sys.executable, "-c", "from cogkit.cli import main; main()"]
HOLD = (
    "import json, time; from cogkit.sandbox import Sandbox\n"
    "with Sandbox() as grid:\n"
    "    print(json.dumps(grid.describe()), flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An own, short TMPDIR, and the proof that nothing is left in it."""
    # tmp_path is asked for so that pytest makes its own directories elsewhere.
    place = Path("/tmp", f"cg{os.getpid()}")
    place.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", str(place))
    for name in ("XDG_RUNTIME_DIR", "COGKIT_SANDBOX_DIR"):
        monkeypatch.delenv(name, raising=False)
    try:
        yield place
        until(lambda: not list(place.iterdir()), "the files are gone")
    finally:
        _records.running()
        shutil.rmtree(place)


def processes_of(sandbox_id: str) -> list[int]:
    needle = f"{_records.MARK}={sandbox_id}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if needle in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def assert_gone(about: dict[str, Any]) -> None:
    until(lambda: _processes.start_time(about["supervisor"]) is None, "the supervisor has ended")
    until(lambda: not processes_of(about["id"]), "the processes are gone")
    assert not Path(about["directory"]).exists()


def cogkit(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COGKIT, "sandbox", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def start_job(grid: Sandbox) -> None:
    """Start a job that outlives its submission, as jobs do."""
    subprocess.run(
        ["globusrun", "-b", "-r", grid.gram_contact, "&(executable=/bin/sleep)(arguments=99)"],
        env={**os.environ, **grid.environ},
        stdout=subprocess.DEVNULL,
        timeout=40,
        check=True,
    )


def test_up_status_env_and_down_work_from_the_shell(own_place: Path) -> None:
    up = cogkit("up", "--json")
    about = json.loads(up.stdout)
    try:
        status = cogkit("status", "--json")
        assert (status.returncode, json.loads(status.stdout)["running"]) == (0, True)
        assert json.loads(cogkit("env", "--json").stdout) == about["environ"]
        used = subprocess.run(
            ["sh", "-c", 'eval "$1"; grid-proxy-info -identity', "sh", cogkit("env").stdout],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        assert used.stdout.strip() == about["user"]["subject"]
    finally:
        assert cogkit("down").returncode == 0
    assert_gone(about)
    assert cogkit("status").returncode == 1


def test_a_named_directory_is_used_and_removed(own_place: Path) -> None:
    path = own_place / "mine"
    up = cogkit("up", "--dir", str(path))
    assert up.returncode == 0
    assert 'eval "$(cogkit sandbox env)"' in up.stdout
    assert cogkit("status", COGKIT_SANDBOX_DIR=str(path)).returncode == 0
    assert cogkit("down", "--dir", str(path)).returncode == 0
    assert not path.exists()


def test_an_empty_directory_that_was_there_stays_and_is_empty(own_place: Path) -> None:
    path = own_place / "mine"
    path.mkdir()
    with Sandbox(path):
        assert any(path.iterdir())
    assert not any(path.iterdir())
    path.rmdir()


def test_a_directory_with_files_in_it_is_refused_and_untouched(own_place: Path) -> None:
    path = own_place / "full"
    path.mkdir()
    (path / "precious").write_text("x")
    refused = cogkit("up", "--dir", str(path))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "not an empty directory" in refused.stderr
    assert (path / "precious").read_text() == "x"
    shutil.rmtree(path)


def test_a_path_too_long_for_a_unix_socket_is_refused(own_place: Path) -> None:
    with pytest.raises(SandboxError, match="too long"):
        Sandbox(own_place / ("x" * 70)).start()


def test_several_running_and_none_named_is_an_error_that_lists_them(own_place: Path) -> None:
    paths = [own_place / "a", own_place / "b"]
    try:
        for path in paths:
            cogkit("up", "--dir", str(path))
        status = cogkit("status")
        assert status.returncode == 1
        assert all(str(path) in status.stderr for path in paths)
    finally:
        for path in paths:
            cogkit("down", "--dir", str(path))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_creator_leaves_no_process_and_no_file(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as creator:
        assert creator.stdout is not None
        about = json.loads(creator.stdout.readline())
        creator.send_signal(number)
    assert_gone(about)


def test_a_forked_copy_of_the_creator_does_not_keep_the_sandbox() -> None:
    script = HOLD.replace("    time.sleep", "    import os; os.fork()\n    time.sleep")
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as creator:
        assert creator.stdout is not None
        about = json.loads(creator.stdout.readline())
        until(lambda: len(_processes.descendants(creator.pid)) >= 2, "it has forked")
        creator.kill()
        assert_gone(about)
        os.killpg(creator.pid, signal.SIGKILL)


@pytest.mark.parametrize("delay", [0.05, 0.2, 0.4, "detached"])
def test_ctrl_c_during_up_leaves_nothing(own_place: Path, delay: float | str) -> None:
    with subprocess.Popen(
        [*COGKIT, "sandbox", "up"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as starting:
        until(lambda: list(own_place.iterdir()), "it has begun")
        if isinstance(delay, str):
            until(lambda: any(one.detached for one in _records.running()), "it is up")
        else:
            time.sleep(delay)
        starting.send_signal(signal.SIGINT)
        code = starting.wait(20)
    if code == 0:  # it was up before the signal came
        assert cogkit("down").returncode == 0
    else:
        assert code == 130
    assert list(own_place.iterdir()) == []


def test_a_grid_that_cannot_be_told_of_does_not_stay(own_place: Path) -> None:
    with Path("/dev/full").open("w") as full:
        up = subprocess.run([*COGKIT, "sandbox", "up"], stdout=full, stderr=subprocess.PIPE)
    assert up.returncode == 8
    assert b"No space left" in up.stderr
    assert list(own_place.iterdir()) == []


@pytest.mark.skipif(shutil.which("globusrun") is None, reason="needs gram-client-tools")
def test_jobs_and_job_managers_end_with_the_sandbox() -> None:
    with Sandbox() as grid:
        about = grid.describe()
        start_job(grid)
        until(lambda: "sleep" in programs_below(about["supervisor"]), "the job runs")
        # the gatekeeper's processes, after which delegated proxies are called
        pids = (Path(about["directory"]) / "log" / "gatekeeper.pids").read_text().split()
    assert pids
    assert_gone(about)
    names = [proxy.name for proxy in Path("/tmp").glob("x509up_p*")]
    assert not [name for name in names if name.removeprefix("x509up_p").split(".")[0] in pids]


def programs_below(pid: int) -> list[str]:
    names = []
    for each in _processes.descendants(pid):
        try:
            names.append(Path(f"/proc/{each}/comm").read_text().strip())
        except OSError:
            continue
    return names


@pytest.mark.skipif(shutil.which("globusrun") is None, reason="needs gram-client-tools")
def test_what_a_killed_supervisor_leaves_is_removed_by_its_creator(own_place: Path) -> None:
    with Sandbox() as grid:
        about = grid.describe()
        os.kill(grid.supervisor_pid, signal.SIGKILL)
    assert list(own_place.iterdir()) == []
    assert_gone(about)


def test_what_a_killed_supervisor_leaves_is_swept_by_the_next_command(own_place: Path) -> None:
    with Sandbox() as grid:
        about = grid.describe()
        start_job(grid)
        os.kill(grid.supervisor_pid, signal.SIGKILL)
        gridftp = next(s["pid"] for s in about["servers"] if s["name"] == "gridftp")
        until(lambda: _processes.start_time(gridftp) is None, "the server died with it")
        with pytest.raises(NoSandbox):
            grid.describe()
        assert cogkit("status").returncode == 1
    assert_gone(about)


def other_namespace() -> list[str]:
    """A command that runs another one where it sees no process of ours."""
    command = ["unshare", "--pid", "--fork", "--mount-proc"]
    if os.getuid():
        command += ["--user", "--map-current-user"]
    if subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode:
        pytest.skip("this machine lets nobody have a PID namespace of his own")
    return command


def test_a_look_from_another_pid_namespace_destroys_nothing(own_place: Path) -> None:
    unshare = other_namespace()
    about = json.loads(cogkit("up", "--json").stdout)
    try:
        seen = subprocess.run(
            [*unshare, *COGKIT, "sandbox", "status", "--json"],
            capture_output=True, text=True, timeout=40,
        )  # fmt: skip
        assert seen.returncode == 0, seen.stderr
        assert json.loads(seen.stdout)["running"] is True
        assert cogkit("status").returncode == 0
        assert Path(about["directory"], "id").exists()
        ended = subprocess.run([*unshare, *COGKIT, "sandbox", "down"], timeout=40)
        assert ended.returncode == 0
    finally:
        cogkit("down")
    assert_gone(about)


def test_what_was_left_in_another_pid_namespace_is_left_to_it(own_place: Path) -> None:
    unshare = other_namespace()
    with Sandbox() as grid:
        about = grid.describe()
        os.kill(grid.supervisor_pid, signal.SIGKILL)
        until(lambda: _processes.start_time(grid.supervisor_pid) is None, "it is dead")
        seen = subprocess.run(
            [*unshare, *COGKIT, "sandbox", "status"], capture_output=True, text=True, timeout=40
        )
        assert seen.returncode == 1
        # its jobs may still run, and cannot be ended from there
        assert Path(about["directory"], "id").exists()
    assert_gone(about)


def test_an_answer_that_came_too_late_answers_nothing_else(own_place: Path) -> None:
    with Sandbox() as grid:
        for _ in range(3):
            with pytest.raises(SandboxError, match="did not answer"):
                grid._link.request("describe", timeout=0)
        second = grid.add_gridftp()
        assert second.name == "gridftp2"
        assert second.pid is not None
        with pytest.raises(SandboxError, match="there is no server"):
            grid._link.request("kill", name="none")
        assert grid.describe()["id"]


def test_missing_programs_are_named_with_their_packages(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cogkit.sandbox._servers.SYSTEM_PROGRAMS", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ProgramsMissing, match=r"apt-get install .*globus-gatekeeper.*dnf install"):
        find_programs()


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("sleep 60", "gatekeeper was not ready in time"),
        ("echo no good >&2; exit 1", "gatekeeper refuses its configuration: no good"),
    ],
    ids=["too slow", "refuses"],
)
def test_a_failed_start_says_why_and_leaves_nothing(
    own_place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    behaviour: str,
    message: str,
) -> None:
    program = tmp_path / "globus-gatekeeper"
    program.write_text(f"#!/bin/sh\n{behaviour}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(SandboxError, match=message):
        Sandbox(timeout=2).start()
    assert list(own_place.iterdir()) == []


def test_a_supervisor_that_cannot_even_begin_is_an_error_with_its_words(
    own_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = own_place / "broken"
    broken.mkdir()
    (broken / "cryptography.py").write_text("raise ImportError('not today')")
    monkeypatch.setattr(
        "cogkit.sandbox._sandbox._supervisor_environ",
        lambda: {**os.environ, "PYTHONPATH": f"{broken}:{os.pathsep.join(sys.path)}"},
    )
    with pytest.raises(SandboxError, match="not today"):
        Sandbox().start()
    shutil.rmtree(broken)
