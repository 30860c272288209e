"""The pytest plugin, as somebody else's test suite sees it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(60)

SUITE = """
import os, sys

def test_nothing_is_imported_for_those_who_do_not_use_it():
    assert "cogkit.sandbox" not in sys.modules
    assert "pyGlobus" not in sys.modules

def test_the_environment_is_scrubbed(scrubbed_environ):
    assert "X509_USER_PROXY" not in os.environ
    assert "GLOBUS_TCP_PORT_RANGE" not in scrubbed_environ

def test_the_environment_is_the_grid_s(grid, grid_env):
    assert os.environ["X509_USER_PROXY"] == str(grid.proxy_path)
    assert "GLOBUS_TCP_PORT_RANGE" not in os.environ
    assert grid_env.items() >= grid.environ.items()

def test_the_environment_is_put_back_and_the_grid_is_the_same(grid):
    assert os.environ["X509_USER_PROXY"] == "/mine"
    assert grid.gridftp.pid
"""


def test_the_fixtures_give_a_grid_and_put_the_environment_back(tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            # Once is enough, be it by entry point or by name.
            *(() if _is_installed() else ("-p", "cogkit.testing")),
            "test_suite.py",
        ],
        cwd=tmp_path,
        env={**os.environ, "X509_USER_PROXY": "/mine", "GLOBUS_TCP_PORT_RANGE": "1,2"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout


def _is_installed() -> bool:
    from importlib.metadata import entry_points

    return any(entry.name == "cogkit" for entry in entry_points(group="pytest11"))
