"""The checksum of a file that has arrived."""

from __future__ import annotations

from .._core.errors import text_of
from .._native import ffi, lib
from .errors import GassCopyChecksumError, check_copy
from .sides import Side

__all__ = ["checked"]


def checked(what: str, side: Side, algorithm: str, expected: str) -> None:
    """Compare, on a worker: the library checks what arrives at a URL that it opens itself only.

    Raises:
        GassCopyChecksumError: it is another one.
    """
    place = ffi.new("char[]", lib.CKSM_SIZE)
    # for a file, the handle and the attributes are not looked at
    check_copy(
        lib.globus_gass_copy_cksm_async(
            ffi.NULL, side.c_url, ffi.NULL, 0, -1, algorithm.encode(), place, ffi.NULL, ffi.NULL
        ),
        what,
    )
    actual = text_of(place)
    if actual != expected:
        error = GassCopyChecksumError(
            f"{what}: the checksum is {actual}, and should be {expected}",
            library="globus_gass_copy",
        )
        error.side, error.url = side.name, side.url
        error.actual, error.expected = actual, expected
        raise error
