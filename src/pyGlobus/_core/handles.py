"""Handles: C objects that must be freed, once, from a thread of ours, when nothing uses them."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from typing import NoReturn, Self

from .errors import HandleClosedError
from .runtime import runtime

__all__ = ["Handle", "owned"]


def owned(owner: object, free: Callable[[], object]) -> Callable[[], object]:
    """Have the callback thread call `free` when `owner` is garbage.

    For attributes and other plain memory.  `free` must not refer to `owner`.

    Returns:
        What takes that back, for an owner that has freed it itself.
    """
    finalizer = weakref.finalize(owner, runtime.run_soon, free)
    finalizer.atexit = False
    return finalizer.detach


def _unclosed(name: str, release: Callable[[], None]) -> None:
    warnings.warn(f"unclosed {name}: use 'with' or close()", ResourceWarning, stacklevel=2)
    runtime.run_soon(release)


class Handle:
    """Something with a connection behind it: a context manager that is closed once.

    One that is forgotten warns with `ResourceWarning` and is freed by the callback thread, never by
    whatever thread the garbage collector happened to run on.
    """

    def __init__(self, release: Callable[[], None]) -> None:
        """`release` frees the C side; it must not refer to this object, nor wait for a lock."""
        self._lock = threading.RLock()
        self._release = release
        self._closed = False
        self._finalizer = weakref.finalize(self, _unclosed, repr(self), release)
        self._finalizer.atexit = False
        runtime.close_at_exit(self)

    @property
    def closed(self) -> bool:
        """Whether `close()` has been called."""
        return self._closed

    def close(self) -> None:
        """Stop what is under way and free the handle; a second call does nothing.

        In a forked child it only forgets the handle, which is the parent's.
        """
        self._closed = True
        # of several threads one gets the finalizer
        if self._finalizer.detach() is not None and not runtime.forked:
            self._release()

    async def aclose(self) -> None:
        """`close()`, where it may wait for a server without holding the event loop up."""
        import asyncio  # 30 ms to import; whoever awaits has it already

        await asyncio.to_thread(self.close)

    def abandon(self) -> None:
        """Close without waiting or warning: the interpreter is leaving."""
        self.close()

    def _require_open(self) -> None:
        if self._closed:
            raise HandleClosedError(f"{type(self).__name__} is closed")

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        state = "closed" if getattr(self, "_closed", False) else "open"
        return f"<{type(self).__name__} {state}>"

    def __copy__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be copied: make another one")

    def __deepcopy__(self, _: object) -> NoReturn:
        self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: it lives in one process")
