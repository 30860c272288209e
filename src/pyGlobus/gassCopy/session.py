"""What a `GassCopy` stands on: its C handle, and how an operation is made and ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from .._core.errors import OperationCancelledError, text_of
from .._core.operation import Operation
from .._core.runtime import runtime
from .._core.workers import run_in_background
from .._native import ffi, lib
from ..ftpClient.guard import Guard
from .attributes import GassCopyHandleAttr
from .constants import Status
from .errors import GassCopyException, check_copy
from .settings import Settings

__all__ = ["ON_COMPLETE", "Machine", "Session", "cancel_machine", "status_of"]

_LINGER = 1.0
"""Seconds that a C handle outlives its use: the library's threads may still be leaving it."""
_LINGER_SPOILED = 10.0
"""The same after a failure or a cancel: the http driver calls back about it a second time."""

# C handles that the library did not let go of: it may still write to them
_abandoned: list[Any] = []


class Machine:
    """A C handle and the watch in it."""

    def __init__(self, attributes: GassCopyHandleAttr) -> None:
        self.pointer = ffi.new("globus_gass_copy_handle_t *")
        # the library keeps the pointer for the handle's whole life
        self._attributes = attributes
        check_copy(lib.globus_gass_copy_handle_init(self.pointer, attributes.make()), "copy handle")
        self.spoiled = False
        """A copy has failed in it."""
        self.used = False
        """Something has come to its end in it, and may have left connections."""
        self.watch = lib.cog_copy_watch_new(self.pointer)
        if self.watch == ffi.NULL:
            raise MemoryError("no room for a copy handle")
        self.guard = Guard()
        check_copy(lib.cog_guard_watch_copy(self.guard.pointer, self.pointer), "copy handle")

    def retire(self, seconds: float) -> None:
        """Destroy it in a while, on the drainer."""
        runtime.later(seconds, self._destroy)

    def _destroy(self) -> None:
        pointer, watch = self.pointer, self.watch
        if self.spoiled:
            # a failed copy may have left a lock held, and the library aborts when it destroys that
            # (about 1 KB each): only the connections are closed
            lib.globus_ftp_client_handle_destroy(ffi.addressof(pointer, "ftp_handle_2"))
            lib.globus_ftp_client_handle_destroy(ffi.addressof(pointer, "ftp_handle"))
            _abandoned.append(pointer)
            return
        performance = lib.cog_copy_take_performance(pointer)
        lib.globus_gass_copy_handle_destroy(pointer)
        lib.cog_copy_watch_free(watch)
        self.guard.free()
        if performance != ffi.NULL:
            # its timer may be running right now; it refers to the handle
            runtime.later(_LINGER, lambda: _free_performance(performance, pointer))


def _free_performance(performance: Any, _pointer: Any) -> None:
    lib.cog_copy_free_performance(performance)


