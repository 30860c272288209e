"""What the command line makes of errors, without any server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cogkit.cli._common import ExitCode, Settings, exit_code, report
from cogkit.sandbox import NoSandbox

pytestmark = pytest.mark.timeout(30)

COGKIT = [sys.executable, "-c", "from cogkit.cli import main; main()"]


def cogkit(*arguments: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    environ.pop("COGKIT_SANDBOX_DIR", None)
    return subprocess.run(
        [*COGKIT, *arguments], env=environ, capture_output=True, text=True, timeout=20
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FileNotFoundError(2, "No such file"), 4),
        (PermissionError(13, "Permission denied"), 5),
        (ConnectionRefusedError(111, "Connection refused"), 6),
        (TimeoutError("too slow"), 6),
        (OSError(28, "No space left on device"), 1),
        (NoSandbox("none"), 1),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError(), None),
    ],
)
def test_an_exception_has_the_exit_code_of_its_nearest_known_class(
    error: BaseException, code: int | None
) -> None:
    assert exit_code(error) == code


def test_an_error_is_one_line_and_its_note_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    error = FileNotFoundError(2, "No such file or directory", "/x")
    error.add_note("Make it first.")
    assert report(error, Settings()) is ExitCode.NOT_FOUND
    assert capsys.readouterr().err == "cogkit: /x: No such file or directory\nMake it first.\n"


def test_an_error_in_json_mode_is_an_object_with_the_exit_code(tmp_path: Path) -> None:
    done = cogkit("sandbox", "env", "--json", tmp_path=tmp_path)
    assert done.returncode == 1
    assert json.loads(done.stdout)["exit_code"] == 1
    assert done.stderr.startswith("cogkit: no sandbox is running")


def test_a_traceback_is_shown_only_on_demand(tmp_path: Path) -> None:
    assert "Traceback" not in cogkit("sandbox", "down", tmp_path=tmp_path).stderr
    assert "Traceback" in cogkit("--debug", "sandbox", "down", tmp_path=tmp_path).stderr


def test_wrong_usage_exits_with_two(tmp_path: Path) -> None:
    assert cogkit("sandbox", "status", "--nonsense", tmp_path=tmp_path).returncode == 2


@pytest.mark.parametrize("command", ["up", "status", "env", "down"])
def test_every_command_documents_an_example_and_its_exit_codes(
    command: str, tmp_path: Path
) -> None:
    text = cogkit("sandbox", command, "--help", tmp_path=tmp_path).stdout
    assert "Example: " in text
    assert "Exit codes: 0 " in text


def test_a_reader_that_goes_away_is_no_error_message(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(
        [*COGKIT, "sandbox", "status", "--json"],
        env=environ,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=20,
    )
    os.close(write)
    assert done.stderr == ""


def test_help_comes_at_once(tmp_path: Path) -> None:
    def seconds() -> float:
        """Of processor time: a machine that is busy makes it wait, and no slower."""
        begin = os.times()
        assert cogkit("--help", tmp_path=tmp_path).returncode == 0
        end = os.times()
        return end[2] + end[3] - begin[2] - begin[3]

    assert min(seconds() for _ in range(5)) < 0.3


def test_the_page_on_the_command_line_has_every_exit_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    table = page.partition("## Exit codes")[2].partition("\n\nAn error is")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| ")]
    codes = {int(text) for row in rows[1:] for text in row.split(",")}
    assert codes == {int(code) for code in ExitCode}
