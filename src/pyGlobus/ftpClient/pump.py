"""The shim's pump, as Python sees it: bulk data between a place here and a transfer."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from .._core.buffers import pin
from .._core.errors import OperationCancelledError, text_of
from .._core.runtime import runtime
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .constants import Striping
from .errors import FtpClientConnectionError, FtpClientValueError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = [
    "BLOCKS",
    "BLOCK_SIZE",
    "ON_PUMP_COMPLETE",
    "Destination",
    "HasFileno",
    "Place",
    "Pump",
    "Source",
    "descriptor_of",
    "local_error",
    "longest_block",
]

BLOCK_SIZE = 1 << 20
BLOCKS = 4


class HasFileno(Protocol):
    """Anything with a file descriptor: a file, a socket, a pipe."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


Source: TypeAlias = "int | HasFileno | os.PathLike[str] | ReadableBuffer"
"""Where a put reads: a descriptor or what has one, a path, or the bytes themselves."""
Destination: TypeAlias = "int | HasFileno | os.PathLike[str]"
"""Where a get writes."""


def longest_block(attr: FtpClientOperationAttr) -> int | None:
    """How long a block of a put may be, or None.

    The library splits blocks where the layout of a striped transfer asks for it, and aborts the
    process when it has made more than two out of one (GCT 6.2).
    """
    layout = attr.layout
    return layout.size if layout.mode is Striping.BLOCKED_ROUND_ROBIN else None


def descriptor_of(end: int | HasFileno) -> int:
    """The descriptor of what has one.

    Raises:
        FtpClientValueError: it has none, as `io.BytesIO`.
    """
    if isinstance(end, int):
        return end
    try:
        return end.fileno()
    except OSError as error:  # io.UnsupportedOperation
        raise FtpClientValueError(
            f"{type(end).__name__} has no file descriptor", hint="give its bytes: getvalue()"
        ) from error


def local_error(what: str, code: int) -> Exception:
    """The exception for what went wrong here: an errno, or one of ``COG_PUMP_*``."""
    if code == lib.COG_PUMP_OUTSIDE:
        return FtpClientConnectionError(
            f"{what}: the server sent data from outside of the part that was asked for"
        )
    if code == lib.COG_PUMP_UNFINISHED:
        return FtpClientConnectionError(
            f"{what}: the server took the file for complete before all of it was sent"
        )
    return OSError(code, f"{what}: {os.strerror(code)} on the local side")


