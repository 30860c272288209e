"""When an operation is begun again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from .._core.errors import GlobusException

__all__ = ["Policy", "StaleConnection"]


class Policy(Protocol):
    """Says whether an operation is begun again: `RestartPlugin`, or `StaleConnection`."""

    on_restart: Callable[[Any, GlobusException, int, float], object] | None

    def delay(self, error: GlobusException, attempt: int, began: float) -> float | None:
        """Seconds to wait before attempt `attempt`, 1 for the first retry; None: not again."""

    def arrived(self, key: int) -> str:
        """What has arrived in the attempt that is over, as the text of a marker."""


class StaleConnection:
    """A session that has been used may fail for no reason of what is asked of it next.

    Its server may have hung up meanwhile, for it was idle too long (421, or without a word): what
    is then asked has not begun, if nothing else was answered.  And in stream mode the library tells
    the end of a transfer while one of its threads still has to let go of the data connection (GCT
    6.2: globus_l_ftp_stream_write_eof_callback).  If that thread is late, it takes the next
    transfer's connection down instead: one in some thousand.  Such an operation is begun again
    once, on another connection.
    """

    on_restart: Callable[[Any, GlobusException, int, float], object] | None = None
    _signs: tuple[str, ...] = (
        "end of file",
        "reset by peer",
        "not in the proper state",
        "broken pipe",
        # gass copy asks for data after an end that came early, and tells of that instead
        "globus_ftp_client_idle not allowed here",
    )

    def __init__(
        self,
        moved: Callable[[], int] = int,
        *,
        several: bool = False,
        stream: bool = True,
        transfer: bool = True,
        answered: Callable[[], bool] = lambda: True,
    ) -> None:
        """For one operation.

        Args:
            moved: tells the bytes that have been moved.
            several: whether it is several transfers, and so uses its own session; it is begun again
                as often as this happens, if bytes were moved in between.
            stream: whether in stream mode.  In extended block mode the thread only changes the
                state of the connection, and the library itself notices.
            transfer: whether it has a data connection.
            answered: tells whether the server has answered anything in this attempt.
        """
        if not transfer:
            self._signs = ()
        elif not stream:
            self._signs = ("not in the proper state",)
        self._moved = moved
        self.several = several
        self._answered = answered
        self._least = 0

    def delay(self, error: GlobusException, attempt: int, began: float) -> float | None:
        """At once, if it is that."""
        if attempt > 1 and not self.several:
            return None
        moved = self._moved()
        text = str(error).lower()
        hung_up = isinstance(error, ConnectionError) and moved == 0 and not self._answered()
        if moved < self._least or not (hung_up or any(sign in text for sign in self._signs)):
            return None
        self._least = moved + 1
        return 0.0

    def arrived(self, key: int) -> str:
        """Nothing."""
        return ""
