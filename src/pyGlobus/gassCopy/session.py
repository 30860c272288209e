"""What a `GassCopy` stands on: its C handle, and how an operation is made and ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._core.errors import HandleClosedError, text_of
from .._core.exclusive import Exclusive
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi, lib
from ..ftpClient.guard import Guard
from .attributes import GassCopyHandleAttr
from .constants import Status
from .errors import GassCopyException, check_copy
from .settings import Settings

__all__ = ["ON_COMPLETE", "Machine", "Session", "status_of"]

_LINGER = 1.0
"""Seconds that a C handle outlives its use: the library's threads may still be leaving it."""
_LINGER_FAILED = 10.0
"""The same after a failure or a cancel: what has been cancelled may call back for a while."""
_ABORT_AGAIN = 0.05
"""Seconds until a command is aborted once more that had not begun, or has begun its next step."""


class Machine:
    """A C handle and the watch in it."""

    def __init__(self, attributes: GassCopyHandleAttr) -> None:
        self.pointer = ffi.new("globus_gass_copy_handle_t *")
        # the library keeps the pointer for the handle's whole life
        self._attributes = attributes
        self.needs_replacement = False
        """A copy has failed in it."""
        self.used = False
        """Something has come to its end in it, and may have left connections."""
        self._aborts = 0
        """Those that Globus has not come to yet."""
        self.guard = Guard()
        check_copy(lib.globus_gass_copy_handle_init(self.pointer, attributes.make()), "copy handle")
        try:
            self.watch = lib.cog_copy_watch_new(self.pointer)
            if self.watch == ffi.NULL:
                raise MemoryError("no room for a copy handle")
            check_copy(lib.cog_guard_watch_copy(self.guard.pointer, self.pointer), "copy handle")
        except BaseException:
            lib.globus_gass_copy_handle_destroy(self.pointer)
            raise

    def abort(self, *, copying: bool, runs: Callable[[], bool]) -> None:
        """Abort the copy or the command in it, which `runs` (on the callback thread)."""

        def through(event: Any) -> None:
            self._aborts -= 1
            # a command may be several of the GridFTP handle's, with nothing to abort in between
            if event.object != ffi.NULL and not copying and runs():
                runtime.later(_ABORT_AGAIN, again)

        def again() -> None:
            if runs():
                self.abort(copying=copying, runs=runs)

        token = runtime.enrol(through, leaving=True)
        self._aborts += 1
        if copying:
            lib.cog_abort_copy(token, self.pointer)
        else:
            lib.cog_abort_copy_command(token, self.pointer)

    def retire(self, seconds: float) -> None:
        """Destroy it in a while, on the callback thread."""
        runtime.later(seconds, self._destroy)

    def _destroy(self) -> None:
        pointer = self.pointer
        performance = lib.cog_copy_take_performance(pointer)
        if performance != ffi.NULL:
            # its timer may be running right now; it refers to the handle
            runtime.later(_LINGER, lambda: _free_performance(performance, pointer))
        if self._aborts or not lib.cog_copy_free(pointer):
            self.retire(_LINGER_FAILED)
            return
        lib.cog_copy_watch_free(self.watch)


def _free_performance(performance: Any, _pointer: Any) -> None:
    lib.cog_copy_free_performance(performance)


