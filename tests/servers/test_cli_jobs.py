"""``cogkit run``, ``submit``, ``status`` and ``cancel`` with a real gatekeeper."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import COGKIT, assert_fails, cogkit, started
from cogkit import jobs
from cogkit.cli._common import ExitCode
from cogkit.jobs import _live
from cogkit.sandbox import Sandbox
from waiting import until

pytestmark = pytest.mark.timeout(60)


def children(executable: str, argument: str) -> list[int]:
    """Processes that run this program with this among their arguments."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].decode().endswith(executable) and argument.encode() in words:
            found.append(int(folder.name))
    return found


def manager_of(grid_directory: Path) -> int:
    """The job manager of this grid."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if b"/globus-job-manager\0" in words and f"{grid_directory}/".encode() in words:
            return int(folder.name)
    raise AssertionError("this grid has no job manager")


def test_run_prints_what_the_job_prints(rm: str) -> None:
    done = cogkit("run", "--", "sh", "-c", "echo out; echo err >&2")
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "err\n")


def test_run_prints_bytes_as_they_are(rm: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    (tmp_path / "data").write_bytes(data)
    command = [*COGKIT, "run", "--", "/bin/cat", str(tmp_path / "data")]
    assert subprocess.run(command, capture_output=True, timeout=40).stdout == data


def test_json_holds_the_output_and_nothing_else_is_printed(rm: str) -> None:
    done = cogkit("run", "--json", "--", "sh", "-c", "echo out; echo err >&2")
    told = json.loads(done.stdout)
    assert (told["stdout"], told["stderr"], told["state"]) == ("out\n", "err\n", "DONE")
    assert done.stderr == ""


def test_the_job_s_surroundings_are_as_asked_for(rm: str, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("from stdin\n")
    done = cogkit(
        "run", "--dir", tmp_path, "--stdin", tmp_path / "input", "--env", 'A=say "hi" = $x',
        "--env", "B=", "--", "sh", "-c", 'pwd; cat; echo "$A-$B-"',
    )  # fmt: skip
    assert done.stdout == f'{tmp_path}\nfrom stdin\nsay "hi" = $x--\n'


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.text(st.characters(blacklist_characters="\0", codec="utf-8")), max_size=30))
def test_the_job_manager_gives_every_argument_as_it_is(
    rm: str, tmp_path: Path, texts: list[str]
) -> None:
    texts += ['"', '""', "'", "a  b", "$(HOME)", "$HOME", "(", ")", "&", "#", "\n", "\\", "é€", "^"]
    # printf would not run for no arguments, and would print a NUL for each
    job = jobs.Command(["/usr/bin/printf", "%s\\0", *texts])
    outcome = jobs.run(rm, job.rsl(), capture=True, timeout=30)
    assert outcome.stdout is not None
    assert outcome.stdout.decode().split("\0")[:-1] == texts


def test_rsl_comes_as_text_or_from_a_file(rm: str, tmp_path: Path) -> None:
    text = "& (executable = /bin/echo) (arguments = from rsl)"
    (tmp_path / "job.rsl").write_text(text)
    assert cogkit("run", "--rsl", text).stdout == "from rsl\n"
    assert cogkit("run", "--rsl", tmp_path / "job.rsl").stdout == "from rsl\n"


def test_a_job_that_fails_has_an_exit_code_of_its_own_kind(rm: str) -> None:
    missing = cogkit("run", "--rsl", "&(executable=/no/such)")
    assert_fails(missing, 7, "executable does not exist", "absolute path")
    assert_fails(cogkit("run", "--dir", "/no/such", "--", "true"), 7, "directory")


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill $$", 143)])
def test_the_exit_code_is_the_job_s_own(rm: str, script: str, code: int) -> None:
    done = cogkit("run", "--json", "--", "sh", "-c", f"printf unended >&2; {script}")
    told = json.loads(done.stdout)
    assert (done.returncode, told["exit_code"]) == (code, code)
    assert told["stderr"].startswith("unended")


def test_a_program_that_is_not_there_is_127(rm: str) -> None:
    done = cogkit("run", "--", "/no/such")
    assert done.returncode == 127
    assert "/no/such" in done.stderr


def test_the_exit_code_is_null_where_nobody_tells_it(rm: str) -> None:
    done = cogkit("run", "--json", "--rsl", '&(executable=/bin/sh)(arguments="-c" "exit 3")')
    told = json.loads(done.stdout)
    # a job manager that tells it makes it ours
    assert done.returncode == (told["exit_code"] or 0)


def test_ctrl_c_cancels_the_job(rm: str) -> None:
    seconds = "86400.125"
    with started("run", "--", "/bin/sleep", seconds) as process:
        until(lambda: children("sleep", seconds))
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "cogkit: interrupted\n")
    until(lambda: not children("sleep", seconds))


def test_ctrl_c_while_it_is_submitted_leaves_no_job(rm: str) -> None:
    seconds = "86400.25"
    with started("run", "--", "/bin/sleep", seconds) as process:
        time.sleep(0.55)  # the gatekeeper has it, and has not answered: about then
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=25)
    assert process.returncode in (130, -signal.SIGINT)
    time.sleep(1)
    until(lambda: not children("sleep", seconds))


def test_a_job_that_takes_too_long_is_cancelled(rm: str) -> None:
    seconds = "86400.375"
    done = cogkit("run", "--timeout", "2", "--", "/bin/sleep", seconds)
    assert_fails(done, 6, "did not end within 2 s")
    until(lambda: not children("sleep", seconds))


def test_a_job_manager_that_dies_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # in a grid of its own: the next job manager waits long for what this one leaves
    with Sandbox() as grid:
        for name, value in grid.environ.items():
            monkeypatch.setenv(name, value)
        with started("run", "--", "/bin/sleep", "86400.5") as process:
            until(lambda: children("sleep", "86400.5"))
            os.kill(manager_of(grid.directory), signal.SIGKILL)
            _, errors = process.communicate(timeout=40)
    assert process.returncode == 6, errors
    assert "the job is lost" in errors
    assert len(errors.splitlines()) == 2


def test_a_submitted_job_is_followed_and_cancelled_by_its_contact(rm: str) -> None:
    job = cogkit("submit", "--", "/bin/sleep", "86400.625").stdout.strip()
    assert job.startswith("https://")
    until(lambda: cogkit("status", job).stdout == "ACTIVE\n", seconds=15)
    assert json.loads(cogkit("status", "--json", job).stdout)["state"] == "ACTIVE"
    assert cogkit("cancel", job).returncode == 0
    until(lambda: not children("sleep", "86400.625"))
    assert cogkit("status", job).returncode in (4, 6, 7)


def test_wrong_usage_is_said(rm: str) -> None:
    for arguments in (
        ["run"],
        ["run", "--rsl", "&(executable=/bin/true)", "--", "true"],
        ["run", "--rsl", "+(&(executable=/bin/true))"],
        ["run", "--env", "NOVALUE", "--", "true"],
        ["submit"],
    ):
        done = cogkit(*arguments)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr


def test_output_comes_while_the_job_runs(rm: str) -> None:
    with started("run", "--", "/bin/sh", "-c", "echo first; sleep 4; printf last") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "first\n"
        seen = time.monotonic()
        out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("last", 0)
    assert time.monotonic() - seen > 2


def test_a_job_without_globus_url_copy_sends_its_output_at_the_end(
    rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as where the program is missing
    script = _live._LIVE.replace("globus-url-copy", "no-such-program")
    monkeypatch.setattr(_live, "_LIVE", script)
    outcome = jobs.run(rm, ["/bin/sh", "-c", "echo late; exit 3"], capture=True)
    assert (outcome.stdout, outcome.stderr, outcome.exit_code) == (b"late\n", b"", 3)


@pytest.mark.parametrize("program", ["globus-url-copy", "no-such-program"])
def test_a_job_that_is_killed_is_not_one_that_ended_well(
    rm: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str
) -> None:
    monkeypatch.setattr(_live, "_LIVE", _live._LIVE.replace("globus-url-copy", program))
    # by its parent, the shell around it, as the kernel does when memory is short
    script = "echo before; sleep 1; kill -9 $PPID; sleep 1"
    place = tmp_path / "tmp"
    place.mkdir()
    out = bytearray()
    command = jobs.Command(["/bin/sh", "-c", script], environ={"TMPDIR": str(place)})
    with pytest.raises(jobs.JobFailed, match="cut short") as caught:
        jobs.run(rm, command, stdout=out.extend)
    assert caught.value.contact.startswith("https://")
    assert bytes(out) == b"before\n"
    until(lambda: not list(place.iterdir()))  # who forwarded its output, too


def test_run_fails_for_a_job_that_is_killed(rm: str) -> None:
    done = cogkit("run", "-r", rm, "--", "/bin/sh", "-c", "kill -9 $PPID")
    assert_fails(done, ExitCode.JOB_FAILED, "cut short")


def test_much_output_on_both_streams_arrives_whole(rm: str) -> None:
    done = cogkit(
        "run", "--", "/bin/sh", "-c", "seq 200000; seq 100000 >&2; sleep 1; seq 5", timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.split() == [*map(str, range(1, 200001)), *map(str, range(1, 6))]
    assert done.stderr.split() == [*map(str, range(1, 100001))]


@pytest.mark.parametrize(
    "arguments", [["--type", "nonsense", "--", "true"], ["--rsl", "&(nonsense=yes)"]]
)
def test_what_the_job_manager_does_not_know_is_wrong_usage(rm: str, arguments: list[str]) -> None:
    assert_fails(cogkit("run", *arguments), 2, "GRAM error")
