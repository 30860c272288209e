"""Job objects: their states, picking them up again, two-phase commit, restart."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.globusException import GlobusTimeoutError, HandleClosedError
from pyGlobus.gramClient import (
    GramClient,
    GramClientException,
    GramClientFileNotFoundError,
    GramClientJobLostError,
    GramError,
    GramJob,
    JobContact,
    JobInfo,
    JobSignal,
    JobState,
)
from waiting import until

TRUE = "&(executable=/bin/true)"
SLEEP = "&(executable=/bin/sleep)(arguments=60)"


def shell(script: str, more: str = "") -> str:
    return f'&(executable=/bin/sh)(arguments="-c" "{script}"){more}'


def names(states: list[JobState]) -> list[str | None]:
    return [state.name for state in states]


def job_managers(grid: Sandbox) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(b"globus-job-manager") and any(
                str(grid.directory).encode() in word for word in words
            ):
                found.append(int(entry.name))
    return found


# ---- states ------------------------------------------------------------------------------------


def test_a_job_tells_its_states_one_by_one(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE)
        assert names(list(job.states(timeout=30))) == ["ACTIVE", "DONE"]
        assert job.state is JobState.DONE
        # once more, from the beginning
        assert names(list(job.states(timeout=1))) == ["ACTIVE", "DONE"]
        info = job.wait(1)
    assert info.state is JobState.DONE
    assert info.contact == job.contact
    assert info.failure == ""
    assert info.extensions["toolkit-version"].startswith("6.")


def test_a_job_tells_its_states_to_asyncio(rm: str) -> None:
    async def follow(job: GramJob) -> list[str | None]:
        return [state.name async for state in job.states(timeout=30)]

    async def main(client: GramClient) -> None:
        jobs = [await client.register_submit(rm, TRUE) for _ in range(3)]
        assert await asyncio.gather(*map(follow, jobs)) == [["ACTIVE", "DONE"]] * 3
        job = await client.register_submit(rm, SLEEP)
        with pytest.raises(GlobusTimeoutError, match="goes on"):
            await job.wait_async(timeout=0.5)
        await client.register_cancel(job.contact)
        assert (await job.wait_async(timeout=20)).failure_code == GramError.USER_CANCELLED

    with GramClient() as client:
        asyncio.run(main(client))


def test_a_wait_that_is_too_short_leaves_the_job_alone(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, SLEEP)
        begin = time.monotonic()
        with pytest.raises(GlobusTimeoutError, match=r"within 0\.5 s.*goes on"):
            job.wait(0.5)
        assert time.monotonic() - begin < 3
        assert job.status().state is JobState.ACTIVE
        job.cancel()
        info = job.wait(20)
    assert info.state is JobState.FAILED
    assert info.failure_code == GramError.USER_CANCELLED
    assert "cancelled" in info.failure


def test_many_jobs_of_one_client_each_end_in_order(rm: str) -> None:
    with GramClient() as client:
        submissions = [client.register_submit(rm, TRUE) for _ in range(20)]
        jobs = [submission.result() for submission in submissions]
        assert len({job.contact for job in jobs}) == 20
        for job in jobs:
            assert names(list(job.states(timeout=60))) == ["ACTIVE", "DONE"]


def test_every_state_of_many_jobs_reaches_the_callback_once_and_in_order(rm: str) -> None:
    told: dict[str, list[str | None]] = {}

    def tell(arg: object, contact: str, info: JobInfo) -> None:
        assert contact == info.contact
        told.setdefault(contact, []).append(info.state.name)

    with GramClient() as client:
        callback = client.info_callback_allow(tell)
        submissions = [
            client.register_submit_request(rm, TRUE, JobState.ALL, callback) for _ in range(30)
        ]
        contacts = {submission.result() for submission in submissions}
        deadline = time.monotonic() + 60
        while sum("DONE" in states for states in told.values()) < 30:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert set(told) == contacts
    assert list(told.values()) == [["ACTIVE", "DONE"]] * 30


def test_a_state_mask_leaves_states_out(rm: str) -> None:
    told: list[JobState] = []
    ended = threading.Event()

    def tell(arg: object, contact: str, state: JobState, error: int) -> None:
        told.append(state)
        if state.is_final:
            ended.set()

    with GramClient() as client:
        client.set_callback(tell)
        client.submit_request(rm, TRUE, JobState.DONE | JobState.FAILED)
        assert ended.wait(30)
        time.sleep(0.2)
    assert told == [JobState.DONE]


def test_closing_the_client_wakes_who_waits(rm: str) -> None:
    client = GramClient()
    job = client.submit(rm, SLEEP)
    timer = threading.Timer(0.5, client.close)
    timer.start()
    try:
        with pytest.raises(HandleClosedError):
            job.wait(20)
    finally:
        timer.join()
        with GramClient() as other:
            other.cancel(job.contact)


def test_a_job_prints_and_only_its_contact_pickles(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE)
        assert job.contact in repr(job)
        with pytest.raises(TypeError, match="pickle its contact"):
            pickle.dumps(job)
        contact = JobContact.parse(job.contact)
        assert pickle.loads(pickle.dumps(contact)) == contact
        assert str(contact) == job.contact
        job.wait(30)


@pytest.mark.parametrize("patience", [0.3, 30.0])
def test_where_no_message_gets_through_the_job_manager_is_asked(rm: str, patience: float) -> None:
    with GramClient() as client:
        job = client.submit(rm, "&(executable=/bin/sleep)(arguments=3)(two_phase=60)")
        contact = client._tracker.contact
        assert contact is not None
        client.callback_disallow(contact)  # as behind a firewall
        begin = time.monotonic()
        while True:
            try:
                info = job.wait(patience)
            except GlobusTimeoutError:
                assert time.monotonic() - begin < 40
            else:
                break
    assert info.state is JobState.DONE


# ---- picking up --------------------------------------------------------------------------------

PICK_UP = """
import sys
from pyGlobus.gramClient import GramClient
with GramClient() as client:
    print(*[state.name for state in client.job(sys.argv[1]).states(timeout=30)], flush=True)