class Session(Exclusive):
    """The C handle, and what runs on it: shared by the `GassCopy` and its finalizer.

    A C handle whose copy failed or was cancelled is replaced: the library's callbacks of that copy
    may still come, and would hit the next one.
    """

    def __init__(self, attributes: GassCopyHandleAttr, settings: Settings | None = None) -> None:
        super().__init__(self._free_machine)
        self.attributes = attributes
        self.settings = settings or Settings()
        self.copying = False
        self.hear: Callable[[int, int, int], None] | None = None
        """Who hears of progress, beside the library's own listener."""
        self.status: tuple[Status, str] | None = None
        """That of the copy whose handle has been replaced."""
        self._machine: Machine | None = None
        self._machine = self._new()

    def _new(self) -> Machine:
        machine = Machine(self.attributes)
        try:
            self.settings.apply(machine.pointer)
            self.settings.apply_once(machine.pointer)
        except BaseException:
            machine.retire(0)
            raise
        return machine

    @property
    def machine(self) -> Machine:
        """The C handle for what is begun next, or runs, and what belongs to it."""
        if self._machine is None:
            self._machine = self._new()
        return self._machine

    @property
    def pointer(self) -> Any:
        """The C handle."""
        return self.machine.pointer

    def claim(self, what: str) -> None:
        """Have it to oneself, or raise."""
        if not self.take():
            busy = "something else" if self.operation is None else self.operation.what
            raise GassCopyException(
                f"{what}: this handle is busy with {busy}",
                library="globus_gass_copy",
                hint="wait for it, or use another GassCopy",
            )

    def _drop_machine(self, seconds: float) -> None:
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.retire(seconds)

    def _free_machine(self) -> None:
        token, self.settings.performance_token = self.settings.performance_token, 0
        if token:
            runtime.withdraw(token)
        self._drop_machine(_LINGER)

    # --- progress --------------------------------------------------------------------------------

    def listen(self, hear: Callable[[int, int, int], None] | None) -> None:
        """Have reports heard from now on: bytes, bytes/s, bytes/s on average; None: no longer.

        Raises:
            GassCopyException: something runs.
        """
        self.claim("register_performance_cb")
        try:
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
                self._drop_machine(_LINGER)
        finally:
            self.give()

    # --- the life of an operation ----------------------------------------------------------------

    def begin(self, operation: Operation[Any], kind: int) -> None:
        """An operation of the C handle begins, or begins again; `kind` is a COG_COPY_*."""
        if self.operation is not operation:
            self.claim(operation.what)
            self.operation = operation
        try:
            if self.closing:
                raise HandleClosedError(f"{operation.what}: the handle was closed")
            self.copying = kind != lib.COG_COPY_NOTHING
            self.status = None
            self.settings.apply(self.machine.pointer)
            lib.cog_copy_watch_begin(self.machine.watch, kind)
        except BaseException:
            self.give()
            raise

    def occupy(self, operation: Operation[Any]) -> None:
        """An operation of ours begins that does without the C handle."""
        self.claim(operation.what)
        self.operation = operation
        self.status = (Status.TRANSFER_IN_PROGRESS, _c_name(Status.TRANSFER_IN_PROGRESS))

    def vacate(self, status: Status) -> None:
        """It has ended."""
        self.status = (status, _c_name(status))
        self.give()

    def abort_it(self, operation: Operation[Any]) -> None:
        """Cancel this operation, if it still is the one that runs (on the callback thread)."""
        if self.operation is operation and not self.copying:
            self.abort_now()  # its C call waits for the end
        else:
            self.abort(operation, self.abort_now)

    def abort_now(self) -> None:
        """Cancel what runs (on the callback thread)."""
        machine, operation = self._machine, self.operation
        if machine is not None:
            machine.needs_replacement = True
            machine.abort(copying=self.copying, runs=lambda: self.operation is operation)

    def idle(self, operation: Operation[Any]) -> None:
        """The library has let go of the operation, if it still is the one that runs."""
        if self.operation is not operation:
            return
        machine = self._machine
        if machine is not None and (self.closing or machine.needs_replacement):
            self.status = status_of(machine)
            self._drop_machine(_LINGER_FAILED if machine.needs_replacement else _LINGER)
        self.give()

    def renew(self) -> None:
        """Another C handle, for the operation that has failed and is begun again."""
        if self._machine is not None:
            self._machine.needs_replacement = True
        self._drop_machine(_LINGER_FAILED)

    def lost(self) -> Machine | None:
        """The library does not let go: leave the C handle to it, and go on with another one.

        Returns it: it is to be retired when the library does, after all.
        """
        machine, self._machine = self._machine, None
        if machine is not None:
            machine.needs_replacement = True
            self.status = status_of(machine)
        self.give()
        return machine


def _c_name(status: Status) -> str:
    return f"GLOBUS_GASS_COPY_STATUS_{status.name}"


def status_of(machine: Machine) -> tuple[Status, str]:
    """C: globus_gass_copy_get_status, globus_gass_copy_get_status_string."""
    place = ffi.new("globus_gass_copy_status_t *")
    check_copy(lib.globus_gass_copy_get_status(machine.pointer, place), "status")
    return Status(place[0]), text_of(lib.globus_gass_copy_get_status_string(machine.pointer))


ON_COMPLETE = ffi.addressof(lib, "cog_on_copy_complete")