class Place:
    """One end of a transfer on this machine, for as many attempts as it takes (shim/place.h)."""

    def __init__(self, end: Any, *, writing: bool) -> None:
        """Open it.

        Args:
            end: a `Source`, or a `Destination` when `writing`.
            writing: whether the transfer writes to it.

        Raises:
            OSError: it cannot be opened, or is not open in that direction.
            TypeError: it is none of these.
        """
        self._lock = threading.Lock()
        self._pinned: Any = None
        self._descriptor = -1
        """Our own, of a path."""
        if isinstance(end, os.PathLike):
            self.name = os.fspath(end)
            # without O_NONBLOCK a FIFO would keep us waiting for its other end
            flags = os.O_WRONLY | os.O_CREAT if writing else os.O_RDONLY
            flags |= os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            self._descriptor = os.open(end, flags, 0o666)
            self.pointer = lib.cog_place_open(self._descriptor, writing)
            if not writing and self.pointer != ffi.NULL:
                self._close_descriptor()
        elif isinstance(end, int) or hasattr(end, "fileno"):
            number = descriptor_of(end)
            self.name = f"descriptor {number}{_kind(number)}"
            self.pointer = lib.cog_place_open(number, writing)
        elif writing or isinstance(end, str):
            raise TypeError(
                f"a transfer cannot {'write to' if writing else 'read'} a {type(end).__name__}: "
                "give a file, a descriptor, a pathlib.Path" + ("" if writing else ", or bytes")
            )
        else:
            self.name = type(end).__name__
            self._pinned = pin(end)
            self.pointer = lib.cog_place_memory(self._pinned, len(self._pinned))
        if self.pointer == ffi.NULL:
            reason = ffi.errno
            self._close_descriptor()
            raise OSError(reason, os.strerror(reason), self.name)
        self.is_stream = bool(lib.cog_place_is_stream(self.pointer))
        """Whether it goes on only, as a pipe does."""

    def can_begin(self, offset: int) -> bool:
        """Whether a put can begin with the byte at `offset`, while no transfer uses the place."""
        return bool(lib.cog_place_can_begin(self.pointer, offset))

    def why_not(self) -> str:
        """Why a put cannot be begun again."""
        return (
            f"It was not begun again: {self.name} cannot be sought, and of the "
            f"{lib.cog_place_taken(self.pointer)} bytes that were read from it the first are gone."
        )

    @contextlib.contextmanager
    def used(self) -> Iterator[Any]:
        """The C place, which stays although this one may be closed meanwhile."""
        with self._lock:
            pointer = self.pointer
            if pointer == ffi.NULL:
                raise OperationCancelledError(f"{self.name}: not wanted any more")
            lib.cog_place_use(pointer)
        try:
            yield pointer
        finally:
            lib.cog_place_close(pointer)

    def cut_off(self, size: int) -> None:
        """All `size` bytes of a file have been written to a path: nothing else is in it."""
        if self._descriptor >= 0 and stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            os.ftruncate(self._descriptor, size)

    def close(self, *, in_use: bool = False) -> None:
        """Nobody begins another transfer with it.

        Args:
            in_use: whether one may still run, which Globus does not let go of: it goes on with it,
                and memory of the caller's stays pinned for as long as this object is there.
        """
        with self._lock:
            pointer, self.pointer = self.pointer, ffi.NULL
        if pointer != ffi.NULL:
            lib.cog_place_close(pointer)
        if not in_use:
            self._pinned = None
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _kind(descriptor: int) -> str:
    with contextlib.suppress(OSError):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(mode):
            return " (a pipe)"
        if stat.S_ISSOCK(mode):
            return " (a socket)"
        if stat.S_ISCHR(mode) and os.isatty(descriptor):
            return " (a terminal)"
    return ""


class Pump:
    """The shim's pump, from `begin` to `end`, once for each attempt; afterwards its last count."""

    def __init__(self, place: Place, failed: Callable[[], None]) -> None:
        """`failed` is called when something went wrong here: the transfer is to be aborted."""
        self.place = place
        self.silent = False
        """Whether it was stopped because the other end of a stream said nothing."""
        self.pointer: Any = ffi.NULL
        self._failed = failed
        self._news = 0
        self._lock = threading.Lock()
        self._count = 0
        self._before = 0
        self._written = ""

    def begin(
        self, token: Any, base: int, lowest: int, first: int, end: int, longest: int | None
    ) -> None:
        """Make it.

        Args:
            token: where its end is told.
            base: offset x of the transfer is byte `base` + x here.
            lowest: the first byte that may be moved.
            first: the first byte that is moved now.
            end: the offset behind the last one; -1 where that is not known.
            longest: bytes in a block at most.
        """
        size = min(longest or BLOCK_SIZE, BLOCK_SIZE)
        news = runtime.enrol(lambda event: self._failed())
        pointer = lib.cog_pump_new(
            int(ffi.cast("uintptr_t", token)), news, self.place.pointer, BLOCKS, size, base,
            lowest, first, end,
        )  # fmt: skip
        if pointer == ffi.NULL:
            runtime.withdraw(news)
            raise OSError(ffi.errno, os.strerror(ffi.errno))
        with self._lock:
            self._before, self._count = self._before + self._count, 0
            self.pointer, self._news = pointer, news

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
        """Whether it waits for the other end of a stream, and not for the server."""
        with self._lock:
            return self.pointer != ffi.NULL and bool(lib.cog_pump_waits(self.pointer))

    def stalled(self) -> str:
        """What does not come, for a message: the operation is about to be ended for it."""
        self.silent = self.waits()
        return f"no data from {self.place.name}" if self.silent else "no data"

    def stop(self) -> None:
        """Wait for the other end of a stream no longer."""
        with self._lock:
            if self.pointer != ffi.NULL:
                lib.cog_pump_stop(self.pointer)

    def end(self) -> None:
        """Free it: its end has been told, or it was not begun."""
        self.bytes()
        with self._lock:
            pointer, self.pointer = self.pointer, ffi.NULL
        if pointer != ffi.NULL:
            runtime.withdraw(self._news)
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