"""


def test_another_process_picks_a_job_up(rm: str, tmp_path: Path) -> None:
    wait = shell(f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done")
    with GramClient() as client:
        contact = client.submit_request(rm, wait)
    with subprocess.Popen(
        [sys.executable, "-c", PICK_UP, contact], stdout=subprocess.PIPE, text=True
    ) as process:
        time.sleep(1.5)
        (tmp_path / "go").touch()
        out, _ = process.communicate(timeout=40)
    assert out.split() == ["ACTIVE", "DONE"]


def test_a_job_that_nobody_knows_is_lost_at_once(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE)
        job.wait(30)
        host, path = job.contact, "/1/2/"
        stranger = client.job(
            str(JobContact.parse(host)).replace(JobContact.parse(host).path, path)
        )
        begin = time.monotonic()
        with pytest.raises(GramClientJobLostError, match="does not know it") as error:
            stranger.wait(20)
    assert time.monotonic() - begin < 5
    assert isinstance(error.value.__cause__, GramClientFileNotFoundError)


def test_a_callback_is_registered_and_unregistered_with_a_running_job(
    rm: str, tmp_path: Path
) -> None:
    told: list[JobState] = []
    ended = threading.Event()

    def tell(arg: object, contact: str, state: JobState, error: int) -> None:
        told.append(state)
        ended.set()

    wait = shell(f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done")
    with GramClient() as client:
        contact = client.submit_request(rm, wait)
        until(lambda: client.status(contact).state is JobState.ACTIVE)
        first = client.callback_allow(lambda *args: told.append(JobState.FAILED))
        second = client.callback_allow(tell)
        for callback in (first, second):
            state = client.job_callback_register(contact, JobState.ALL, callback)
            assert state is JobState.ACTIVE
        assert client.job_callback_unregister(contact, first) is JobState.ACTIVE
        (tmp_path / "go").touch()
        assert ended.wait(30)
    assert told == [JobState.DONE]


# ---- two-phase commit, restart -----------------------------------------------------------------


def test_a_job_that_is_not_committed_never_runs(rm: str, tmp_path: Path) -> None:
    """As when the client's network is cut between submission and commit."""
    text = shell(f"echo ran >> {tmp_path}/ran", "(two_phase=2)")
    with GramClient() as client:
        job = client.submit(rm, text, commit=False)
        assert not job.committed
        info = job.wait(30)
        assert info.failure_code == GramError.COMMIT_TIMED_OUT
        assert not (tmp_path / "ran").exists()
        # it was not lost, and is not doubled: now it is known that it may be sent again
        assert client.submit(rm, text).wait(30).state is JobState.DONE
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_a_commit_starts_a_job_and_can_be_put_off(rm: str, tmp_path: Path) -> None:
    with GramClient() as client:
        job = client.submit(rm, shell(f"touch {tmp_path}/ran", "(two_phase=2)"), commit=False)
        job.commit_extend(30)
        time.sleep(3)
        assert not (tmp_path / "ran").exists()
        job.commit()
        assert job.committed
        assert names(list(job.states(30))) == ["ACTIVE", "DONE"]
        # the end was committed, too: the job manager has let go of it
        with pytest.raises(GramClientFileNotFoundError):
            job.status()
    assert (tmp_path / "ran").exists()


