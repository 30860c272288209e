"""Alive: exits, signals, forks, memory.  Each in a process of its own, against real servers."""

from __future__ import annotations

import collections
import concurrent.futures
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytestmark = pytest.mark.life


def python(code: str, *arguments: object, environ: dict[str, str], timeout: float = 60) -> str:
    """Run a program; its output, when it ends well."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        env={**os.environ, **environ}, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


UNDER_WAY = ("transfer", "many", "callbacks", "job", "waiting", "all")

LEAVING = {
    "return": 0,
    "sys.exit": 7,
    "raise": 1,
    "interrupt": -signal.SIGINT,
    "thread": 0,
    "close": 0,
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("exits", [36, pytest.param(300, marks=pytest.mark.soak)])
def test_exits_under_load_are_never_abnormal(
    grid_env: dict[str, str], big_file: Path, exits: int
) -> None:
    chance = random.Random(2001)
    ways = [(what, way) for what in UNDER_WAY for way in LEAVING]
    assert exits >= len(ways)
    runs = [
        (what, chance.choice([0, 0.01, 0.1, 0.2, 0.3, 0.5]), way)
        for what, way in itertools.islice(itertools.cycle(ways), exits)
    ]

    def leave(what: str, wait: float, way: str) -> tuple[str, float]:
        begin = time.monotonic()
        done = subprocess.run(
            [sys.executable, HERE / "_exit_under_load.py", what, str(wait), way],
            env={**os.environ, **grid_env, "BIG_FILE": str(big_file)}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        good = done.returncode == LEAVING[way] and (
            way in ("raise", "interrupt") or not done.stderr
        )
        outcome = "good" if good else f"{what} {wait} {way}: {done.returncode} {done.stderr}"
        return outcome, time.monotonic() - begin - wait

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(lambda run: leave(*run), runs))
    assert collections.Counter(outcome for outcome, _ in outcomes) == {"good": exits}
    assert max(seconds for _, seconds in outcomes) < 30


BLOCKING = {
    "command": "FtpClient().size(f'gsiftp://127.0.0.1:{silent}/x', timeout=None).result()",
    "transfer": "FtpClient().get(f'gsiftp://127.0.0.1:{silent}/x', into=sink, "
    "stall_timeout=None).result()",
    "moving": "[FtpClient().get(gridftp + big, into=sink).result() for _ in range(99)]",
    "read": "c = FtpClient(); c.get(f'gsiftp://127.0.0.1:{silent}/x'); "
    "c.register_read(bytearray(9)).result()",
    "third party": "FtpClient().third_party_transfer(f'gsiftp://127.0.0.1:{silent}/x', None, "
    "f'gsiftp://127.0.0.1:{silent}/y').result()",
    "submit": "GramClient().submit_request(f'localhost:{silent}', '&(executable=/x)', "
    "timeout=None)",
    "status": "GramClient().status(f'https://localhost:{silent}/1/2/', timeout=None)",
    "proxy": "create_proxy(bits=16384)",
}


@pytest.mark.parametrize("name", BLOCKING)
def test_ctrl_c_returns_within_a_second(
    grid_env: dict[str, str], big_file: Path, name: str
) -> None:
    code = f"""
import os, socket, sys, time, warnings
from pyGlobus.ftpClient import FtpClient
from pyGlobus.gramClient import GramClient
from pyGlobus.security import create_proxy
server = socket.create_server(("127.0.0.1", 0))
silent = server.getsockname()[1]
sink = os.open("/dev/null", os.O_WRONLY)
gridftp, big = os.environ["COGKIT_SANDBOX_GRIDFTP"], sys.argv[1]
warnings.simplefilter("ignore", ResourceWarning)
print("ready", flush=True)
try:
    {BLOCKING[name]}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code, big_file], env={**os.environ, **grid_env},
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.7)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        seconds = time.monotonic() - begin
        process.wait(10)
        assert process.returncode == 0
    assert seconds < 1


def test_a_forked_child_is_refused_and_ends_well(grid_env: dict[str, str]) -> None:
    out = python(
        """
import os, sys
from pyGlobus.ftpClient import FtpClient
from pyGlobus.globusException import GlobusForkError
url = os.environ["COGKIT_SANDBOX_GRIDFTP"] + "/etc/hostname"
client = FtpClient()
size = client.size(url).result()
pid = os.fork()
if pid == 0:
    for attempt in (lambda: client.size(url), FtpClient):
        try:
            attempt()
        except GlobusForkError as error:
            print("refused:", error.hint, flush=True)
    sys.exit(5)
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
assert client.size(url).result() == size
client.close()
""",
        environ=grid_env,
    )
    assert out.count("refused: start workers with multiprocessing's 'spawn'") == 2
    assert out.endswith("5\n")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_multiprocessing_works_where_it_starts_afresh(
    grid_env: dict[str, str], tmp_path: Path, method: str
) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import multiprocessing, os, sys
from pyGlobus.ftpClient import FtpClient

