"""Bad days of a copy: each a typed error within its deadline, and nothing left behind."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox, _processes
from pyGlobus.ftpClient import FtpClientHandleAttr
from pyGlobus.gassCopy import GassCopy, GassCopyConnectionError, GassCopyHandleAttr
from pyGlobus.globusException import GlobusTimeoutError, OperationCancelledError
from waiting import until


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def https(grid_env: dict[str, str]) -> Iterator[str]:
    with subprocess.Popen(
        ["globus-gass-server", "-r", "-w"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.kill()


@pytest.mark.parametrize("scheme", ["gsiftp", "http", "https"])
@pytest.mark.parametrize("way", ["from", "to"])
def test_a_silent_server_costs_no_more_than_the_deadline(
    grid_env: object, silent: int, tmp_path: Path, scheme: str, way: str
) -> None:
    (tmp_path / "x").write_bytes(b"x" * 10)
    ends = [f"{scheme}://127.0.0.1:{silent}/x", f"file://{tmp_path}/x"]
    source, destination = ends if way == "from" else reversed(ends)
    with GassCopy() as copy:
        for limits in ({"timeout": 0.3}, {"stall_timeout": 0.3}):
            begin = time.monotonic()
            with pytest.raises(GlobusTimeoutError):
                copy.copy_url_to_url(source, None, destination, None, **limits)  # type: ignore[arg-type]
            assert time.monotonic() - begin < 3
    assert (tmp_path / "x").read_bytes() == b"x" * 10


@pytest.mark.parametrize("scheme", ["gsiftp", "http", "https"])
def test_nobody_listens(grid_env: object, tmp_path: Path, scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    target = f"{scheme}://localhost:{port}/x"
    with GassCopy() as copy, pytest.raises(GassCopyConnectionError) as error:
        copy.copy_url_to_url(target, None, f"file://{tmp_path}/x", None)
    assert (error.value.side, error.value.url, error.value.transient) == ("source", target, True)
    assert not (tmp_path / "x").exists()


def test_a_server_killed_or_stopped_in_mid_copy(
    grid: Sandbox, grid_env: object, endless_file: Path
) -> None:
    server = grid.add_gridftp()
    try:
        with GassCopy() as copy:
            for number, expected in (
                (signal.SIGKILL, GassCopyConnectionError),
                (signal.SIGSTOP, GlobusTimeoutError),
            ):
                for down in (True, False):
                    ends = [f"{server.url}{endless_file}", "file:///dev/null"]
                    if not down:
                        ends = [f"file://{endless_file}", f"{server.url}/dev/null"]
                    # the limit holds for the handshake, too, which takes time on a busy machine
                    operation = copy.register_url_to_url(
                        ends[0], None, ends[1], None, stall_timeout=5
                    )
                    until(lambda: operation.bytes_done > 1_000_000 or operation.done())  # noqa: B023
                    assert not operation.done(), operation.exception()
                    text = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
                    for pid in map(int, text.split()):
                        os.kill(pid, number)
                    begin = time.monotonic()
                    with pytest.raises(expected):
                        operation.result(15)
                    assert time.monotonic() - begin < 12
                    for pid in map(int, text.split()):
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            copy.copy_url_to_url(f"{server.url}/etc/hostname", None, "file:///dev/null", None)
    finally:
        server.kill()


@pytest.mark.parametrize(
    "pair",
    [
        "file-gsiftp",
        "gsiftp-file",
        "gsiftp-gsiftp",
        "file-https",
        "https-file",
        "gsiftp-https",
        "https-gsiftp",
        "file-file",
    ],
)
def test_cancelled_at_any_moment(url: str, https: str, remote: Path, pair: str) -> None:
    (remote / "in").write_bytes(os.urandom(4_000_000))
    bases = {"file": "file://", "gsiftp": url, "https": https}
    source, destination = (bases[name] for name in pair.split("-"))
    chance = random.Random(1)
    cancelled = 0
    with GassCopy() as copy:
        for _ in range(10):
            operation = copy.register_url_to_url(
                f"{source}{remote}/in", None, f"{destination}{remote}/out", None
            )
            time.sleep(chance.random() * 0.15)
            begin = time.monotonic()
            operation.cancel()
            error = operation.exception(10)
            assert time.monotonic() - begin < 3
            assert error is None or isinstance(error, OperationCancelledError), error
            cancelled += error is not None
        copy.copy_url_to_url(f"{source}{remote}/in", None, f"{destination}{remote}/out", None)
    assert (remote / "out").read_bytes() == (remote / "in").read_bytes()
    assert cancelled or pair == "file-file"  # which is done before it can be


@pytest.mark.parametrize(
    "pair", ["file-gsiftp", "gsiftp-file", "https-file", "file-https", "file-file"]
)
def test_many_small_copies_leave_nothing_behind(
    url: str, https: str, remote: Path, pair: str
) -> None:
    (remote / "in").write_bytes(b"x" * 1000)
    bases = {"file": "file://", "gsiftp": url, "https": https}
    source, destination = (bases[name] for name in pair.split("-"))

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def memory() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:

        def copies(count: int) -> None:
            for _ in range(count):
                copy.copy_url_to_url(
                    f"{source}{remote}/in", None, f"{destination}{remote}/out", None
                )

        copies(20)
        gc.collect()
        before = descriptors(), memory()
        copies(20 if "https" in pair else 60)
        gc.collect()
        time.sleep(0.05)
        assert descriptors() <= before[0] + 2
        assert memory() < before[1] + (8 << 20)


@pytest.mark.parametrize("way", ["from", "to"])
def test_a_connection_that_died_between_two_copies_is_replaced(
    grid: Sandbox, grid_env: object, tmp_path: Path, way: str
) -> None:
    server = grid.add_gridftp()
    ends = [f"{server.url}{tmp_path}/here", f"file://{tmp_path}/there"]
    source, destination = ends if way == "from" else reversed(ends)
    (tmp_path / ("here" if way == "from" else "there")).write_bytes(b"x" * 100_000)
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        copy.copy_url_to_url(source, None, destination, None)
        assert server.pid is not None
        sessions = _processes.descendants(server.pid)
        assert sessions
        for pid in sessions:
            os.kill(pid, signal.SIGKILL)
        (tmp_path / ("there" if way == "from" else "here")).unlink()
        copy.copy_url_to_url(source, None, destination, None, timeout=10)
        server.kill()
        begin = time.monotonic()
        # once only
        with pytest.raises(GassCopyConnectionError):
            copy.copy_url_to_url(source, None, destination, None, timeout=10)
        assert time.monotonic() - begin < 5
    assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes()


def test_close_while_a_copy_runs(url: str, endless_file: Path) -> None:
    copy = GassCopy()
    operation = copy.register_url_to_url(f"{url}{endless_file}", None, f"{url}/dev/null", None)
    begin = time.monotonic()
    copy.close()
    assert isinstance(operation.exception(0), OperationCancelledError)
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("ending", ["exit", "interrupt"])
def test_the_interpreter_leaves_while_a_copy_runs(
    url: str, https: str, endless_file: Path, ending: str
) -> None:
    program = (
        "import sys, signal\n"
        "from pyGlobus.gassCopy import GassCopy\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "copies = [GassCopy() for _ in sys.argv[2:]]\n"
        "runs = [c.register_url_to_url(u, None, 'file:///dev/null', None)"
        " for c, u in zip(copies, sys.argv[2:])]\n"
        "while not all(run.bytes_done for run in runs): pass\n"
        "print('runs', flush=True)\n"
        "if sys.argv[1] == 'exit': sys.exit(0)\n"
        "GassCopy().copy_url_to_url(sys.argv[2], None, 'file:///dev/full', None)\n"
        "GassCopy().copy_url_to_url(sys.argv[2].replace('localhost', '127.0.0.2'), None,"
        " 'file:///dev/null', None)\n"
    )
    read, write = os.pipe()  # nobody reads: the last copy in the program never ends
    program = program.replace(
        "GassCopy().copy_url_to_url(sys.argv[2], None, 'file:///dev/full', None)\n", ""
    ).replace(
        "GassCopy().copy_url_to_url(sys.argv[2].replace('localhost', '127.0.0.2'), None,"
        " 'file:///dev/null', None)\n",
        f"GassCopy().copy_url_to_handle(sys.argv[2], None, {write}, stall_timeout=None)\n",
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, ending, f"{url}{endless_file}", f"{https}{endless_file}"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=[write],
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        time.sleep(0.5)
        begin = time.monotonic()
        if ending == "interrupt":
            child.send_signal(signal.SIGINT)
        _, noise = child.communicate(timeout=20)
        assert time.monotonic() - begin < 6
    os.close(read)
    os.close(write)
    if ending == "exit":
        assert (child.returncode, noise) == (0, "")
    else:
        assert child.returncode in (1, -signal.SIGINT, 130)
        assert "KeyboardInterrupt" in noise


def test_ctrl_c_ends_the_wait_within_a_second(url: str, big_file: Path) -> None:
    read, write = os.pipe()
    with GassCopy() as copy:
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            copy.copy_url_to_handle(f"{url}{big_file}", None, write)
        assert time.monotonic() - begin < 1.5
    os.close(read)
    os.close(write)
