"""Standard output, error and input that are closed, full, or read by nobody; without any server."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cli import COGKIT

pytestmark = pytest.mark.timeout(30)


def shell(
    line: str, *, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A line of shell, in which `"$@"` is cogkit."""
    return subprocess.run(
        ["sh", "-c", line, "sh", *COGKIT],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(cwd), "XDG_RUNTIME_DIR": str(cwd), **(env or {})},
        capture_output=True,
        text=True,
        timeout=20,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").write_text("content\n")
    return tmp_path


PRINTING = [
    "--help",
    "--version",
    "--show-completion",
    "cp --help",
    "ls .",
    "ls --json .",
    "cat a",
    "cp --json a b",
    "mkdir --json made",
    "rm --json a",
    "jobs --json --no-ask",
    "sandbox status --json",
]


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize(
    ("where", "reason"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_output_that_cannot_be_written_is_an_error_of_its_own(
    command: str, where: str, reason: str, folder: Path
) -> None:
    done = shell(f'"$@" {command} {where}', cwd=folder, env={"SHELL": "/bin/bash"})
    assert done.stderr == f"cogkit: cannot write to standard output: {reason}\n"
    assert done.returncode == 8


@pytest.mark.parametrize("command", PRINTING)
def test_of_a_reader_that_has_gone_nothing_is_said(command: str, folder: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [*COGKIT, *command.split()],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": str(folder), "SHELL": "/bin/bash"},
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=20,
        )
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_copy_is_made_whatever_is_closed(closed: str, folder: Path) -> None:
    done = shell(f'"$@" cp a b {closed}', cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "b").read_text() == "content\n"


@pytest.mark.parametrize("command", ["cp --json a b", "mkdir --json b", "rm --json a"])
def test_what_was_to_be_done_is_done_before_output_fails(command: str, folder: Path) -> None:
    assert shell(f'"$@" {command} >&-', cwd=folder).returncode == 8
    assert (folder / "b").exists() != command.startswith("rm")
    assert (folder / "a").exists() != command.startswith("rm")


def test_no_file_gets_the_number_of_a_closed_descriptor(folder: Path) -> None:
    program = folder / "program.py"
    program.write_text(
        "import os, sys\n"
        "from cogkit.cli import _standard\n"
        "_standard.prepare()\n"
        "number = os.open('a', os.O_RDWR)\n"
        "print('for the user', file=sys.stderr)\n"
        "try:\n"
        "    print('for the user', flush=True)\n"
        "except OSError:\n"
        "    pass\n"
        "os.system('echo from a child; echo from a child >&2')\n"
        "sys.exit(number)\n"
    )
    done = shell('"$1" program.py <&- >&- 2>&-', cwd=folder)
    assert done.returncode > 2
    assert (folder / "a").read_text() == "content\n"


@pytest.mark.parametrize(
    ("command", "code"), [("ls nothing", 4), ("ls --json nothing", 4), ("nonsense", 2), ("", 2)]
)
@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", ">&- 2>&-", ">/dev/full 2>/dev/full"])
def test_an_error_of_which_nobody_can_be_told_keeps_its_exit_code(
    command: str, code: int, where: str, folder: Path
) -> None:
    done = shell(f'"$@" {command} {where}', cwd=folder)
    assert done.returncode == code
    if "--json" in command and ">" not in where.replace("2>", ""):
        assert json.loads(done.stdout)["exit_code"] == code


def test_what_the_terminal_has_no_code_for_is_printed_all_the_same(folder: Path) -> None:
    (folder / "caf\u00e9").touch()
    (folder / os.fsdecode(b"raw\xff")).touch()
    done = subprocess.run(
        [*COGKIT, "ls", "."],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == 0
    assert b"caf\\xe9\n" in done.stdout
    assert b"raw\xff\n" in done.stdout
