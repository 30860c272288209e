"""`RestartPlugin`: operations that failed for a passing reason are begun again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ..._core.errors import GlobusException
from ..._gridftp.constants import CommandMask
from .api import PluginClient
from .base import FtpClientPlugin
from .markers import read_marker

__all__ = ["RestartPlugin"]

_NEVER = 1e9
_LONGEST = 300.0


class RestartPlugin(FtpClientPlugin):
    """Begins an operation again when it fails (globus_ftp_client_restart_plugin.h).

    The caller notices nothing but the time: the `Operation` goes on, and its result is that of the
    last attempt.  What a refusal would not change is not tried again: only errors that are
    `transient`, such as a server that is down, a broken connection, or a transfer that stalls.

    A transfer goes on behind what has arrived: a get behind what came here, a put or third-party
    transfer in extended block mode behind what the receiving server has confirmed; every other one
    from its beginning.  What cannot be right is not begun again: see ``docs/plugins.md``.

    >>> with FtpClient(FtpClientHandleAttr(plugins=[RestartPlugin(max_retries=3)])) as client:
    ...     client.size(url).result()
    6
    """

    command_mask = CommandMask.FILE_ACTIONS
    _needs_client = True
    _interval = _NEVER

    def __init__(
        self,
        max_retries: int | None = 5,
        interval: float = 1.0,
        backoff: float = 2.0,
        deadline: datetime | timedelta | float | None = None,
        stall_timeout: float | None = None,
        *,
        retry_if: Callable[[GlobusException], bool] | None = None,
        on_restart: Callable[[Any, GlobusException, int, float], object] | None = None,
    ) -> None:
        """Say when to begin again; each operation is counted by itself.

        Args:
            max_retries: how often an operation is begun again; None for as often as it takes.
            interval: seconds to wait before the first time.
            backoff: by what the interval is multiplied each time; 1 keeps it.  It grows to 5
                minutes at most, or to `interval`.
            deadline: seconds after the beginning of the operation, or a moment, after which it is
                not begun again.
            stall_timeout: seconds without data after which a transfer is aborted and begun again.
                For third-party transfers it goes by the markers of the servers, which come every
                5 s from GCT's and only in extended block mode.
            retry_if: tells whether to try again after an error; ``error.transient`` by default.
            on_restart: ``on_restart(client, error, attempt, delay)``, called on the callback thread
                before each wait; the first attempt to come is number 1.
        """
        if max_retries is not None and max_retries < 0:
            raise ValueError(f"not a number of retries: {max_retries}")
        if interval < 0 or backoff < 1:
            raise ValueError(f"not an interval and a back-off: {interval}, {backoff}")
        if stall_timeout is not None and stall_timeout <= 0:
            raise ValueError(f"not a time limit: {stall_timeout}")
        if isinstance(deadline, datetime) and deadline.tzinfo is None:
            raise ValueError("a deadline needs its time zone, such as datetime.UTC")
        self.max_retries = max_retries
        self.interval = interval
        self.backoff = backoff
        self.deadline = deadline
        self.stall_timeout = stall_timeout
        self._retry_if = retry_if
        self.on_restart = on_restart
        self._arrived: dict[int, str] = {}
        self._stripes: dict[int, dict[int, int]] = {}

    def delay(self, error: GlobusException, attempt: int, began: float) -> float | None:
        """Seconds to wait before attempt `attempt`, 1 for the first retry; None: not again.

        `began` is when the operation began, by `time.monotonic()`.
        """
        if self.max_retries is not None and attempt > self.max_retries:
            return None
        if not (error.transient if self._retry_if is None else self._retry_if(error)):
            return None
        longest = max(self.interval, _LONGEST)
        factor = self.backoff ** min(attempt - 1, 64)
        seconds = min(self.interval * factor, longest)
        return seconds if seconds <= self._left(began) else None

    def _left(self, began: float) -> float:
        if self.deadline is None:
            return _NEVER
        if isinstance(self.deadline, datetime):
            return (self.deadline - datetime.now(UTC)).total_seconds()
        limit = self.deadline
        seconds = limit.total_seconds() if isinstance(limit, timedelta) else limit
        return seconds - (time.monotonic() - began)

    # --- what the attempts have moved -----------------------------------------------------------

    def _marker(self, client: PluginClient | None, key: int, ranges: str) -> None:
        self._arrived[key] = ranges

    def _performance(self, client: PluginClient | None, key: int, reply: str) -> None:
        marker = read_marker(reply)
        if marker is not None:
            self._stripes.setdefault(key, {})[marker.stripe] = marker.bytes

    def arrived(self, key: int) -> str:
        """What has arrived in the attempt that is over, as the text of a marker; forgets it."""
        self._stripes.pop(key, None)
        return self._arrived.pop(key, "")

    def moved(self, key: int) -> int:
        """Bytes that servers say to have moved in this attempt."""
        return sum(self._stripes.get(key, {}).values())
