"""What an `FtpClient` stands on: its C handle, and how an operation is made and ended."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from .._core.buffers import shown, urls
from .._core.errors import GlobusException, OperationCancelledError
from .._core.handles import Handle
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from ..security.credential import Credential
from .attributes import DataFunc, FtpClientOperationAttr
from .constants import FtpError, Striping
from .errors import FtpClientException, FtpClientValueError, check_ftp, ftp_error
from .handleattr import FtpClientHandleAttr
from .marker import FtpClientRestartMarker
from .pipeline import Pipeline
from .plugins.base import FtpClientPlugin, PluginSet
from .pump import ON_PUMP_COMPLETE, Pump

__all__ = [
    "COMMAND_TIMEOUT",
    "ON_COMPLETE",
    "ON_DATA",
    "STALL_TIMEOUT",
    "Block",
    "DataFunc",
    "DoneFunc",
    "FtpSession",
    "HasFileno",
    "Transfer",
    "marker_text",
]

T = TypeVar("T")

DoneFunc = Callable[[Any, Any, BaseException | None], object]
"""``done_func(arg, client, error)``: C's complete callback, with the error as an exception."""

COMMAND_TIMEOUT = 60.0
"""Seconds a command may take."""
STALL_TIMEOUT = 60.0
"""Seconds a transfer may go without moving a byte."""
_CLOSE_GRACE = 6.0


class HasFileno(Protocol):
    """Anything with a file descriptor: a file, a socket, a pipe."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


@dataclass(frozen=True, slots=True)
class Block:
    """A block of data that was read or written."""

    length: int
    """Bytes in the buffer."""
    offset: int
    """Where they belong in the file."""
    eof: bool
    """Whether the file ends with this block."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer with one end here is asked to do."""

    verb: str
    """``get``, ``put`` or ``list``."""
    url: str
    op_attr: FtpClientOperationAttr | None
    done_func: DoneFunc | None
    arg: Any
    descriptor: int | HasFileno | None
    marker: FtpClientRestartMarker | None
    file_offset: int
    stall_timeout: float | None
    first: int = 0
    """Offset of the first byte that a pump moves, and of the end; -1: none."""
    end: int = -1


# C handles that Globus did not let go of: it may still write to them
_abandoned: list[Any] = []


class _Session:
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
        self.furthest = 0
        """The highest offset of the running put that the caller has registered a block up to."""
        self.longest: int | None = None
        """How long those blocks may be."""
        self.marker = ""
        """Restart marker of the transfer that spoiled the handle."""
        self.spoiled = False
        self.doomed = False
        self.pipeline = Pipeline(attributes.pipeline) if attributes.pipeline else None
        self.pointer = self._new_handle()

    def _new_handle(self) -> Any:
        pointer = ffi.new("globus_ftp_client_handle_t *")
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.plugins.owning())
            attributes = self.attributes.pointer()
            if self.pipeline is not None:
                attributes = stack.enter_context(self.pipeline.attributes(attributes))
            check_ftp(lib.globus_ftp_client_handle_init(pointer, attributes), "FTP handle")
            self.plugins.equip(pointer, self.attributes.plugins)
            if self.pipeline is not None:
                self.pipeline.watch(pointer)
        return pointer

    def _destroy(self, pointer: Any, *, last: bool) -> None:
        lib.globus_ftp_client_handle_destroy(pointer)
        if last and self.pipeline is not None:
            self.pipeline.free()

    def abort(self, operation: Operation[Any]) -> None:
        """Abort this operation, if it still is the one that runs."""
        with self.lock:
            if self.operation is operation:
                self.spoiled = True
                check_ftp(lib.globus_ftp_client_abort(self.pointer), "abort")

    def idle(self) -> None:
        """Globus has let go of the operation."""
        with self.lock:
            self.operation = None
            spent = None
            if self.doomed:
                spent = self.pointer
            elif self.spoiled:
                self.marker = marker_text(self.pointer)
                spent, self.pointer = self.pointer, self._new_handle()
                self.spoiled = False
        if spent is not None:
            self._destroy(spent, last=self.doomed)

    def lost(self) -> None:
        """Globus does not let go: leave the C handle to it, and go on with another one."""
        with self.lock:
            self.operation = None
            self.spoiled = False
            _abandoned.append(self.pointer)
            if not self.doomed:
                self.pointer = self._new_handle()

    def release(self) -> None:
        """Destroy the handle: now, or when what runs has been aborted."""
        with self.lock:
            self.doomed = True
            operation = self.operation
        if operation is None:
            self._destroy(self.pointer, last=True)
        else:
            operation.fail(OperationCancelledError(f"{operation.what}: the client was closed"))


def longest_block(attr: FtpClientOperationAttr) -> int | None:
    """How long a block of a put may be, or None.

    The library splits blocks where the layout of a striped transfer asks for it, and aborts the
    process when it has made more than two out of one (GCT 6.2).
    """
    layout = attr.layout
    return layout.size if layout.mode is Striping.BLOCKED_ROUND_ROBIN else None


