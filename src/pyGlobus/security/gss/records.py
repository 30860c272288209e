"""Where a token ends: TLS records, and Globus' own kind of them (RFC 8446 5.1, tokens_f.c).

GSI hands what it gets to TLS, which waits quietly for the rest of a record that is cut off.  So
a message is looked at before: it is a number of whole records, or it is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .exceptions import InvalidTokenError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "HEADER",
    "LARGEST_MESSAGE",
    "LARGEST_TOKEN",
    "is_alert",
    "is_record",
    "record_size",
    "require_whole",
]

HEADER = 5
"""Octets before a record's contents: type, version, length."""
_ALERT, _DATA = 21, 23
_TAG = 16
_WARNING = 1
SIGNED = 26
"""Globus' own type of record: a message in the clear, and its signature."""
_MIC_HEAD = 12
"""A signature's sequence number and length of the message, before the signature itself."""
LARGEST_RECORD = (1 << 14) + 2048
LARGEST_TOKEN = 1 << 24
"""As globus_gss_assist_token_get_fd takes."""
LARGEST_MESSAGE = 1 << 30


def is_record(head: bytes) -> bool:
    """Whether these octets begin a TLS record, or one of Globus'; else a length (tokens_f.c)."""
    return len(head) >= 2 and 20 <= head[0] <= SIGNED and head[1] == 3


def record_size(head: ReadableBuffer, offset: int = 0) -> int:
    """Octets behind the header at `offset`, of a TLS record.

    Raises:
        InvalidTokenError: that is no header, or one of a record that is too large.
    """
    view = memoryview(head)
    if not is_record(bytes(view[offset : offset + 2])) or len(view) < offset + HEADER:
        raise InvalidTokenError("not a token of GSI, or cut off")
    size = view[offset + 3] << 8 | view[offset + 4]
    if size > LARGEST_RECORD:
        raise InvalidTokenError(f"a record of {size} octets")
    return size


def is_alert(message: ReadableBuffer) -> bool:
    """Whether a token, after the first two of a handshake, is an alert.

    In TLS 1.3 all records look alike but for their size: an alert is two octets, one for the
    type, and what the cipher adds; no other message of a handshake has that size.
    """
    view = memoryview(message).cast("B")
    if view[0] == _ALERT and len(view) == HEADER + 2 and view[HEADER] == _WARNING:
        return False
    return len(view) == record_size(view) + HEADER and (
        view[0] == _ALERT or (view[0] == _DATA and len(view) == HEADER + 2 + 1 + _TAG)
    )


def require_whole(message: ReadableBuffer) -> bool:
    """Raise unless `message` is a number of whole records; returns whether it is a signed one.

    Raises:
        InvalidTokenError: it is cut off, or something else.
    """
    view = message if type(message) is bytes else memoryview(message).cast("B")
    end = len(view)
    if end >= HEADER and 20 <= view[0] <= 24 and view[1] == 3 and (
        end == HEADER + (view[3] << 8 | view[4]) <= HEADER + LARGEST_RECORD
    ):  # fmt: skip
        return False  # one record, as most are
    if end > HEADER + _MIC_HEAD and view[0] == SIGNED:
        mic = record_size(view)
        body = int.from_bytes(view[HEADER + 8 : HEADER + _MIC_HEAD], "big")
        if mic <= _MIC_HEAD or HEADER + mic + body != end:
            raise InvalidTokenError("a signed message that is cut off")
        return True
    offset = 0
    while offset < end or not end:
        size = record_size(view, offset)
        if view[offset] >= 25:
            raise InvalidTokenError(f"a record of type {view[offset]}")
        offset += HEADER + size
        if offset > end:
            raise InvalidTokenError(f"cut off: {offset - end} octets are missing")
    return False
