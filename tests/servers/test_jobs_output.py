"""What a job prints, on its way to whoever takes it: slowly, never, or two at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from cogkit import jobs
from cogkit.jobs import _output
from cogkit.jobs._output import Output


def shell(script: str) -> list[str]:
    return ["/bin/sh", "-c", script]


def test_two_jobs_at_a_time_are_refused_and_never_mixed(rm: str) -> None:
    began = threading.Event()
    first: list[jobs.Outcome] = []

    def run() -> None:
        first.append(
            jobs.run(
                rm, shell("echo a; sleep 2; echo b"), capture=True,
                on_state=lambda contact, state: began.set(),
            )
        )  # fmt: skip

    thread = threading.Thread(target=run)
    thread.start()
    assert began.wait(20)
    with pytest.raises(RuntimeError, match="one job at a time"):
        jobs.run(rm, shell("echo other"), capture=True)
    thread.join(30)
    assert first[0].stdout == b"a\nb\n"
    assert jobs.run(rm, shell("echo next"), capture=True).stdout == b"next\n"


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
    go = threading.Event()
    begin = time.monotonic()
    with pytest.raises(TimeoutError, match="was cancelled"):
        jobs.run(rm, shell("seq 300000; sleep 60"), stdout=lambda data: go.wait(), timeout=8)
    assert time.monotonic() - begin < 30
    go.set()
    deadline = time.monotonic() + 20
    while _output._streams.locked():
        assert time.monotonic() < deadline
        time.sleep(0.05)


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


@pytest.mark.parametrize("name", ["100%", "#1", 'a"b', "a\\b", "[x]", "\u00fc"])
def test_a_name_that_cannot_be_served_is_said_before(rm: str, tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    job = jobs.Command(["/bin/true"], stage_in=[(str(tmp_path / name), "x")])
    with pytest.raises(ValueError, match="link to it"):
        jobs.run(rm, job)
