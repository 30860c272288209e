"""How far a transfer is: performance markers, throughput, restart markers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..._gridftp.constants import CommandMask
from ..marker import FtpClientRestartMarker
from .api import PluginClient
from .base import FtpClientPlugin

__all__ = [
    "PerfMarker",
    "PerfPlugin",
    "RestartMarkerPlugin",
    "StripeThroughput",
    "Throughput",
    "ThroughputPlugin",
    "read_marker",
]


@dataclass(frozen=True, slots=True)
class PerfMarker:
    """How much of a transfer has gone over one stripe."""

    time: datetime
    """When it was so, by the clock of the side that says so, to a tenth of a second."""
    stripe: int
    """Which stripe, from 0."""
    stripes: int
    """How many stripes the transfer has."""
    bytes: int
    """Bytes that this stripe has moved."""


@dataclass(frozen=True, slots=True)
class StripeThroughput:
    """The throughput of one stripe."""

    stripe: int
    bytes: int
    instantaneous: float
    """Bytes per second since the marker before."""
    average: float
    """Bytes per second since the transfer began."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """The throughput of a transfer: the sum of its stripes."""

    bytes: int
    instantaneous: float
    """Bytes per second between the last two markers of each stripe."""
    average: float
    """Bytes per second since the transfer began."""
    stripes: tuple[StripeThroughput, ...]


BeginFunc = Callable[[Any, str | None, str | None, bool], object]
CompleteFunc = Callable[[Any, bool], object]

_FIELD = re.compile(
    r"^\s*(Timestamp|Stripe Index|Stripe Bytes Transferred|Total Stripe Count):\s*(\d+(?:\.\d+)?)",
    re.MULTILINE,
)
_MOST_STRIPES = 1 << 16


def read_marker(reply: str) -> PerfMarker | None:
    """A server's marker (GFD.20, 5.1.1.4), or None for what is none."""
    fields = dict(_FIELD.findall(reply))
    try:
        stripe, stripes = int(fields["Stripe Index"]), int(fields["Total Stripe Count"])
        moved = int(fields["Stripe Bytes Transferred"])
        when = datetime.fromtimestamp(float(fields["Timestamp"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return None
    if not 0 <= stripe < stripes <= _MOST_STRIPES:
        return None
    return PerfMarker(when, stripe, stripes, moved)


class _TransferPlugin(FtpClientPlugin):
    """What the plugins of this module share: a transfer begins, may fail, is over."""

    command_mask = CommandMask.FILE_ACTIONS

    def __init__(
        self, on_begin: BeginFunc | None, on_complete: CompleteFunc | None, interval: float
    ) -> None:
        if not 0 <= interval < 1e9:
            raise ValueError(f"not an interval in seconds: {interval}")
        self._interval = interval
        self._on_begin = on_begin
        self._on_complete = on_complete
        self._well: dict[int, bool] = {}
        """The transfers under way, by the number of their handle: whether all is well so far."""

    def get(self, client: PluginClient | None, url: str, restart: bool) -> None: ...
    def put(self, client: PluginClient | None, url: str, restart: bool) -> None: ...
    def third_party_transfer(
        self, client: PluginClient | None, source_url: str, dest_url: str, restart: bool
    ) -> None: ...
    def fault(self, client: PluginClient | None, url: str, error: Exception | None) -> None: ...
    def abort(self, client: PluginClient | None) -> None: ...
    def complete(self, client: PluginClient | None) -> None: ...

    def _keyed(
        self, client: PluginClient | None, key: int, name: str, args: tuple[Any, ...]
    ) -> bool:
        match name, args:
            case "get", (url, restart):
                self._begin(client, key, url, None, restart)
            case "put", (url, restart):
                self._begin(client, key, None, url, restart)
            case "third_party_transfer", (source, dest, restart):
                self._begin(client, key, source, dest, restart)
            case (("fault" | "abort"), _) if key in self._well:
                self._well[key] = False
            case "complete", _ if key in self._well:
                self._end(client, key, self._well.pop(key))
        return True

    def _begin(
        self, client: PluginClient | None, key: int, source: str | None, dest: str | None,
        restart: bool,
    ) -> None:  # fmt: skip
        self._well[key] = True
        if self._on_begin is not None:
            self._on_begin(client, source, dest, restart)

    def _end(self, client: PluginClient | None, key: int, well: bool) -> None:
        if self._on_complete is not None:
            self._on_complete(client, well)


class PerfPlugin(_TransferPlugin):
    """Performance markers of transfers (globus_ftp_client_perf_plugin.h).

    A put in extended block mode and a third-party transfer are told by the servers, at their own
    interval (5 s with GCT's); every other transfer by what we move ourselves.

    >>> def show(client, marker):
    ...     print(marker.stripe, marker.stripes, marker.bytes)
    >>> with FtpClient(FtpClientHandleAttr(plugins=[PerfPlugin(show, interval=60)])) as client:
    ...     with open("copy", "wb") as file:
    ...         client.get(url, into=file).result()
    0 1 6
    6
    """

    def __init__(
        self,
        on_marker: Callable[[Any, PerfMarker], object] | None = None,
        on_begin: BeginFunc | None = None,
        on_complete: CompleteFunc | None = None,
        *,
        interval: float = 1.0,
    ) -> None:
        """The functions run on the callback thread, get the client first, and must not block.

        Args:
            on_marker: ``on_marker(client, marker)``, each time a marker comes.
            on_begin: ``on_begin(client, source_url, dest_url, restart)``; the URL of our own side
                is None.
            on_complete: ``on_complete(client, success)``.
            interval: seconds between two markers of our own; there is one more at the end.
        """
        super().__init__(on_begin, on_complete, interval)
        self._on_marker = on_marker

    def _progress(self, client: PluginClient | None, key: int, moved: int, when: datetime) -> None:
        self._tell(client, key, PerfMarker(when, 0, 1, moved))

    def _performance(self, client: PluginClient | None, key: int, reply: str) -> None:
        marker = read_marker(reply)
        if marker is not None:
            self._tell(client, key, marker)

    def _tell(self, client: PluginClient | None, key: int, marker: PerfMarker) -> None:
        if self._on_marker is not None:
            self._on_marker(client, marker)


@dataclass(slots=True)
class _Stripe:
    since: float
    seen: float
    before: float
    bytes: int = 0
    bytes_before: int = 0

    def rates(self, stripe: int) -> StripeThroughput:
        recent, whole = self.seen - self.before, self.seen - self.since
        return StripeThroughput(
            stripe,
            self.bytes,
            (self.bytes - self.bytes_before) / recent if recent > 0 else 0.0,
            self.bytes / whole if whole > 0 else 0.0,
        )


@dataclass(slots=True)
class _Course:
    """A transfer under way."""

    began: float
    server_began: float | None = None
    """By the clock of the servers: their first marker tells zero bytes."""
    stripes: dict[int, _Stripe] = field(default_factory=dict)


class ThroughputPlugin(PerfPlugin):
    """The throughput of transfers (globus_ftp_client_throughput_plugin.h).

    Reckoned from performance markers, so it comes as often as they do.

    >>> seen = []
    >>> plugin = ThroughputPlugin(lambda client, now: seen.append(now))
    >>> with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
    ...     with open("copy", "wb") as file:
    ...         client.get(url, into=file).result()
    6
    >>> seen[-1].bytes, seen[-1].average > 0, len(seen[-1].stripes)
    (6, True, 1)
    """

    def __init__(
        self,
        on_progress: Callable[[Any, Throughput], object] | None = None,
        on_begin: BeginFunc | None = None,
        on_complete: CompleteFunc | None = None,
        *,
        interval: float = 1.0,
    ) -> None:
        """As `PerfPlugin`, with ``on_progress(client, throughput)``."""
        super().__init__(None, on_begin, on_complete, interval=interval)
        self._on_progress = on_progress
        self._courses: dict[int, _Course] = {}

    def _begin(
        self, client: PluginClient | None, key: int, source: str | None, dest: str | None,
        restart: bool,
    ) -> None:  # fmt: skip
        self._courses[key] = _Course(datetime.now(UTC).timestamp())
        super()._begin(client, key, source, dest, restart)

    def _end(self, client: PluginClient | None, key: int, well: bool) -> None:
        self._courses.pop(key, None)
        super()._end(client, key, well)

    def _tell(self, client: PluginClient | None, key: int, marker: PerfMarker) -> None:
        course = self._courses.get(key)
        if course is None:
            return
        when = marker.time.timestamp()
        stripe = course.stripes.get(marker.stripe)
        if stripe is None:
            if marker.bytes == 0 and course.server_began is None:
                course.server_began = when
            # a server's clock need not be ours
            since = course.began if course.server_began is None else course.server_began
            stripe = _Stripe(min(since, when), min(since, when), min(since, when))
            course.stripes[marker.stripe] = stripe
        if when <= stripe.seen or marker.bytes < stripe.bytes:
            return
        stripe.before, stripe.seen = stripe.seen, when
        stripe.bytes_before, stripe.bytes = stripe.bytes, marker.bytes
        parts = tuple(one.rates(index) for index, one in sorted(course.stripes.items()))
        if self._on_progress is not None:
            self._on_progress(
                client,
                Throughput(
                    sum(part.bytes for part in parts),
                    sum(part.instantaneous for part in parts),
                    sum(part.average for part in parts),
                    parts,
                ),
            )


class RestartMarkerPlugin(_TransferPlugin):
    """Restart markers while a transfer runs (globus_ftp_client_restart_marker_plugin.h).

    Keep the last one, and give it to the next attempt as ``client.get(..., marker=marker)``.  A put
    in extended block mode and a third-party transfer are told by the server that receives (its
    markers, 111); a get by what has arrived here, but for its last block, after which nothing is
    missing.  A put in stream mode has no markers to trust.

    >>> markers = []
    >>> plugin = RestartMarkerPlugin(lambda client, marker: markers.append(marker))
    >>> attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)
    >>> with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
    ...     with open("hello", "rb") as file:
    ...         client.put(url + "2", attr, source=file).result()
    6
    >>> print(markers[-1])
    0-6
    """

    def __init__(
        self,
        on_marker: Callable[[Any, FtpClientRestartMarker], object] | None = None,
        on_begin: BeginFunc | None = None,
        on_complete: CompleteFunc | None = None,
        *,
        interval: float = 1.0,
    ) -> None:
        """As `PerfPlugin`, with ``on_marker(client, marker)``; each marker holds all so far."""
        super().__init__(on_begin, on_complete, interval)
        self._on_marker = on_marker

    def _marker(self, client: PluginClient | None, key: int, ranges: str) -> None:
        if self._on_marker is not None and ranges:
            self._on_marker(client, FtpClientRestartMarker(ranges))
