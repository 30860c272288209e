"""The one thread that runs callbacks: nothing that they do ends it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import sys
import threading
import time
import weakref
from collections.abc import Callable

import pytest

from pyGlobus._core import operation as operations
from pyGlobus._core.operation import Operation
from pyGlobus._core.runtime import Timer, runtime
from pyGlobus._native import ffi, lib
from pyGlobus.ftpClient import FtpClient
from pyGlobus.globusException import (
    GlobusException,
    GlobusTimeoutError,
    HandleClosedError,
    OperationCancelledError,
)
from pyGlobus.globusMod import Module, activate
from waiting import until


@pytest.fixture(autouse=True)
def _globus() -> None:
    activate(Module.COMMON)


def post(token: int) -> None:
    event = ffi.new("cog_event *", {"token": token, "kind": lib.COG_EVENT_COMPLETE})
    assert lib.cog_post(event) == 1


def begun(operation: Operation[None]) -> Operation[None]:
    post(runtime.enrol(operation.complete))
    return operation


def still_runs() -> bool:
    begun(Operation("another", lambda event: None)).result(10)
    return True


LEAVING: list[BaseException] = [
    SystemExit(1),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    pytest.skip.Exception("a test's"),
    pytest.fail.Exception("a test's"),
    MemoryError(),
]


def of_handler(leave: Callable[..., None]) -> None:
    post(runtime.enrol(leave))


def of_timer(leave: Callable[..., None]) -> None:
    runtime.later(0, leave)


def of_finalizer(leave: Callable[..., None]) -> None:
    runtime.run_soon(leave)


def of_done_callback(leave: Callable[..., None]) -> None:
    operation: Operation[None] = Operation("x", lambda event: None)
    order: list[str] = []
    operation.add_done_callback(leave)
    operation.add_done_callback(lambda _: order.append("the next one"))
    begun(operation).result(10)
    until(lambda: order)


def of_conversion(leave: Callable[..., None]) -> None:
    with pytest.raises(BaseException) as caught:
        begun(Operation("x", leave)).result(10)
    assert type(caught.value) in [type(one) for one in LEAVING]


def of_release(leave: Callable[..., None]) -> None:
    begun(Operation("x", lambda event: None, released=leave)).result(10)


def of_abort(leave: Callable[..., None]) -> None:
    operation: Operation[None] = Operation("x", lambda event: None, abort=leave, abandoned=leave)
    operation.cancel()
    with pytest.raises(OperationCancelledError):
        operation.result(10)


def of_retry(leave: Callable[..., None]) -> None:
    def fail(event: object) -> None:
        raise GlobusException("the first error")

    operation: Operation[None] = Operation("x", fail)
    operation.retry(leave)  # type: ignore[arg-type]
    with pytest.raises(GlobusException, match="the first error"):
        begun(operation).result(10)


@pytest.mark.parametrize("error", LEAVING, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "place",
    [
        of_handler, of_timer, of_finalizer, of_done_callback, of_conversion, of_release, of_abort,
        of_retry,
    ],
)  # fmt: skip
def test_whatever_a_callback_raises_the_thread_goes_on(
    place: Callable[[Callable[..., None]], None],
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(operations, "_GRACE", 0.05)
    called: list[threading.Thread] = []

    def leave(*_: object) -> None:
        called.append(threading.current_thread())
        raise error

    caplog.set_level(logging.DEBUG, "pyGlobus")
    place(leave)
    until(lambda: called)
    assert called[0].name == "pyGlobus-callbacks"
    assert still_runs()
    assert called[0].is_alive()
    if place is not of_conversion:  # that is the outcome
        assert any(record.exc_info for record in caplog.records)


def test_an_exception_that_another_thread_sends_is_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    thread = next(one for one in threading.enumerate() if one.name == "pyGlobus-callbacks")
    sent = ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit)
    )
    assert sent == 1
    for _ in range(20):
        assert still_runs()
    assert thread.is_alive()


def test_a_log_that_raises_is_survived() -> None:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise SystemExit

    handler = Handler()
    log = logging.getLogger("pyGlobus")
    log.addHandler(handler)
    try:
        runtime.later(0, lambda: sys.exit(1))
        assert still_runs()
    finally:
        log.removeHandler(handler)
    assert still_runs()


def test_a_callback_of_what_is_done_may_leave_its_own_thread() -> None:
    operation = begun(Operation("x", lambda event: None))
    operation.result(10)
    with pytest.raises(SystemExit):
        operation.add_done_callback(lambda _: sys.exit(1))


# --- how an operation ends ------------------------------------------------------------------------


def test_an_abort_that_raises_ends_the_operation_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "_GRACE", 0.05)

    def abort(_: object) -> None:
        raise RuntimeError("not an error of Globus")

    operation: Operation[None] = Operation("x", lambda event: None, abort=abort)
    operation.cancel()
    with pytest.raises(OperationCancelledError):
        operation.result(10)


@pytest.mark.parametrize("limit", [Operation.limit, Operation.limit_stall])
def test_a_limit_that_is_set_while_the_operation_ends_keeps_nothing(
    limit: Callable[[Operation[None], float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    operation: Operation[None] = Operation("x", lambda event: None)
    later = runtime.later

    def ends(*arguments: object) -> Timer:
        begun(operation).result(10)
        return later(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(runtime, "later", ends)
    limit(operation, 3600)
    monkeypatch.undo()
    ended = weakref.ref(operation)
    operation = None  # type: ignore[assignment]
    until(lambda: gc.collect() is not None and ended() is None, seconds=3)


def test_a_grace_that_was_not_needed_keeps_nothing() -> None:
    tokens: list[int] = []
    operation: Operation[None] = Operation("x", lambda event: None, abort=lambda _: post(tokens[0]))
    tokens.append(runtime.enrol(operation.complete))
    operation.cancel()
    operation.exception(10)
    ended = weakref.ref(operation)
    del operation
    until(lambda: gc.collect() is not None and ended() is None, seconds=3)


def test_a_cancel_is_not_lost_to_a_retry() -> None:
    """It comes while the operation is aborted for a reason for which it would be begun again."""
    aborted = threading.Event()
    resumed: list[bool] = []
    operation: Operation[None] = Operation(
        "x", fail_with(GlobusException("aborted")), abort=lambda _: aborted.set()
    )
    operation.retry(lambda error: operation.rest(error, 0, lambda: resumed.append(True)))
    operation.limit_stall(0.01)
    assert aborted.wait(10)
    assert operation.cancel()
    begun(operation)
    with pytest.raises(OperationCancelledError):
        operation.result(10)
    assert still_runs()
    assert not resumed


def fail_with(error: Exception) -> Callable[[object], None]:
    def fail(event: object) -> None:
        raise error

    return fail


def test_what_comes_back_too_late_is_not_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "_GRACE", 0.02)
    again: list[BaseException] = []
    operation: Operation[None] = Operation(
        "x", fail_with(GlobusException("late")), abort=lambda _: None
    )
    operation.retry(lambda error: bool(again.append(error)))
    operation.limit_stall(0.01)
    with pytest.raises(GlobusTimeoutError):
        operation.result(10)
    begun(operation)
    assert still_runs()
    assert not again


def test_a_wait_ends_when_its_time_is_over() -> None:
    operation: Operation[None] = Operation("x", lambda event: None)
    begin = time.monotonic()
    assert not operation.wait(0.2)
    assert 0.19 < time.monotonic() - begin < 5
    assert not operation.wait(0)
    assert not operation.wait(-1)


# --- as a future ----------------------------------------------------------------------------------


def test_operations_are_futures_for_those_who_want_them() -> None:
    from concurrent.futures import FIRST_COMPLETED, as_completed, wait

    quick = begun(Operation("x", lambda event: None))
    slow: Operation[None] = Operation("y", lambda event: None)
    wrong = begun(Operation("z", fail_with(GlobusException("no good"))))
    futures = {one.as_future(): one for one in (quick, slow, wrong)}
    done, pending = wait(futures, timeout=10, return_when=FIRST_COMPLETED)
    assert done
    assert slow in [futures[one] for one in pending]
    done, pending = wait([one for one in futures if futures[one] is not slow], timeout=10)
    assert not pending
    by_operation = {one: future for future, one in futures.items()}
    assert by_operation[quick].result(0) is None
    assert str(by_operation[wrong].exception(0)) == "no good"
    assert by_operation[slow].running()
    assert by_operation[slow].cancel()
    assert list(as_completed([by_operation[slow]], timeout=10)) == [by_operation[slow]]
    assert by_operation[slow].cancelled()
    assert not by_operation[slow].cancel()
    with pytest.raises(OperationCancelledError):
        by_operation[slow].result(0)


def test_a_closed_client_refuses_every_call_and_touches_nothing() -> None:
    """The process ended: what watches over the servers had been freed."""
    client = FtpClient()
    assert isinstance(client.size("ftp://127.0.0.1:1/x").exception(10), ConnectionError)
    client.close()
    calls: list[Callable[[], object]] = [
        *(
            lambda name=name: getattr(client, name)("ftp://127.0.0.1:1/x")  # type: ignore[misc]
            for name in ("size", "mlst", "stat", "cwd", "exists", "feat", "mkdir", "list", "get",
                         "put", "scandir", "modification_time", "cksm", "delete", "rmdir")
        ),
        lambda: client.move("ftp://127.0.0.1:1/x", "ftp://127.0.0.1:1/y"),
        lambda: client.third_party_transfer("ftp://a/x", None, "ftp://b/x"),
        lambda: client.get_files([("ftp://127.0.0.1:1/x", 1)]),
        lambda: client.cache_url_state("ftp://127.0.0.1:1/x"),
    ]  # fmt: skip
    for call in calls * 20:
        with pytest.raises(HandleClosedError):
            call()
