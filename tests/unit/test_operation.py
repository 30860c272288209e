"""Operations by themselves: no server, the queue of the shim only."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

from pyGlobus._core.operation import Operation
from pyGlobus._core.runtime import runtime
from pyGlobus._native import ffi, lib
from pyGlobus.globusException import GlobusException, GlobusTimeoutError, OperationCancelledError
from pyGlobus.globusMod import Module, activate, figures


@pytest.fixture(autouse=True)
def _globus() -> None:
    activate(Module.COMMON)


def post(token: int, **values: int) -> int:
    event = ffi.new("cog_event *", {"token": token, "kind": lib.COG_EVENT_COMPLETE, **values})
    return int(lib.cog_post(event))


def test_an_event_ends_its_operation_once() -> None:
    operation = Operation("x", lambda event: int(event.a))
    token = runtime.enrol(operation.complete)
    assert post(token, a=42) == 1
    assert post(token, a=43) == 0
    assert operation.result(5) == 42
    assert post(token, a=44) == 0


def test_callbacks_come_in_order_and_late_ones_at_once() -> None:
    order: list[int] = []
    operation = Operation("x", lambda event: None)
    for number in range(3):
        operation.add_done_callback(lambda _, number=number: order.append(number))
    token = runtime.enrol(operation.complete)
    post(token)
    operation.result(5)
    deadline = time.monotonic() + 5
    while len(order) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    operation.add_done_callback(lambda _: order.append(3))
    assert order == [0, 1, 2, 3]


def test_a_subscription_gets_all_events_in_order() -> None:
    got: list[int] = []
    done = threading.Event()

    def handler(event: object) -> None:
        got.append(event.a)  # type: ignore[attr-defined]
        if len(got) == 1000:
            done.set()

    token = runtime.enrol(handler, once=False)
    for number in range(1000):
        assert post(token, a=number) == 1
    assert done.wait(5)
    assert got == list(range(1000))
    runtime.withdraw(token)
    assert post(token) == 0


def test_a_deadline_ends_what_globus_cannot_stop() -> None:
    operation = Operation("wait for nothing", lambda event: None)
    token = runtime.enrol(operation.complete)
    operation.limit(0.05)
    with pytest.raises(GlobusTimeoutError, match=r"wait for nothing: no answer within 0\.05 s"):
        operation.result(5)
    # the event comes after all, and is nobody's
    post(token)


def test_a_cancelled_operation_keeps_what_c_points_at_until_the_event() -> None:
    class Memory:
        pass

    memory = Memory()
    alive = weakref.ref(memory)
    operation: Operation[None] = Operation("x", lambda event: None, keep=memory)
    del memory
    token = runtime.enrol(operation.complete)
    assert operation.cancel()
    with pytest.raises(OperationCancelledError):
        operation.result(5)
    del operation
    gc.collect()
    assert alive() is not None
    post(token)
    deadline = time.monotonic() + 5
    while alive() is not None and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert alive() is None


def test_a_conversion_that_fails_is_the_operations_error() -> None:
    def convert(event: object) -> None:
        raise GlobusException("no good")

    operation = Operation("x", convert)
    post(runtime.enrol(operation.complete))
    assert str(operation.exception(5)) == "no good"


def test_timers_that_are_cancelled_do_not_pile_up() -> None:
    for _ in range(20_000):
        runtime.later(3600, lambda: None).cancel()
    assert len(runtime._timers) < 1000


def test_a_question_is_answered_or_refused_in_time() -> None:
    def asked(event: object) -> None:
        if event.a:  # type: ignore[attr-defined]
            lib.cog_answer(event.c, 7, b"yes")  # type: ignore[attr-defined]

    token = runtime.enrol(asked, once=False)
    text = ffi.new("char **")
    question = ffi.new("cog_event *", {"token": token, "kind": lib.COG_EVENT_QUESTION, "a": 1})
    assert lib.cog_ask(question, -1, 5000, text) == 7
    assert ffi.string(text[0]) == b"yes"
    lib.free(text[0])
    question.a = 0
    begin = time.monotonic()
    assert lib.cog_ask(question, -1, 100, text) == -1
    assert 0.09 < time.monotonic() - begin < 2
    runtime.withdraw(token)
    assert lib.cog_ask(question, -1, 5000, text) == -1


def test_many_events_leave_the_table_as_it_was() -> None:
    before = figures()
    counter = 0

    def count(event: object) -> None:
        nonlocal counter
        counter += 1

    for _ in range(100):
        for token in [runtime.enrol(count) for _ in range(1000)]:
            post(token)
        while runtime.pending() > before.awaited:
            time.sleep(0.0005)
    assert counter == 100_000
    after = figures()
    assert (after.slots, after.lost) == (before.slots, before.lost)


def test_an_operation_that_cannot_be_begun_again_ends(caplog: pytest.LogCaptureFixture) -> None:
    def convert(event: object) -> None:
        raise GlobusException("the first error")

    def again(error: BaseException) -> bool:
        raise MemoryError("no room")

    operation = Operation("x", convert)
    operation.retry(again)
    token = runtime.enrol(operation.complete)
    post(token)
    with pytest.raises(GlobusException, match="the first error"):
        operation.result(5)
    assert "x: the retry raised" in caplog.text
