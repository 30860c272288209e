"""Work on a thread of ours that stands for an operation, and that can be stopped at any moment."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._native import ffi, lib
from .errors import OperationCancelledError
from .operation import Operation
from .runtime import runtime
from .workers import run_in_background

__all__ = ["Stop", "Work", "write_all"]

T = TypeVar("T")


class Stop:
    """Has a thread that waits for descriptors end its wait, and its work."""

    def __init__(self, what: str) -> None:
        """`what`: what is tried, for messages."""
        self._what = what
        self._lock = threading.Lock()
        self._descriptor = -1
        self.asked = False
        """Whether the work shall end."""

    def open(self) -> None:
        """The work begins (on its thread)."""
        with self._lock:
            self._descriptor = os.eventfd(self.asked, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def ask(self) -> None:
        """Have it end (from any thread, at any time)."""
        with self._lock:
            self.asked = True
            if self._descriptor >= 0:
                os.eventfd_write(self._descriptor, 1)

    def wait(self, *wanted: tuple[int, int], timeout: float | None = None) -> set[int]:
        """Wait until one of the descriptors is ready, each with the POLL* flags that are meant.

        Args:
            wanted: the descriptors.
            timeout: seconds; None: as long as it takes.

        Returns:
            those that are ready, or broken: the next call on them tells.

        Raises:
            OperationCancelledError: the work shall end.
            TimeoutError: `timeout` has passed.
        """
        poll = select.poll()
        for descriptor, events in wanted:
            poll.register(descriptor, events)
        poll.register(self._descriptor, select.POLLIN)
        found = poll.poll() if timeout is None else poll.poll(timeout * 1000)
        if self.asked:
            raise OperationCancelledError(f"{self._what}: cancelled")
        if not found:
            raise TimeoutError(f"{self._what}: nothing came within {timeout:g} s")
        return {descriptor for descriptor, _ in found}

    def close(self) -> None:
        """The work has ended."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def write_all(
    descriptor: int, data: bytes | memoryview, stop: Stop, count: Callable[[int], None]
) -> None:
    """Write all of `data`; `count` is told how much each call has written.

    Raises:
        OSError: it cannot be written.
        OperationCancelledError: the work shall end.
    """
    most = sys.maxsize
    if os.get_blocking(descriptor):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or os.isatty(descriptor):
            most = select.PIPE_BUF  # one that is ready takes so much without keeping us waiting
    view = memoryview(data)
    while view:
        stop.wait((descriptor, select.POLLOUT))
        try:
            written = os.write(descriptor, view[:most])
        except BlockingIOError:
            continue  # somebody else was quicker
        view = view[written:]
        count(written)


class Work(ABC, Generic[T]):
    """Work of a thread of its own, and the operation that stands for it."""

    def __init__(self, what: str, settled: Callable[[], None]) -> None:
        """`settled`: called when the work has ended."""
        self.what = what
        self.stop = Stop(what)
        self._value: T | None = None
        self._problem: BaseException | None = None
        self._token = 0
        self.operation: Operation[T] = Operation(
            what, self._convert, abort=self._abort, settled=settled, keep=self,
            progress=self.bytes_done,
        )  # fmt: skip

    @abstractmethod
    def work(self) -> T:
        """Do it (on the thread); it ends soon when `stop` asks it to."""

    def bytes_done(self) -> int:
        """Bytes moved so far."""
        return 0

    def begin(self) -> None:
        """Begin on a thread of its own."""
        self._token = runtime.enrol(self.operation.complete)
        run_in_background(self._run)

    @property
    def failed(self) -> bool:
        """Whether it has ended with an exception."""
        return self._problem is not None

    def _run(self) -> None:
        try:
            self.stop.open()
            self._value = self.work()
        except BaseException as problem:
            self._problem = problem
        self.stop.close()
        event = ffi.new("cog_event *")
        event.token, event.kind = self._token, lib.COG_EVENT_COMPLETE
        lib.cog_post(event)

    def _convert(self, _: Any) -> T:
        if self._problem is not None:
            raise self._problem
        return self._value  # type: ignore[return-value]  # `work` has returned it

    def _abort(self, operation: Operation[T]) -> None:
        del operation
        self.stop.ask()
