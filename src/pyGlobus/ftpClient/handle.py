"""The C handle of a client, and what runs on it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from .._core.errors import OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from .errors import FtpClientException, check_ftp
from .guard import Guard
from .handleattr import FtpClientHandleAttr
from .marker import FtpClientRestartMarker, add_span
from .pipeline import Pipeline
from .plugins.base import PluginSet
from .restarts import Held, Resume

__all__ = ["Session"]

# C handles that Globus did not let go of: it may still write to them
_abandoned: list[Any] = []


class Session:
    """The C handle, and what runs on it: shared by the client and its finalizer.

    A C handle whose transfer was aborted or failed is spoiled (GCT 6.2: its next operation may
    hang, about one in a hundred, or meet the data connection of the last one still closing).  It
    is replaced when it has come to rest, or when it does not.
    """

    def __init__(self, attributes: FtpClientHandleAttr) -> None:
        self.attributes = attributes
        self.plugins = PluginSet(attributes.plugins)
        self.lock = threading.Lock()
        self.operation: Operation[Any] | None = None
        self.blocks = 0
        """Buffers that a caller has registered and that have not come back."""
        self.moved = [0]
        """Bytes of the transfer that the caller's own buffers have moved."""
        self.spans: list[list[int]] = []
        """Where they lie, in order and not touching."""
        self.furthest = 0
        """The highest offset of the running put that the caller has registered a block up to."""
        self.longest: int | None = None
        """How long those blocks may be."""
        self.arrived: Callable[[], str] = str
        """What has arrived of the last transfer, as the text of a restart marker."""
        self.confirms = False
        """Whether what runs is a transfer between servers, of which the library knows."""
        self.spoiled = False
        self.used = False
        """Whether an operation has ended on this C handle: it may have kept its connections."""
        self.doomed = False
        self.resume = Resume()
        """Where the attempt under way has begun."""
        self.restarts = False
        """Whether what runs may be begun again."""
        self.ended = False
        """Whether a caller has been told of the end of the data."""
        self.attempt = 0
        self.held: list[Held] = []
        self.doubtful: list[tuple[Held, Any]] = []
        """Blocks that may be nobody's, see `is_doubtful`; kept until the transfer has ended."""
        self.beginning: set[int] = set()
        """Offsets at which they may seem to lie."""
        self.part = 0, -1
        """What a get by such buffers may bring: from an offset up to another; -1: no end."""
        self.pipeline = Pipeline(attributes.pipeline) if attributes.pipeline else None
        self.guard = Guard()
        """Watches over where the servers send us for data."""
        self.pointer = self._new_handle()

    def _new_handle(self) -> Any:
        self.away = False
        """Whether a session may be elsewhere than in its login directory (CWD)."""
        pointer = ffi.new("globus_ftp_client_handle_t *")
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.plugins.owning())
            attributes = self.attributes.pointer()
            if self.pipeline is not None:
                attributes = stack.enter_context(self.pipeline.attributes(attributes))
            check_ftp(lib.globus_ftp_client_handle_init(pointer, attributes), "FTP handle")
            self.plugins.equip(pointer, self.attributes.plugins)
            self.guard.watch(pointer)
            if self.pipeline is not None:
                self.pipeline.watch(pointer)
        return pointer

    def _destroy(self, pointer: Any, *, last: bool) -> None:
        lib.globus_ftp_client_handle_destroy(pointer)
        if last:
            self.guard.free()
            if self.pipeline is not None:
                self.pipeline.free()

    def abort(self, operation: Operation[Any]) -> None:
        """Abort this operation, if it still is the one that runs."""
        with self.lock:
            if self.operation is operation:
                self.spoiled = True
                if self.confirms:  # the library forgets it at the end
                    confirmed = self.confirmed()
                    self.arrived = lambda: confirmed
                check_ftp(lib.globus_ftp_client_abort(self.pointer), "abort")

    def confirmed(self) -> str:
        """What the receiving server of the transfer that runs has said to have.

        (globus_ftp_client_handle_get_restart_marker)
        """
        marker = FtpClientRestartMarker()
        result = lib.globus_ftp_client_handle_get_restart_marker(self.pointer, marker.pointer())
        check_ftp(result, "restart marker")
        return str(marker)

    def is_doubtful(self, event: Any) -> bool:
        """Whether a block that was read may come from elsewhere in the file.

        While Globus closes a failed transfer in extended block mode, it gives back what was just
        read as if it lay at the beginning, with the end of the file and without an error (GCT 6.2:
        globus_l_ftp_eb_read_callback, state CLOSING).  A file of one block looks just the same.
        """
        return bool(event.c and event.a and event.object == ffi.NULL and event.b in self.beginning)

    def idle(self) -> None:
        """Globus has let go of the operation."""
        with self.lock:
            failed = self.spoiled
            self.operation = None
            spent = None
            if self.doomed:
                spent = self.pointer
            elif self.spoiled:
                spent, self.pointer = self.pointer, self._new_handle()
                self.spoiled = self.used = False
            else:
                self.used = True
        if spent is not None:
            self._destroy(spent, last=self.doomed)
        self._settle_doubtful(failed=failed)
        self.give_back()

    def _settle_doubtful(self, *, failed: bool) -> None:
        with self.lock:
            doubtful, self.doubtful = self.doubtful, []
            if failed:
                self.held += [held for held, _ in doubtful]
        if not failed:
            for held, block in doubtful:
                with self.lock:
                    self.blocks -= 1
                    add_span(self.spans, block.offset, block.offset + block.length)
                    self.ended = True
                held.operation.end(block, None)

    def renew(self) -> None:
        """Take another C handle, for the same operation."""
        self._settle_doubtful(failed=True)
        with self.lock:
            spent, self.pointer = self.pointer, self._new_handle()
            self.spoiled = self.used = False
        self._destroy(spent, last=False)

    def begin(self, operation: Operation[Any], call: Callable[[Any], int]) -> None:
        """Make the C call, unless the operation is to end."""
        with self.lock:
            if operation.ending is not None:
                raise operation.ending
            self.guard.begin()
            token = runtime.enrol(operation.complete)
            try:
                check_ftp(call(ffi.cast("void *", token)), operation.what)
            except BaseException:
                runtime.withdraw(token)
                raise

    def register_held(self) -> None:
        """Give the attempt that has begun the buffers that were kept for it."""
        for held in self._take_held():
            try:
                held.register()
            except FtpClientException:
                with self.lock:  # this attempt is over already
                    self.held.append(held)

    def give_back(self) -> None:
        """There is no next attempt."""
        for held in self._take_held():
            with self.lock:
                self.blocks -= 1
            if self.ended:
                held.operation.end(held.at_end, None)
            else:
                held.operation.end(None, held.error)

    def _take_held(self) -> list[Held]:
        with self.lock:
            self.attempt += 1
            held, self.held = self.held, []
        return held

    def hold(self, held: Held, attempt: int) -> bool:
        """Keep a buffer that attempt `attempt` did not take; False when there is another one.

        Raises the error when no attempt is to come.
        """
        with self.lock:
            if self.operation is None or not self.restarts or self.ended:
                raise held.error
            if self.attempt != attempt:
                return False
            self.held.append(held)
            return True

    def lost(self) -> None:
        """Globus does not let go: leave the C handle to it, and go on with another one."""
        with self.lock:
            self.operation = None
            self.spoiled = False
            _abandoned.append(self.pointer)
            if not self.doomed:
                self.pointer = self._new_handle()
        self.give_back()

    def release(self) -> None:
        """Destroy the handle: now, or when what runs has been aborted."""
        with self.lock:
            self.doomed = True
            operation = self.operation
        if operation is None:
            self._destroy(self.pointer, last=True)
        else:
            operation.fail(OperationCancelledError(f"{operation.what}: the client was closed"))
