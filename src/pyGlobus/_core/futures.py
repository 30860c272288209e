"""Operations as `concurrent.futures.Future`: imported when one is asked for, which costs 20 ms."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .operation import Operation

__all__ = ["OperationFuture"]

T = TypeVar("T")


class OperationFuture(Future[T]):
    """What `Operation.as_future` returns."""

    def __init__(self, operation: Operation[T]) -> None:
        super().__init__()
        self._operation = operation
        self.set_running_or_notify_cancel()
        operation.add_done_callback(self._tell)

    def _tell(self, operation: Operation[T]) -> None:
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
