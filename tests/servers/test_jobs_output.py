"""What jobs print and which files they get, on the way to and from whoever is here."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from cogkit import jobs
from cogkit.jobs import _output
from cogkit.jobs._output import Output
from cogkit.jobs._staging import Staging
from pyGlobus.gassCopy import GassCopy
from waiting import until


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_jobs_that_run_at_once_are_never_mixed(rm: str, tmp_path: Path) -> None:
    outcomes: dict[str, jobs.Outcome] = {}

    def run(name: str) -> None:
        (tmp_path / name).write_text(name)
        there = f"{tmp_path}/there-{name}"
        script = f"echo out {name}; echo err {name} >&2; cat {there}; sleep 1; echo end {name}"
        job = jobs.Command(["sh", "-c", script], stage_in=[(f"{tmp_path}/{name}", there)])
        outcomes[name] = jobs.run(rm, job, capture=True, timeout=60)

    threads = [threading.Thread(target=run, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name in "abc":
        assert outcomes[name].stdout == f"out {name}\n{name}end {name}\n".encode()
        assert outcomes[name].stderr == f"err {name}\n".encode()


def test_one_who_reads_slowly_gets_all(rm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_output, "_JOIN_TIMEOUT", 0.2)
    taken = bytearray()

    def slowly(data: bytes) -> None:
        time.sleep(0.5)
        taken.extend(data)

    jobs.run(rm, shell("seq 100000"), stdout=slowly)
    assert taken == b"".join(b"%d\n" % number for number in range(1, 100_001))


def test_one_who_takes_nothing_does_not_keep_an_error_back(
    rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_output, "_JOIN_TIMEOUT", 0.5)
    jobs.run(rm, shell("true"))  # the threads that stay have begun
    before = threading.active_count()
    go = threading.Event()
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="was cancelled"):
        jobs.run(rm, shell("seq 300000; sleep 60"), stdout=lambda data: go.wait(), timeout=8)
    assert time.monotonic() - begin < 30
    go.set()
    until(lambda: threading.active_count() <= before, "its threads have ended")


def test_the_exit_code_is_known_whatever_the_job_leaves_running(rm: str) -> None:
    late = "(for i in $(seq 300); do echo late >&2; done) & exit 3"
    for _ in range(3):
        outcome = jobs.run(rm, shell(late), capture=True)
        assert outcome.exit_code == 3
        assert outcome.stderr is not None
        assert not outcome.stderr.replace(b"late\n", b"")


@pytest.mark.parametrize(
    ("pieces", "text", "code"),
    [
        (["error\n", "MARK 3\n"], "error\n", 3),
        (["error\nMA", "RK", " 4", "2\n"], "error\n", 42),
        (["MARK 0\nlate\n", "later\n"], "late\nlater\n", 0),
        (["MARK 0", "\nlate\n"], "late\n", 0),
        (["MARK is my own word\n", "MARK 7\n"], "MARK is my own word\n", 7),
        (["MARK\n", "end"], "MARK\nend", None),
        (["MARK 1"], "MARK 1", None),
        (["MAMARMARK 5\n"], "MAMAR", 5),
    ],
)
def test_the_mark_and_the_exit_code_are_taken_out_of_standard_error(
    pieces: list[str], text: str, code: int | None
) -> None:
    output = Output(lambda data: None, lambda data: None)
    first, second = output._mark[:16], output._mark[16:]
    got = b"".join(
        output._without_mark(piece.replace("MA", first).replace("RK", second).encode())
        for piece in pieces
    )
    whole = (got + output._held).decode().replace(first, "MA").replace(second, "RK")
    assert whole == text
    assert output.exit_code == code


# ---- files here that a job needs and makes -------------------------------------------------------


def test_files_with_odd_names_are_staged(rm: str, tmp_path: Path) -> None:
    names = ["a b", "q?x", "e=f", "a;b", "a'b", "$HOME", "(x)", "&", "a+b", "~", "x:y@z,!"]
    names += ["100%", "%41", "#1", 'a"b', "a\\b", "[x]", "\u00fc", "line\nend"]
    pairs = [(tmp_path / name, str(tmp_path / f"there{n}")) for n, name in enumerate(names)]
    for here, _ in pairs:
        here.write_text(here.name)
    job = jobs.Command(
        ["/bin/cat", *(there for _, there in pairs)],
        stage_in=[(str(here), there) for here, there in pairs],
        stage_out=[(there, f"{here}.back") for here, there in pairs],
    )
    assert jobs.run(rm, job, capture=True).stdout == "".join(names).encode()
    assert [Path(f"{here}.back").read_text() for here, _ in pairs] == names


def test_a_job_is_served_the_files_that_are_named_and_no_others(rm: str, tmp_path: Path) -> None:
    for name in ("in", "secret"):
        (tmp_path / name).write_text(name)
    tries = f"""
        for url in "$0"/{tmp_path}/secret "$0"/proc/version; do
            globus-url-copy "$url" file://{tmp_path}/got && echo given
        done
        globus-url-copy file://{tmp_path}/in "$0"{tmp_path}/made && echo taken
        echo tried
    """
    job = jobs.Command(["sh", "-c", tries], stage_in=[(f"{tmp_path}/in", f"{tmp_path}/there")])
    with Output(lambda data: None, lambda data: None, Staging(job)) as output:
        tried = jobs.Command(["sh", "-c", tries, output.channel.url])
        assert jobs.run(rm, tried, capture=True, timeout=60).stdout == b"tried\n"
    assert not (tmp_path / "made").exists()


def test_files_whose_size_is_not_what_they_hold_are_staged_whole(rm: str, tmp_path: Path) -> None:
    there = [f"{tmp_path}/{n}" for n in range(2)]
    job = jobs.Command(
        ["/bin/cat", *there],
        stage_in=[("/proc/cpuinfo", there[0]), ("/sys/class/net/lo/mtu", there[1])],
        stage_out=[("/proc/version", f"{tmp_path}/version")],
    )
    outcome = jobs.run(rm, job, capture=True, timeout=60)
    expected = Path("/proc/cpuinfo").read_bytes() + Path("/sys/class/net/lo/mtu").read_bytes()
    assert without_clock(outcome.stdout or b"") == without_clock(expected)
    assert (tmp_path / "version").read_bytes() == Path("/proc/version").read_bytes()


def without_clock(cpuinfo: bytes) -> list[bytes]:
    return [line for line in cpuinfo.splitlines() if not line.startswith(b"cpu MHz")]


def test_what_is_no_file_is_not_waited_for(rm: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", "/dev/zero"):
        job = jobs.Command(["/bin/true"], stage_in=[(str(odd), "x")])
        for tried in (jobs.run, jobs.submit, jobs.check):
            with pytest.raises(jobs.BadJob, match="cannot be staged in"):
                tried(rm, job)  # type: ignore[operator]


def test_a_job_that_stages_nothing_may_fetch_nothing(rm: str) -> None:
    with (
        Output(lambda data: None, lambda data: None) as output,
        GassCopy() as copy,
        pytest.raises(PermissionError),
    ):
        copy.copy_url_to_url(f"{output.channel.url}/proc/version", None, "file:///dev/null", None)
