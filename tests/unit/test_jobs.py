"""Descriptions of jobs, and the record of those that were submitted."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cogkit import jobs
from cogkit.jobs._describe import described
from cogkit.jobs._staging import Staging
from pyGlobus.rsl import RSL, RSLSyntaxError

# ---- commands ---------------------------------------------------------------------------------


def test_a_program_without_a_slash_is_looked_for() -> None:
    text = jobs.Command(["echo", "a"]).rsl()
    assert (text["executable"], text["arguments"]) == ("/usr/bin/env", ("--", "echo", "a"))


@pytest.mark.parametrize("words", [[], [""], ["a=b"], ["/bin/echo", "\0"], "echo a"])
def test_a_command_that_cannot_be_run_is_refused(words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        jobs.Command(words).rsl()


def test_a_command_says_what_it_needs_and_nothing_else() -> None:
    assert set(jobs.Command(["/bin/true"]).rsl()) == {"executable"}
    text = jobs.Command(
        ["/bin/true"], directory="/d", stdin="/i", environ={"A": "b"}, count=3, job_type="single",
        queue="q", project="p", walltime=timedelta(seconds=61), stage_in=[("gsiftp://a/b", "c")],
        stage_out=[("c", "gsiftp://a/d")], clean_up=["c"], attributes={"minMemory": 5},
    ).rsl()  # fmt: skip
    assert text == RSL(
        executable="/usr/bin/env", arguments=["timeout", "-k", "30", "61", "/bin/true"],
        directory="/d", stdin="/i", environment={"A": "b"}, count=3,
        job_type="single", queue="q", project="p", max_wall_time=2,
        file_stage_in=[("gsiftp://a/b", "c")], file_stage_out=[("c", "gsiftp://a/d")],
        file_clean_up=["c"], min_memory=5,
    )  # fmt: skip


def test_files_here_are_served_under_names_that_nobody_can_guess(tmp_path: Path) -> None:
    (tmp_path / "in 1").touch()
    job = jobs.Command(
        ["x"],
        stage_in=[(str(tmp_path / "in 1"), "a"), ("gsiftp://h/f", "b")],
        stage_out=[("c", "out"), ("d", "gsiftp://h/d")],
    )
    files = Staging(job)
    made = files.with_urls("https://here:1")
    (fetched,), (left,) = files.readable.items(), files.writable.items()
    assert made.stage_in == [(f"https://here:1{fetched[0]}", "a"), ("gsiftp://h/f", "b")]
    assert made.stage_out == [("c", f"https://here:1{left[0]}"), ("d", "gsiftp://h/d")]
    assert (fetched[1], left[1]) == (tmp_path / "in 1", Path.cwd() / "out")
    assert re.fullmatch(r"/[\w-]{22}/0/in_1", fetched[0])
    assert Staging(job).readable.keys() != files.readable.keys()
    urls = jobs.Command(["x"], stage_in=[("gsiftp://h/f", "b")])
    assert not Staging(urls).serves


def test_files_here_that_cannot_be_staged_are_told(tmp_path: Path) -> None:
    with pytest.raises(jobs.BadJob, match="give a URL"):
        Staging(jobs.Command(["x"], stage_out=[("c", "out")]), stays=False)
    with pytest.raises(FileNotFoundError):
        Staging(jobs.Command(["x"], stage_in=[(str(tmp_path / "none"), "a")]))
    with pytest.raises(IsADirectoryError):
        Staging(jobs.Command(["x"], stage_in=[(str(tmp_path), "a")]))
    with pytest.raises(jobs.BadJob, match="no file"):
        Staging(jobs.Command(["x"], stage_in=[("/dev/null", "a")]))


def test_relations_without_the_sign_that_joins_them_are_a_job() -> None:
    expected = RSL(executable="/bin/true", count=2)
    for text in ("(executable=/bin/true)(count=2)", " &(executable=/bin/true)(count=2)"):
        assert described(text) == expected


COMMENTS = ["(* why *)", "(**)", "(***)", "(* a ) b * c ( *)", "(* over\n * lines\n *)"]


@pytest.mark.parametrize("comment", COMMENTS)
def test_a_comment_may_stand_before_a_job_and_anywhere_between_its_words(comment: str) -> None:
    expected = RSL(executable="/bin/true", count=2)
    for text in (
        f"{comment}&(executable=/bin/true)(count=2)",
        f"\n {comment}\n\t{comment} & {comment} (executable=/bin/true)(count=2)",
        f"{comment}(executable=/bin/true)(count=2){comment}",
        f"{comment}\n(executable {comment}= /bin/true{comment})\n{comment}(count=2)\n{comment}\n",
    ):
        assert described(text) == expected


def test_rsl_that_cannot_be_one_job_is_refused() -> None:
    with pytest.raises(RSLSyntaxError):
        described("&(executable=")
    with pytest.raises(RSLSyntaxError, match="comment is never closed"):
        described(" (* why (executable=/bin/true)")
    with pytest.raises(jobs.BadJob, match="multi-request"):
        described("+(&(executable=/bin/true))(&(executable=/bin/true))")


# ---- the record ---------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> jobs.History:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return jobs.history()


def test_jobs_are_remembered_by_numbers(record: jobs.History) -> None:
    assert list(record) == []
    first = record.add("https://a:1/1/1/", "a", "echo 1")
    second = record.add("https://a:1/1/2/", "a", "echo 2")
    assert list(jobs.history()) == [first, second]
    assert (first.number, second.number) == (1, 2)
    assert record.contact("2") == second.job
    assert record.contact("https://b:1/1/3/") == "https://b:1/1/3/"
    with pytest.raises(jobs.UnknownJob, match="cogkit jobs"):
        record.contact("3")
    record.remove(second.job)
    assert record.find("2") is None
    assert record.find(first.job) == first
    # a number means one job for good
    assert record.add("https://a:1/1/4/", "a", "echo 4").number == 3


def test_only_its_owner_reads_the_record(record: jobs.History) -> None:
    record.add("https://a:1/1/1/", "a", "secret")
    assert record.path.stat().st_mode & 0o777 == 0o600
    assert record.path.parent.stat().st_mode & 0o777 == 0o700


def test_jobs_of_long_ago_are_forgotten(record: jobs.History) -> None:
    record.add("https://a:1/1/1/", "a", "old")
    entries = json.loads(record.path.read_text())
    entries["jobs"][0]["submitted"] = (datetime.now(UTC) - timedelta(days=31)).isoformat()
    record.path.write_text(json.dumps(entries))
    record.add("https://a:1/1/2/", "a", "new")
    assert [entry.command for entry in record] == ["new"]


def test_what_another_version_has_entered_is_read(record: jobs.History) -> None:
    first = record.add("https://a:1/1/1/", "a", "echo 1")
    entries = json.loads(record.path.read_text())
    entries["jobs"][0]["sandbox"] = None
    record.path.write_text(json.dumps(entries))
    assert list(record) == [first]


def test_many_at_once_lose_nothing(record: jobs.History) -> None:
    def add(number: int) -> None:
        record.add(f"https://a:1/1/{number}/", "a", str(number))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry.number for entry in record} == set(range(1, 21))


def test_a_damaged_record_is_said_and_a_full_disk_leaves_the_old_one(
    record: jobs.History, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.add("https://a:1/1/1/", "a", "kept")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(json, "dump", full)
    with pytest.raises(OSError, match="No space"):
        record.add("https://a:1/1/2/", "a", "lost")
    assert [entry.command for entry in record] == ["kept"]
    assert sorted(path.name for path in record.path.parent.iterdir()) == ["jobs.json", "jobs.lock"]
    record.path.write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        list(record)
