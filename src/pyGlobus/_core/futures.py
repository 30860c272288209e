"""Operations as `concurrent.futures.Future`: imported when one is asked for, which costs 20 ms."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

__all__ = ["OperationFuture"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Outcome(Protocol[T_co]):
    """What a future needs of an `Operation`."""

    def result(self, timeout: float | None) -> T_co:
        """Its result."""

    def exception(self, timeout: float | None) -> BaseException | None:
        """Its error."""

    def cancel(self) -> bool:
        """End it."""

    def cancelled(self) -> bool:
        """Whether it was cancelled."""

    def add_done_callback(self, function: Callable[[Any], object]) -> None:
        """Have a function called at its end."""


class OperationFuture(Future[T]):
    """What `Operation.as_future` returns."""

    def __init__(self, operation: Outcome[T]) -> None:
        super().__init__()
        self._operation = operation
        self.set_running_or_notify_cancel()
        operation.add_done_callback(self._tell)

    def _tell(self, operation: Outcome[T]) -> None:
        error = operation.exception(0)
        if error is None:
            self.set_result(operation.result(0))
        else:
            self.set_exception(error)

    def cancel(self) -> bool:
        """Cancel the operation; False when it is done already."""
        return self._operation.cancel()

    def cancelled(self) -> bool:
        """Whether it ended by being cancelled."""
        return self._operation.cancelled()
