"""How a sandbox' supervisor is spoken to."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from cogkit.sandbox import NoSandbox, SandboxError
from cogkit.sandbox._wire import Connection, Message, send

pytestmark = pytest.mark.timeout(30)

Ends = tuple[Connection, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A client's end, and the supervisor's."""
    ours, theirs = socket.socketpair()
    with theirs, ours:
        yield Connection(ours), theirs


def heard(theirs: socket.socket) -> Message:
    message: Message = json.loads(theirs.recv(65536))
    return message


def test_a_late_answer_is_passed_over(ends: Ends) -> None:
    connection, theirs = ends
    for timeout in (0, 0.01):
        with pytest.raises(SandboxError, match="did not answer"):
            connection.request("first", timeout=timeout)
        send(theirs, {"late": True, "serial": heard(theirs)["serial"]})
    send(theirs, {"error": "of a request that nobody waits for", "serial": 1})
    answer = threading.Thread(
        target=lambda: send(theirs, {"right": True, "serial": heard(theirs)["serial"]})
    )
    answer.start()
    assert connection.request("second", timeout=10) == {"right": True}
    answer.join()


def test_a_sandbox_that_ends_tells_whoever_waits_for_an_answer(ends: Ends) -> None:
    connection, theirs = ends
    send(theirs, {"stopped": True})
    with pytest.raises(NoSandbox, match="has ended"):
        connection.request("describe", timeout=10)
    send(theirs, {"error": "these processes cannot be killed", "type": "SandboxError"})
    with pytest.raises(SandboxError, match="cannot be killed"):
        connection.request("describe", timeout=10)
    theirs.close()
    with pytest.raises(NoSandbox, match="is gone"):
        connection.request("describe", timeout=10)


def test_a_deadline_holds_though_the_answer_comes_in_pieces(ends: Ends) -> None:
    connection, theirs = ends
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.02):
            theirs.send(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(SandboxError, match=r"did not answer in 0\.3 s"):
            connection.request("describe", timeout=0.3)
    finally:
        ended.set()
        thread.join()