def size(_: int) -> int:
    with FtpClient() as client:
        return client.size(os.environ["COGKIT_SANDBOX_GRIDFTP"] + "/etc/hostname").result()

if __name__ == "__main__":
    here = size(0)
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        assert pool.map(size, range(4)) == [here] * 4
    print("same")
"""
    )
    done = subprocess.run(
        [sys.executable, program, method], env={**os.environ, **grid_env}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "same\n"), done.stderr


@pytest.mark.parametrize("first", ["kerberos", "globus"])
@pytest.mark.parametrize("scope", ["RTLD_LOCAL", "RTLD_GLOBAL"])
def test_mit_kerberos_in_the_same_process_does_no_harm(
    grid_env: dict[str, str], first: str, scope: str
) -> None:
    kerberos = (
        "import ctypes\n"
        f"library = ctypes.CDLL('libgssapi_krb5.so.2', ctypes.{scope})\n"
        "minor, names = ctypes.c_uint32(), ctypes.c_void_p()\n"
        "assert library.gss_indicate_mechs(ctypes.byref(minor), ctypes.byref(names)) == 0\n"
    )
    globus = (
        "import os\n"
        "from pyGlobus.ftpClient import FtpClient\n"
        "with FtpClient() as client:\n"
        "    url = os.environ['COGKIT_SANDBOX_GRIDFTP'] + '/etc/passwd'\n"
        "    assert client.size(url).result() > 0\n"
    )
    python(
        kerberos + globus if first == "kerberos" else globus + kerberos + globus, environ=grid_env
    )


def test_a_process_that_only_imports_starts_no_thread(grid_env: dict[str, str]) -> None:
    out = python(
        "import os\nimport pyGlobus.ftpClient, pyGlobus.gramClient, pyGlobus.gassServerEZ\n"
        "print(len(os.listdir('/proc/self/task')))",
        environ=grid_env,
    )
    assert out == "1\n"


def test_a_missing_thread_plugin_raises_instead_of_ending_the_process(
    grid_env: dict[str, str],
) -> None:
    # hide the plugin from this one process, in a mount namespace of its own
    unshare = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have a mount namespace")
    code = """
from pyGlobus import globusMod
from pyGlobus.globusException import GlobusException
try:
    globusMod.activate(globusMod.Module.COMMON)
except GlobusException as error:
    print(error)
"""
    hide = (
        "for plugin in /usr/lib*/libglobus_thread_pthread.so "
        "/usr/lib/*/libglobus_thread_pthread.so; do "
        '[ ! -e "$plugin" ] || mount --bind /dev/null "$plugin"; done; exec "$@"'
    )
    done = subprocess.run(
        [*unshare, "sh", "-c", hide, "sh", sys.executable, "-c", code],
        env={**os.environ, **grid_env}, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "thread plugin does not load" in done.stdout
    assert "libglobus-common0" in done.stdout


def test_modules_are_counted(grid_env: dict[str, str]) -> None:
    out = python(
        """
from pyGlobus.globusException import GlobusException
from pyGlobus.globusMod import Module, activate, active_modules, deactivate, thread_model, versions
assert thread_model() == "none"
activate(Module.COMMON, Module.RSL)
activate(Module.RSL)
assert thread_model() == "pthread"
assert active_modules() == {Module.COMMON: 1, Module.RSL: 2}
deactivate(Module.COMMON)
try:
    deactivate(Module.COMMON)
except GlobusException:
    print("counted", len(versions()) == len(Module))
""",
        environ=grid_env,
    )
    assert out == "counted True\n"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("times", [500, pytest.param(10_000, marks=pytest.mark.soak)])
def test_memory_descriptors_and_threads_stay_flat(
    grid_env: dict[str, str], tmp_path: Path, times: int
) -> None:
    small = tmp_path / "small"
    small.write_bytes(b"x" * 10240)
    out = python(
        """
import gc, os, sys
from pyGlobus.ftpClient import FtpClient, FtpClientHandleAttr, FtpClientOperationAttr, Mode
url = os.environ["COGKIT_SANDBOX_GRIDFTP"] + sys.argv[1]
sink = os.open("/dev/null", os.O_WRONLY)
attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)

def state():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * 4, len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
    def get(): client.get(url, attr, into=sink).result()
    def exists(): client.exists(url).result()
    few = int(sys.argv[2])
    for operation, times in ((get, few), (exists, 10 * few)):
        for _ in range(max(times // 10, 200)):
            operation()
        before = state()
        for _ in range(times):
            operation()
        after = state()
        print(operation.__name__, times, *(b - a for a, b in zip(before, after)))
""",
        small, times, environ=grid_env, timeout=580,
    )  # fmt: skip
    print(out)
    for line in out.splitlines():
        _, _, kilobytes, descriptors, threads = line.split()
        assert int(kilobytes) < 4096, out
        assert descriptors == threads == "0", out
