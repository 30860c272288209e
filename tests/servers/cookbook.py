"""Reading the pages of the cookbook, for the tests of them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "cookbook"


@dataclass(frozen=True)
class Snippet:
    """A fenced block of a page."""

    section: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.section}-{self.line}"


def snippets(page: Path) -> list[Snippet]:
    found, section, begin = [], "", 0
    lines = page.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if line.startswith("#") and not begin:
            section = line.lstrip("# ").lower()
        elif line.startswith("```") and not begin:
            begin = number
        elif line == "```":
            language = lines[begin - 1][3:]
            # as many lines before it as on the page, so that a traceback leads there
            code = "\n" * begin + "\n".join(lines[begin : number - 1]) + "\n"
            found.append(Snippet(section, begin, language, code))
            begin = 0
    return found


def help_of(program: str) -> str:
    """What a program of GCT prints for ``-help``."""
    done = subprocess.run([program, "-help"], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def table(page: Path, title: str) -> set[str]:
    """The options in the first column of the table with this title row."""
    rows = page.read_text().partition(title)[2].partition("\n\n")[0]
    told = set()
    for row in rows.splitlines():
        if row.startswith("| "):
            told |= set(re.findall(r"`(-[^` ]+)`", row.split("|")[1]))
    return told


def assert_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\(([^)]*)\)", text):
        target, _, anchor = link.partition("#")
        place = page.parent / target if target else page
        assert place.exists(), link
        if anchor:
            assert anchor in _anchors(place), link


def _anchors(page: Path) -> set[str]:
    return {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in page.read_text().splitlines() if line.startswith("#")
    }  # fmt: skip
