"""Fixtures for tests against a real grid: a pytest plugin.

It is active wherever the kit is installed (entry point ``pytest11``), and costs
nothing until a test asks for a fixture::

    def test_upload(grid, grid_env, tmp_path):
        subprocess.run(["globus-url-copy", …, f"{grid.gridftp_url}/tmp/x"], check=True)

``grid``
    a :class:`cogkit.sandbox.Sandbox` that runs for the whole session, started by the
    first test that asks for it;
``grid_env``
    that grid's variables in ``os.environ`` for one test, and no other grid's;
``scrubbed_environ``
    no grid's variables in ``os.environ`` for one test: no ``X509_*``, no ``GLOBUS_*``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cogkit.sandbox import Sandbox


@pytest.fixture(scope="session")
def grid() -> Iterator[Sandbox]:
    """A grid that runs for the whole session."""
    # Here, so that it costs nothing where it is not used.
    from cogkit.sandbox import Sandbox

    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def scrubbed_environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Take every variable that leads to a grid out of ``os.environ``; returns what is left."""
    from cogkit.sandbox._layout import is_grid_variable

    for name in [name for name in os.environ if is_grid_variable(name)]:
        monkeypatch.delenv(name)
    return dict(os.environ)


@pytest.fixture
def grid_env(
    grid: Sandbox, scrubbed_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Put the grid's variables, and no other grid's, into ``os.environ``; returns them all."""
    for name, value in grid.environ.items():
        monkeypatch.setenv(name, value)
    return {**scrubbed_environ, **grid.environ}
