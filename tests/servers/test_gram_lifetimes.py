"""What a GRAM client holds on to, for how long, and what happens when something ends too early."""

from __future__ import annotations

import gc
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlparse

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus._core.runtime import runtime
from pyGlobus.globusException import GlobusTimeoutError
from pyGlobus.gramClient import (
    GramClient,
    GramClientAttr,
    GramError,
    GramJob,
    JobInfo,
    JobState,
)
from pyGlobus.gramClient.course import Course, InOrder
from pyGlobus.security import Credential, create_proxy

TRUE = "&(executable=/bin/true)"
SLEEP = "&(executable=/bin/sleep)(arguments=60)"


def python(code: str, *arguments: object, timeout: float = 40) -> str:
    """Run a program; its output, when it ends well."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True,
        timeout=timeout, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def sleeping(rm: str) -> str:
    """The contact of a job that runs for a while; of nobody's client."""
    with GramClient() as client:
        return client.submit_request(rm, "&(executable=/bin/sleep)(arguments=20)")


# ---- listeners ---------------------------------------------------------------------------------


def stranger(contact: str) -> socket.socket:
    """Somebody who connects to a callback contact, and says nothing."""
    place = urlparse(contact)
    assert place.hostname
    return socket.create_connection((place.hostname, place.port or 0))


def test_a_stranger_who_stays_connected_does_not_keep_a_client_from_closing(rm: str) -> None:
    client = GramClient()
    with stranger(client.callback_allow(print)):
        time.sleep(0.3)  # it is accepted
        closer = threading.Thread(target=client.close, daemon=True)
        begin = time.monotonic()
        closer.start()
        closer.join(10)
        assert not closer.is_alive()
        assert time.monotonic() - begin < 3


def test_a_forgotten_client_with_a_stranger_does_not_stop_all_callbacks(rm: str) -> None:
    client = GramClient()
    with stranger(client.callback_allow(print)):
        time.sleep(0.3)
        with pytest.warns(ResourceWarning, match="unclosed"):
            del client
            gc.collect()
        with GramClient() as other:
            assert other.submit(rm, TRUE).wait(30).state is JobState.DONE


def test_nothing_listens_any_more_when_a_client_is_closed(rm: str) -> None:
    with GramClient() as client:
        contact = client.callback_allow(print)
        stranger(contact).close()
    with pytest.raises(ConnectionRefusedError):
        stranger(contact)


# ---- credentials -------------------------------------------------------------------------------

BEGIN = """
import os, sys, time
from pathlib import Path
from pyGlobus.gramClient import GramClient, JobState
from pyGlobus.security import Credential

def expire(proxy):
    while not proxy.expired:
        time.sleep(0.1)
"""


@pytest.fixture
def short_lived(grid: Sandbox) -> Path:
    """A proxy of a few seconds."""
    return grid.issue_proxy(lifetime=timedelta(seconds=7))


def test_a_job_gets_a_new_proxy_from_a_process_that_came_up_with_an_old_one(
    sleeping: str, short_lived: Path
) -> None:
    out = python(
        BEGIN
        + """
old = Credential.load(sys.argv[2])
with GramClient(credential=old):
    pass  # the library keeps the credential with which it came up
expire(old)
with GramClient() as client:
    client.refresh_credentials(sys.argv[1])
    try:
        client.refresh_credentials(sys.argv[1], old)
    except Exception as error:
        print(error.code.name)
""",
        sleeping, short_lived,
    )  # fmt: skip
    assert out == "USER_PROXY_EXPIRED\n"


def test_no_program_inherits_the_credential_of_a_client_that_comes_up(
    rm: str, grid: Sandbox
) -> None:
    out = python(
        """
import os, subprocess, sys, threading
from pyGlobus.gramClient import GramClient
from pyGlobus.security import create_proxy

changed, seen, ended = [], set(), threading.Event()
sys.addaudithook(lambda event, arguments: event == "os.putenv" and changed.append(arguments))
mine = create_proxy(bits=2048)

def begin():
    while not ended.is_set():
        told = subprocess.run(["printenv", "X509_USER_PROXY"], capture_output=True, text=True)
        seen.add(told.stdout.strip())

threads = [threading.Thread(target=begin) for _ in range(8)]
for thread in threads:
    thread.start()
with GramClient(credential=mine) as client:
    ended.wait(0.2)
    ended.set()
    for thread in threads:
        thread.join()
    client.ping(sys.argv[1])
print(changed, *seen)
""",
        rm,
    )
    assert out == f"[] {grid.proxy_path}\n"


def test_job_managers_are_heard_with_the_credential_that_followed(
    rm: str, short_lived: Path
) -> None:
    out = python(
        BEGIN
        + """
good, place = Credential.default(), Path(sys.argv[2])
old = Credential.load(place)
for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
    os.environ[name] = str(place)
with GramClient() as client:
    heard = []
    contact = client.callback_allow(lambda arg, job, state, error: heard.append(state.name))
    expire(old)
    place.unlink()
    good.write(place)
    client.submit_request(sys.argv[1], "&(executable=/bin/true)", JobState.ALL, contact)
    end = time.monotonic() + 10
    while "DONE" not in heard and time.monotonic() < end:
        time.sleep(0.05)
print(*heard)
""",
        rm, short_lived,
    )  # fmt: skip
    assert out.split() == ["ACTIVE", "DONE"]


