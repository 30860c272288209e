"""Many files one after another, without Python between one and the next."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .._core.buffers import shown, urls
from .._core.errors import OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .errors import FtpClientValueError, ftp_error
from .pump import BLOCK_SIZE, BLOCKS
from .session import STALL_TIMEOUT, DoneFunc, FtpSession, HasFileno, longest_block

__all__ = ["FtpMany"]

File = tuple[str, "int | HasFileno"]
"""A URL, and a descriptor or what has one."""


class FtpMany(FtpSession):
    """Transfers of many files between servers and here.

    As soon as one file is done the next is begun, by the C side; with
    ``mode=Mode.EXTENDED_BLOCK`` and ``FtpClientHandleAttr(cache_all=True)`` over the same data
    connection.  For more speed divide the files among two or three clients.
    """

    def get_files(
        self,
        files: Iterable[File],
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        file_func: Callable[[File, int], object] | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get many files, each into a descriptor (globus_ftp_client_get).

        Args:
            files: pairs of a URL and a descriptor, or what has one.  It may be a generator: it
                runs in a thread of its own, some 64 files ahead, and may take its time.
            op_attr: attributes of all of them.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            file_func: called with each pair that is complete, and its bytes, in order, on the
                drainer.  The descriptor is the caller's again: this is the place to close it.
            stall_timeout: seconds without data after which the transfer is aborted.

        Returns:
            An operation whose result is the number of files.  It fails with the first file that
            fails; those before it are complete, and those after it are not begun.
        """
        return self._many("get", files, op_attr, done_func, arg, file_func, stall_timeout)

    def put_files(
        self,
        files: Iterable[File],
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        file_func: Callable[[File, int], object] | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Put many files, each from a descriptor (globus_ftp_client_put); see `get_files`."""
        return self._many("put", files, op_attr, done_func, arg, file_func, stall_timeout)

    def _many(
        self,
        verb: str,
        files: Iterable[File],
        op_attr: FtpClientOperationAttr | None,
        done_func: DoneFunc | None,
        arg: Any,
        file_func: Callable[[File, int], object] | None,
        stall_timeout: float | None,
    ) -> Operation[int]:
        session = self._session
        run = _Run(verb, lambda url: self._attr(op_attr, url), file_func)

        def abort(operation: Operation[int]) -> None:
            run.stop()
            session.abort(operation)

        def outcome(event: Any) -> int:
            session.spoiled |= run.error is not None
            return run.outcome()

        def begin(token: Any) -> int:
            run.begin(token, session.pointer)
            return int(lib.GLOBUS_SUCCESS)

        operation: Operation[int] = Operation(
            f"{verb} files", outcome, abort=abort, settled=session.idle, lost=session.lost,
            keep=run, progress=run.bytes,
        )  # fmt: skip
        self._start(operation, begin, done_func, arg, None)
        operation.limit_stall(stall_timeout, run.waits_for_server)
        threading.Thread(
            target=run.feed, args=(iter(files),), name=f"pyGlobus-{verb}-files", daemon=True
        ).start()
        return operation


class _Run:
    """One call of `get_files` or `put_files`: the shim's batch, and the thread that feeds it."""

    def __init__(
        self,
        verb: str,
        attributes: Callable[[str], FtpClientOperationAttr],
        file_func: Callable[[File, int], object] | None,
    ) -> None:
        self._verb = verb
        self._attributes = attributes
        self._file_func = file_func
        self._lock = threading.Lock()
        self._token = runtime.enrol(self._on_file, once=False)
        self._end_token: Any = None
        self._handle: Any = None
        self._attr: FtpClientOperationAttr | None = None
        self._batch: Any = ffi.NULL
        self._files: dict[int, File] = {}
        self._bytes = 0
        self._users = 2
        """The thread that feeds it, and whoever waits for the end."""
        self._stopped = False
        self._done = 0
        self.error: BaseException | None = None

    def begin(self, end_token: Any, handle: Any) -> None:
        """The operation has the client's C handle."""
        self._end_token, self._handle = end_token, handle

    def feed(self, files: Iterator[File]) -> None:
        """Take files from the caller, as far ahead as the batch has room."""
        scheme = ""
        try:
            for number, (url, descriptor) in enumerate(files):
                c_url = urls(url)[0]
                if self._batch == ffi.NULL:
                    scheme = url.partition(":")[0].lower()
                    self._make_batch(self._attributes(url))
                elif url.partition(":")[0].lower() != scheme:
                    raise FtpClientValueError(
                        f"{shown(url)}: the files before it were {scheme}:", hint="one kind a call"
                    )
                self._files[number] = url, descriptor
                place = descriptor if isinstance(descriptor, int) else descriptor.fileno()
                failed = lib.cog_batch_push(self._batch, number, c_url, place)
                if failed:
                    del self._files[number]
                    break
        except BaseException as error:
            self.error = error
        if self._batch == ffi.NULL:
            self._make_batch(FtpClientOperationAttr())
        lib.cog_batch_end(self._batch)
        self._leave()

    def _make_batch(self, attr: FtpClientOperationAttr) -> None:
        size = min(longest_block(attr) or BLOCK_SIZE, BLOCK_SIZE)
        batch = lib.cog_batch_new(
            self._token, int(ffi.cast("uintptr_t", self._end_token)), self._verb == "put", BLOCKS,
            size, self._handle, attr.pointer(),
        )  # fmt: skip
        if batch == ffi.NULL:
            raise MemoryError
        with self._lock:
            self._attr, self._batch = attr, batch
            if self._stopped:
                lib.cog_batch_stop(batch)

    def stop(self) -> None:
        """Begin no other file."""
        with self._lock:
            self._stopped = True
            if self._batch != ffi.NULL:
                lib.cog_batch_stop(self._batch)

    def bytes(self) -> int:
        """How many have been moved."""
        with self._lock:
            if self._batch != ffi.NULL:
                self._bytes = lib.cog_batch_bytes(self._batch)
            return self._bytes

    def waits_for_server(self) -> bool:
        """Whether a transfer runs, and does not wait for the other end of a pipe."""
        with self._lock:
            return self._batch != ffi.NULL and bool(lib.cog_batch_waits_for_server(self._batch))

    def outcome(self) -> int:
        """The number of files, or what went wrong first (on the drainer, after the last event)."""
        self.bytes()
        self._leave()
        if self.error is not None:
            raise self.error
        if self._stopped:
            raise OperationCancelledError(f"{self._verb} files: cancelled")
        return self._done

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                batch, self._batch = self._batch, ffi.NULL
                runtime.withdraw(self._token)
                lib.cog_batch_free(batch)

    def _on_file(self, event: Any) -> None:
        file = self._files.pop(event.b)
        what = f"{self._verb} {shown(file[0])}"
        if event.object != ffi.NULL and not event.code:
            assert self._attr is not None
            self._fail(ftp_error(event.object, what, self._attr.credential))
        elif event.code:
            self._fail(OSError(event.code, f"{what}: {os.strerror(event.code)} on the local side"))
        else:
            self._done += 1
            if self._file_func is not None:
                try:
                    self._file_func(file, event.a)
                except Exception:
                    runtime.report("file_func of %s files raised", self._verb)

    def _fail(self, error: BaseException) -> None:
        error.add_note(f"{self._done} files before it are complete.")
        if self.error is None:
            self.error = error
