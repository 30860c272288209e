"""Python buffers that C reads or fills: pinned from the call until the completion."""

from __future__ import annotations

import re
import weakref
from typing import TYPE_CHECKING, Any

from .._native import ffi
from .ftpurls import wire_url
from .passwords import shown

_LINE_END = re.compile(r"[\0\r\n]|%(?:00|0a|0d)", re.IGNORECASE)
# what the library's gridftp-ssh hands to ssh, without quotes
_SSH = re.compile(
    r"//(?:[\w.+][\w.+-]*(?::[^@/#]*)?@)?(?:[\w.][\w.-]*|\[[\da-fA-F:.]+\])(?::\d*)?(?:/[^#]*)?\Z"
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["pin", "shown", "urls"]


def pin(data: ReadableBuffer, *, writable: bool = False) -> Any:
    """A cffi view of `data`'s own memory.  Holding the view holds the memory where it is.

    Raises:
        BufferError, TypeError: not contiguous, or read-only where it must be written.
    """
    pinned = ffi.from_buffer("globus_byte_t[]", data, require_writable=writable)
    if isinstance(data, memoryview):
        # In a cycle with what is pinned to it, CPython would take a memoryview apart while it is
        # still lent, and crash when it is given back: so it is no part of any cycle.
        reference = weakref.ref(pinned, _let_go)
        _lent[id(reference)] = reference, data
    return pinned


_lent: dict[int, tuple[weakref.ref[Any], memoryview]] = {}


def _let_go(reference: weakref.ref[Any]) -> None:
    _lent.pop(id(reference), None)


def urls(*texts: str) -> list[bytes]:
    """URLs as C strings, as Globus is to be given them (`wire_url`).

    Raises:
        ValueError: a NUL or line end inside, plain or escaped (Globus decodes escapes), which
            would smuggle a second FTP command in; a user or host in an ``sshftp:`` URL that
            ``ssh`` would take for an option, or the shell that starts it for a command.
    """
    for text in texts:
        if _LINE_END.search(text):
            raise ValueError(f"a URL cannot hold NUL, CR or LF: {shown(text)!r}")
        if text[:7].lower() == "sshftp:" and not _SSH.match(text[7:]):
            raise ValueError(f"cannot be given to ssh (write # as %23): {shown(text)!r}")
    return [wire_url(text).encode() for text in texts]
