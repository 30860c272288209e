"""The shim's pipeline, as Python sees it: pairs of URLs for a transfer between servers."""

from __future__ import annotations

import collections
import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .._core.runtime import call_user, runtime
from .._native import ffi, lib
from .constants import FtpError
from .errors import FtpClientException, check_ftp

__all__ = ["Pipeline"]

Pair = tuple[str, str]


class Pipeline:
    """One of a C handle: it lives as long as the handles that report to it."""

    def __init__(self, outstanding_commands: int) -> None:
        self._outstanding = outstanding_commands
        self._token = runtime.enrol(self._on_completed, once=False)
        self._pointer = lib.cog_pipeline_new(self._token)
        if self._pointer == ffi.NULL:
            raise MemoryError
        self._lock = threading.Lock()
        self._in_use = self._doomed = False
        self._pairs: collections.deque[Pair] = collections.deque()
        self._pair_func: Callable[[Pair], object] | None = None
        self.completed = 0
        """Pairs that both servers have reported complete."""

    @contextmanager
    def attributes(self, handle_attributes: Any) -> Iterator[Any]:
        """A copy of C handle attributes that leads to this pipeline."""
        copy = ffi.new("globus_ftp_client_handleattr_t *")
        check_ftp(lib.globus_ftp_client_handleattr_copy(copy, handle_attributes), "pipeline")
        try:
            check_ftp(
                lib.globus_ftp_client_handleattr_set_pipeline(
                    copy, self._outstanding, _ON_PIPELINE, self._pointer
                ),
                "pipeline",
            )
            yield copy
        finally:
            lib.globus_ftp_client_handleattr_destroy(copy)

    def watch(self, handle: Any) -> None:
        """Have a new C handle report what is complete."""
        check_ftp(lib.cog_pipeline_watch(self._pointer, handle), "pipeline")

    def begin(self, pair_func: Callable[[Pair], object] | None) -> None:
        """A run begins: forget everything; `pair_func` is told of each pair that is complete."""
        with self._lock:
            if self._in_use:  # perhaps between two operations of the library
                raise FtpClientException(
                    "pipelined transfer: this client is busy with others",
                    code=FtpError.IN_USE, library="globus_ftp_client",
                    hint="wait for them, or use another FtpClient",
                )  # fmt: skip
            self._in_use = True
        lib.cog_pipeline_begin(self._pointer)
        self._pairs.clear()
        self._pair_func = pair_func
        self.completed = 0

    def push(self, pair: Pair, source: bytes, dest: bytes) -> bool:
        """Add a pair, when there is room for it; False when it was stopped instead."""
        self._pairs.append(pair)
        failed = lib.cog_pipeline_push(self._pointer, source, dest)
        if failed == 0:
            return True
        self._pairs.pop()
        return False

    def take(self) -> tuple[bytes, bytes] | None:
        """The pair with which the next operation begins."""
        source, dest = ffi.new("char **"), ffi.new("char **")
        if not lib.cog_pipeline_take(self._pointer, source, dest):
            return None
        return ffi.string(source[0]), ffi.string(dest[0])

    def rest(self) -> None:
        """The operation has ended."""
        lib.cog_pipeline_rest(self._pointer)

    def again(self) -> None:
        """Put back what an operation that failed has left: the next one begins with it."""
        lib.cog_pipeline_again(self._pointer)

    def end(self) -> None:
        """No more pairs will come."""
        lib.cog_pipeline_end(self._pointer)

    def stop(self) -> None:
        """Hand out no more pairs, and wait for nobody."""
        lib.cog_pipeline_stop(self._pointer)

    def under_way(self) -> list[Pair]:
        """The pairs that the servers have been told of and that are not complete."""
        count = lib.cog_pipeline_under_way(self._pointer)
        return list(itertools.islice(self._pairs, count))

    def finish(self) -> None:
        """The run is over: its thread uses the store no longer."""
        self._leave(in_use=False)

    def free(self) -> None:
        """No handle reports to it any more; a run that is under way is stopped."""
        self.stop()
        self._leave(doomed=True)

    def _leave(self, *, in_use: bool | None = None, doomed: bool = False) -> None:
        with self._lock:
            if in_use is not None:
                self._in_use = in_use
            self._doomed |= doomed
            last = self._doomed and not self._in_use
        if last:
            runtime.withdraw(self._token)
            lib.cog_pipeline_free(self._pointer)

    def _on_completed(self, event: Any) -> None:
        while self.completed < event.a and self._pairs:
            self.completed += 1
            pair = self._pairs.popleft()
            if self._pair_func is not None:
                call_user("pair_func of a pipeline", self._pair_func, pair)


_ON_PIPELINE = ffi.addressof(lib, "cog_on_pipeline")
