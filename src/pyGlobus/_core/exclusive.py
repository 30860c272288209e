"""One operation at a time, and its end when the handle is closed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from .errors import OperationCancelledError
from .operation import Operation
from .runtime import runtime

__all__ = ["Exclusive"]


class Exclusive:
    """Who uses a C handle: one operation at a time.  Nobody ever waits for it.

    Whoever begins an operation takes it, or is refused; the callback thread, which decides about
    the end of operations, gives it back.  So it can be closed from anywhere, also by a finalizer or
    a signal handler that has interrupted one of its other methods.
    """

    def __init__(self, free: Callable[[], None]) -> None:
        """`free` is called once, when it has been closed and nothing runs."""
        self.operation: Operation[Any] | None = None
        """What runs."""
        self.closing = False
        """It has been closed: nothing begins any more."""
        self._free = free
        self._lock = threading.Lock()
        self._starting: dict[object, Operation[Any]] = {}
        """Whose C call is being made: one twice that is begun again before the first returns."""
        self._to_abort: list[Operation[Any]] = []

    def take(self) -> bool:
        """Have it to oneself; False when somebody else does."""
        return self._lock.acquire(blocking=False)

    def give(self) -> None:
        """Let others have it."""
        self.operation = None
        self._lock.release()
        if self.closing:
            self._free_if_idle()

    def close(self) -> None:
        """Cancel what runs, let nothing else begin, and then free it."""
        self.closing = True
        if not self._free_if_idle():
            runtime.bury(self._end_what_runs)

    def _free_if_idle(self) -> bool:
        if not self.take():
            return False
        self._free()  # and it is never given again
        return True

    def _end_what_runs(self) -> None:
        operation = self.operation
        if operation is not None:
            operation.fail(OperationCancelledError(f"{operation.what}: the handle was closed"))
        else:
            self._free_if_idle()  # or whoever has it does so

    # --- an abort must not come before what it is to end has begun -------------------------------

    @contextlib.contextmanager
    def starting(self, operation: Operation[Any], abort: Callable[[], None]) -> Iterator[None]:
        """While the C call is made that begins it; `abort` is called if it is to end meanwhile."""
        call = object()
        self._starting[call] = operation
        try:
            yield
        finally:
            # in this order: whoever wants it to end says so, then looks whether it is starting
            del self._starting[call]
            if operation in self._to_abort:
                runtime.bury(lambda: self.abort(operation, abort))

    def abort(self, operation: Operation[Any], abort: Callable[[], None]) -> None:
        """Call `abort`, once the operation has been begun, if it runs (on the callback thread)."""
        if operation not in self._to_abort:
            self._to_abort.append(operation)
        if operation not in self._starting.values():
            self._to_abort.remove(operation)
            if self.operation is operation:
                abort()
