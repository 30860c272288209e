"""One copy, or one command, under way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from .._core.errors import GlobusException, OperationCancelledError, causes_of, text_of
from .._core.operation import Operation
from .._core.runtime import runtime
from .._core.workers import run_in_background
from .._native import ffi, lib
from ..ftpClient import Mode
from ..ftpClient.guard import NO_RULES, rules_of
from ..ftpClient.restarts import StaleConnection
from .constants import Status, UrlMode
from .errors import GassCopyException, copy_error, refusal_error
from .session import ON_COMPLETE, Machine, Session, status_of
from .sides import Side
from .verify import checked

__all__ = ["Command", "Copy"]

T = TypeVar("T")

_LINGER_LOST = 10.0
"""Seconds that the C handle of a copy lives on that came back long after its caller was told."""
_HARDLY = 1 << 16
"""Bytes that a copy has moved at most that had hardly begun."""


class _Running(ABC, Generic[T]):
    """A C call that may block, made by a worker, and the operation that stands for it."""

    copying = False

    def __init__(self, session: Session, what: str, sides: tuple[Side, ...]) -> None:
        self.session = session
        self.machine: Machine = session.machine
        self.sides = sides
        self.what = what
        self.problem: BaseException | None = None
        """What Python met before or after the C call."""
        self.lost = False
        self.token = 0
        self.operation: Operation[T] = Operation(
            what, self.convert, abort=session.abort_it, settled=self.settled, lost=self.give_up,
            keep=self, progress=self.bytes_done,
        )  # fmt: skip

    # what a copy and a command do differently

    @abstractmethod
    def call(self, token: Any) -> int:
        """The C call; the answer comes to the token."""

    @abstractmethod
    def value(self) -> T:
        """The result, when all went well."""

    def kind(self) -> int:
        """What the watch is to expect."""
        return int(lib.COG_COPY_NOTHING)

    def bytes_done(self) -> int:
        return 0

    def finish(self, *, failed: bool) -> None:
        """Put in order what the call has left."""

    # from the beginning to the end

    def begin(self) -> None:
        # between two servers it is the destination that names an address
        ftp = [side.ftp for side in self.sides if side.ftp is not None]
        rules = rules_of(ftp[-1]) if ftp else NO_RULES
        self.session.begin(self.operation, self.kind())
        try:
            self.machine = self.session.machine
            self.machine.guard.follow(rules)
            self.machine.guard.begin()
            self.token = runtime.enrol(self.arrived)
            run_in_background(self.work)
        except Exception:
            if self.token:
                runtime.withdraw(self.token)
            self.session.idle(self.operation)
            raise
        except BaseException:
            self.operation.cancel()  # interrupted: it may have begun
            raise

    def work(self) -> None:
        """On the worker."""
        token = self.token
        try:
            with self.session.starting(self.operation, self.session.abort_now):
                try:
                    if self.operation.ending is not None:
                        raise self.operation.ending
                    result = self.call(ffi.cast("void *", token))
                finally:
                    lib.cog_copy_watch_started(self.machine.watch)
        except BaseException as problem:
            self.problem = problem
            result = lib.GLOBUS_SUCCESS
            _post(token, ffi.NULL)
        if result != lib.GLOBUS_SUCCESS:
            _post(token, lib.globus_error_get(result))

    def arrived(self, event: Any) -> None:
        """On the callback thread: the answer is there."""
        self.operation.complete(event)

    def convert(self, event: Any) -> T:
        error: BaseException | None = self.problem
        try:
            if error is None:
                error = self.error_of(event)
            try:
                self.finish(failed=error is not None)
            except OSError as problem:
                error = error or problem
        finally:
            self.machine.needs_replacement |= error is not None
            if self.lost:
                self.release_sides()
                self.machine.retire(_LINGER_LOST)
        if error is not None:
            raise error
        return self.value()

    def error_of(self, event: Any) -> GlobusException | None:
        if event.object == ffi.NULL:
            return None
        refusal = self.machine.guard.refusal(self.what)
        if refusal is not None:
            return refusal_error(refusal, [side.told() for side in self.sides])
        fault = lib.cog_copy_watch_fault(self.machine.watch)
        fault_url = text_of(fault)
        lib.free(fault)
        causes = causes_of(ffi.cast("globus_object_t *", event.object))
        return copy_error(causes, self.what, [side.told() for side in self.sides], fault_url)

    def settled(self) -> None:
        self.release_sides()
        self.machine.used = True
        self.session.idle(self.operation)

    def give_up(self) -> None:
        self.lost = True
        self.session.lost()

    def release_sides(self) -> None:
        for side in self.sides:
            side.close()


class Command(_Running[T]):
    """A command that the library has in a blocking form only."""

    def __init__(
        self,
        session: Session,
        what: str,
        side: Side,
        function: Callable[[Machine, Any], int],
        result: Callable[[], T],
        *,
        posts: bool = False,
        progress: Callable[[], int] | None = None,
    ) -> None:
        """`posts`: the C call answers to the token itself when it succeeds."""
        super().__init__(session, what, (side,))
        self.function = function
        self.result = result
        self.posts = posts
        self.progress = progress

    def call(self, token: Any) -> int:
        result = self.function(self.machine, token)
        if result == lib.GLOBUS_SUCCESS and not self.posts:
            _post(self.token, ffi.NULL)
        return result

    def value(self) -> T:
        return self.result()

    def bytes_done(self) -> int:
        return self.progress() if self.progress is not None else 0


class Copy(_Running[None]):
    """A copy from one side to the other."""

    copying = True

    def __init__(
        self,
        session: Session,
        source: Side,
        destination: Side,
        second: Machine | None,
        *,
        what: str = "",
    ) -> None:
        """`second`: the handle that the library wants to check what has arrived."""
        super().__init__(session, what or f"copy {source} to {destination}", (source, destination))
        self.source = source
        self.destination = destination
        self.second = second
        settings = session.settings
        self.offset, self.end_offset = settings.offset, settings.end_offset
        self.algorithm, self.checksum = settings.algorithm, settings.checksum
        self.verifies = settings.verifies and destination.mode is UrlMode.IO
        modes = {source.mode, destination.mode}
        self.third_party = modes == {UrlMode.FTP} and not settings.no_third_party_transfers
        self.reports = not self.third_party or all(
            side.ftp is not None and side.ftp.mode is Mode.EXTENDED_BLOCK for side in self.sides
        )
        """Whether anything tells how far it is."""
        self.rarely = self.third_party
        """Whether reports come every few seconds only."""
        self.stall_timeout: float | None = None
        """Seconds that it may go without moving a byte, where it is begun again."""
        self._seen = 0
        self._stale = StaleConnection(self.bytes_done)
        near = [side for side in self.sides if side.path]
        ftp = [side.ftp for side in self.sides if side.ftp is not None]
        if near and ftp and ftp[0].mode is Mode.STREAM and not ftp[0].append:
            self.operation.retry(self._again)

    def call(self, token: Any) -> int:
        source, destination = self.source, self.destination
        for side in self.sides:
            # a file that the library opens itself is opened here all the same: see Side
            side.open(self.what, self.offset)
        handle = self.machine.pointer
        second = ffi.NULL
        if self.second is not None and destination.mode is UrlMode.FTP:
            second = self.second.pointer
        self.session.settings.apply_checksum(handle, second)
        source_attr, dest_attr = source.attributes(), destination.attributes()
        self.kept = (source_attr, dest_attr)
        if destination.io != ffi.NULL:
            return lib.globus_gass_copy_register_url_to_handle(
                handle, source.c_url, source_attr, destination.io, ON_COMPLETE, token
            )
        if source.io != ffi.NULL:
            if self.end_offset >= 0:
                handle.partial_bytes_remaining = self.end_offset - max(self.offset, 0)
            return lib.globus_gass_copy_register_handle_to_url(
                handle, source.io, destination.c_url, dest_attr, ON_COMPLETE, token
            )
        return lib.globus_gass_copy_register_url_to_url(
            handle, source.c_url, source_attr, destination.c_url, dest_attr, ON_COMPLETE, token
        )

    def error_of(self, event: Any) -> GlobusException | None:
        error = super().error_of(event)
        if error is None:
            status = status_of(self.machine)[0]
            if status is Status.DONE_CANCELLED:
                return OperationCancelledError(f"{self.what}: cancelled")
            if status is not Status.DONE_SUCCESS:
                return GassCopyException(
                    f"{self.what}: failed, and the library does not tell why",
                    code=status, library="globus_gass_copy",
                )  # fmt: skip
        return error

    def value(self) -> None:
        return None

    def kind(self) -> int:
        to_file = self.destination.mode is UrlMode.IO and self.source.mode is UrlMode.FTP
        return int(lib.COG_COPY_TO_FILE if to_file else lib.COG_COPY_ELSEWHERE)

    # --- once more -------------------------------------------------------------------------------

    def _again(self, error: BaseException) -> bool:
        """Begin again a copy that had hardly begun, on a connection that was stale."""
        machine = self.machine
        if not machine.used or self.session.closing or not isinstance(error, GassCopyException):
            return False
        if self.bytes_done() > _HARDLY or self._stale.delay(error, 1, 0.0) is None:
            return False
        if not all(side.can_begin_again for side in self.sides):
            error.add_note("It was not begun again: a pipe cannot be sought.")
            return False
        self.release_sides()
        self.session.renew()
        return self.operation.rest(error, 0.0, self._resume)

    def _resume(self) -> None:
        try:
            self.begin()
            self.operation.limit_stall(self.stall_timeout)
        except BaseException as problem:
            self.operation.end(None, self.operation.ending or problem)

    # --- progress --------------------------------------------------------------------------------

    def bytes_done(self) -> int:
        # it never goes back, and stays when the descriptors are gone
        self._seen = max(self._seen, self._moved())
        return self._seen

    def _moved(self) -> int:
        if UrlMode.FTP in (self.source.mode, self.destination.mode):
            return int(lib.cog_copy_watch_bytes(self.machine.watch)) if self._current() else 0
        return max(self.destination.position() - max(self.offset, 0), 0)

    def _current(self) -> bool:
        """Whether the machine still is this copy's: it may have been replaced and freed."""
        return self.session.operation is self.operation

    def finish(self, *, failed: bool) -> None:
        self.bytes_done()
        end = self.destination.position()
        if self.source.mode is UrlMode.FTP:
            # parallel streams do not end with the last block
            end = max(end, lib.cog_copy_watch_end(self.machine.watch))
        self.destination.finish(end, failed=failed, partial=self.offset >= 0)

    # --- the checksum of a file ------------------------------------------------------------------

    def arrived(self, event: Any) -> None:
        """The library can check what arrives at a URL only; a file is checked here."""
        if not self.verifies or self.problem is not None or event.object != ffi.NULL:
            self.operation.complete(event)
            return
        if status_of(self.machine)[0] is not Status.DONE_SUCCESS:
            self.operation.complete(event)
            return
        self.token = runtime.enrol(self.operation.complete)
        run_in_background(self.verify)

    def verify(self) -> None:
        """On a worker: compare the file's checksum."""
        try:
            self.finish(failed=False)
            checked(self.what, self.destination, self.algorithm or "", self.checksum or "")
        except BaseException as problem:
            self.problem = problem
        _post(self.token, ffi.NULL)


def _post(token: int, error: Any) -> None:
    event = ffi.new("cog_event *")
    event.token, event.kind, event.object = token, lib.COG_EVENT_COMPLETE, error
    lib.cog_post(event)
