"""`FtpClientRestartMarker`: which bytes of a transfer have arrived."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

from .._core.errors import text_of
from .._core.handles import owned
from .._native import ffi, lib
from .errors import check_ftp

__all__ = ["FtpClientRestartMarker"]


class FtpClientRestartMarker:
    """Ranges of bytes that have been transferred (globus_ftp_client_restart_marker_t).

    A marker is empty, an offset (stream mode), or a set of ranges (extended block mode).

    >>> marker = FtpClientRestartMarker()
    >>> marker.insert_range(0, 1000)
    >>> marker.insert_range(1000, 1500)
    >>> str(marker), marker.total, list(marker)
    ('0-1500', 1500, [range(0, 1500)])
    """

    def __init__(self, ranges: str = "") -> None:
        """`ranges` is what `str(marker)` gave, ``""`` for an empty marker.

        Raises:
            FtpClientValueError: not a marker.
        """
        pointer = ffi.new("globus_ftp_client_restart_marker_t *")
        check_ftp(lib.globus_ftp_client_restart_marker_init(pointer), "restart marker")
        self._pointer = pointer
        owned(self, lambda: lib.globus_ftp_client_restart_marker_destroy(pointer))
        if ranges:
            check_ftp(
                lib.globus_ftp_client_restart_marker_from_string(pointer, ranges.encode()),
                f"{ranges!r} is not a restart marker",
            )

    def pointer(self) -> Any:
        """The C marker."""
        return self._pointer

    def insert_range(self, offset: int, end_offset: int) -> None:
        """Note that bytes `offset` up to, not including, `end_offset` have arrived."""
        if offset < 0 or end_offset < offset:
            raise ValueError(f"not a range of bytes: {offset} to {end_offset}")
        check_ftp(
            lib.globus_ftp_client_restart_marker_insert_range(self._pointer, offset, end_offset),
            "restart marker",
        )

    def set_offset(self, offset: int) -> None:
        """Make it a stream mode marker: everything before `offset` has arrived."""
        if offset < 0:
            raise ValueError(f"not an offset: {offset}")
        check_ftp(
            lib.globus_ftp_client_restart_marker_set_offset(self._pointer, offset),
            "restart marker",
        )

    def set_ascii_offset(self, offset: int, ascii_offset: int) -> None:
        """As `set_offset`, for an ASCII transfer, where line ends make the two differ."""
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
        """How many bytes have arrived."""
        total = ffi.new("globus_off_t *")
        check_ftp(
            lib.globus_ftp_client_restart_marker_get_total(self._pointer, total), "restart marker"
        )
        value: int = total[0]
        return value

    @property
    def first_block(self) -> range | None:
        """The first range that has arrived, None when nothing has."""
        return next(iter(self), None)

    def copy(self) -> Self:
        """Another marker of the same ranges."""
        other = type(self)()
        check_ftp(
            lib.globus_ftp_client_restart_marker_copy(other._pointer, self._pointer),
            "restart marker",
        )
        return other

    def __copy__(self) -> Self:
        return self.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)

    def __str__(self) -> str:
        text = ffi.new("char **")
        result = lib.globus_ftp_client_restart_marker_to_string(self._pointer, text)
        if result != lib.GLOBUS_SUCCESS:
            # the library's way to say that the marker is empty
            lib.globus_object_free(lib.globus_error_get(result))
            return ""
        try:
            return text_of(text[0]).rstrip(",")
        finally:
            lib.free(text[0])

    def __iter__(self) -> Iterator[range]:
        for part in str(self).split(","):
            first, dash, last = part.partition("-")
            if dash:
                yield range(int(first), int(last))
            elif first:
                yield range(0, int(first))

    def __bool__(self) -> bool:
        return bool(str(self))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FtpClientRestartMarker):
            return NotImplemented
        return str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FtpClientRestartMarker({str(self)!r})"
