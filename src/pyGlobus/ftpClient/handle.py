"""The C handle of a client, and what runs on it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

from .._core.errors import GlobusException, HandleClosedError
from .._core.exclusive import Exclusive
from .._core.operation import Operation
from .._core.runtime import log, runtime
from .._gridftp.constants import FtpError
from .._gridftp.errors import FtpClientException, check_ftp, ftp_error
from .._gridftp.guard import Guard
from .._native import ffi, lib
from .handleattr import FtpClientHandleAttr
from .marker import FtpClientRestartMarker, add_span
from .pipeline import Pipeline
from .plugins.base import PluginSet
from .restarts import KeptBuffer, Resume

__all__ = ["CHandle", "Session"]


class CHandle:
    """One ``globus_ftp_client_handle_t``, which is destroyed when its last user leaves it.

    Users are its client; the operation that runs on it, until Globus has called back about it,
    though its caller may have been told of a timeout long before; who makes a C call on it; and
    an abort that Globus has not come to yet.
    """

    def __init__(self, pointer: Any, destroyed: Callable[[CHandle], None]) -> None:
        self.pointer = pointer
        self.needs_replacement = False
        """A transfer on it was aborted or has failed."""
        self.used = False
        """Whether an operation has ended on it: it may have kept its connections."""
        self._destroyed = destroyed
        self._users: set[object] = set()
        self._once = [None]

    def enter(self, user: object) -> None:
        """One user more; there is one already."""
        self._users.add(user)

    def has(self, user: object) -> bool:
        """Whether it is one."""
        return user in self._users

    def leave(self, user: object) -> None:
        """One user less; harmless when it has left."""
        self._users.discard(user)
        if not self._users and not runtime.forked:
            with contextlib.suppress(IndexError):
                self._once.pop()  # of several threads that come here, one gets it
                result = lib.globus_ftp_client_handle_destroy(self.pointer)
                if result != lib.GLOBUS_SUCCESS:
                    error = ftp_error(lib.globus_error_get(result), "FTP handle", None)
                    log.debug("a handle could not be destroyed: %s", error)
                self._destroyed(self)

    def abort(self) -> None:
        """Abort what runs on it, soon; its operation then ends."""
        abort = object()
        self.enter(abort)

        def through(event: Any) -> None:
            # an error says that the operation has just ended by itself
            self.leave(abort)

        try:
            token = runtime.enrol(through, leaving=True)
        except BaseException:
            self.leave(abort)
            raise
        lib.cog_abort_ftp(token, self.pointer)


class Session(Exclusive):
    """The C handle, and what runs on it: shared by the client and its finalizer.

    A C handle whose transfer was aborted or failed is replaced, as its next operation may hang (GCT
    6.2: about one in a hundred) or meet the data connection of the last one still closing.
    """

    def __init__(self, attributes: FtpClientHandleAttr) -> None:
        super().__init__(self._free_handles)
        self.user: object = None
        """The client while an operation runs: a caller that awaits it may have let go of it."""
        self.attributes = attributes
        self.plugins = PluginSet(attributes.plugins)
        # reentrant, as a signal handler may register a block, too
        self.lock = threading.RLock()
        """For what is known of the caller's blocks; and no C handle is left while it is taken."""
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
        self.resume = Resume()
        """Where the attempt under way has begun."""
        self.restarts = False
        """Whether what runs may be begun again."""
        self.ended = False
        """Whether a caller has been told of the end of the data."""
        self.attempt = 0
        self.kept_buffers: list[KeptBuffer] = []
        self.unconfirmed: list[tuple[KeptBuffer, Any]] = []
        """Blocks that may be nobody's, see `is_unconfirmed`; kept until the transfer has ended."""
        self.first_blocks: set[int] = set()
        """Offsets at which they may seem to lie."""
        self.part = 0, -1
        """What a get by such buffers may bring: from an offset up to another; -1: no end."""
        self.pipeline = Pipeline(attributes.pipeline) if attributes.pipeline else None
        self.guard = Guard()
        """Watches over where the servers send us for data."""
        self._handles: set[CHandle] = set()
        """Those that still live: they use `guard` and `pipeline`."""
        self._once = [None]
        self._handle: CHandle | None = None
        try:
            self._handle = self._new_handle()
        except BaseException:
            self.close()
            raise

    # --- its C handles ---------------------------------------------------------------------------

    @property
    def handle(self) -> CHandle:
        """The one for what is begun next, or runs."""
        if self._handle is None:
            self._handle = self._new_handle()
        return self._handle

    @property
    def pointer(self) -> Any:
        """Its ``globus_ftp_client_handle_t *``."""
        return self.handle.pointer

    @property
    def used(self) -> bool:
        """Whether it may have kept connections of operations that have ended."""
        return self._handle is not None and self._handle.used

    @property
    def needs_replacement(self) -> bool:
        """Whether it is to be replaced when the operation has ended."""
        return self._handle is not None and self._handle.needs_replacement

    @needs_replacement.setter
    def needs_replacement(self, value: bool) -> None:
        if self._handle is not None:
            self._handle.needs_replacement = value

    def _new_handle(self) -> CHandle:
        self.away = False
        """Whether a session may be elsewhere than in its login directory (CWD)."""
        pointer = ffi.new("globus_ftp_client_handle_t *")
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.plugins.owning())
            attributes = self.attributes.pointer()
            if self.pipeline is not None:
                attributes = stack.enter_context(self.pipeline.attributes(attributes))
            check_ftp(lib.globus_ftp_client_handle_init(pointer, attributes), "FTP handle")
            handle = CHandle(pointer, self._destroyed)
            self._handles.add(handle)
            handle.enter(self)
            try:
                self.plugins.equip(pointer, self.attributes.plugins)
                self.guard.watch(pointer)
                if self.pipeline is not None:
                    self.pipeline.watch(pointer)
            except BaseException:
                handle.leave(self)
                raise
        return handle

    def _drop_handle(self) -> None:
        """Leave it to whoever else uses it; the next operation gets another one."""
        with self.lock:
            handle, self._handle = self._handle, None
        if handle is not None:
            handle.leave(self)

    def _destroyed(self, handle: CHandle) -> None:
        self._handles.discard(handle)
        self._free_when_closed()

    def _free_handles(self) -> None:
        self._drop_handle()
        self._free_when_closed()

    def _free_when_closed(self) -> None:
        if self.closing and not self._handles:
            with contextlib.suppress(IndexError):
                self._once.pop()
                if self.pipeline is not None:
                    self.pipeline.free()

    # --- what runs -------------------------------------------------------------------------------

    def claim(self, what: str) -> None:
        """Have it to oneself, or raise."""
        if not self.take():
            busy = "something else" if self.operation is None else self.operation.what
            raise FtpClientException(
                f"{what}: this client is busy with {busy}",
                code=FtpError.IN_USE,
                library="globus_ftp_client",
                hint="wait for it, or use another FtpClient",
            )

    def give(self) -> None:
        """Let others have it."""
        self.user = None
        super().give()

    def abort_it(self, operation: Operation[Any]) -> None:
        """Abort this operation, if it still is the one that runs (on the callback thread)."""
        self.abort(operation, self._abort)

    def _abort(self) -> None:
        handle = self._handle
        if handle is None:
            return  # it waits for its next attempt
        handle.needs_replacement = True
        if self.confirms and not runtime.stopping:  # the library forgets it at the end
            with contextlib.suppress(GlobusException):
                confirmed = self.confirmed()
                self.arrived = lambda: confirmed
        handle.abort()

    def last_marker(self) -> str:
        """What has arrived of the last transfer, or of the one that runs."""
        with self.lock:
            running = self.operation is not None and self._handle is not None
            return self.confirmed() if running and self.confirms else self.arrived()

    def confirmed(self) -> str:
        """What the receiving server of the transfer that runs has said to have.

        (globus_ftp_client_handle_get_restart_marker)
        """
        marker = FtpClientRestartMarker()
        result = lib.globus_ftp_client_handle_get_restart_marker(self.pointer, marker.pointer())
        check_ftp(result, "restart marker")
        return str(marker)

    def is_unconfirmed(self, event: Any) -> bool:
        """Whether a block that was read may come from elsewhere in the file.

        While Globus closes a failed transfer in extended block mode, it gives back what was just
        read as if it lay at the beginning, with the end of the file and without an error (GCT 6.2:
        globus_l_ftp_eb_read_callback, state CLOSING).  A file of one block looks just the same.
        """
        return bool(
            event.c and event.a and event.object == ffi.NULL and event.b in self.first_blocks
        )

    def on_released(self) -> None:
        """Globus has let go of the operation."""
        handle, failed = self._handle, self.needs_replacement
        if handle is not None:  # else it was to be begun again
            handle.leave(self.operation)
            handle.used = True
        if failed or self.closing:
            self._drop_handle()
        self._resolve_unconfirmed(failed=failed)
        self.give_back()
        self.give()

    def _resolve_unconfirmed(self, *, failed: bool) -> None:
        with self.lock:
            unconfirmed, self.unconfirmed = self.unconfirmed, []
            if failed:
                self.kept_buffers += [kept for kept, _ in unconfirmed]
        if not failed:
            for kept, block in unconfirmed:
                with self.lock:
                    self.blocks -= 1
                    add_span(self.spans, block.offset, block.offset + block.length)
                    self.ended = True
                kept.operation.end(block, None)

    def renew(self) -> None:
        """Take another C handle, for the same operation."""
        self._resolve_unconfirmed(failed=True)
        self._drop_handle()

    def begin(self, operation: Operation[Any], call: Callable[[Any], int]) -> None:
        """Make the C call, unless the operation is to end."""
        handle = self.handle
        call_of = object()
        handle.enter(call_of)
        try:
            with self.starting(operation, self._abort):
                if operation.ending is not None:
                    raise operation.ending
                if self.closing:
                    raise HandleClosedError(f"{operation.what}: the client was closed")
                self.guard.begin()
                token = runtime.enrol(lambda event: _arrived(handle, operation, event))
                handle.enter(operation)
                try:
                    check_ftp(call(ffi.cast("void *", token)), operation.what)
                except Exception:
                    handle.leave(operation)
                    runtime.withdraw(token)
                    raise
        finally:
            handle.leave(call_of)

    def not_begun(self, operation: Operation[Any]) -> None:
        """What was to begin it has raised; if that was Ctrl-C, it may run all the same."""
        if self.operation is operation:
            if self._handle is not None and self._handle.has(operation):
                operation.cancel()
            else:
                self.give()

    def register_kept(self) -> None:
        """Give the attempt that has begun the buffers that were kept for it."""
        for kept in self._take_kept():
            try:
                kept.register()
            except FtpClientException:
                with self.lock:  # this attempt is over already
                    self.kept_buffers.append(kept)

    def give_back(self) -> None:
        """There is no next attempt."""
        for kept in self._take_kept():
            with self.lock:
                self.blocks -= 1
            if self.ended:
                kept.operation.end(kept.at_end, None)
            else:
                kept.operation.end(None, kept.error)

    def _take_kept(self) -> list[KeptBuffer]:
        with self.lock:
            self.attempt += 1
            kept, self.kept_buffers = self.kept_buffers, []
        return kept

    def keep(self, kept: KeptBuffer, attempt: int) -> bool:
        """Keep a buffer that attempt `attempt` did not take; False when there is another one.

        Raises the error when no attempt is to come.
        """
        with self.lock:
            if self.operation is None or not self.restarts or self.ended:
                raise kept.error
            if self.attempt != attempt:
                return False
            self.kept_buffers.append(kept)
            return True

    def abandon_handle(self) -> None:
        """Globus does not let go: leave the C handle to it, and go on with another one."""
        self._drop_handle()
        self.give_back()
        self.give()


def _arrived(handle: CHandle, operation: Operation[Any], event: Any) -> None:
    try:
        operation.complete(event)
    finally:
        handle.leave(operation)
