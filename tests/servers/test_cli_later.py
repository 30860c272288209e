"""``cogkit submit`` and what comes after it: ``jobs``, ``status``, ``wait``, ``logs``, ``cancel``.

The jobs are submitted all at once, in the beginning, as a job manager takes its time.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import stat
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import assert_fails, cogkit, started
from cogkit.sandbox import Sandbox
from pyGlobus.gramClient import GramClient
from waiting import until

pytestmark = pytest.mark.timeout(90)

NUMBER_OF_NONE = "4711"


@dataclass(frozen=True)
class Jobs:
    """What was submitted, and where."""

    directory: Path
    contacts: dict[str, str]
    numbers: dict[str, str]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the record."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def all_jobs(grid: Sandbox, state: Path, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    place = tmp_path_factory.mktemp("jobs")
    (place / "sent").write_text("from here\n")
    wait = f"while [ ! -e {place}/go ]; do sleep 0.1; done"
    prints = ["--", "sh", "-c", "echo out; echo err >&2"]
    commands: dict[str, list[str]] = {
        "prints": ["submit", "--json", *prints],
        "cleaned": ["submit", "--json", *prints],
        "fails": ["submit", "--json", "--rsl", "&(executable=/no/such)"],
        "waits": ["submit", "--json", "--", "sh", "-c", f"echo first; {wait}; echo last"],
        "ticks": ["submit", "--json", "--", "sh", "-c", "while echo tick; do sleep 0.2; done"],
        "sleeps": ["submit", "--json", "--", "sleep", "86400.75"],
        "fetches": ["submit", "--json", "--dir", f"{place}", "--stage-in", f"{place}/sent=got",
                    "--", "cat", "got"],
        "detached": ["run", "--detach", "--json", "--stdout", f"{place}/there", "--", "echo", "hi"],
    }  # fmt: skip
    environ = {**grid.environ, "XDG_STATE_HOME": str(state)}
    with ThreadPoolExecutor(3) as pool:
        done = dict(
            zip(
                commands,
                pool.map(lambda words: cogkit(*words, env=environ), commands.values()),
                strict=True,
            )
        )
    for one in done.values():
        assert one.returncode == 0, one.stderr
    told = {name: json.loads(one.stdout) for name, one in done.items()}
    return Jobs(
        place,
        {name: one["job"] for name, one in told.items()},
        {name: str(one["number"]) for name, one in told.items()},
    )


@pytest.fixture(autouse=True)
def _here(rm: str, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(state))


def test_jobs_lists_what_was_submitted_from_here(all_jobs: Jobs) -> None:
    listed = json.loads(cogkit("jobs", "--json").stdout)
    assert {one["job"] for one in listed} >= set(all_jobs.contacts.values())
    by_number = {str(one["number"]): one for one in listed}
    fails = by_number[all_jobs.numbers["fails"]]
    assert fails["command"] == "&(executable=/no/such)"
    assert by_number[all_jobs.numbers["sleeps"]]["command"] == "sleep 86400.75"
    assert by_number[all_jobs.numbers["sleeps"]]["state"] == "ACTIVE"
    lines = cogkit("jobs", "--no-ask").stdout.splitlines()
    assert len(lines) == len(listed)
    line = next(one for one in lines if one.endswith("sleep 86400.75"))
    assert line.split()[0] == all_jobs.numbers["sleeps"]
    assert line.split()[3] == "-"


def test_a_job_manager_that_forgot_a_job_or_is_gone_is_said(
    all_jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cogkit.jobs import History

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    known = all_jobs.contacts["sleeps"]
    stranger = known.rsplit("/", 3)[0] + "/1/2/"
    History().add(stranger, os.environ["COGKIT_SANDBOX_GRAM"], "over")
    History().add("https://localhost:1/1/2/", "localhost:1", "gone")
    assert [one.split()[3] for one in cogkit("jobs").stdout.splitlines()] == ["over", "?"]


def test_the_record_is_its_owner_s_alone(all_jobs: Jobs, state: Path) -> None:
    assert stat.S_IMODE((state / "cogkit" / "jobs.json").stat().st_mode) == 0o600


def test_a_job_is_named_by_its_number_or_its_contact(all_jobs: Jobs) -> None:
    for name in (all_jobs.numbers["sleeps"], all_jobs.contacts["sleeps"]):
        assert cogkit("status", name).stdout == "ACTIVE\n"
    with ThreadPoolExecutor(3) as pool:
        commands = ("status", "wait", "logs", "cancel", "clean")
        for done in pool.map(lambda command: cogkit(command, NUMBER_OF_NONE), commands):
            assert_fails(done, 4, "cogkit jobs")


def test_wait_ends_with_the_job(all_jobs: Jobs) -> None:
    done = cogkit("wait", "--json", all_jobs.numbers["prints"])
    told = json.loads(done.stdout)
    assert (done.returncode, told["state"], told["failure_code"]) == (0, "DONE", 0)
    # GCT's fork job manager does not tell it
    assert told["exit_code"] is None
    again = cogkit("wait", all_jobs.contacts["prints"])
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_wait_and_status_tell_of_a_failure(all_jobs: Jobs) -> None:
    assert_fails(cogkit("wait", all_jobs.numbers["fails"]), 7, "executable does not exist")
    status = cogkit("status", all_jobs.numbers["fails"])
    assert (status.returncode, status.stdout) == (7, "FAILED\n")
    assert "executable does not exist" in status.stderr
    told = json.loads(cogkit("status", "--json", all_jobs.numbers["fails"]).stdout)
    assert (told["state"], told["failure_code"]) == ("FAILED", 5)


def test_wait_gives_up_after_its_timeout_and_the_job_goes_on(all_jobs: Jobs) -> None:
    assert_fails(cogkit("wait", "--timeout", "1", all_jobs.numbers["sleeps"]), 6, "goes on")
    assert cogkit("status", all_jobs.numbers["sleeps"]).stdout == "ACTIVE\n"


def test_logs_fetches_each_stream(all_jobs: Jobs) -> None:
    name = all_jobs.numbers["prints"]
    assert cogkit("wait", name).returncode == 0
    with ThreadPoolExecutor(2) as pool:
        out = pool.submit(cogkit, "logs", name)
        err = pool.submit(cogkit, "logs", "--stderr", all_jobs.contacts["prints"])
    assert (out.result().returncode, out.result().stdout) == (0, "out\n")
    assert (err.result().returncode, err.result().stdout) == (0, "err\n")


def test_what_is_not_kept_is_said(all_jobs: Jobs) -> None:
    assert_fails(cogkit("logs", all_jobs.numbers["detached"]), 4, "goes elsewhere")


def test_a_detached_job_s_output_goes_to_a_file_there(all_jobs: Jobs) -> None:
    assert cogkit("wait", all_jobs.numbers["detached"]).returncode == 0
    assert (all_jobs.directory / "there").read_text() == "hi\n"


def test_submit_stages_in_from_here(all_jobs: Jobs) -> None:
    assert (all_jobs.directory / "got").read_text() == "from here\n"
    assert cogkit("wait", all_jobs.numbers["fetches"]).returncode == 0
    assert cogkit("logs", all_jobs.numbers["fetches"]).stdout == "from here\n"


def test_logs_and_status_follow_a_job_to_its_end(all_jobs: Jobs) -> None:
    name = all_jobs.numbers["waits"]
    with contextlib.ExitStack() as stack:
        logs, status, wait = (
            stack.enter_context(started(*words, name))
            for words in (["logs", "--follow"], ["status", "--follow"], ["wait"])
        )
        assert logs.stdout is not None
        assert logs.stdout.readline() == "first\n"
        assert status.stdout is not None
        assert status.stdout.readline() == "ACTIVE\n"
        assert wait.poll() is None
        (all_jobs.directory / "go").touch()
        assert logs.communicate(timeout=40)[0] == "last\n"
        assert status.communicate(timeout=40)[0] == "DONE\n"
        assert wait.communicate(timeout=40) == ("", "")
        assert [one.returncode for one in (logs, status, wait)] == [0, 0, 0]


def test_logs_ends_when_nobody_reads_it_any_more(all_jobs: Jobs) -> None:
    name = all_jobs.numbers["ticks"]
    with started("logs", "--follow", name) as logs:
        assert logs.stdout is not None
        assert logs.stdout.readline() == "tick\n"
        logs.stdout.close()
        assert logs.wait(20) == 128 + signal.SIGPIPE
    assert cogkit("status", name).stdout == "ACTIVE\n"
    assert cogkit("cancel", name).returncode == 0


def test_clean_removes_the_output_and_forgets_the_job(all_jobs: Jobs) -> None:
    contact = all_jobs.contacts["cleaned"]
    assert cogkit("wait", contact).returncode == 0
    done = cogkit("clean", "--json", all_jobs.numbers["cleaned"])
    assert json.loads(done.stdout) == {"cleaned": contact}
    assert_fails(cogkit("status", all_jobs.numbers["cleaned"]), 4, "no job")
    assert_fails(cogkit("logs", contact), 4, "is not kept")


def test_globus_job_get_output_finds_what_was_printed(all_jobs: Jobs, rm: str) -> None:
    assert cogkit("wait", all_jobs.numbers["prints"]).returncode == 0
    done = subprocess.run(
        ["globus-job-get-output", "-r", rm, all_jobs.contacts["prints"]],
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert done.stdout == "out\n", done.stderr


def test_a_dry_run_runs_and_moves_nothing(rm: str, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("in\n")
    (tmp_path / "stays").touch()
    words = ["--stage-in", f"{tmp_path}/in={tmp_path}/staged", "--", "touch", f"{tmp_path}/ran"]
    done = cogkit("run", "--dry-run", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    done = cogkit("submit", "--dry-run", "--json", *words)
    assert json.loads(done.stdout) == {"taken": True, "resource": rm}
    cleans = f"&(executable=/bin/true)(file_clean_up={shlex.quote(str(tmp_path / 'stays'))})"
    assert cogkit("submit", "--dry-run", "--rsl", cleans).returncode == 0
    assert_fails(cogkit("run", "--dry-run", "--rsl", "&(executable=/bin/true)(wings=2)"), 2, "RSL")
    assert_fails(cogkit("run", "--dry-run", "--stage-in", "/no/such", "--", "true"), 4, "/no/such")
    with GramClient() as client:
        client.submit(rm, "&(executable=/bin/true)").wait(30)  # time enough for what should not be
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in", "stays"]


def test_run_moves_files_and_parts_the_streams(rm: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (tmp_path / "data").write_text("3\n1\n2\n")
    script = "sort -n data >sorted; echo out; echo err >&2"
    done = cogkit(
        "run", "--dir", there, "--stage-in", tmp_path / "data",
        "--stage-out", f"sorted={tmp_path}/result",
        "--stdout", tmp_path / "out", "--stderr", tmp_path / "err", "--", "sh", "-c", script,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "result").read_text() == "1\n2\n3\n"
    assert (tmp_path / "out").read_text() == "out\n"
    assert (tmp_path / "err").read_text() == "err\n"


def test_run_starts_as_many_processes_as_asked_for(rm: str) -> None:
    done = cogkit("run", "--count", "3", "--", "echo", "one of three")
    assert (done.returncode, done.stdout) == (0, "one of three\n" * 3)
    single = cogkit("run", "--count", "3", "--type", "single", "--", "echo", "one")
    assert single.stdout == "one\n"
    assert_fails(cogkit("run", "--type", "mpi", "--", "echo"), 7, "jobtype")


def test_a_job_whose_record_cannot_be_written_is_not_lost(
    rm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "cogkit").mkdir()
    (tmp_path / "cogkit" / "jobs.json").write_text("no JSON")
    done = cogkit("submit", "--", "true")
    assert done.returncode == 0
    assert done.stdout.startswith("https://")
    assert "is not in the record" in done.stderr
    assert_fails(cogkit("jobs"), 1, "damaged", "remove it")


def is_over(contact: str) -> Callable[[], bool]:
    return lambda: cogkit("status", contact).returncode in (4, 6, 7)


def test_cancel_takes_a_number(all_jobs: Jobs) -> None:
    contact = all_jobs.contacts["sleeps"]
    done = cogkit("cancel", "--json", all_jobs.numbers["sleeps"])
    assert json.loads(done.stdout) == {"cancelled": contact}
    until(is_over(contact), seconds=20)
    assert_fails(cogkit("wait", contact), 7, "cancelled")


WRONG = [
    ["run", "--detach", "--timeout", "5", "--", "true"],
    ["run", "--json", "--stdout", "x", "--", "true"],
    ["run", "--rsl", "&(executable=/bin/true)", "--count", "2"],
    ["run", "--rsl", "&(executable=/bin/true)", "--queue", "long"],
    ["run", "--count", "0", "--", "true"],
    ["submit", "--stage-out", "made", "--", "true"],
    ["submit", "--rsl", "&(executable=/bin/true"],
    ["status", "--follow", "--json", NUMBER_OF_NONE],
    ["status", "--follow", "--timeout", "5", NUMBER_OF_NONE],
    ["status", "no-contact"],
    ["wait"],
    ["logs", "--timeout", "-1", NUMBER_OF_NONE],
]


def test_wrong_usage_is_said_as_such() -> None:
    with ThreadPoolExecutor(3) as pool:
        for words, done in zip(WRONG, pool.map(lambda words: cogkit(*words), WRONG), strict=True):
            assert done.returncode == 2, (words, done.stderr)
            assert done.stderr
            assert "Traceback" not in done.stderr
