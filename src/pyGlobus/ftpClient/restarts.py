"""How an operation is begun again, for `RestartPlugin`: on another handle, behind what arrived.

The C library can restart an operation within itself, and its own plugin does so.  That is not used
(GCT 6.2): it does not restart a get or a put whose data connection breaks first; it takes for
arrived what a put has handed to the kernel; and a handle on which something went wrong is spoiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .._core.errors import GlobusException
from .._core.operation import Operation
from .._core.runtime import call_user
from .attributes import FtpClientOperationAttr
from .constants import Mode, Type
from .marker import FtpClientRestartMarker
from .plugins.base import PluginSet
from .plugins.restart import RestartPlugin
from .pump import Place

__all__ = [
    "Attempts",
    "Held",
    "Plan",
    "Resume",
    "StaleConnection",
    "go_on",
    "restarter",
]


@dataclass(frozen=True, slots=True)
class Resume:
    """Where an attempt begins."""

    marker: FtpClientRestartMarker | None = None
    first: int = 0
    """Offset of the first byte that a pump moves."""


Plan = Callable[[str, Resume], Resume | str | None]
"""Where to go on, from the ranges that have arrived and where the last attempt began.

None, or why it cannot: not at all.
"""


@dataclass(frozen=True, slots=True)
class Held:
    """A caller's buffer that an attempt gave back, kept for the next one."""

    operation: Operation[Any]
    error: GlobusException
    """Its outcome when there is no next attempt."""
    at_end: Any
    """Its outcome when the data has ended meanwhile."""
    register: Callable[[], None]


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


class Restartable(Protocol):
    """What is needed of a client's C handle."""

    plugins: PluginSet
    resume: Resume
    closing: bool

    def renew(self) -> None:
        """Take another C handle, for the same operation."""

    def begin(self, operation: Operation[Any], call: Callable[[Any], int]) -> None:
        """Make the C call, unless the operation is to end."""

    def register_held(self) -> None:
        """Give the attempt that has begun the buffers that were kept for it."""


class Attempts:
    """One operation, as often as it takes."""

    def __init__(
        self,
        session: Restartable,
        policy: Policy,
        operation: Operation[Any],
        call: Callable[[Any], int],
        begun: Callable[[], None] | None,
        plan: Plan,
    ) -> None:
        self._session = session
        self._policy = policy
        self._operation = operation
        self._call = call
        self._begun = begun
        self._plan = plan
        self._count = 0
        self._began = time.monotonic()
        operation.retry(self._again)

    def _again(self, error: BaseException) -> bool:
        session = self._session
        ranges = self._policy.arrived(session.plugins.key)
        if session.closing or not isinstance(error, GlobusException):
            return False
        delay = self._policy.delay(error, self._count + 1, self._began)
        if delay is None:
            return False
        resume = self._plan(ranges, session.resume)
        if isinstance(resume, str):
            error.add_note(resume)
        if not isinstance(resume, Resume):
            return False
        session.renew()
        session.resume = resume
        session.plugins.again = True
        self._count += 1
        if self._policy.on_restart is not None:
            client = None if session.plugins.client is None else session.plugins.client()
            call_user(
                f"{self._policy!r}: on_restart",
                self._policy.on_restart, client, error, self._count, delay,
            )  # fmt: skip
        return self._operation.rest(error, delay, self._go)

    def _go(self) -> None:
        operation = self._operation
        try:
            self._session.begin(operation, self._call)
            if self._begun is not None:
                self._begun()
            self._session.register_held()
        except BaseException as problem:
            if not call_user(f"{operation.what}: the retry", self._again, problem):
                operation.end(None, operation.ending or problem)


def restarter(plugins: PluginSet) -> RestartPlugin | None:
    """The plugin by which a client's operations are begun again."""
    return next((one for one in plugins.plugins if isinstance(one, RestartPlugin)), None)


def go_on(
    verb: str,
    attr: FtpClientOperationAttr,
    whole: bool,
    place: Place | None,
    moved: int,
    began: bool,
    ranges: str,
    before: Resume,
    start: Resume,
) -> Resume | str | None:
    """Where a transfer goes on, or None, or why it does not, when the file could not become right.

    Args:
        verb: ``get``, ``put``, ``list`` or ``transfer``.
        attr: its attributes.
        whole: whether it is of a whole file, where markers are sure.
        place: where the pump reads or writes; None when no pump moves the data.
        moved: bytes that have been moved here in all attempts.
        began: whether a server has said in the last attempt that data may come.
        ranges: what has arrived in the last attempt.
        before: where that one began.
        start: where the first one began.
    """
    certain = whole and attr.type is Type.IMAGE
    extended = attr.mode is Mode.EXTENDED_BLOCK
    if attr.append and began and verb in ("put", "transfer"):
        return "It was not begun again: what it appends may have arrived in part."
    if verb == "transfer":
        return Resume(_union(before.marker, ranges)) if certain and extended else start
    if certain and verb == "get":
        marker = _union(before.marker, ranges)
        prefix = _prefix(marker)
        if not extended:
            marker = FtpClientRestartMarker(str(prefix)) if prefix else FtpClientRestartMarker()
        return Resume(marker, prefix)
    if verb == "put" and place is not None:
        prefix = 0
        if certain and extended and not attr.append:
            prefix = _prefix(_union(before.marker, ranges))
        if prefix > start.first:
            start = Resume(FtpClientRestartMarker(f"0-{prefix}"), prefix)
        return start if place.can_begin(start.first) else place.why_not()
    if moved == 0 or (verb == "get" and place is not None and not place.is_stream):
        return start
    return None


def _union(marker: FtpClientRestartMarker | None, ranges: str) -> FtpClientRestartMarker:
    """A marker of both, in ranges."""
    both = FtpClientRestartMarker()
    for part in [*(marker or ()), *FtpClientRestartMarker(ranges)]:
        both.insert_range(part.start, part.stop)
    return both


def _prefix(marker: FtpClientRestartMarker) -> int:
    """How many bytes from the beginning are there without a gap."""
    first = marker.first_block
    return first.stop if first is not None and first.start == 0 else 0
