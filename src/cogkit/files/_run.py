"""`Run`: one call of a function of `Files`, which may be cancelled as a whole."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_log = logging.getLogger("cogkit.files")


class Run:
    """One copy, or one removal, and all that it has under way in its sessions.

    It is the run that is cancelled, not the sessions: the next run finds them as they were.
    """

    def __init__(self, tell: Callable[[str], object] | None = None) -> None:
        """Begin.

        Args:
            tell: Called with what the user should know although nothing failed, each text once;
                ``None``: it is logged as a warning (logger ``cogkit.files``).
        """
        self._tell = tell or _log.warning
        self._told: set[str] = set()
        self._lock = threading.Lock()
        self._operations: set[Any] = set()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether nothing new is to begin."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End everything that is under way, from any thread; what begins later ends at once."""
        self._cancelled.set()
        with self._lock:
            operations = list(self._operations)
        for operation in operations:
            operation.cancel()

    def sleep(self, seconds: float) -> None:
        """Wait, but not longer than until it is cancelled."""
        self._cancelled.wait(seconds)

    @contextmanager
    def watching(self, operation: Any) -> Iterator[None]:
        """The block waits for this operation, which is cancelled with the run."""
        with self._lock:
            self._operations.add(operation)
        try:
            if self.cancelled:
                operation.cancel()
            yield
        finally:
            with self._lock:
                self._operations.discard(operation)

    def tell(self, text: str) -> None:
        """Let the user know, once."""
        with self._lock:
            if text in self._told:
                return
            self._told.add(text)
        self._tell(text)
