"""Signals, garbage collection and forks, at any moment: nothing is stuck, lost, or left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = [pytest.mark.life, pytest.mark.timeout(120)]

HELPERS = """
import faulthandler, gc, os, signal, socket, subprocess, sys, threading, time
faulthandler.dump_traceback_later(60, exit=True)
from pyGlobus.ftpClient import FtpClient, FtpClientHandleAttr
from pyGlobus.gassCopy import GassCopy
from pyGlobus.globusException import GlobusException, GlobusForkError
from pyGlobus._core.operation import Operation
from pyGlobus._core.runtime import runtime
from pyGlobus._native import ffi, lib

def silent():
    listener = socket.create_server(("127.0.0.1", 0), backlog=500)
    alive.append(listener)
    return f"ftp://127.0.0.1:{listener.getsockname()[1]}/x"

def blocked(pid="self"):
    lines = open(f"/proc/{pid}/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("SigBlk")).split()[1], 16)

alive = []
"""


def run(program: str, *, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", HELPERS + textwrap.dedent(program)],
        env={**os.environ, **(environ or {})}, capture_output=True, text=True, timeout=100,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stderr[-5000:])
    return done.stdout


# --- re-entered -----------------------------------------------------------------------------------


def test_what_the_garbage_collector_runs_may_cancel_and_close() -> None:
    """With a collection at every chance, in the middle of everything that is done here."""
    run("""
    url = silent()

    class Left:
        def __init__(self):
            self.client = FtpClient()
            self.operation = self.client.size(url)
            self.me = self  # only the collector finds it
        def __del__(self):
            operations[-1].cancel()
            self.operation.cancel()
            self.client.close()
            runtime.later(0, lambda: None)

    operations = [Operation("x", lambda event: None)]
    gc.set_threshold(1)
    until = time.monotonic() + 6
    rounds = 0
    while time.monotonic() < until:
        rounds += 1
        Left()
        client = FtpClient(FtpClientHandleAttr(cache_all=True))
        operations.append(client.size(url))
        operations[-1].limit(0.001)
        try:
            operations[-1].result()
        except GlobusException:
            pass
        client.close()
    assert rounds > 20, rounds
    """)


def test_a_signal_handler_may_cancel_close_and_ask() -> None:
    run("""
    url = silent()
    current = []
    handled = 0

    def handler(*_):
        global handled
        handled += 1
        for client, operation in current[-2:]:
            operation.bytes_done, operation.done(), repr(operation)
            operation.cancel()
            client.abort() if isinstance(client, FtpClient) else client.cancel()
            if handled % 3 == 0:
                client.close()

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    until = time.monotonic() + 6
    rounds = 0
    null, near = os.open("/dev/null", os.O_WRONLY), "file:///dev/null"
    while time.monotonic() < until:
        rounds += 1
        for client, begin in (
            (FtpClient(), lambda client: client.size(url)),
            (FtpClient(), lambda client: client.get(url, into=null)),
            (GassCopy(), lambda copy: copy.register_url_to_url(url, None, near, None)),
        ):
            try:
                operation = begin(client)
                current.append((client, operation))
                operation.result()
            except GlobusException:
                pass
            client.close()
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert rounds > 20 and handled > 100, (rounds, handled)
    """)


# --- signals --------------------------------------------------------------------------------------


def test_a_program_that_a_callback_starts_can_be_terminated(plain_url: str) -> None:
    run(
        """
    children = []
    def start(_):
        children.append(subprocess.Popen(["sleep", "100"]))
        children.append(subprocess.Popen(["sleep", "100"], preexec_fn=lambda: None))
        pid = os.fork()
        if pid == 0:
            os.execvp("sleep", ["sleep", "100"])
        forked.append(pid)
    forked = []
    with FtpClient() as client:
        operation = client.exists(os.environ["URL"] + "/etc/hostname")
        operation.add_done_callback(start)
        operation.result()
        while not forked:
            time.sleep(0.01)
    normal = blocked()
    for child in children:
        assert blocked(child.pid) == normal, hex(blocked(child.pid))
        child.terminate()
        assert child.wait(10) == -signal.SIGTERM
    assert blocked(forked[0]) == normal
    os.kill(forked[0], signal.SIGINT)
    assert os.waitpid(forked[0], 0)[1] == signal.SIGINT
    """,
        environ={"URL": plain_url},
    )


def test_the_ssh_that_globus_starts_can_be_terminated(
    ssh_url: str, grid_env: dict[str, str]
) -> None:
    """Of two servers Globus calls the second from a thread of its own, which takes no signals."""
    run(
        """
    url = os.environ["SSH_URL"]
    found = {}
    client = FtpClient()
    operation = client.third_party_transfer(url + "/etc/hostname", None, url + "/dev/null", None)
    while not operation.done():
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                parent = int(open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[1])
                if parent == os.getpid():
                    found[pid] = blocked(pid)
            except (OSError, StopIteration):
                pass
    client.close()
    assert len(found) >= 2, found
    assert set(found.values()) == {blocked()}, {pid: hex(mask) for pid, mask in found.items()}
    """,
        environ={**grid_env, "SSH_URL": ssh_url},
    )


def test_the_threads_of_this_library_take_no_signals_while_they_wait() -> None:
    run("""
    client = FtpClient()
    operation = client.size(silent())
    names = {}
    for task in os.listdir("/proc/self/task"):
        names[task] = blocked(f"self/task/{task}")
    callbacks = next(one for one in threading.enumerate() if one.name == "pyGlobus-callbacks")
    asking = sum(1 << (number - 1) for number in (1, 2, 3, 10, 12, 14, 15, 17, 28))
    until = time.monotonic() + 10
    while blocked(f"self/task/{callbacks.native_id}") & asking != asking:
        assert time.monotonic() < until
        time.sleep(0.01)
    assert not blocked()
    # of Globus' own one waits for signals that it has been told of, which are none
    known = (os.getpid(), callbacks.native_id)
    others = [mask for task, mask in names.items() if int(task) not in known]
    assert sum(mask & asking != asking for mask in others) <= 1, list(map(hex, others))
    """)


def test_an_interrupted_beginning_leaves_the_signals_as_they_were() -> None:
    run("""
    from pyGlobus._core.workers import run_in_background
    from pyGlobus.globusMod import Module, activate
    class Interrupted(Exception):
        pass
    def handler(*_):
        raise Interrupted
    signal.signal(signal.SIGALRM, handler)
    interrupted = 0
    modules = list(Module)
    for number in range(1500):
        before = blocked()
        assert not before, hex(before)
        try:
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + number % 30 * 1e-6)
            activate(modules[number % len(modules)])
            run_in_background(lambda: None)
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            interrupted += 1
    assert interrupted > 100, interrupted
    """)


# --- fork -----------------------------------------------------------------------------------------


def test_a_fork_takes_no_lock_that_a_thread_may_have() -> None:
    run("""
    from pyGlobus.globusMod import Module, activate
    activate(Module.COMMON)
    token = runtime.enrol(lambda event: lib.cog_answer(event.c, 1, ffi.NULL), once=False)
    stop = False
    def ask():
        question = ffi.new("cog_event *", {"token": token, "kind": lib.COG_EVENT_QUESTION})
        while not stop:
            lib.cog_ask(question, -1, 1000, ffi.NULL)
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(300):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        until = time.monotonic() + 20
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            assert time.monotonic() < until, "the child hangs"
            time.sleep(0.001)
    stop = True
    for thread in threads:
        thread.join()
    """)


def test_a_forked_child_leaves_the_handles_of_its_parent_alone(plain_url: str) -> None:
    out = run(
        """
    url = os.environ["URL"] + "/etc/hostname"
    quiet = silent()
    def unwind(function):
        pid = os.fork()
        if pid == 0:
            try:
                function()
            except BaseException as error:
                print(type(error).__name__, error, file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        until = time.monotonic() + 20
        while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
            assert time.monotonic() < until, "the child hangs"
            time.sleep(0.005)
        assert ended[1] == 0, ended

    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client, FtpClient() as busy:
        client.size(url).result()
        connections = os.popen("ss -tnH state established").read()
        running = busy.size(quiet)
        copy = GassCopy()
        copying = copy.register_url_to_url(quiet, None, "file:///dev/null", None)

        def child():
            client.close()
            busy.close()
            copy.close()
            assert not running.cancel()
            try:
                running.result()
            except GlobusForkError:
                pass
            else:
                raise AssertionError("a result in the child")
            with client if not client.closed else open(os.devnull):
                pass
            gc.collect()

        def dropped():
            global copy
            del copy
            gc.collect()

        for _ in range(20):
            unwind(child)
            unwind(dropped)
        for _ in range(3):
            client.size(url).result()    # over the session that it has
        assert os.popen("ss -tnH state established").read().count("\\n") >= connections.count("\\n")
        running.cancel()
        copy.close()
    print("well")
    """,
        environ={"URL": plain_url},
    )
    assert out == "well\n"


def test_a_forked_child_does_not_write_what_its_parent_has_to_write(tmp_path: Path) -> None:
    """What waits for an answer in the parent is not freed in the child: a file would be flushed."""
    out = run(
        """
    path = os.environ["LOG"]
    file = open(path, "w")
    file.write("once\\n")
    client = FtpClient()
    operation = client.size(silent())
    operation.add_done_callback(lambda _, file=file: file.close())
    del file
    token = runtime.enrol(operation.complete)   # nobody else refers to what follows
    del operation
    pid = os.fork()
    if pid == 0:
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    client.close()
    while not open(path).read():
        time.sleep(0.01)
    print(open(path).read(), end="")
    """,
        environ={"LOG": str(tmp_path / "log")},
    )
    assert out == "once\n"
