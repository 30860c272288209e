"""Completion by the shell: bash, zsh and fish."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

__all__ = ["install", "script"]

_SHELLS = ("bash", "zsh", "fish")


def script(root: click.Command, variable: str) -> str:
    """What the shell that we were started from must read."""
    return _script(root, variable, _shell())


def install(root: click.Command, variable: str) -> Path:
    """Put that where the shell reads it; returns the file."""
    shell = _shell()
    home = Path.home()
    text = _script(root, variable, shell)
    if shell == "fish":
        config = os.environ.get("XDG_CONFIG_HOME") or home / ".config"
        return _written(Path(config) / "fish" / "completions" / "cogkit.fish", text)
    if shell == "zsh":
        file = _written(home / ".zfunc" / "_cogkit", text)
        _append(home / ".zshrc", "fpath+=~/.zfunc; autoload -Uz compinit; compinit")
        return file
    file = _written(home / ".bash_completions" / "cogkit.sh", text)
    _append(home / ".bashrc", f"source '{file}'")
    return file


def _script(root: click.Command, variable: str, shell: str) -> str:
    kind = get_completion_class(shell)
    assert kind is not None
    return kind(root, {}, "cogkit", variable).source()


def _shell() -> str:
    """The shell that started us, else the user's login shell."""
    try:
        parent = Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    except OSError:
        parent = ""
    for name in (parent, Path(os.environ.get("SHELL", "")).name):
        if name in _SHELLS:
            return name
    raise click.UsageError("completion works in bash, zsh and fish: start cogkit from one of these")


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def _append(file: Path, line: str) -> None:
    """Add a line to a file that has not got it yet."""
    before = file.read_text() if file.exists() else ""
    if line not in before.splitlines():
        with file.open("a") as end:
            end.write(("" if before.endswith("\n") or not before else "\n") + line + "\n")
