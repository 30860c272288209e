"""How an operation of an `FtpClient` is made and ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from .._core.buffers import shown, urls
from .._core.errors import GlobusException
from .._core.ftpurls import is_relative
from .._core.operation import Operation
from .._core.runtime import runtime
from .._gridftp.constants import Mode
from .._gridftp.errors import (
    FtpClientConnectionError,
    FtpClientException,
    FtpClientValueError,
    ftp_error,
)
from .._gridftp.guard import NO_RULES
from .._gridftp.retry import Policy, StaleConnection
from .._native import ffi, lib
from ..security import Credential
from .attributes import DataFunc, FtpClientOperationAttr, user_in
from .blocks import Block, Registered
from .commands import COMMAND_TIMEOUT, ON_COMPLETE, DoneFunc, Work
from .families import Families, Reach
from .handle import Session
from .handleattr import FtpClientHandleAttr
from .marker import FtpClientRestartMarker, spans_text
from .pump import ON_PUMP_COMPLETE, Place, Pump, Source, local_error, longest_block
from .restarts import (
    Attempts,
    Plan,
    Resume,
    go_on,
    restarter,
)

__all__ = [
    "COMMAND_TIMEOUT",
    "ON_COMPLETE",
    "ON_DATA",
    "STALL_TIMEOUT",
    "Block",
    "Calls",
    "DataFunc",
    "DoneFunc",
    "Transfer",
]

T = TypeVar("T")

STALL_TIMEOUT = 60.0
"""Seconds a transfer may go without moving a byte."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What a transfer with one end here is asked to do."""

    verb: str
    """``get``, ``put`` or ``list``."""
    function: Callable[..., int]
    """Of C."""
    url: str
    op_attr: FtpClientOperationAttr | None
    done_func: DoneFunc | None
    arg: Any
    place: Source | None
    """Where it reads or writes; None: the caller registers buffers."""
    marker: FtpClientRestartMarker | None
    file_offset: int
    stall_timeout: float | None
    first: int = 0
    """Offset of the first byte of the part that is asked for, and of its end; -1: none."""
    end: int = -1
    whole: bool = False
    """Whether it is of a whole file, and neither of a part nor with processing."""
    extra: tuple[Any, ...] = ()
    """What the C function has besides, before its callback."""


def _arrived(
    transfer: Transfer,
    attr: FtpClientOperationAttr,
    written: Callable[[], str],
    before: Callable[[], FtpClientRestartMarker | None],
) -> Callable[[], str] | None:
    """What has arrived of a get, with what had before; a prefix where the mode knows no more."""
    if transfer.verb != "get":
        return None

    def text() -> str:
        marker = FtpClientRestartMarker(written())
        # earlier attempts began behind what had arrived before them
        for part in before() or ():
            marker.insert_range(part.start, part.stop)
        if attr.mode is Mode.EXTENDED_BLOCK:
            return str(marker)
        first = marker.first_block
        return str(first.stop) if first is not None and first.start == 0 else ""

    return text


def _size(written: str, marker: FtpClientRestartMarker | None) -> int:
    """How long a file is of which that was written, beside what had arrived before."""
    parts = [*FtpClientRestartMarker(written), *(marker or ())]
    return max((part.stop for part in parts), default=0)


