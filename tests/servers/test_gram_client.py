"""GRAM against a real gatekeeper, with output by GASS."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.ftpClient import FtpClient
from pyGlobus.gassServerEZ import (
    STDERR_ENABLE,
    STDOUT_ENABLE,
    WRITE_ENABLE,
    GassServerEZ,
    GassServerEZException,
    Options,
)
from pyGlobus.globusException import CredentialError, HandleClosedError
from pyGlobus.gramClient import (
    JOB_STATE_ALL,
    Delegation,
    GramClient,
    GramClientAttr,
    GramClientException,
    GramClientFileNotFoundError,
    GramError,
    JobSignal,
    JobState,
)
from pyGlobus.security import Credential


class Watch:
    """Keeps the states of jobs as they come."""

    def __init__(self) -> None:
        self.states: list[tuple[str, JobState, int]] = []
        self.ended = threading.Event()

    def __call__(self, arg: object, contact: str, state: JobState, error: int) -> None:
        self.states.append((contact, state, error))
        if state.is_final:
            self.ended.set()


def test_every_state_reaches_the_callback_in_order(rm: str) -> None:
    watch = Watch()
    with GramClient() as client:
        client.set_callback(watch, "arg")
        contact = client.submit_request(
            rm, "&(executable=/bin/sleep)(arguments=1)", GramClient.JOB_STATE_ALL
        )
        assert client.status(contact).state in (
            JobState.UNSUBMITTED, JobState.PENDING, JobState.ACTIVE,
        )  # fmt: skip
        assert watch.ended.wait(20)
    assert [state for _, state, _ in watch.states][-2:] == [JobState.ACTIVE, JobState.DONE]
    assert {told for told, _, _ in watch.states} == {contact}


def test_output_streams_through_gass(rm: str, capfd: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    with GramClient() as client, GassServerEZ(STDOUT_ENABLE | STDERR_ENABLE) as server:
        client.set_callback(watch)
        client.submit_request(
            rm,
            '&(executable=/bin/sh)(arguments="-c" "echo out; echo err >&2; printf partial")'
            f"(stdout={server.getURL()}/dev/stdout)(stderr={server.getURL()}/dev/stderr)",
        )
        assert watch.ended.wait(20)
        time.sleep(0.2)
    out, err = capfd.readouterr()
    assert out == "out\npartial"
    assert err == "err\n"


def test_output_can_come_by_a_pipe(rm: str, capfd: pytest.CaptureFixture[str]) -> None:
    watch = Watch()
    reader, writer = os.pipe()
    with GramClient() as client, GassServerEZ(STDOUT_ENABLE, stdout=writer) as server:
        client.set_callback(watch)
        client.submit_request(
            rm, f"&(executable=/bin/echo)(arguments=piped)(stdout={server.getURL()}/dev/stdout)"
        )
        assert watch.ended.wait(20)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "piped\n"
    assert capfd.readouterr().out == ""


def test_a_failing_job_tells_why(rm: str) -> None:
    watch = Watch()
    with GramClient() as client:
        client.set_callback(watch)
        client.submit_request(rm, "&(executable=/no/such/program)")
        assert watch.ended.wait(20)
    assert watch.states[-1][1:] == (JobState.FAILED, GramError.EXECUTABLE_NOT_FOUND)
    assert GramError.EXECUTABLE_NOT_FOUND.advice


def test_cancel_ends_a_job(rm: str) -> None:
    watch = Watch()
    with GramClient() as client:
        client.set_callback(watch)
        contact = client.submit_request(rm, "&(executable=/bin/sleep)(arguments=60)")
        client.cancel(contact)
        assert watch.ended.wait(20)
        deadline = time.monotonic() + 10
        with pytest.raises(GramClientException):
            while time.monotonic() < deadline:
                client.status(contact)
                time.sleep(0.1)
    assert watch.states[-1][1:] == (JobState.FAILED, GramError.USER_CANCELLED)


def test_two_phase_commit_waits_for_the_commit(rm: str) -> None:
    watch = Watch()
    with GramClient() as client:
        client.set_callback(watch)
        contact = client.submit_request(rm, "&(executable=/bin/true)(two_phase=30)")
        assert contact.startswith("https://")
        client.signal(contact, JobSignal.COMMIT_REQUEST)
        assert watch.ended.wait(20)
        client.signal(contact, JobSignal.COMMIT_END)
    assert watch.states[-1][1] is JobState.DONE


def test_ping_and_several_requests_at_once(rm: str) -> None:
    with GramClient() as client:
        client.ping(rm)
        watch = [Watch() for _ in range(4)]
        operations = []
        for one in watch:
            callback = client.set_callback(one)
            operations.append(
                client.register_submit_request(
                    rm, "&(executable=/bin/true)", JOB_STATE_ALL, callback
                )
            )
        contacts = [operation.result(30) for operation in operations]
        assert len(set(contacts)) == 4
        for one in watch:
            assert one.ended.wait(30)
            assert len({contact for contact, _, _ in one.states}) == 1


def test_an_unknown_job_is_not_found(rm: str) -> None:
    with GramClient() as client:
        contact = client.submit_request(rm, "&(executable=/bin/sleep)(arguments=5)")
        other = contact.rsplit("/", 3)[0] + "/12345/67890/"
        with pytest.raises(GramClientFileNotFoundError):
            client.status(other)
        client.cancel(contact)


def test_an_explicit_credential_is_enough(rm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    credential = Credential.default()
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, "/nowhere")
    with GramClient(credential=credential) as client:
        client.ping(rm)
        attr = GramClientAttr(credential=credential, delegation_mode=Delegation.FULL)
        assert attr.delegation_mode is Delegation.FULL
        client.ping(rm, attr=attr)


def test_an_expired_credential_is_refused_wherever_it_is_given(grid: Sandbox, rm: str) -> None:
    expired = Credential.load(grid.expired_credential().proxy_path)
    with GramClient() as client, pytest.raises(CredentialError, match="expired"):
        client.ping(rm, attr=GramClientAttr(credential=expired))
    with GramClient(credential=expired) as client, pytest.raises(CredentialError, match="expired"):
        client.ping(rm)


def test_a_callback_that_raises_is_logged_and_the_next_one_comes(
    rm: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = threading.Event()

    def func(arg: object, contact: str, state: JobState, error: int) -> None:
        if state.is_final:
            ended.set()
        raise RuntimeError("on purpose")

    with GramClient() as client:
        client.set_callback(func)
        client.submit_request(rm, "&(executable=/bin/true)")
        assert ended.wait(20)
        time.sleep(0.1)
    assert "on purpose" in caplog.text


def test_output_that_nobody_takes_holds_nobody_else_up(
    url: str, tmp_path: Path, grid_env: dict[str, str]
) -> None:
    data = os.urandom(1 << 20)
    (tmp_path / "file").write_bytes(data)
    reader, writer = os.pipe()
    with (
        os.fdopen(reader, "rb") as pipe,
        GassServerEZ(STDOUT_ENABLE, stdout=writer) as server,
        FtpClient() as client,
    ):
        os.close(writer)
        command = ["globus-url-copy", f"file://{tmp_path}/file", f"{server.url}/dev/stdout"]
        with subprocess.Popen(command, env={**os.environ, **grid_env}) as sender:
            assert pipe.read(1) == data[:1]
            for _ in range(10):
                time.sleep(0.02)
                assert client.size(f"{url}{tmp_path}/file").result(5) == len(data)
            assert pipe.read(len(data) - 1) == data[1:]
            assert sender.wait(10) == 0


def test_gass_options_are_checked_and_the_url_ends_with_the_server(grid_env: object) -> None:
    server = GassServerEZ(STDOUT_ENABLE)
    url = server.getURL()
    assert url.startswith("https://localhost:")
    assert server.options is Options.STDOUT_ENABLE
    server.close()
    with pytest.raises(HandleClosedError):
        server.getURL()
    with pytest.raises(ValueError, match="CLIENT_SHUTDOWN_ENABLE"):
        GassServerEZ(WRITE_ENABLE, shutdown_func=print)
    with pytest.raises(ValueError, match="https or http"):
        GassServerEZ(scheme="gopher")


def test_a_taken_port_is_an_error(grid_env: object) -> None:
    with GassServerEZ() as server:
        port = int(server.getURL().rsplit(":", 1)[1])
        with pytest.raises(GassServerEZException):
            GassServerEZ(port=port)


def test_a_gass_server_needs_a_credential(
    grid_env: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, "/nowhere")
    with pytest.raises(CredentialError):
        GassServerEZ()


def test_a_client_may_ask_a_gass_server_to_shut_down(
    grid_env: dict[str, str],
) -> None:
    import subprocess

    asked = threading.Event()
    with GassServerEZ(
        Options.CLIENT_SHUTDOWN_ENABLE, shutdown_func=lambda arg: asked.set(), arg=None
    ) as server:
        subprocess.run(
            ["globus-url-copy", "file:///dev/null",
             f"{server.getURL()}/dev/globus_gass_client_shutdown"],
            env={**os.environ, **grid_env}, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        assert asked.wait(5)
