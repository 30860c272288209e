"""Many files one after another, without Python between one and the next."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .._core.buffers import shown, urls
from .._core.errors import GlobusException, OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import call_user, runtime
from .._gridftp.constants import Mode
from .._gridftp.errors import FtpClientValueError
from .._gridftp.retry import StaleConnection
from .._native import ffi, lib
from ..security import Credential
from .attributes import FtpClientOperationAttr
from .calls import STALL_TIMEOUT, DoneFunc
from .life import FtpLife
from .pump import (
    BLOCK_SIZE,
    BLOCKS,
    Place,
    Source,
    descriptor_of,
    local_error,
    longest_block,
)
from .restarts import Resume

__all__ = ["FtpMany"]

File = tuple[str, Source]
"""A URL, and where that is here: a descriptor or what has one; of a put, the bytes as well."""


class FtpMany(FtpLife):
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
            files: pairs of a URL and a descriptor, or what has one, or a `pathlib.Path`.  It may
                be a generator: it runs in a thread of its own, some 64 files ahead, and may take
                its time.
            op_attr: attributes of all of them.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            file_func: called with each pair that is complete, and its bytes, in order, on the
                callback thread.  The descriptor is the caller's again: close it here.
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
        """Put many files (globus_ftp_client_put).

        As `get_files`; what is sent may also be the bytes themselves, as for `put`.  A pipe that
        is silent for longer than `stall_timeout` ends it.
        """
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
        session = self._calls.session

        def attributes(url: str) -> FtpClientOperationAttr:
            attr = self._calls.attributes_for(op_attr, url)
            session.guard.follow(attr.data_rules())
            session.guard.begin()
            return attr

        run = _Run(verb, iter(files), attributes, self._calls.error, file_func)

        def abort(operation: Operation[int]) -> None:
            run.stop()
            session.abort_it(operation)

        def failed() -> None:
            with contextlib.suppress(GlobusException):  # it has ended in this moment
                session.abort_it(operation)

        run.on_failure = failed

        def outcome(event: Any) -> int:
            session.needs_replacement |= run.error is not None
            return run.outcome()

        def released() -> None:
            run.close_places()
            session.on_released()

        def abandoned() -> None:
            run.close_places(in_use=True)
            session.abandon_handle()

        def begin(token: Any) -> int:
            run.begin(token, session.pointer)
            return int(lib.GLOBUS_SUCCESS)

        stream = op_attr is None or op_attr.mode is Mode.STREAM
        operation: Operation[int] = Operation(
            f"{verb} files", outcome, abort=abort, released=released, abandoned=abandoned, keep=run,
            progress=run.bytes,
        )  # fmt: skip
        self._calls.start(
            operation, begin, done_func, arg, None,
            begun=lambda: operation.limit_stall(stall_timeout, run.waits, run.stalled),
            plan=lambda ranges, before: run.go_on(session.guard.began()),
            stale=StaleConnection(run.bytes, several=True, stream=stream),
        )  # fmt: skip
        return operation


class _Attempt:
    """The shim's batch, from the first file to the one that fails, or to the last."""

    def __init__(self, run: _Run, end_token: Any, handle: Any) -> None:
        self._token = runtime.enrol(run.on_file, once=False)
        self._end_token, self._handle = int(ffi.cast("uintptr_t", end_token)), handle
        self._lock = threading.Lock()
        self._batch: Any = ffi.NULL
        self._bytes = 0
        self._stopped = False
        self._users = 2
        """The thread that feeds it, and whoever waits for the end."""
        self.attr: FtpClientOperationAttr | None = None

    @property
    def made(self) -> bool:
        """Whether the attributes are known, and it has begun."""
        return self.attr is not None

    def make(self, verb: str, attr: FtpClientOperationAttr) -> None:
        """Begin; the attributes may depend on the first URL."""
        size = min(longest_block(attr) or BLOCK_SIZE, BLOCK_SIZE)
        batch = lib.cog_batch_new(
            self._token, self._end_token, verb == "put", BLOCKS, size, self._handle,
            attr.pointer(),
        )  # fmt: skip
        if batch == ffi.NULL:
            raise MemoryError
        with self._lock:
            self.attr, self._batch = attr, batch
            if self._stopped:
                lib.cog_batch_stop(batch)

    def push(self, number: int, url: bytes, descriptor: int, place: Place | None) -> bool:
        """Add a file when there is room for it; False when the batch has ended instead."""
        if place is None:
            return not lib.cog_batch_push(self._batch, number, url, descriptor, ffi.NULL)
        with place.used() as pointer:
            return not lib.cog_batch_push(self._batch, number, url, descriptor, pointer)

    def end(self) -> None:
        """No more files will come."""
        lib.cog_batch_end(self._batch)

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

    def waits_for(self) -> tuple[int, int]:
        """What the transfer that runs waits for (``COG_WAITS_FOR_*``), and its number."""
        number = ffi.new("int64_t *")
        with self._lock:
            if self._batch == ffi.NULL:
                return int(lib.COG_WAITS_FOR_NOTHING), 0
            return int(lib.cog_batch_waits_for(self._batch, number)), number[0]

    def leave(self) -> None:
        """One of its two users needs it no longer."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                batch, self._batch = self._batch, ffi.NULL
                runtime.withdraw(self._token)
                lib.cog_batch_free(batch)


class _Run:
    """One call of `get_files` or `put_files`: its attempts, each with a thread that feeds it."""

    def __init__(
        self,
        verb: str,
        files: Iterator[File],
        attributes: Callable[[str], FtpClientOperationAttr],
        error_of: Callable[[Any, str, Credential | None], GlobusException],
        file_func: Callable[[File, int], object] | None,
    ) -> None:
        self._verb = verb
        self._source = enumerate(files)
        self._attributes = attributes
        self._error_of = error_of
        self._file_func = file_func
        self._scheme = ""
        self._attempt: _Attempt | None = None
        self._thread: threading.Thread | None = None
        self._files: dict[int, File] = {}
        """What has been taken from the caller and is not done, in order."""
        self._places: dict[int, Place] = {}
        """Of those that are more than a descriptor of a file; under `_lock` where it grows."""
        self._lock = threading.Lock()
        self._over = False
        self._silent = False
        """Whether it was stopped because the other end of a pipe said nothing."""
        self.on_failure: Callable[[], None] = lambda: None
        """Called when something went wrong here: the transfer that runs is to be aborted."""
        self._before = 0
        """Bytes of earlier attempts."""
        self._failed_at = 0, 0
        """The file that failed, and the bytes of it that were moved."""
        self._stopped = False
        self._done = 0
        self.error: BaseException | None = None

    def begin(self, end_token: Any, handle: Any) -> None:
        """The operation has a C handle: begin, or go on, with it."""
        if self._attempt is not None:
            self._before += self._attempt.bytes()
        self.error = None
        self._attempt = attempt = _Attempt(self, end_token, handle)
        if self._stopped:
            attempt.stop()
        self._thread = threading.Thread(
            target=self._feed, args=(attempt, self._thread), name=f"pyGlobus-{self._verb}-files",
            daemon=True,
        )  # fmt: skip
        self._thread.start()

    def _feed(self, attempt: _Attempt, before: threading.Thread | None) -> None:
        """Take files from the caller, as far ahead as the batch has room."""
        try:
            for number, file in self._ahead(before):
                if not self._push(attempt, number, file):
                    break
        except BaseException as error:
            self.error = self.error or error
        if not attempt.made:
            attempt.make(self._verb, FtpClientOperationAttr())
        attempt.end()
        attempt.leave()

    def _ahead(self, before: threading.Thread | None) -> Iterator[tuple[int, File]]:
        """What the last attempt has left, then what it took when it was over, then what is new."""
        last = -1
        while True:
            for number, file in sorted(self._files.items()):
                if number > last:
                    last = number
                    yield number, file
            if before is None:
                break
            before.join()
            before = None
        for number, file in self._source:
            self._files[number] = file
            yield number, file

    def _push(self, attempt: _Attempt, number: int, file: File) -> bool:
        url, end = file
        c_url = urls(url)[0]
        scheme = url.partition(":")[0].lower()
        if scheme != (self._scheme or scheme):
            raise FtpClientValueError(
                f"{shown(url)}: the files before it were {self._scheme}:", hint="one kind a call"
            )
        self._scheme = scheme
        if not attempt.made:
            attempt.make(self._verb, self._attributes(url))
        place = self._places.get(number)
        if place is None:
            descriptor = _descriptor(end, putting=self._verb == "put")
            if descriptor >= 0:
                return attempt.push(number, c_url, descriptor, None)
            place = Place(end, writing=self._verb == "get")
            with self._lock:
                if self._over:
                    place.close()
                    return False
                self._places[number] = place
        return attempt.push(number, c_url, -1, place)

    def stop(self) -> None:
        """Begin no other file."""
        self._stopped = True
        if self._attempt is not None:
            self._attempt.stop()

    def bytes(self) -> int:
        """How many have been moved."""
        return self._before + (self._attempt.bytes() if self._attempt is not None else 0)

    def waits(self) -> bool:
        """Whether a transfer runs that nobody here may hold up: a get waits for its reader."""
        what, _ = self._waits_for()
        return what == lib.COG_WAITS_FOR_SERVER or (
            self._verb == "put" and what == lib.COG_WAITS_FOR_PLACE
        )

    def _waits_for(self) -> tuple[int, int]:
        nothing = int(lib.COG_WAITS_FOR_NOTHING), 0
        return self._attempt.waits_for() if self._attempt is not None else nothing

    def stalled(self) -> str:
        """What does not come, for a message: the operation is about to be ended for it."""
        what, number = self._waits_for()
        place = self._places.get(number)
        self._silent = what == lib.COG_WAITS_FOR_PLACE
        return f"no data from {place.name}" if self._silent and place is not None else "no data"

    def go_on(self, began: bool) -> Resume | str | None:
        """Whether the file that failed can be begun again.

        Args:
            began: whether the server has said that its data may come.
        """
        number, moved = self._failed_at
        if number not in self._files or self._silent:
            return None
        place = self._places.get(number)
        if self._verb == "put":
            attr = self._attempt.attr if self._attempt is not None else None
            if began and attr is not None and attr.append:
                return "It was not begun again: what it appends may have arrived in part."
            return Resume() if place is None or place.can_begin(0) else place.why_not()
        return Resume() if moved == 0 or not _is_stream(place, self._files[number][1]) else None

    def close_places(self, *, in_use: bool = False) -> None:
        """No other attempt is made; `in_use`: one may still run, see `Place.close`."""
        with self._lock:
            self._over = True
            places = list(self._places.values())
            if not in_use:
                self._places.clear()
        for place in places:
            place.close(in_use=in_use)

    def outcome(self) -> int:
        """The number of files, or what went wrong first; on the callback thread, at the end."""
        assert self._attempt is not None
        self._attempt.bytes()
        self._attempt.leave()
        if self.error is not None:
            raise self.error
        if self._stopped:
            raise OperationCancelledError(f"{self._verb} files: cancelled")
        return self._done

    def on_file(self, event: Any) -> None:
        """One of them has ended, well or not, or is to be aborted."""
        if event.kind == lib.COG_EVENT_BATCH_FAILED:
            self.on_failure()
            return
        file = self._files[event.b]
        what = f"{self._verb} {shown(file[0])}"
        self._failed_at = event.b, event.a
        if event.object != ffi.NULL and not event.code:
            assert self._attempt is not None
            assert self._attempt.attr is not None
            self._fail(self._error_of(event.object, what, self._attempt.attr.credential))
        elif event.code:
            self._fail(local_error(what, event.code))
        else:
            self._complete(event.b, file, event.a)

    def _complete(self, number: int, file: File, moved: int) -> None:
        del self._files[number]
        place = self._places.pop(number, None)
        if place is not None:
            if self._verb == "get":
                place.cut_off(moved)
            place.close()
        self._done += 1
        if self._file_func is not None:
            call_user(f"file_func of {self._verb} files", self._file_func, file, moved)

    def _fail(self, error: BaseException) -> None:
        error.add_note(f"{self._done} files before it are complete.")
        if self.error is None:
            self.error = error


def _descriptor(end: Any, *, putting: bool) -> int:
    """That of a file, which the batch can take as it is, or -1."""
    if not isinstance(end, int) and (isinstance(end, os.PathLike) or not hasattr(end, "fileno")):
        return -1
    number = descriptor_of(end)
    return -1 if putting and _goes_on_only(number) else number


def _goes_on_only(descriptor: int) -> bool:
    try:
        os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return True
    return False


def _is_stream(place: Place | None, end: Any) -> bool:
    """Whether what a get has written cannot be written over."""
    if place is not None:
        return place.is_stream
    number = descriptor_of(end)
    return _goes_on_only(number) or bool(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_APPEND)