class Session:
    """The C handle, and what runs on it: shared by the `GassCopy` and its finalizer.

    A C handle whose copy failed or was cancelled is spoiled: the library's callbacks of that copy
    may still come, and would hit the next one.  It is replaced when the operation has come to
    rest, or when it does not.
    """

    def __init__(self, attributes: GassCopyHandleAttr, settings: Settings | None = None) -> None:
        self.attributes = attributes
        self.settings = settings or Settings()
        self.lock = threading.Lock()
        self.operation: Operation[Any] | None = None
        self.spoiled = False
        self.doomed = False
        self.starting = False
        """A worker is in the C call that starts the copy, which may wait for a server."""
        self.cancelling = False
        self.copying = False
        self.hear: Callable[[int, int, int], None] | None = None
        """Who hears of progress, beside the library's own listener."""
        self.status: tuple[Status, str] | None = None
        """That of the copy that spoiled the last handle."""
        self.machine = self._new()

    def _new(self) -> Machine:
        machine = Machine(self.attributes)
        self.settings.apply(machine.pointer)
        self.settings.apply_once(machine.pointer)
        return machine

    @property
    def pointer(self) -> Any:
        """The C handle."""
        return self.machine.pointer

    def require_idle(self, what: str) -> None:
        """Raise when something runs; the lock is held."""
        if self.operation is not None:
            raise GassCopyException(
                f"{what}: this handle is busy with {self.operation.what}",
                library="globus_gass_copy",
                hint="wait for it, or use another GassCopy",
            )

    # --- progress --------------------------------------------------------------------------------

    def listen(self, hear: Callable[[int, int, int], None] | None) -> None:
        """Have reports heard from now on: bytes, bytes/s, bytes/s on average; None: no longer.

        Raises:
            GassCopyException: something runs.
        """
        with self.lock:
            self.require_idle("register_performance_cb")
            token, self.settings.performance_token = self.settings.performance_token, 0
            if token:
                runtime.withdraw(token)
            self.hear = hear
            if hear is not None:
                self.settings.performance_token = runtime.enrol(
                    lambda event: hear(int(event.a), int(event.b), int(event.c)), once=False
                )
                self.settings.apply_performance(self.pointer)
            elif token:
                # not taken back in C: the timer may be in the record that this would free
                self.machine.retire(_LINGER)
                self.machine = self._new()

    # --- the life of an operation ----------------------------------------------------------------

    def begin(self, operation: Operation[Any], kind: int) -> None:
        """An operation of the C handle begins; `kind` is a COG_COPY_*."""
        copying = kind != lib.COG_COPY_NOTHING
        with self.lock:
            if self.operation is not operation:  # else it is begun again
                self.require_idle(operation.what)
            self.operation = operation
            self.starting, self.cancelling, self.copying = True, False, copying
            self.status = None
            machine = self.machine
            self.settings.apply(machine.pointer)
        lib.cog_copy_watch_begin(machine.watch, kind)

    def occupy(self, operation: Operation[Any]) -> None:
        """An operation of ours begins that does without the C handle."""
        with self.lock:
            self.require_idle(operation.what)
            self.operation = operation
            self.status = (Status.TRANSFER_IN_PROGRESS, _c_name(Status.TRANSFER_IN_PROGRESS))

    def vacate(self, status: Status) -> None:
        """It has ended."""
        with self.lock:
            self.operation = None
            self.status = (status, _c_name(status))
            spent = self.machine if self.doomed else None
        if spent is not None:
            spent.retire(_LINGER)

    def started(self) -> bool:
        """The C call is back, and the copy runs; whether it is to be cancelled right now."""
        with self.lock:
            self.starting = False
            return self.cancelling

    def abort(self, operation: Operation[Any]) -> None:
        """Cancel this operation, if it still is the one that runs."""
        with self.lock:
            if self.operation is not operation:
                return
            self.spoiled = self.cancelling = True
            machine, copying = self.machine, self.copying
            if copying and self.starting:
                return  # whoever starts it cancels it
        # on a thread of its own: the library takes locks that a callback of its may hold
        run_in_background(lambda: cancel_machine(machine, copying))

    def idle(self, operation: Operation[Any]) -> None:
        """The library has let go of the operation, if it still is the one that runs."""
        with self.lock:
            if self.operation is not operation:
                return
            self.operation = None
            spent = None
            if self.doomed or self.spoiled:
                spent = self.machine
                self.status = status_of(spent)
                if not self.doomed:
                    self.machine = self._new()
            linger = _LINGER_SPOILED if self.spoiled else _LINGER
            if spent is not None:
                spent.spoiled = self.spoiled
            self.spoiled = False
        if spent is not None:
            spent.retire(linger)

    def renew(self) -> None:
        """Another C handle, for the operation that has failed and is begun again."""
        with self.lock:
            spent, self.machine = self.machine, self._new()
            self.spoiled = False
        spent.spoiled = True
        spent.retire(_LINGER_SPOILED)

    def lost(self) -> None:
        """The library does not let go: leave the C handle to it, and go on with another one."""
        with self.lock:
            self.operation = None
            self.spoiled = False
            self.status = status_of(self.machine)
            _abandoned.append(self.machine)
            if not self.doomed:
                self.machine = self._new()

    def release(self) -> None:
        """Destroy the handle: soon, or when what runs has been cancelled."""
        with self.lock:
            self.doomed = True
            operation = self.operation
            token, self.settings.performance_token = self.settings.performance_token, 0
        if token:
            runtime.withdraw(token)
        if operation is None:
            self.machine.retire(_LINGER)
        else:
            operation.fail(OperationCancelledError(f"{operation.what}: the handle was closed"))


def _c_name(status: Status) -> str:
    return f"GLOBUS_GASS_COPY_STATUS_{status.name}"


def status_of(machine: Machine) -> tuple[Status, str]:
    """C: globus_gass_copy_get_status, globus_gass_copy_get_status_string."""
    place = ffi.new("globus_gass_copy_status_t *")
    check_copy(lib.globus_gass_copy_get_status(machine.pointer, place), "status")
    return Status(place[0]), text_of(lib.globus_gass_copy_get_status_string(machine.pointer))


def cancel_machine(machine: Machine, copying: bool) -> None:
    if copying:
        result = lib.globus_gass_copy_cancel(machine.pointer, ffi.NULL, ffi.NULL)
    else:
        # mkdir, stat and their like are commands of the GridFTP handle, which gass copy waits for
        handle = ffi.new("globus_ftp_client_handle_t *")
        lib.globus_gass_copy_get_ftp_handle(machine.pointer, handle)
        result = lib.globus_ftp_client_abort(handle)
    if result != lib.GLOBUS_SUCCESS:
        # it has just ended by itself
        lib.globus_object_free(lib.globus_error_get(result))


ON_COMPLETE = ffi.addressof(lib, "cog_on_copy_complete")
