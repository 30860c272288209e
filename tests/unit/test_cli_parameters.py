"""The commands' options and help, and what a start of the command line costs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cogkit.cli import root, run

pytestmark = pytest.mark.timeout(30)


def commands(group: click.Group = root, path: str = "cogkit") -> list[tuple[str, click.Command]]:
    """Each command with its full name."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += commands(command, f"{path} {name}")
        else:
            found.append((f"{path} {name}", command))
    return found


COMMANDS = commands()


def python(script: str, *arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_every_command_explains_itself_with_an_example_and_its_exit_codes(
    name: str, command: click.Command
) -> None:
    text = command.get_help(click.Context(command, info_name=name))
    assert command.help
    assert f"Example: {name}" in text or name in text.partition("Example: ")[2]
    assert "Exit codes: 0 " in text
    for one in command.params:
        if isinstance(one, click.Option):
            assert one.help, one.name
        else:
            assert "\nArguments:\n" in text


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_no_two_options_of_a_command_have_one_name(name: str, command: click.Command) -> None:
    names = [one.name for one in command.params]
    options = [text for one in command.params for text in (*one.opts, *one.secondary_opts)]
    assert len(set(names)) == len(names)
    assert len(set(options)) == len(options)


def test_a_local_copy_imports_nothing_heavy_and_no_globus(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    told = python(
        "import json, sys\n"
        "from cogkit.cli import run\n"
        "code = run(['cp', *sys.argv[1:]])\n"
        "print(json.dumps([code, sorted(sys.modules)]))\n",
        tmp_path / "a",
        tmp_path / "b",
    )
    code, modules = json.loads(told)
    assert code == 0
    assert (tmp_path / "b").read_text() == "x"
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & {"typer", "pydantic", "rich", "cryptography", "asyncio", "cffi"}
    assert "pyGlobus._native" not in modules


def test_the_help_imports_no_more_than_the_commands() -> None:
    told = python(
        "import json, sys\n"
        "from cogkit.cli import run\n"
        "code = run(['--help'])\n"
        "print(json.dumps([code, sorted(sys.modules)]))\n"
    )
    code, modules = json.loads(told.splitlines()[-1])
    assert code == 0
    assert not {name.partition(".")[0] for name in modules} & {"typer", "rich", "cffi"}
    assert "pyGlobus._native" not in modules
    assert not {"cogkit.files", "cogkit.jobs", "cogkit.sandbox"} & set(modules)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nonsense"], "nonsense"),
        (["cp", "a"], "target"),
        (["cp", "--nonsense", "a", "b"], "--nonsense"),
        (["ls", "--timeout", "nan", "x"], "nan"),
        (["ls", "--timeout", "-1", "x"], "-1"),
        (["cp", "--parallel", "0", "a", "b"], "0"),
        (["cp", "--parallel", "9" * 30, "a", "b"], "1024"),
        (["run", "--count", "9" * 10, "--", "true"], "1000000"),
        (["run"], "COMMAND"),
        (["run", "--rsl", "&(executable=/bin/true)", "--count", "2"], "--rsl"),
        (["proxy", "init", "--lifetime", "12.5"], "12.5"),
    ],
)
def test_wrong_usage_is_one_line_with_the_way_to_the_help(
    arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("cogkit: ")
    assert word in first
    assert second.startswith("Try 'cogkit ")
    assert second.endswith(" --help'.")


def test_wrong_usage_is_json_where_that_was_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cp", "--nonsense", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["exit_code"] == 2


@pytest.mark.parametrize("group", [[], ["proxy"], ["sandbox"]])
def test_no_command_at_all_shows_the_help(
    group: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(group) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("cogkit sub", ["plain,submit"]),
        ("cogkit cp --sess", ["plain,--sessions"]),
        ("cogkit cp /et", ["file,/et"]),
        ("cogkit proxy init --cert /et", ["file,/et"]),
        ("cogkit sandbox ", ["plain,up", "plain,status", "plain,env", "plain,down"]),
    ],
)
def test_a_shell_completes_commands_options_and_files(
    words: str, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    monkeypatch.setenv("_COGKIT_COMPLETE", "bash_complete")
    told = python("import sys; from cogkit.cli import main; main()")
    assert told.splitlines() == expected


def test_completion_is_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    (tmp_path / ".bashrc").write_text("alias x=y")
    for _ in range(2):
        python("from cogkit.cli import run; run(['--install-completion'])")
    first, second = (tmp_path / ".bashrc").read_text().splitlines()
    assert first == "alias x=y"
    assert second == f"source '{tmp_path}/.bash_completions/cogkit.sh'"
    assert "_COGKIT_COMPLETE=bash_complete" in Path(second[8:-1]).read_text()
