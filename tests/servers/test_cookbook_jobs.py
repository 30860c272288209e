"""The snippets of the cookbook for globusrun run, and no option of these programs is left out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from cogkit.sandbox._layout import is_grid_variable
from cookbook import FOLDER, Snippet, assert_links_lead_somewhere, help_of, snippets, table

PAGE = FOLDER / "globusrun.md"
PRELUDE, *SNIPPETS = snippets(PAGE)
FOLLOWERS = ("globus-job-status", "globus-job-cancel", "globus-job-clean", "globus-job-get-output")

pytestmark = pytest.mark.timeout(90)


# runs the sources that it is given, as parts of the page
DRIVER = """
import json, sys
names = json.loads(sys.argv[1])
for code in sys.argv[3:]:
    exec(compile(code, sys.argv[2], "exec"), names)
"""
WANTS_JOB = r"\(job[,)]|\"\$job\""

Done = subprocess.CompletedProcess[str]


class Kitchen:
    """Runs snippets, each in a directory and a process of its own."""

    def __init__(self, grid: Sandbox, directory: Path) -> None:
        self.rm = grid.gram_contact
        self.directory = directory
        self.environ = {
            name: value for name, value in os.environ.items() if not is_grid_variable(name)
        } | {**grid.environ, "XDG_STATE_HOME": str(directory / "state")}
        self.program = program = directory / "bin" / "cogkit"
        program.parent.mkdir()
        program.write_text(f"#!{sys.executable}\nfrom cogkit.cli import main\nmain()\n")
        program.chmod(0o755)
        self.environ["PATH"] = f"{program.parent}:{self.environ['PATH']}"
        self.printed = self.submitted("printf", "%s\\n", "one", "two", "three")
        self.cogkit("wait", self.printed)

    def cogkit(self, *words: str) -> str:
        return subprocess.run(
            [str(self.program), *words], env=self.environ, check=True, stdout=subprocess.PIPE,
            text=True, timeout=40,
        ).stdout  # fmt: skip

    def submitted(self, *words: str) -> str:
        return self.cogkit("submit", "--resource", self.rm, "--", *words).strip()

    def names(self, place: Path) -> dict[str, str]:
        """The names that the page takes for granted, but for that of a running job."""
        for folder in ("here", "there", "work"):
            (place / folder).mkdir(parents=True)
        (place / "here" / "data").write_text("data\n")
        (place / "there" / "input").write_text("data there\n")
        program = place / "here" / "program"
        program.write_text('#!/bin/sh\necho "$1"\n')
        program.chmod(0o755)
        return {
            "rm": self.rm,
            "path": f"{place}/here/data",
            "program": str(program),
            "here": f"{place}/here",
            "there": f"{place}/there",
            "printed": self.printed,
        }

    def run(self, snippet: Snippet) -> Done:
        place = self.directory / str(snippet.line)
        names = self.names(place)
        if re.search(WANTS_JOB, snippet.code) and not re.search(r"\bjob\s*=", snippet.code):
            names["job"] = self.submitted("sleep", "600")
            while self.cogkit("status", names["job"]) != "ACTIVE\n":
                pass
        environ = {**self.environ, "XDG_STATE_HOME": str(place / "state")}
        if snippet.language == "sh":
            command = ["bash", "-e", "-u", "-o", "pipefail", "-c", snippet.code]
            environ |= names
        else:
            known = json.dumps({"__name__": "cookbook", **names})
            command = [sys.executable, "-u", "-W", "error", "-c", DRIVER, known, str(PAGE),
                       PRELUDE.code, snippet.code]  # fmt: skip
        try:
            return subprocess.run(
                command, env=environ, cwd=place / "work", stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=50, check=False,
            )  # fmt: skip
        finally:
            if "job" in names:
                subprocess.run(
                    [str(self.program), "cancel", names["job"]],
                    env=self.environ,
                    capture_output=True,
                )


@pytest.fixture(scope="module")
def done(
    grid: Sandbox, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Snippet, Future[Done]]]:
    """What the chosen snippets have done: they run side by side, as they wait for jobs mostly."""
    kitchen = Kitchen(grid, tmp_path_factory.mktemp("cookbook"))
    chosen = [
        item.callspec.params["snippet"] for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == SNIPPET_TEST
        and item.path == Path(__file__)
    ]  # fmt: skip
    with ThreadPoolExecutor(6) as pool:
        yield {snippet: pool.submit(kitchen.run, snippet) for snippet in chosen}


def expected(snippet: Snippet) -> list[str]:
    """What the comments behind its lines say that is printed."""
    told = re.findall(r"\S.*?  # (.+)$", snippet.code, re.MULTILINE)
    return [line for comment in told for line in comment.split(", ")]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=str)
def test_snippets_do_what_they_say(done: dict[Snippet, Future[Done]], snippet: Snippet) -> None:
    result = done[snippet].result()
    assert result.returncode == 0, result.stderr
    if snippet.section != "help and versions" or snippet.language == "python":
        assert result.stdout.splitlines() == expected(snippet), result.stderr


SNIPPET_TEST = test_snippets_do_what_they_say.__name__


def test_every_snippet_is_tested() -> None:
    assert PRELUDE.section == "from globusrun to python"
    assert {snippet.language for snippet in SNIPPETS} == {"python", "sh"}
    assert sum(bool(expected(snippet)) for snippet in SNIPPETS) > 40


def test_the_links_of_the_page_lead_somewhere() -> None:
    assert_links_lead_somewhere(PAGE)


# --- nothing is left out ---


def options(text: str) -> set[str]:
    """Every option in a help, under all its names: ``-m[axtime]`` has two."""
    found = set()
    for short, rest in re.findall(r"(?:^|[\s\[|(])-([A-Za-z][\w-]*)(?:\[(\w+)\])?", text):
        found |= {f"-{short}", f"-{short}{rest}"}
    return found


@pytest.mark.parametrize(
    ("title", "programs", "least"),
    [
        ("| globusrun | in short |", ("globusrun",), 30),
        (
            "| globus-job-run, globus-job-submit | in short |",
            ("globus-job-run", "globus-job-submit"),
            25,
        ),
        ("| globus-job-status, -cancel, -clean, -get-output | in short |", FOLLOWERS, 12),
    ],
)
def test_every_option_of_the_programs_is_in_a_table(
    title: str, programs: tuple[str, ...], least: int
) -> None:
    there = set().union(*(options(help_of(program)) for program in programs))
    there.discard("-resource-manger")  # so the help of globusrun spells -resource, once
    assert len(there) >= least
    told = table(PAGE, title)
    assert there <= told, f"not told: {sorted(there - told)}"
    assert told <= there, f"no such options: {sorted(told - there)}"