def test_a_credential_lives_until_it_is_handed_over(sleeping: str) -> None:
    with GramClient() as client:
        attr = GramClientAttr(credential=Credential.default())
        operations = []
        for _ in range(5):
            operations.append(
                client.register_refresh_credentials(sleeping, create_proxy(bits=2048), attr=attr)
            )
            attr.set_credential(Credential.default())
            gc.collect()
        for operation in operations:
            operation.result()


# ---- jobs and their iterators ------------------------------------------------------------------


def test_a_forked_child_does_not_wait_for_ever(rm: str) -> None:
    out = python(
        """
import os, sys
from pyGlobus.globusException import GlobusForkError
from pyGlobus.gramClient import GramClient
client = GramClient()
job = client.submit(sys.argv[1], "&(executable=/bin/sleep)(arguments=2)")
pid = os.fork()
if pid == 0:
    try:
        job.wait()
    except GlobusForkError:
        os.write(1, b"refused ")
    os._exit(0)
os.waitpid(pid, 0)
print(job.wait(30).state.name)
client.close()
""",
        rm, timeout=20,
    )  # fmt: skip
    assert out == "refused DONE\n"


def test_an_iterator_is_collected_wherever_that_happens(rm: str) -> None:
    """As when the collector runs while this very thread holds the job's lock."""
    with GramClient() as client:
        job = client.submit(rm, SLEEP)
        states = job.states()
        next(states)
        done = threading.Event()

        def collect() -> None:
            nonlocal states
            with job._lock:
                del states
            done.set()

        threading.Thread(target=collect, daemon=True).start()
        assert done.wait(5)
        deadline = time.monotonic() + 5
        while job._watchers:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert job._timer is None
        job.cancel()
        assert job.wait(20).failure_code == GramError.USER_CANCELLED


def test_a_commit_that_fails_tells_which_job_it_was(
    rm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: GramJob, *, timeout: float | None = None) -> None:
        raise GlobusTimeoutError("no answer")

    monkeypatch.setattr(GramJob, "commit", fail)
    with GramClient() as client:
        with pytest.raises(GlobusTimeoutError) as error:
            client.submit(rm, SLEEP + "(two_phase=30)")
        (note,) = error.value.__notes__
        contact = note.split()[-1]
        assert client.status(contact).state is JobState.UNSUBMITTED
        client.cancel(contact)


def test_nothing_is_left_of_many_jobs(rm: str) -> None:
    with GramClient() as client:
        client.submit(rm, TRUE).wait(30)
        pending, threads = runtime.pending(), len(list(Path("/proc/self/task").iterdir()))
        for _ in range(3):
            jobs = [one.result() for one in [client.register_submit(rm, TRUE) for _ in range(10)]]
            for job in jobs[:5]:
                job.wait(60)
            last = jobs[-1]
            jobs.clear()
            del job
            last.wait(60)
        del last
        deadline = time.monotonic() + 20
        while runtime.pending() > pending or client._tracker._courses or client._tracker._early:
            assert time.monotonic() < deadline
            gc.collect()
            time.sleep(0.05)
        assert client._tracker.watched == 0
        # Globus keeps some of its threads for the next callbacks
        assert len(list(Path("/proc/self/task").iterdir())) < threads + 30


# ---- news --------------------------------------------------------------------------------------


def test_one_who_cannot_be_told_does_not_keep_the_others_waiting() -> None:
    course = Course()
    told: list[int] = []

    def closed() -> None:
        raise RuntimeError("Event loop is closed")

    course.when(0, closed)
    course.when(0, lambda: told.append(1))
    course.note(JobInfo("https://a:1/2/3/", JobState.ACTIVE))
    assert told == [1]


def test_what_is_remembered_of_jobs_that_never_end_is_bounded() -> None:
    told: list[JobInfo] = []
    in_order = InOrder(told.append)
    for number in range(25_000):
        in_order(JobInfo(f"https://a:1/{number}/3/", JobState.ACTIVE))
    assert len(told) == 25_000
    assert len(in_order._begun) <= 10_000
    # of one that is remembered the end is told at once
    in_order(JobInfo("https://a:1/24999/3/", JobState.DONE))
    assert told[-1].state is JobState.DONE


def test_nothing_is_told_after_the_end_of_listening(rm: str) -> None:
    told: list[JobState] = []
    with GramClient() as client:
        contact = client.callback_allow(lambda arg, job, state, error: told.append(state))
        _, in_order = client._contacts[contact]
        # an end without a beginning is held back for a moment
        in_order(JobInfo("https://a:1/2/3/", JobState.DONE))
        client.callback_disallow(contact)
        time.sleep(0.8)
    assert told == []
