"""GRAM when things go wrong: servers, networks, disks, credentials, callbacks."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cogkit import jobs
from cogkit.sandbox import Sandbox
from faultproxy import CUT, HANG, FaultProxy, after
from pyGlobus._core.runtime import runtime
from pyGlobus._native import ffi, lib
from pyGlobus.globusException import AuthenticationError, GlobusException, GlobusTimeoutError
from pyGlobus.gramClient import (
    GramClient,
    GramClientConnectionError,
    GramClientFileNotFoundError,
    GramClientPermissionError,
    GramClientValueError,
    GramError,
    JobState,
    ResourceContact,
)
from pyGlobus.security import Credential

TRUE = "&(executable=/bin/true)"


def at_port(rm: str, port: int) -> str:
    """The same contact at another port."""
    contact = ResourceContact.parse(rm)
    return str(ResourceContact(contact.host, port, contact.service, contact.subject))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def port_of(rm: str) -> int:
    port = ResourceContact.parse(rm).port
    assert port is not None
    return port


@pytest.fixture
def own_grid(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A grid that may be broken."""
    with Sandbox() as grid:
        for name, value in grid.environ.items():
            monkeypatch.setenv(name, value)
        yield grid


# ---- the gatekeeper ----------------------------------------------------------------------------


def test_nobody_listens(rm: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with GramClient() as client, pytest.raises(GramClientConnectionError) as error:
        client.submit(at_port(rm, port), TRUE)
    assert error.value.code == GramError.CONNECTION_FAILED
    assert error.value.transient
    assert str(port) in str(error.value)


def test_a_gatekeeper_that_falls_silent_costs_no_more_than_the_deadline(rm: str) -> None:
    with GramClient() as client:
        for count in (0, 100, 3000):
            with FaultProxy(port_of(rm), to_client=after(count, HANG)) as proxy:
                begin = time.monotonic()
                with pytest.raises(GlobusTimeoutError):
                    client.submit(at_port(rm, proxy.port), TRUE, timeout=1)
                assert time.monotonic() - begin < 3
        assert client.submit(rm, TRUE).wait(30).state is JobState.DONE


def test_what_is_run_or_fetched_waits_for_a_silent_gatekeeper_no_longer_than_allowed(
    rm: str,
) -> None:
    contact = jobs.submit(rm, ["/bin/true"])
    with FaultProxy(port_of(rm), to_client=after(0, HANG)) as proxy:
        silent = at_port(rm, proxy.port)
        for call in (
            lambda: jobs.run(silent, ["/bin/true"], timeout=1),
            lambda: jobs.logs(contact, silent, lambda data: None, timeout=1),
            lambda: jobs.clean(contact, silent, timeout=1),
        ):
            begin = time.monotonic()
            with pytest.raises(GlobusTimeoutError, match="no answer within"):
                call()
            assert time.monotonic() - begin < 8
    jobs.clean(contact, rm)


def test_a_job_manager_that_does_not_answer_is_said(rm: str) -> None:
    with GramClient() as client:
        job = client.job("https://localhost:1/1/2/")
        with pytest.raises(GlobusTimeoutError, match="does not answer"):
            job.wait(1)


def test_what_is_wrong_with_a_request_is_said(rm: str) -> None:
    no_service = str(ResourceContact.parse(rm)).replace("jobmanager-fork", "jobmanager-none")
    with GramClient() as client:
        with pytest.raises(GramClientFileNotFoundError) as missing:
            client.submit(no_service, TRUE)
        assert missing.value.code == GramError.SERVICE_NOT_FOUND
        with pytest.raises(GramClientValueError) as bad:
            client.submit(rm, "&(executable=")
        assert bad.value.code == GramError.BAD_RSL
        for contact in ("", "/service", "host:port", "host:99999"):
            with pytest.raises(GramClientValueError, match="contact"):
                client.submit(contact, TRUE)
        with pytest.raises(GramClientValueError, match="job contact"):
            client.status("http://nonsense")
        info = client.submit(rm, "&(executable=/no/such)").wait(30)
        assert info.failure_code == GramError.EXECUTABLE_NOT_FOUND
        info = client.submit(rm, TRUE + "(directory=/no/such)").wait(30)
        assert info.failure_code == GramError.BAD_DIRECTORY


def test_who_is_not_known_there_is_told_as_whom_it_came(grid: Sandbox, rm: str) -> None:
    stranger = grid.issue_user("A Stranger", mapped=False)
    assert stranger.proxy_path is not None
    with (
        GramClient(credential=Credential.load(stranger.proxy_path)) as client,
        pytest.raises((AuthenticationError, GramClientPermissionError)) as error,
    ):
        client.submit(rm, TRUE)
    assert "A Stranger" in error.value.hint


# ---- the network -------------------------------------------------------------------------------


def test_a_cut_between_submission_and_commit_loses_no_job_and_doubles_none(
    rm: str, tmp_path: Path
) -> None:
    """Wherever the gatekeeper's answer is cut: what was not answered is not committed, never runs,
    and may be submitted again."""
    cuts = [0, 500, 1500, 2500, 3500, 4000, 4500, 5000, 5500, 6000]

    def text(number: int) -> str:
        script = f"echo ran >> {tmp_path}/{number}"
        return f'&(executable=/bin/sh)(arguments="-c" "{script}")(two_phase=4)'

    def submit(number: int, cut: int) -> str:
        with FaultProxy(port_of(rm), to_client=after(cut, CUT)) as proxy:
            try:
                client.submit(at_port(rm, proxy.port), text(number), timeout=20).wait(40)
            except GlobusException:
                # the answer is lost: again, as whoever needs the job would
                assert client.submit(rm, text(number)).wait(60).state is JobState.DONE
                return "again"
            return "at once"

    outcomes: list[str] = []
    with GramClient() as client:
        threads = [
            threading.Thread(target=lambda one=one: outcomes.append(submit(*one)))
            for one in enumerate(cuts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    time.sleep(5)  # by now a job manager has thrown away what was not committed
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        str(number): "ran\n" for number in range(len(cuts))
    }
    assert "again" in outcomes


def test_a_callback_contact_that_is_talked_nonsense_to_listens_on(rm: str) -> None:
    ended = threading.Event()
    with GramClient() as client:
        callback = client.callback_allow(
            lambda arg, contact, state, error: ended.set() if state.is_final else None
        )
        port = int(callback.rstrip("/").rpartition(":")[2])
        for junk in (
            b"",
            b"0",
            b"GET / HTTP/1.0\r\n\r\n",
            os.urandom(5000),
            b"\x16\x03\x01\x00\x05",
        ):
            with socket.create_connection(("127.0.0.1", port), 5) as connection:
                connection.sendall(junk)
        client.submit_request(rm, TRUE, JobState.ALL, callback)
        assert ended.wait(30)


# ---- job managers ------------------------------------------------------------------------------


def test_a_disk_that_is_full_in_staging_fails_the_job_with_the_file(rm: str, url: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE + f"(file_stage_in=({url}/bin/sh /dev/full))")
        info = job.wait(30)
    assert info.state is JobState.FAILED
    assert info.failure_code == GramError.STAGE_IN_FAILED
    assert "/dev/full" in info.failure


def test_a_job_whose_output_cannot_be_delivered_fails_with_a_reason(rm: str) -> None:
    with GramClient() as client:
        info = client.submit(
            rm, "&(executable=/bin/echo)(arguments=x)(stdout=https://localhost:1/dev/stdout)"
        ).wait(60)
    assert info.state is JobState.FAILED
    assert info.failure


# ---- credentials -------------------------------------------------------------------------------


def test_a_proxy_that_expires_stops_the_job_manager_and_a_new_one_keeps_it(
    own_grid: Sandbox,
) -> None:
    rm = own_grid.gram_contact
    sleep = "&(executable=/bin/sleep)(arguments=12)(save_state=yes)(two_phase=60)"

    def proxy(lifetime: timedelta) -> Credential:
        return Credential.load(own_grid.issue_proxy(lifetime=lifetime))

    # a job manager stops ten minutes before its proxy expires
    soon, later = timedelta(minutes=10, seconds=7), timedelta(hours=1)
    with GramClient(credential=proxy(soon)) as client:
        job = client.submit(rm, sleep)
        info = job.wait(60)
        assert info.state is JobState.FAILED
        assert info.failure_code == GramError.USER_PROXY_EXPIRED
        assert "refresh_credentials" in GramError(info.failure_code).advice
    with GramClient(credential=proxy(later)) as client:
        # the job itself goes on, and is taken up with a new proxy
        assert client.submit(rm, f"&(restart={job.contact})").wait(60).state is JobState.DONE


def test_a_proxy_that_is_renewed_in_time_keeps_the_job(own_grid: Sandbox) -> None:
    def proxy(lifetime: timedelta) -> Credential:
        return Credential.load(own_grid.issue_proxy(lifetime=lifetime))

    with GramClient(credential=proxy(timedelta(minutes=10, seconds=9))) as client:
        job = client.submit(
            own_grid.gram_contact, "&(executable=/bin/sleep)(arguments=12)(save_state=yes)"
        )
        job.refresh_credentials(proxy(timedelta(hours=1)))
        assert job.wait(60).state is JobState.DONE


# ---- callbacks ---------------------------------------------------------------------------------


def test_a_callback_that_raises_stops_nothing(rm: str, caplog: pytest.LogCaptureFixture) -> None:
    ended = threading.Event()

    def tell(arg: object, contact: str, state: JobState, error: int) -> None:
        if state.is_final:
            ended.set()
        raise RuntimeError("on purpose")

    with caplog.at_level(logging.ERROR, "pyGlobus"), GramClient() as client:
        client.set_callback(tell)
        client.submit_request(rm, TRUE)
        assert client.submit(rm, TRUE).wait(30).state is JobState.DONE
        assert ended.wait(30)
    assert "on purpose" in caplog.text


def test_a_burst_of_many_thousand_states_reaches_the_callback_whole(rm: str) -> None:
    jobs, states = 5_000, (JobState.PENDING, JobState.ACTIVE, JobState.DONE)
    told: dict[str, list[JobState]] = {}
    all_told = threading.Event()

    def tell(arg: object, contact: str, state: JobState, error: int) -> None:
        told.setdefault(contact, []).append(state)
        if state.is_final and len(told) == jobs:
            all_told.set()

    with GramClient() as client:
        callback = client.callback_allow(tell)
        token, _ = client._contacts[callback]
        # as the shim posts them for messages of job managers
        event = ffi.new("cog_event *", {"token": token})
        for state in states:
            for number in range(jobs):
                text = f"https://localhost:1/1/{number}/\x1e".encode()
                event.a = state
                event.text = lib.strdup(text)
                lib.cog_post(event)
        assert all_told.wait(60)
        deadline = time.monotonic() + 5
        while sum(map(len, told.values())) < jobs * len(states) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(told) == jobs
    assert all(tuple(one) == states for one in told.values())


def test_requests_from_many_threads_at_once_leave_nothing_behind(rm: str) -> None:
    errors: list[Exception] = []

    def work(client: GramClient) -> None:
        try:
            for _ in range(3):
                client.ping(rm)
                client.submit(rm, TRUE).wait(60)
        except Exception as error:
            errors.append(error)

    with GramClient() as client:
        client.ping(rm)
        before = descriptors(), runtime.pending()
        threads = [threading.Thread(target=work, args=(client,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        # the listener of the client's jobs is one, and stays
        deadline = time.monotonic() + 5
        while descriptors() > before[0] + 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert descriptors() <= before[0] + 2
        assert runtime.pending() <= before[1] + 1


def test_a_fork_in_the_midst_of_jobs_leaves_the_parent_alone(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, TRUE)
        child = os.fork()
        if child == 0:
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert job.wait(30).state is JobState.DONE


def test_ctrl_c_ends_a_wait_and_not_the_job(rm: str) -> None:
    with GramClient() as client:
        job = client.submit(rm, "&(executable=/bin/sleep)(arguments=60)")
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            job.wait(30)
        assert time.monotonic() - begin < 5
        assert job.status().state is JobState.ACTIVE
        job.cancel()
        job.wait(30)
