"""Which sandboxes run, and the sweeping of what a killed one left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from cogkit.sandbox import NoSandbox, SandboxError, _processes, _records, find
from cogkit.sandbox._records import Record

pytestmark = pytest.mark.timeout(30)


class MakeRecord(Protocol):
    """Makes the record of a sandbox whose supervisor is this process, or was killed."""

    def __call__(self, name: str, directory: Path, *, alive: bool = True) -> Record: ...


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delenv("COGKIT_SANDBOX_DIR", raising=False)
    return tmp_path / "cogkit-sandboxes"


@pytest.fixture
def record(records: Path) -> Iterator[MakeRecord]:
    held: list[int] = []

    def make(name: str, directory: Path, *, alive: bool = True) -> Record:
        descriptor = _records.take_lock(name)
        if alive:
            held.append(descriptor)
        else:
            os.close(descriptor)
        return replace(Record.here(name, str(directory)), detached=True)

    yield make
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.parametrize("place", ["environment", "path of the program"])
def test_a_process_is_killed_if_it_bears_every_mark(tmp_path: Path, place: str) -> None:
    marks = {"A_MARK": f"{os.getpid()}-{place.replace(' ', '-')}", "ANOTHER_MARK": "n1"}
    environ = marks if place == "environment" else {}
    folder = tmp_path.joinpath(*(f"{k}={v}" for k, v in marks.items() if k not in environ))
    folder.mkdir(parents=True, exist_ok=True)
    # a program of that path, which has wiped its environment
    program = shutil.copy(shutil.which("sleep") or "", folder)
    with subprocess.Popen([program, "30"], env=environ) as process:
        _processes.kill_marked(marks | {"ANOTHER_MARK": "n2"})
        assert process.poll() is None
        _processes.kill_marked(marks)
        assert process.wait(5) == -signal.SIGKILL


def test_the_only_running_sandbox_is_found(record: MakeRecord, tmp_path: Path) -> None:
    _records.write_record(record("a", tmp_path / "a"))
    assert find() == tmp_path / "a"


def test_several_running_sandboxes_are_listed_in_the_error(
    record: MakeRecord, tmp_path: Path
) -> None:
    for name in "ab":
        _records.write_record(record(name, tmp_path / name))
    with pytest.raises(SandboxError, match=r"/a, .*/b; name one with --dir"):
        find()


def test_the_environment_decides_between_several(
    record: MakeRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        _records.write_record(record(name, tmp_path / name))
    monkeypatch.setenv("COGKIT_SANDBOX_DIR", str(tmp_path / "b"))
    assert find() == tmp_path / "b"


def test_a_stale_record_is_swept_with_its_directory_and_processes(
    record: MakeRecord, tmp_path: Path, records: Path
) -> None:
    left = tmp_path / "left"
    (left / "log").mkdir(parents=True)
    (left / "id").write_text("gone")
    orphan = subprocess.Popen(["sleep", "60"], env={**os.environ, _records.MARK: "gone"})
    try:
        _records.write_record(record("gone", left, alive=False))
        with pytest.raises(NoSandbox):
            find()
        assert orphan.wait(5) == -9
    finally:
        orphan.kill()
        orphan.wait()
    assert not left.exists()
    assert not records.exists()


@pytest.mark.parametrize(
    "elsewhere", [{"boot": "of another machine"}, {"pid_namespace": 1}, {"boot": ""}]
)
def test_what_belongs_to_another_machine_or_container_is_left_alone(
    record: MakeRecord, elsewhere: dict[str, object], tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "id").write_text("a")
    left = replace(record("a", there, alive=False), **elsewhere, host="elsewhere")  # type: ignore[arg-type]
    path = _records.write_record(left)
    assert _records.running() == []
    assert _records.foreign() == [left]
    with pytest.raises(NoSandbox, match=f"left alone: {there} of elsewhere"):
        find()
    assert path.exists()
    assert (there / "id").exists()


def test_one_that_runs_in_another_container_is_found(record: MakeRecord, tmp_path: Path) -> None:
    made = replace(record("a", tmp_path / "a"), pid_namespace=1, supervisor=2)
    _records.write_record(made)
    assert _records.running() == [made]


def test_where_files_cannot_be_locked_there_is_no_sandbox(
    records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(37, os.strerror(37))

    monkeypatch.setattr("fcntl.flock", fail)
    with pytest.raises(SandboxError, match="No locks available"):
        _records.take_lock("a")


def test_sweeping_removes_no_directory_that_is_not_that_sandbox(
    record: MakeRecord, tmp_path: Path
) -> None:
    reused = tmp_path / "reused"
    reused.mkdir()
    (reused / "id").write_text("another")
    _records.write_record(record("gone", reused, alive=False))
    assert _records.running() == []
    assert reused.exists()


def test_a_directory_of_records_that_others_can_write_is_refused(
    record: MakeRecord, tmp_path: Path, records: Path
) -> None:
    records.mkdir()
    records.chmod(0o777)
    with pytest.raises(SandboxError, match="own directory"):
        _records.write_record(record("a", tmp_path / "a"))


def test_a_damaged_record_is_passed_over(record: MakeRecord, tmp_path: Path, records: Path) -> None:
    _records.write_record(record("a", tmp_path / "a"))
    (records / "b.json").write_text("{")
    assert [r.id for r in _records.running()] == ["a"]


def test_a_process_with_blanks_and_brackets_in_its_name_is_understood(tmp_path: Path) -> None:
    odd = tmp_path / "a ) R 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "60"]) as process:
        try:
            assert process.pid in _processes.descendants(os.getpid())
        finally:
            process.kill()


def test_importing_the_sandbox_does_not_import_cryptography() -> None:
    script = "import sys, cogkit.sandbox, cogkit.cli; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=20).returncode == 0
