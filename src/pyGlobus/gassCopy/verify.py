"""The checksum of a file of this machine.

The library's own (globus_gass_copy_cksm of a ``file:`` URL) takes an error in mid-file for its end,
and a directory for an empty file (GCT 6.2), so that it returns the checksum of nothing.  It also
checks only what arrives at a URL that it opens itself.  So files are read here.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable

from .._core.errors import OperationCancelledError
from .errors import GassCopyChecksumError, GassCopyException, GassCopyValueError, os_error
from .sides import Side

__all__ = ["checked", "file_checksum"]

_BLOCK = 1 << 20
"""Bytes that are read at once."""


def file_checksum(
    what: str,
    side: Side,
    algorithm: str,
    *,
    offset: int = 0,
    length: int | None = None,
    name: str = "",
    stopped: Callable[[], bool] = lambda: False,
) -> str:
    """The checksum of a file, in hexadecimal digits (on a worker).

    Args:
        what: what is tried, for messages.
        side: the file.
        algorithm: one of OpenSSL's digests.
        offset: the first byte.
        length: how many bytes; None for all to the end.
        name: which side of a copy it is, for messages.
        stopped: asked before each block whether to go on.

    Raises:
        GassCopyValueError: there is no such algorithm, or the file ends before `length` bytes.
        GassCopyException: the file cannot be read, or was cut while it was read; one of its
            subclasses, after Python's own.
        OperationCancelledError: it was stopped.
    """
    try:
        digest = hashlib.new(algorithm, usedforsecurity=False)
    except ValueError:
        raise GassCopyValueError(
            f"{what}: OpenSSL has no such checksum algorithm", library="globus_gass_copy"
        ) from None
    if not digest.digest_size:
        raise GassCopyValueError(f"{what}: {algorithm} has no length of its own")
    left, count = -1 if length is None else length, 0
    try:
        # a pipe must not keep this waiting for somebody who writes; it cannot be sought, below
        descriptor = os.open(side.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            before = os.fstat(descriptor)
            if stat.S_ISDIR(before.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            os.lseek(descriptor, offset, os.SEEK_SET)
            while left:
                if stopped():
                    raise OperationCancelledError(f"{what}: cancelled")
                block = os.read(descriptor, _BLOCK if left < 0 else min(_BLOCK, left))
                if not block:
                    break
                left -= len(block) if left > 0 else 0
                count += len(block)
                digest.update(block)
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise os_error(error.errno or 0, what, name, side.url) from error
    if left > 0:
        raise GassCopyValueError(
            f"{what}: the file ends {left} bytes before the end of the part from {offset} on"
        )
    if not count and offset > before.st_size:
        raise GassCopyValueError(f"{what}: the file ends before byte {offset}")
    if after.st_size < before.st_size:
        raise GassCopyException(f"{what}: the file was cut while it was read")
    return digest.hexdigest()


def checked(what: str, side: Side, algorithm: str, expected: str) -> None:
    """Compare the checksum of a file that has arrived (on a worker).

    Raises:
        GassCopyChecksumError: it is another one.
        GassCopyException: as `file_checksum`.
    """
    actual = file_checksum(what, side, algorithm, name=side.name)
    if actual != expected:
        error = GassCopyChecksumError(
            f"{what}: the checksum is {actual}, and should be {expected}",
            library="globus_gass_copy",
        )
        error.side, error.url = side.name, side.url
        error.actual, error.expected = actual, expected
        raise error