class Calls:
    """What a client's methods make their operations with: the C handle, and what is known of it."""

    def __init__(
        self,
        handle_attr: FtpClientHandleAttr | None,
        credential: Credential | None,
        client: Callable[[], Any],
    ) -> None:
        """Make a C handle; nothing is connected yet.

        Args:
            handle_attr: how it behaves.
            credential: our credential for every operation whose attributes name none.
            client: a weak reference to the client, whose these are.
        """
        runtime.activate("FTP_CLIENT")
        self._credential = credential
        self.client = client
        """For its callbacks, and to ask whether it was closed."""
        self.families = Families()
        self.default_attr = FtpClientOperationAttr()
        if credential is not None:
            self.default_attr.credential = credential
        self._known_attrs: dict[str, FtpClientOperationAttr] = {}
        """The default for each scheme."""
        # last, as what fails after it would leave it behind
        self.session = Session(handle_attr or FtpClientHandleAttr())

    def attributes_for(
        self, op_attr: FtpClientOperationAttr | None, url: str
    ) -> FtpClientOperationAttr:
        """What an operation on `url` uses; it is not changed afterwards."""
        self.client()._require_open()
        if self.session.away and is_relative(url):
            self._return_home()
        if op_attr is not None:
            if not isinstance(op_attr, FtpClientOperationAttr):
                raise TypeError(
                    f"op_attr must be an FtpClientOperationAttr, not {type(op_attr).__name__}; "
                    "what is sent is given as source=, where a get goes as into="
                )
            mine = self._credential is not None and op_attr.credential is None
            changes = {"credential": self._credential} if mine else {}
            return self.families.known(op_attr.for_operation(url, **changes), url)
        if user_in(url) is not None:
            # the name is this URL's alone
            return self.families.known(self.default_attr.for_operation(url), url)
        scheme = url.partition(":")[0].lower()
        known = self._known_attrs.get(scheme)
        if known is None:
            known = self._known_attrs[scheme] = self.default_attr.for_operation(url)
        return self.families.known(known, url)

    def _return_home(self) -> None:
        """Have sessions that are in their login directories; there is no other way back."""
        self.client()._require_open()
        if self.session.take():
            try:
                self.session.renew()
            finally:
                self.session.give()

    def operation(
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
            error = self.error(event.object, what, attr.credential)
            # a kept connection that has died stays among those that are kept
            self.session.needs_replacement |= transfer or isinstance(
                error, FtpClientConnectionError
            )
            if on_error is None:
                raise error
            return on_error(error)

        return Operation(
            what, outcome, abort=self.session.abort_it, released=self.session.on_released,
            abandoned=self.session.abandon_handle, keep=keep, progress=progress,
        )  # fmt: skip

    def error(self, error: Any, what: str, credential: Credential | None) -> GlobusException:
        """The exception for what an operation has ended with."""
        guard = self.session.guard
        refusal = guard.refusal(what) or guard.refused_rename(what)
        if refusal is None:
            return ftp_error(error, what, credential)
        # it was aborted
        self.session.needs_replacement |= not (
            isinstance(refusal, FtpClientException) and refusal.unsupported
        )
        return refusal

    def start(
        self,
        operation: Operation[Any],
        call: Callable[[Any], int],
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
        *,
        attr: FtpClientOperationAttr | None = None,
        reach: Reach | None = None,
        begun: Callable[[], None] | None = None,
        plan: Plan | None = None,
        resume: Resume | None = None,
        stale: StaleConnection | None = None,
        arrived: Callable[[], str] | None = None,
        confirms: bool = False,
    ) -> None:
        """Make the C call for an operation; the handle is its own until it has settled.

        Args:
            operation: what is begun.
            call: the C function.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            timeout: seconds until it is aborted.
            attr: tells where the server may have its data.
            reach: by which addresses its host is reached.
            begun: called each time that the C call has been made.
            plan: tells where it goes on when it is begun again; None: it is not.
            resume: where it begins.
            stale: begins it again where no plugin does, if the session has been used.
            arrived: tells what has arrived of a transfer, as the text of a restart marker.
            confirms: whether it is a transfer between servers.
        """
        session = self.session
        policy = None if plan is None else self._policy(stale)
        if plan is not None and reach is not None:
            policy = reach.policy(policy)
        rules = NO_RULES if attr is None else attr.data_rules()
        self.client()._require_open()
        session.claim(operation.what)
        try:
            session.operation, session.user = operation, self.client()
            session.arrived, session.confirms = arrived or str, confirms
            session.guard.follow(rules)
            session.resume = resume or Resume()
            session.restarts = policy is not None
            session.ended = session.plugins.again = False
            if done_func is not None:
                client, tell = self.client(), done_func
                operation.add_done_callback(lambda op: tell(arg, client, op.exception(0)))
            if policy is not None and plan is not None:
                Attempts(session, policy, operation, call, begun, plan)
            try:
                session.begin(operation, call)
            except FtpClientException as error:
                if reach is None or not reach.learn_at_once(error):
                    raise
                session.renew()
                session.begin(operation, call)
        except BaseException:
            session.not_begun(operation)
            raise
        operation.limit(timeout)
        if begun is not None:
            begun()

    def _policy(self, stale: StaleConnection | None) -> Policy | None:
        """By what an operation that may be begun again is."""
        plugin = restarter(self.session.plugins)
        if plugin is not None or stale is None:
            return plugin
        return stale if self.session.used or stale.several else None

    def marker(self, marker: FtpClientRestartMarker | None) -> Any:
        """The C marker of the attempt that begins; `marker` is that of the first one."""
        used = self.session.resume.marker or marker
        return ffi.NULL if used is None else used.pointer()

    def stall_limit(self, seconds: float | None) -> float | None:
        """The caller's, or that of the plugin where it is shorter."""
        plugin = restarter(self.session.plugins)
        limits = [seconds, plugin.stall_timeout if plugin is not None else None]
        return min((one for one in limits if one is not None), default=None)

    def run(
        self,
        work: Work[T],
        url: str,
        op_attr: FtpClientOperationAttr | None,
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
    ) -> Operation[T]:
        """Start a command."""
        c_url = urls(url)[0]
        attr = self.attributes_for(op_attr, url)
        attr = attr.for_command(url, *self.session.guard.agreed(url))
        operation = self.operation(
            f"{work.what} {shown(url)}", work.convert, attr, keep=(c_url, attr, work),
            on_error=work.on_error,
        )  # fmt: skip
        reach = self._reach(attr, url)
        self.start(
            operation,
            lambda token: work.function(
                self.session.pointer, c_url, *work.before, reach.pointer(), *work.places,
                ON_COMPLETE, token,
            ),
            done_func, arg, timeout,
            reach=reach, plan=lambda ranges, before: Resume(),
            stale=StaleConnection(transfer=False, answered=self.session.guard.answered),
        )  # fmt: skip
        return operation

    def _reach(self, attr: FtpClientOperationAttr, url: str) -> Reach:
        return self.families.reach(self.session.guard.answered, (attr, url))

    def _stale(self, attr: FtpClientOperationAttr, moved: Callable[[], int]) -> StaleConnection:
        """What begins a transfer again that a used session fails for no reason of its own."""
        return StaleConnection(
            moved, stream=attr.mode is Mode.STREAM, answered=self.session.guard.answered
        )

    def transfer(self, transfer: Transfer) -> Operation[int]:
        """Start a transfer of whose two ends one is here."""
        what = f"{transfer.verb} {shown(transfer.url)}"
        c_url = urls(transfer.url)[0]
        attr = self.attributes_for(transfer.op_attr, transfer.url)
        session = self.session
        if transfer.place is not None:
            if attr.read_all:
                raise FtpClientValueError(
                    f"{what}: read_all is for a buffer of the caller's, not for a file"
                )
            return self._pump(transfer, what, c_url, attr)
        moved = [0]
        operation = self.operation(
            what, lambda event: moved[0], attr, keep=(c_url, attr, transfer),
            progress=lambda: moved[0], transfer=True,
        )  # fmt: skip
        session.moved, session.spans = moved, []
        session.furthest, session.longest = 0, longest_block(attr)
        session.first_blocks = {transfer.first} if attr.mode is Mode.EXTENDED_BLOCK else set()
        session.part = (transfer.first, transfer.end) if transfer.verb == "get" else (0, -1)
        stall = self.stall_limit(transfer.stall_timeout)
        start = Resume(transfer.marker, transfer.first)
        reach = self._reach(attr, transfer.url)

        def plan(ranges: str, before: Resume) -> Resume | str | None:
            if session.ended:
                return None
            # of a get, what has come here is known better than to any plugin
            arrived = spans_text(session.spans) if transfer.verb == "get" else ranges
            return go_on(
                transfer.verb, attr, transfer.whole, None, moved[0], session.guard.began(),
                arrived, before, start,
            )  # fmt: skip

        self.start(
            operation,
            lambda token: self._begin(transfer, c_url, reach, ON_COMPLETE, token),
            transfer.done_func, transfer.arg, None, attr=attr,
            begun=lambda: operation.limit_stall(stall, lambda: session.blocks > 0),
            reach=reach, plan=plan, resume=start, stale=self._stale(attr, lambda: moved[0]),
            arrived=_arrived(
                transfer, attr, lambda: spans_text(session.spans), lambda: session.resume.marker
            ),
        )  # fmt: skip
        return operation

    def _begin(
        self, transfer: Transfer, c_url: bytes, reach: Reach, on_complete: Any, token: Any
    ) -> int:
        """Make the C call; lists have no marker."""
        marker = () if transfer.verb == "list" else (self.marker(transfer.marker),)
        return transfer.function(
            self.session.pointer, c_url, reach.pointer(), *marker, *transfer.extra, on_complete,
            token,
        )  # fmt: skip

    def _pump(
        self,
        transfer: Transfer,
        what: str,
        c_url: bytes,
        attr: FtpClientOperationAttr,
    ) -> Operation[int]:
        """A transfer whose data the shim moves, without Python."""
        session, putting = self.session, transfer.verb == "put"
        place = Place(transfer.place, writing=not putting)

        def failed() -> None:
            with contextlib.suppress(GlobusException):  # it has ended in this moment
                session.abort_it(operation)

        pump = Pump(place, failed)

        def convert(event: Any) -> int:
            pump.end()
            session.needs_replacement |= bool(event.code or event.object != ffi.NULL)
            if event.code:
                raise local_error(what, event.code)
            if event.object != ffi.NULL:
                raise self.error(event.object, what, attr.credential)
            if transfer.verb == "list" or (transfer.whole and not putting):
                place.cut_off(transfer.file_offset + _size(pump.written(), transfer.marker))
            return pump.bytes()

        def abort(operation: Operation[int]) -> None:
            pump.stop()
            session.abort_it(operation)

        def released() -> None:
            place.close()
            session.on_released()

        def abandoned() -> None:
            place.close(in_use=True)
            session.abandon_handle()

        operation: Operation[int] = Operation(
            what, convert, abort=abort, released=released, abandoned=abandoned,
            keep=(c_url, attr, transfer, place), progress=pump.bytes,
        )  # fmt: skip

        lowest = 0 if putting else transfer.first
        reach = self._reach(attr, transfer.url)

        def start(token: Any) -> int:
            first = session.resume.first
            pump.begin(
                token, transfer.file_offset, lowest, first, transfer.end, longest_block(attr)
            )
            try:
                result = self._begin(transfer, c_url, reach, ON_PUMP_COMPLETE, pump.pointer)
            except BaseException:
                pump.end()
                raise
            if result != lib.GLOBUS_SUCCESS:
                pump.end()
            return result

        stall = self.stall_limit(transfer.stall_timeout)

        def begun() -> None:
            if putting:
                lib.cog_pump_start_put(pump.pointer, session.pointer)
            else:
                lib.cog_pump_start_get(pump.pointer, session.pointer)
            operation.limit_stall(stall, lambda: putting or not pump.waits(), pump.stalled)

        first = Resume(transfer.marker, transfer.first)

        def plan(ranges: str, before: Resume) -> Resume | str | None:
            if pump.silent:
                return None  # another attempt would wait for the same
            return go_on(
                transfer.verb, attr, transfer.whole, place, pump.bytes(), session.guard.began(),
                ranges if putting else pump.written(), before, first,
            )  # fmt: skip

        try:
            self.start(
                operation, start, transfer.done_func, transfer.arg, None, attr=attr,
                reach=reach, begun=begun, plan=plan, resume=first,
                stale=self._stale(attr, pump.bytes),
                arrived=_arrived(transfer, attr, pump.written, lambda: session.resume.marker),
            )  # fmt: skip
        except BaseException:
            place.close()
            raise
        return operation

    def block(
        self,
        verb: str,
        buf: Any,
        memory: Any,
        data_func: DataFunc | None,
        arg: Any,
        call: Callable[[Any], int],
    ) -> Operation[Block]:
        session = self.session
        self.client()._require_open()
        block = Registered(session, verb, keep=(memory, buf), call=call)
        operation = block.operation
        if data_func is not None:
            client = self.client()

            def tell(op: Operation[Block]) -> None:
                error = op.exception(0)
                done = Block(0, 0, True) if error is not None else op.result(0)
                data_func(arg, client, error, buf, done.length, done.offset, done.eof)

            operation.add_done_callback(tell)
        with session.lock:
            session.blocks += 1
        try:
            while True:
                attempt = session.attempt
                try:
                    block.register()
                    break
                except FtpClientException as error:
                    if session.keep(block.kept(error), attempt):
                        break
        except BaseException:
            with session.lock:
                session.blocks -= 1
            raise
        return operation


ON_DATA = ffi.addressof(lib, "cog_on_ftp_data")
