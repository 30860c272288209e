"""Standard output and error that are closed or full, with real servers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import COGKIT, cogkit

pytestmark = pytest.mark.timeout(60)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """A line of shell, in which `"$@"` is cogkit."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *COGKIT], capture_output=True, text=True, timeout=50
    )


@pytest.fixture
def job(rm: str) -> Iterator[str]:
    """A job that was submitted and has printed something; its number here."""
    number = str(json.loads(cogkit("submit", "--json", "--", "echo", "hi").stdout)["number"])
    assert cogkit("wait", number).returncode == 0
    yield number
    cogkit("clean", number)


def test_data_for_a_server_is_as_it_was_whatever_is_closed(url: str, tmp_path: Path) -> None:
    data = bytes(range(256)) * 4000
    (tmp_path / "a").write_bytes(data)
    for closed in ("<&- >&- 2>&-", ">&-", "<&- 2>&-"):
        assert shell(f'"$@" cp {tmp_path}/a {url}{tmp_path}/b {closed}').returncode == 0
        assert shell(f'"$@" cp {url}{tmp_path}/b {tmp_path}/c {closed}').returncode == 0
        assert (tmp_path / "b").read_bytes() == data
        assert (tmp_path / "c").read_bytes() == data


@pytest.mark.parametrize("where", [">&-", "| :"])
def test_a_job_whose_contact_could_not_be_printed_can_be_found(rm: str, where: str) -> None:
    before = len(json.loads(cogkit("jobs", "--json", "--no-ask").stdout))
    # the pipe's reader is gone long before the contact comes
    done = shell(f'"$@" submit -- sleep 30 {where}')
    *_, last = json.loads(cogkit("jobs", "--json", "--no-ask").stdout)
    number = str(last["number"])
    try:
        assert last["command"] == "sleep 30"
        assert f"it is number {number} of 'cogkit jobs'" in done.stderr
        assert "Traceback" not in done.stderr
        if where != "| :":
            assert done.returncode == 8
        assert cogkit("status", number).returncode == 0
    finally:
        assert cogkit("cancel", number).returncode == 0
    assert last["number"] > before


def test_of_a_job_that_is_done_lost_output_is_told(rm: str) -> None:
    done = shell('"$@" run -- echo hi >&-')
    assert done.returncode == 8
    first, second = done.stderr.splitlines()
    assert first == "cogkit: cannot write to standard output: Bad file descriptor"
    assert second.startswith("The job itself is done; its output was cut: https://")


def test_a_job_that_prints_nothing_misses_no_output(rm: str) -> None:
    done = shell('"$@" run -- sh -c "exit 3" >&-')
    assert (done.returncode, done.stderr) == (3, "")


def test_what_a_job_prints_goes_to_no_other_descriptor(rm: str) -> None:
    done = shell('"$@" run -- sh -c "echo out; echo err >&2" <&- 2>&-')
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\n", "")


def test_logs_that_cannot_be_written_are_told(job: str) -> None:
    done = shell(f'"$@" logs --follow {job} >/dev/full')
    assert done.returncode == 8
    assert done.stderr == "cogkit: cannot write to standard output: No space left on device\n"
    assert shell(f'"$@" logs {job} | :').stderr == ""


@pytest.mark.parametrize(
    ("where", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_a_remote_file_that_cannot_be_shown_is_told(
    url: str, tmp_path: Path, where: str, reason: str
) -> None:
    (tmp_path / "a").write_text("x" * 100_000)
    done = shell(f'"$@" cat {url}{tmp_path}/a {where}')
    assert done.returncode == 8
    assert done.stderr == f"cogkit: cannot write to standard output: {reason}\n"
