"""For every test: no grid of the tester's own, and a time limit that shows where it hung."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from cogkit.sandbox import ProgramsMissing, Sandbox

faulthandler.enable()

# an example may take long where the machine is busy; each test has its limit
hypothesis.settings.register_profile("kit", deadline=None)
if not os.environ.get("CI"):  # there hypothesis has a profile of its own, without a deadline too
    hypothesis.settings.load_profile("kit")

# where tools/setup.sh puts OpenSSH's server and Slurm, which it does not install
_UNPACKED = [
    str(Path(__file__).parent.parent / ".setup" / place)
    for place in ("openssh/usr/sbin", "slurm/usr/sbin", "slurm/usr/bin")
]
# and where administrators' programs are, such as grid-mapfile-add-entry
_FURTHER = [*_UNPACKED, "/usr/sbin", "/sbin"]
os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), *_FURTHER])

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in the background by a shell, which has it ignored; what the tests start would inherit
    # that, and not be interrupted.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is installed, a test that lacks something is no skipped one."""
    report = yield
    if report.skipped and os.environ.get("CI") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("needs "):
            report.outcome, report.longrepr = "failed", reason
    return report


@pytest.fixture(autouse=True)
def _no_grid_of_the_tester(
    scrubbed_environ: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tests that want a grid ask for `grid_env`; none writes into the tester's record of jobs."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture
def url(grid_env: dict[str, str]) -> str:
    """The base URL of the sandbox's GridFTP server."""
    return grid_env["COGKIT_SANDBOX_GRIDFTP"]


@pytest.fixture
def ssh_url(grid: Sandbox, grid_env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The base URL of the sandbox's SSH server, ``sshftp:``."""
    try:
        ssh = grid.with_ssh()
    except ProgramsMissing as error:
        pytest.skip(f"needs what 'make test' sees to: {error}")
    monkeypatch.setenv("GLOBUS_REMOTE_SSHFTP", grid.environ["GLOBUS_REMOTE_SSHFTP"])
    return ssh.url


@pytest.fixture(scope="session")
def slurm_grid() -> Iterator[Sandbox]:
    """A sandbox with a Slurm cluster of three nodes, for the whole session."""
    grid = Sandbox(slurm_nodes=3)
    try:
        grid.start()
    except ProgramsMissing as error:
        pytest.skip(f"needs what 'make test' sees to: {error}")
    with grid:
        yield grid


@pytest.fixture
def slurm_rm(slurm_grid: Sandbox, monkeypatch: pytest.MonkeyPatch) -> str:
    """The contact of its Slurm job manager, with its variables in ``os.environ``."""
    for name, value in slurm_grid.environ.items():
        monkeypatch.setenv(name, value)
    return slurm_grid.gram_slurm


@pytest.fixture(scope="session")
def plain_port(grid: Sandbox) -> int:
    """The port of a server that takes anybody, in the clear."""
    user = ["-anonymous-user", "root"] if os.getuid() == 0 else []
    return grid.add_gridftp("-aa", *user).port


@pytest.fixture
def plain_url(plain_port: int, grid_env: dict[str, str]) -> str:
    """The base URL of that server, ``ftp:``."""
    return f"ftp://localhost:{plain_port}"


@pytest.fixture
def rm(grid_env: dict[str, str]) -> str:
    """The contact of the sandbox's gatekeeper."""
    return grid_env["COGKIT_SANDBOX_GRAM"]


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A directory that the servers, which run as us, can see too."""
    directory = tmp_path / "remote"
    directory.mkdir()
    return directory


def sparse(folder: Path, size: int) -> Path:
    """A file of so many bytes that takes no room."""
    path = folder / "file"
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.fixture(scope="session")
def big_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """256 MiB."""
    return sparse(tmp_path_factory.mktemp("big"), 256 << 20)


@pytest.fixture(scope="session")
def endless_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 GiB: for transfers that must not be over before they are interrupted."""
    return sparse(tmp_path_factory.mktemp("endless"), 64 << 30)
