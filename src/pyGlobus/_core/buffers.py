"""Python buffers that C reads or fills: pinned from the call until the completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._native import ffi

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["pin", "urls"]


def pin(data: ReadableBuffer, *, writable: bool = False) -> Any:
    """A cffi view of `data`'s own memory.  Holding the view holds the memory where it is.

    Raises:
        BufferError, TypeError: not contiguous, or read-only where it must be written.
    """
    return ffi.from_buffer("globus_byte_t[]", data, require_writable=writable)


def urls(*texts: str) -> list[bytes]:
    """URLs as C strings.

    Raises:
        ValueError: a NUL or line end inside, which would smuggle a second FTP command in.
    """
    for text in texts:
        if any(character in text for character in "\0\r\n"):
            raise ValueError(f"a URL cannot hold NUL, CR or LF: {text!r}")
    return [text.encode() for text in texts]