def test_the_plain_requests_commit_by_a_signal(rm: str) -> None:
    with GramClient() as client:
        info = client.submit_request_with_info(rm, TRUE + "(two_phase=30)")
        assert info.failure_code == GramError.WAITING_FOR_COMMIT
        client.signal(info.contact, JobSignal.COMMIT_REQUEST)
        assert client.job(info.contact).wait(30).state is JobState.DONE
        client.signal(info.contact, JobSignal.COMMIT_END)


def test_a_job_survives_its_job_manager(rm: str, grid: Sandbox, tmp_path: Path) -> None:
    text = shell(
        f"echo ran >> {tmp_path}/ran; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo end",
        f"(save_state=yes)(two_phase=30)(stdout={tmp_path}/out)",
    )
    with GramClient() as client:
        job = client.submit(rm, text)
        # a job manager that dies before it has noted that the job runs, runs it again
        assert next(job.states(20)) is JobState.ACTIVE
        managers = job_managers(grid)
        assert managers
        for pid in managers:
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(ConnectionError):
            job.status()
        (tmp_path / "go").touch()
        again = client.submit(rm, f"&(restart={job.contact})")
        assert JobContact.parse(again.contact).path == JobContact.parse(job.contact).path
        assert again.wait(40).state is JobState.DONE
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert (tmp_path / "out").read_text() == "end\n"


def test_a_job_manager_that_is_stopped_leaves_the_job_to_a_restart(rm: str, tmp_path: Path) -> None:
    text = shell(
        f"while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo end",
        f"(save_state=yes)(two_phase=30)(stdout={tmp_path}/out)",
    )
    with GramClient() as client:
        job = client.submit(rm, text)
        assert next(job.states(20)) is JobState.ACTIVE
        job.stop_manager()
        assert job.wait(20).failure_code == GramError.JM_STOPPED
        again = client.submit(rm, f"&(restart={job.contact})")
        (tmp_path / "go").touch()
        assert again.wait(40).state is JobState.DONE
    assert (tmp_path / "out").read_text() == "end\n"


def test_a_job_without_saved_state_says_why_it_cannot_be_restarted(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE)
        job.wait(30)
        with pytest.raises(GramClientException) as error:
            client.submit(rm, f"&(restart={job.contact})")
    assert error.value.code == GramError.NO_STATE_FILE
    assert "save_state" in error.value.hint


# ---- signals, credentials, versions ------------------------------------------------------------


def test_signals_that_the_fork_job_manager_does_not_know_are_errors(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, SLEEP)
        for call in (
            job.suspend,
            job.resume,
            lambda: job.set_priority("5"),
            lambda: job.signal(JobSignal.CANCEL),
        ):
            with pytest.raises(GramClientException) as error:
                call()
            assert error.value.code == GramError.UNIMPLEMENTED
            assert "cannot do that" in error.value.hint
        job.cancel()
        assert job.wait(20).failure_code == GramError.USER_CANCELLED


def test_a_job_gets_a_new_proxy(rm: str, grid: Sandbox, tmp_path: Path) -> None:
    script = (
        f"cp $X509_USER_PROXY {tmp_path}/first; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done;"
        f" cp $X509_USER_PROXY {tmp_path}/second"
    )
    with GramClient() as client:
        job = client.submit(rm, shell(script))
        deadline = time.monotonic() + 20
        while not (tmp_path / "first").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        job.refresh_credentials()
        (tmp_path / "go").touch()
        assert job.wait(30).state is JobState.DONE
    assert (tmp_path / "first").read_bytes() != (tmp_path / "second").read_bytes()


def test_a_job_manager_tells_its_version(rm: str) -> None:
    with GramClient() as client:
        told = client.get_jobmanager_version(rm)
    assert told["toolkit-version"].startswith("6.")
    assert told["version"]


def test_staging_that_fails_tells_which_file(rm: str, tmp_path: Path) -> None:
    with GramClient() as client:
        job = client.submit(
            rm, TRUE + f"(file_stage_in=(gsiftp://localhost:1/nowhere {tmp_path}/x))"
        )
        info = job.wait(30)
    assert info.failure_code == GramError.STAGE_IN_FAILED
    assert "gsiftp://localhost:1/nowhere" in info.failure