def marker_text(pointer: Any) -> str:
    marker = FtpClientRestartMarker()
    result = lib.globus_ftp_client_handle_get_restart_marker(pointer, marker.pointer())
    check_ftp(result, "restart marker")
    return str(marker)


class FtpSession(Handle):
    """The half of `FtpClient` that is not a GridFTP command."""

    def __init__(
        self,
        handle_attr: FtpClientHandleAttr | None = None,
        *,
        credential: Credential | None = None,
    ) -> None:
        """Make a handle; nothing is connected yet.

        Args:
            handle_attr: how it behaves.
            credential: our credential for every operation whose attributes name none; the one GSI
                finds when None.
        """
        runtime.activate("FTP_CLIENT")
        self._session = _Session(handle_attr or FtpClientHandleAttr())
        self._credential = credential
        self._default_attr = FtpClientOperationAttr()
        if credential is not None:
            self._default_attr.credential = credential
        super().__init__(self._session.release)
        self._session.plugins.client = weakref.ref(self)

    def add_plugin(self, plugin: FtpClientPlugin) -> None:
        """Put a plugin on this client (globus_ftp_client_handle_add_plugin), while it is idle."""
        with self._idle("add a plugin") as session:
            session.plugins.add(session.pointer, plugin)

    def remove_plugin(self, plugin: FtpClientPlugin) -> None:
        """Take a plugin off this client (globus_ftp_client_handle_remove_plugin), while it is idle.

        Also one that came with its attributes, which keep it.
        """
        with self._idle("remove a plugin") as session:
            session.plugins.remove(session.pointer, plugin)

    @property
    def plugins(self) -> tuple[FtpClientPlugin, ...]:
        """The plugins of this client."""
        return tuple(self._session.plugins.plugins)

    @contextlib.contextmanager
    def _idle(self, what: str) -> Iterator[_Session]:
        """The session, which no operation has meanwhile."""
        with self._lock:
            self._require_open()
            with self._session.lock:
                self._require_idle(what)
                yield self._session

    def _require_idle(self, what: str) -> None:
        if self._session.operation is not None:
            raise FtpClientException(
                f"{what}: this client is busy with {self._session.operation.what}",
                code=FtpError.IN_USE,
                library="globus_ftp_client",
                hint="wait for it, or use another FtpClient",
            )

    def close(self) -> None:
        """Abort what runs, close the connections, free the handle."""
        with self._session.lock:
            operation = self._session.operation
        super().close()
        if operation is not None and not runtime.on_drainer():
            operation.wait(_CLOSE_GRACE)

    def abandon(self) -> None:
        """Abort what runs and leave: at interpreter exit."""
        super().close()

    def _attr(self, op_attr: FtpClientOperationAttr | None, url: str) -> FtpClientOperationAttr:
        if op_attr is None:
            op_attr = self._default_attr
        elif self._credential is not None and op_attr.credential is None:
            op_attr = op_attr.copy()
            op_attr.credential = self._credential
        op_attr.insist_on_protection(url)
        op_attr.settle_authorization(url)
        return op_attr

    def _operation(
        self,
        what: str,
        convert: Callable[[Any], T],
        attr: FtpClientOperationAttr,
        *,
        keep: Any = None,
        progress: Callable[[], int] | None = None,
        on_error: Callable[[GlobusException], T] | None = None,
        transfer: bool = False,
    ) -> Operation[T]:
        def outcome(event: Any) -> T:
            if event.object == ffi.NULL:
                return convert(event)
            self._session.spoiled |= transfer
            error = ftp_error(event.object, what, attr.credential)
            if on_error is None:
                raise error
            return on_error(error)

        return Operation(
            what, outcome, abort=self._session.abort, settled=self._session.idle,
            lost=self._session.lost, keep=keep, progress=progress,
        )  # fmt: skip

    def _start(
        self,
        operation: Operation[Any],
        call: Callable[[Any], int],
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
    ) -> None:
        """Make the C call for an operation; the handle is its own until it has settled."""
        session = self._session
        with self._lock:
            self._require_open()
            with session.lock:
                self._require_idle(operation.what)
                session.operation = operation
                session.marker = ""
            if done_func is not None:
                operation.add_done_callback(lambda op: done_func(arg, self, op.exception(0)))
            token = runtime.enrol(operation.complete)
            try:
                check_ftp(call(ffi.cast("void *", token)), operation.what)
            except BaseException:
                runtime.withdraw(token)
                with session.lock:
                    session.operation = None
                raise
        operation.limit(timeout)

    def _command(
        self,
        verb: str,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        convert: Callable[[Any], T],
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
        call: Callable[[bytes, Any, Any], int],
        on_error: Callable[[GlobusException], T] | None = None,
    ) -> Operation[T]:
        c_url = urls(url)[0]
        attr = self._attr(op_attr, url)
        operation = self._operation(
            f"{verb} {shown(url)}", convert, attr, keep=(c_url, attr, call), on_error=on_error
        )
        self._start(
            operation, lambda token: call(c_url, attr.pointer(), token), done_func, arg, timeout
        )
        return operation

    def _simple(
        self,
        name: str,
        function: Callable[..., int],
        url: str,
        op_attr: FtpClientOperationAttr | None,
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
    ) -> Operation[None]:
        return self._command(
            name, url, op_attr, lambda event: None, done_func, arg, timeout,
            lambda c_url, attr, token: function(
                self._session.pointer, c_url, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def _transfer(
        self, transfer: Transfer, call: Callable[[bytes, Any, Any, Any], int]
    ) -> Operation[int]:
        """Start a transfer of whose two ends one is here; `call` is the C function."""
        what = f"{transfer.verb} {shown(transfer.url)}"
        c_url = urls(transfer.url)[0]
        attr = self._attr(transfer.op_attr, transfer.url)
        session = self._session
        if transfer.descriptor is not None:
            if attr.read_all:
                raise FtpClientValueError(
                    f"{what}: read_all is for a buffer of the caller's, not for a descriptor"
                )
            return self._pump(transfer, what, c_url, attr, call)
        moved = [0]
        operation = self._operation(
            what, lambda event: moved[0], attr, keep=(c_url, attr, transfer),
            progress=lambda: moved[0], transfer=True,
        )  # fmt: skip
        session.moved = moved
        session.furthest, session.longest = 0, longest_block(attr)
        self._start(
            operation,
            lambda token: call(c_url, attr.pointer(), ON_COMPLETE, token),
            transfer.done_func, transfer.arg, None,
        )  # fmt: skip
        operation.limit_stall(transfer.stall_timeout, lambda: session.blocks > 0)
        return operation

    def _pump(
        self,
        transfer: Transfer,
        what: str,
        c_url: bytes,
        attr: FtpClientOperationAttr,
        call: Callable[[bytes, Any, Any, Any], int],
    ) -> Operation[int]:
        """A transfer whose data the shim moves, without Python."""
        end = transfer.descriptor
        assert end is not None
        number = end if isinstance(end, int) else end.fileno()
        pump = Pump()

        def convert(event: Any) -> int:
            pump.end()
            self._session.spoiled |= bool(event.code or event.object != ffi.NULL)
            if event.code:
                raise OSError(event.code, f"{what}: {os.strerror(event.code)} on the local side")
            if event.object != ffi.NULL:
                raise ftp_error(event.object, what, attr.credential)
            return int(event.a)

        def abort(operation: Operation[int]) -> None:
            pump.stop()
            self._session.abort(operation)

        operation: Operation[int] = Operation(
            what, convert, abort=abort, settled=self._session.idle,
            lost=self._session.lost, keep=(c_url, attr, transfer), progress=pump.bytes,
        )  # fmt: skip

        def start(token: Any) -> int:
            pump.begin(
                token,
                number,
                transfer.file_offset,
                transfer.first,
                transfer.end,
                longest_block(attr),
            )
            try:
                result = call(c_url, attr.pointer(), ON_PUMP_COMPLETE, pump.pointer)
            except BaseException:
                pump.end()
                raise
            if result != lib.GLOBUS_SUCCESS:
                pump.end()
            return result

        self._start(operation, start, transfer.done_func, transfer.arg, None)
        if transfer.verb == "put":
            lib.cog_pump_start_put(pump.pointer, self._session.pointer)
        else:
            lib.cog_pump_start_get(pump.pointer, self._session.pointer)
        operation.limit_stall(transfer.stall_timeout, lambda: not pump.waits())
        return operation

    def _block(
        self,
        verb: str,
        buf: Any,
        memory: Any,
        data_func: DataFunc | None,
        arg: Any,
        call: Callable[[Any], int],
    ) -> Operation[Block]:
        session = self._session

        def convert(event: Any) -> Block:
            with session.lock:
                session.blocks -= 1
            if event.object != ffi.NULL:
                raise ftp_error(event.object, f"{verb} a block", None)
            session.moved[0] += event.a
            return Block(event.a, event.b, bool(event.c))

        operation = Operation(f"{verb} a block", convert, keep=(memory, buf))
        if data_func is not None:

            def tell(op: Operation[Block]) -> None:
                error = op.exception(0)
                block = Block(0, 0, True) if error is not None else op.result(0)
                data_func(arg, self, error, buf, block.length, block.offset, block.eof)

            operation.add_done_callback(tell)
        self._require_open()
        token = runtime.enrol(operation.complete)
        with session.lock:
            session.blocks += 1
        try:
            check_ftp(call(ffi.cast("void *", token)), operation.what)
        except BaseException:
            with session.lock:
                session.blocks -= 1
            runtime.withdraw(token)
            raise
        return operation


ON_COMPLETE = ffi.addressof(lib, "cog_on_ftp_complete")
ON_DATA = ffi.addressof(lib, "cog_on_ftp_data")
