"""The snippets of the cookbook run, and no option of globus-url-copy is left out."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cogkit.sandbox import IssuedCredential, Sandbox, ServerHandle
from cookbook import FOLDER, Snippet, assert_links_lead_somewhere, help_of, snippets, table

PAGE = FOLDER / "globus-url-copy.md"
DATA = bytes(range(256)) * 400
FILES = {"data": DATA, "a.txt": b"a\n" * 1000, "b.txt": b"b\n" * 2000, "more/deep.txt": b"deep\n"}
LEFT_OUT = {"a part of a file", "programs at the server", "standard input and output"}
"""Sections that write something else than a copy of the file that they name."""


PRELUDE, *SNIPPETS = snippets(PAGE)


@pytest.fixture(scope="session")
def other_server(grid: Sandbox) -> ServerHandle:
    """A server that allows what the snippets ask for."""
    return grid.add_gridftp(
        allowed_modules="file", dc_whitelist="tcp,gsi,udt", fs_whitelist="file,popen,ordering",
        popen_whitelist="/bin/date,/bin/dd", threads=1,
    )  # fmt: skip


@pytest.fixture(scope="session")
def other_user(grid: Sandbox) -> IssuedCredential:
    """Somebody else whom the servers know."""
    return grid.issue_user("Cook")


@pytest.fixture
def names(
    grid: Sandbox, other_server: ServerHandle, other_user: IssuedCredential,
    grid_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:  # fmt: skip
    """The names that the page takes for granted; a file here and there has the same content."""
    for name, content in FILES.items():
        place = tmp_path / "remote" / name
        place.parent.mkdir(exist_ok=True, parents=True)
        place.write_bytes(content)
    for folder in ("here", "there", "work"):
        (tmp_path / folder).mkdir()
    (tmp_path / "here" / "data").write_bytes(DATA)
    monkeypatch.chdir(tmp_path / "work")
    server, other = other_server.url, grid.gridftp_url
    return {
        "server": server,
        "other_server": other,
        "url": f"{server}{tmp_path}/remote/data",
        "new_url": f"{server}{tmp_path}/there/new",
        "other_url": f"{other}{tmp_path}/there/other",
        "folder_url": f"{server}{tmp_path}/remote/",
        "other_folder_url": f"{other}{tmp_path}/there/",
        "path": f"{tmp_path}/here/data",
        "new_path": f"{tmp_path}/here/new",
        "new_folder": f"{tmp_path}/here/folder",
        "proxy": str(grid.proxy_path),
        "other_proxy": str(other_user.proxy_path),
        "subject": grid.host.subject,
    }


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s.language == "python"], ids=str)
def test_python_snippets_run(names: dict[str, str], snippet: Snippet) -> None:
    if snippet.section == "only what has changed":
        Path(names["new_folder"]).mkdir()
        Path(names["new_folder"], "data").write_bytes(DATA[::-1])
    namespace: dict[str, object] = {"__name__": "cookbook", **names}
    for part in (PRELUDE, snippet):
        exec(compile(part.code, str(PAGE), "exec"), namespace)
    assert_left(names, snippet)


@pytest.mark.parametrize("snippet", [s for s in SNIPPETS if s.language == "sh"], ids=str)
def test_shell_snippets_run(names: dict[str, str], tmp_path: Path, snippet: Snippet) -> None:
    program = tmp_path / "bin" / "cogkit"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nfrom cogkit.cli import main\nmain()\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        ["bash", "-e", "-u", "-o", "pipefail", "-c", snippet.code],
        env={**os.environ, **names, "PATH": f"{program.parent}:{os.environ['PATH']}"},
        capture_output=True, text=True, timeout=40, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_left(names, snippet)


def test_every_snippet_is_tested() -> None:
    assert PRELUDE.section == "from globus-url-copy to python"
    assert {snippet.language for snippet in SNIPPETS} == {"python", "sh"}


def test_what_the_snippets_write_is_looked_at() -> None:
    assert {snippet.section for snippet in SNIPPETS} >= LEFT_OUT


def assert_left(names: dict[str, str], snippet: Snippet) -> None:
    """What a snippet was to write is there, and is a copy of what it came from."""
    for name in ("new_path", "new_url", "other_url"):
        if re.search(rf"\b{name}\b", snippet.code):
            content = _file(names[name]).read_bytes()
            assert content == DATA or (content and snippet.section in LEFT_OUT)
    for name in ("new_folder", "other_folder_url"):
        if re.search(rf"\b{name}\b", snippet.code) and snippet.section != "what would be copied":
            copied = [place for place in _file(names[name]).rglob("*") if place.is_file()]
            assert len(copied) >= 2
            for place in copied:
                expected = {Path(one).name: content for one, content in FILES.items()}
                assert place.read_bytes() == expected[place.name]


def _file(url: str) -> Path:
    return Path(re.sub(r"^gsiftp://[^/]*", "", url))


# --- nothing is left out ---


def options() -> set[str]:
    """Every option that ``globus-url-copy -help`` prints, under all its names."""
    found = set()
    for line in help_of("globus-url-copy").partition("OPTIONS")[2].splitlines():
        if re.match(r"  -\w", line):
            found |= set(re.findall(r"(?:^ *|\| *)(-[A-Za-z][\w-]*)", line))
    return found


def test_every_option_of_the_program_is_in_the_table() -> None:
    assert len(options()) > 110
    told = table(PAGE, "| option | in short |")
    assert options() <= told, f"not told: {sorted(options() - told)}"
    assert told <= options(), f"no such options: {sorted(told - options())}"


def test_the_links_of_the_page_lead_somewhere() -> None:
    assert_links_lead_somewhere(PAGE)
