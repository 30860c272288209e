"""`FtpClientRestartMarker`: which bytes of a transfer have arrived."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Self

from .._core.errors import text_of
from .._core.handles import owned
from .._core.runtime import runtime
from .._gridftp.errors import FtpClientValueError, check_ftp
from .._native import ffi, lib

__all__ = ["FtpClientRestartMarker", "add_span", "spans_text"]

_RANGES = re.compile(r"\d+-\d+(?:,\d+-\d+)*,?")


class FtpClientRestartMarker:
    """Ranges of bytes that have been transferred (globus_ftp_client_restart_marker_t).

    A marker is empty, an offset (stream mode), or a set of ranges (extended block mode).  A range
    begins with its first byte and ends before its last number, as a Python range does.

    >>> marker = FtpClientRestartMarker()
    >>> marker.insert_range(0, 1000)
    >>> marker.insert_range(1000, 1500)
    >>> str(marker), marker.total, list(marker)
    ('0-1500', 1500, [range(0, 1500)])
    """

    def __init__(self, text: str = "") -> None:
        """`text` is what `str(marker)` gave, or a server's range marker; ``""``: nothing yet.

        Raises:
            FtpClientValueError: not a marker.
        """
        runtime.activate("FTP_CLIENT")
        pointer = ffi.new("globus_ftp_client_restart_marker_t *")
        check_ftp(lib.globus_ftp_client_restart_marker_init(pointer), "restart marker")
        self._pointer = pointer
        owned(self, lambda: lib.globus_ftp_client_restart_marker_destroy(pointer))
        # globus_ftp_client_restart_marker_from_string() uses an uninitialised list (GCT 6.2) and
        # crashes on ranges
        if text.isdecimal():
            self.set_offset(int(text))
        elif _RANGES.fullmatch(text):
            for part in text.rstrip(",").split(","):
                first, _, last = part.partition("-")
                self.insert_range(int(first), int(last))
        elif text:
            raise FtpClientValueError(
                f"{text!r} is not a restart marker", hint="such as 4096, or 0-1000,2000-3000"
            )

    def pointer(self) -> Any:
        """The C marker."""
        return self._pointer

    def insert_range(self, offset: int, end_offset: int) -> None:
        """Note that bytes `offset` up to, not including, `end_offset` have arrived.

        (globus_ftp_client_restart_marker_insert_range)
        """
        if not 0 <= offset <= end_offset:
            raise ValueError(f"not a range of bytes: {offset} to {end_offset}")
        if offset == end_offset:
            return
        self._set_ranges(_union([*self, range(offset, end_offset)]))

    def _set_ranges(self, ranges: list[range]) -> None:
        pointer = self._pointer
        lib.globus_ftp_client_restart_marker_destroy(pointer)
        check_ftp(lib.globus_ftp_client_restart_marker_init(pointer), "restart marker")
        last = None
        for part in ranges:
            # The C library takes ranges that are one byte apart for adjacent, and that byte would
            # be missing in the file for ever: let one more byte be sent again instead.
            start = part.start + 1 if last is not None and part.start == last + 1 else part.start
            if start < part.stop:
                check_ftp(
                    lib.globus_ftp_client_restart_marker_insert_range(pointer, start, part.stop),
                    "restart marker",
                )
                last = part.stop

    def set_offset(self, offset: int) -> None:
        """Make it a stream mode marker: everything before `offset` has arrived.

        (globus_ftp_client_restart_marker_set_offset)
        """
        if offset < 0:
            raise ValueError(f"not an offset: {offset}")
        check_ftp(
            lib.globus_ftp_client_restart_marker_set_offset(self._pointer, offset),
            "restart marker",
        )

    def set_ascii_offset(self, offset: int, ascii_offset: int) -> None:
        """As `set_offset`, for an ASCII transfer, where line ends make the two differ.

        (globus_ftp_client_restart_marker_set_ascii_offset)
        """
        if offset < 0 or ascii_offset < 0:
            raise ValueError(f"not offsets: {offset}, {ascii_offset}")
        check_ftp(
            lib.globus_ftp_client_restart_marker_set_ascii_offset(
                self._pointer, offset, ascii_offset
            ),
            "restart marker",
        )

    @property
    def total(self) -> int:
        """How many bytes have arrived (globus_ftp_client_restart_marker_get_total)."""
        total = ffi.new("globus_off_t *")
        check_ftp(
            lib.globus_ftp_client_restart_marker_get_total(self._pointer, total), "restart marker"
        )
        value: int = total[0]
        return value

    @property
    def first_block(self) -> range | None:
        """The first range that has arrived, None when nothing has.

        (globus_ftp_client_restart_marker_get_first_block)
        """
        first, end = ffi.new("globus_off_t *"), ffi.new("globus_off_t *")
        check_ftp(
            lib.globus_ftp_client_restart_marker_get_first_block(self._pointer, first, end),
            "restart marker",
        )
        return range(first[0], end[0]) if end[0] else None

    def copy(self) -> Self:
        """Another marker of the same ranges."""
        return type(self)(str(self))

    def __copy__(self) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)

    def __str__(self) -> str:
        text = ffi.new("char **")
        check_ftp(
            lib.globus_ftp_client_restart_marker_to_string(self._pointer, text), "restart marker"
        )
        try:
            return text_of(text[0]).rstrip(",")
        finally:
            lib.free(text[0])

    def __iter__(self) -> Iterator[range]:
        for part in str(self).split(","):
            first, dash, last = part.partition("-")
            if dash:
                yield range(int(first), int(last))
            elif first and int(first):
                yield range(int(first))

    def __bool__(self) -> bool:
        return self.total > 0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FtpClientRestartMarker):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FtpClientRestartMarker({str(self)!r})"


def _union(ranges: list[range]) -> list[range]:
    """The same bytes as ranges in order that neither overlap nor touch."""
    merged: list[range] = []
    for part in sorted(ranges, key=lambda one: one.start):
        if merged and part.start <= merged[-1].stop:
            merged[-1] = range(merged[-1].start, max(merged[-1].stop, part.stop))
        else:
            merged.append(part)
    return merged


def add_span(spans: list[list[int]], first: int, end: int) -> None:
    """Enter bytes that have arrived; most come behind those before."""
    if spans and spans[-1][1] == first:
        spans[-1][1] = end
        return
    parts = _union([range(*span) for span in spans] + [range(first, end)])
    spans[:] = [[part.start, part.stop] for part in parts]


def spans_text(spans: list[list[int]]) -> str:
    """As the text of a marker."""
    return ",".join(f"{first}-{end}" for first, end in spans)
