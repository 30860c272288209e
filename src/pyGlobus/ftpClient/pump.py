"""The shim's pump, as Python sees it: bulk data between a descriptor and a transfer."""

from __future__ import annotations

import os
import threading
from typing import Any

from .._core.errors import text_of
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .constants import Striping

__all__ = ["BLOCKS", "BLOCK_SIZE", "ON_PUMP_COMPLETE", "Pump", "longest_block"]

BLOCK_SIZE = 1 << 20
BLOCKS = 4


def longest_block(attr: FtpClientOperationAttr) -> int | None:
    """How long a block of a put may be, or None.

    The library splits blocks where the layout of a striped transfer asks for it, and aborts the
    process when it has made more than two out of one (GCT 6.2).
    """
    layout = attr.layout
    return layout.size if layout.mode is Striping.BLOCKED_ROUND_ROBIN else None


class Pump:
    """The shim's pump, from `begin` to `end`; afterwards its last count."""

    def __init__(self) -> None:
        self.pointer: Any = ffi.NULL
        self._lock = threading.Lock()
        self._count = 0
        self._before = 0
        self._written = ""

    def begin(
        self, token: Any, descriptor: int, base: int, first: int, end: int, longest: int | None
    ) -> None:
        """Offset x of the transfer, which goes from `first` to `end`, is byte `base` + x here."""
        size = min(longest or BLOCK_SIZE, BLOCK_SIZE)
        pointer = lib.cog_pump_new(
            int(ffi.cast("uintptr_t", token)), descriptor, BLOCKS, size, base, first, end
        )
        if pointer == ffi.NULL:
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        with self._lock:
            self._before, self._count = self._before + self._count, 0
            self.pointer = pointer

    def bytes(self) -> int:
        """How many have been moved, in all attempts."""
        with self._lock:
            if self.pointer != ffi.NULL:
                self._count = lib.cog_pump_bytes(self.pointer)
            return self._before + self._count

    def written(self) -> str:
        """Of a get: what is in the file, as the text of a restart marker."""
        with self._lock:
            return _written(self.pointer) if self.pointer != ffi.NULL else self._written

    def waits(self) -> bool:
        """Whether it waits for the other end of a pipe, and not for the server.

        To be asked now and then: it also ends a transfer of which Globus has lost a block.
        """
        with self._lock:
            if self.pointer != ffi.NULL:
                lib.cog_pump_look(self.pointer)
            return self.pointer != ffi.NULL and bool(lib.cog_pump_waits(self.pointer))

    def stop(self) -> None:
        """Wait for the other end of a pipe no longer."""
        with self._lock:
            if self.pointer != ffi.NULL:
                lib.cog_pump_stop(self.pointer)

    def end(self) -> None:
        """Free it; Globus holds none of its buffers any more."""
        self.bytes()
        with self._lock:
            pointer, self.pointer = self.pointer, ffi.NULL
        if pointer != ffi.NULL:
            self._written = _written(pointer)
            lib.cog_pump_free(pointer)


def _written(pointer: Any) -> str:
    text = lib.cog_pump_written(pointer)
    if text == ffi.NULL:
        return ""
    try:
        return text_of(text)
    finally:
        lib.free(text)


ON_PUMP_COMPLETE = ffi.addressof(lib, "cog_on_pump_complete")
