"""The examples in the docstrings run."""

from __future__ import annotations

import doctest
import importlib
from datetime import timedelta
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Mode,
)
from pyGlobus.rsl import RSL, Relation, Variable
from pyGlobus.security import Credential

MODULES = [
    "pyGlobus.ftpClient",
    "pyGlobus.ftpClient.client",
    "pyGlobus.ftpClient.marker",
    "pyGlobus.ftpClient.plugins.base",
    "pyGlobus.ftpClient.plugins.debug",
    "pyGlobus.ftpClient.plugins.markers",
    "pyGlobus.ftpClient.plugins.restart",
    "pyGlobus.gassCopy",
    "pyGlobus.gassCopy.copy",
    "pyGlobus.gassServerEZ",
    "pyGlobus.gassTransfer",
    "pyGlobus.globusMod",
    "pyGlobus.gramClient",
    "pyGlobus.gramClient.client",
    "pyGlobus.io",
    "pyGlobus.rsl",
    "pyGlobus.rsl.border",
    "pyGlobus.rsl.request",
    "pyGlobus.rsl.tree",
    "pyGlobus.security",
    "pyGlobus.security.gridmap",
    "pyGlobus.security.gss",
    "pyGlobus.security.gss.assist",
    "pyGlobus.security.gss.creds",
    "pyGlobus.security.gss.names",
    "pyGlobus.security.gss.oids",
    "pyGlobus.security.gss.transport",
]


PAGES = ["gss.md", "jobs.md", "plugins.md", "rsl.md"]
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def names(
    grid: Sandbox, grid_env: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, object]:
    """What examples may use without importing it."""
    (tmp_path / "hello").write_text("hello\n")
    monkeypatch.setenv("X509_USER_PROXY", str(tmp_path / "proxy"))
    (tmp_path / "proxy").write_bytes(Path(grid_env["X509_USER_PROXY"]).read_bytes())
    (tmp_path / "proxy").chmod(0o600)
    monkeypatch.setenv("GRIDMAP", grid_env.get("GRIDMAP", ""))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    return {
        "url": f"{grid_env['COGKIT_SANDBOX_GRIDFTP']}{tmp_path}/hello",
        "rm": grid_env["COGKIT_SANDBOX_GRAM"],
        "there": str(tmp_path / "there"),
        "host": Credential.load_pair(grid.host.cert_path, grid.host.key_path),
        "timedelta": timedelta,
        "FtpClient": FtpClient,
        "FtpClientHandleAttr": FtpClientHandleAttr,
        "FtpClientOperationAttr": FtpClientOperationAttr,
        "Mode": Mode,
        "RSL": RSL,
        "Relation": Relation,
        "Variable": Variable,
    }


@pytest.mark.timeout(180)  # a page may run a dozen jobs, one after the other
@pytest.mark.parametrize("page", PAGES)
def test_the_pages_tell_the_truth(names: dict[str, object], page: str) -> None:
    result = doctest.testfile(str(DOCS / page), module_relative=False, globs=names)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_the_docstrings_tell_the_truth(names: dict[str, object], name: str) -> None:
    module = importlib.import_module(name)
    result = doctest.testmod(module, extraglobs=names)
    assert result.attempted > 0
    assert result.failed == 0
