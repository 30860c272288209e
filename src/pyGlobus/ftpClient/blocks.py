"""Buffers of the caller's, registered with a transfer: block by block."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .._core.errors import GlobusException
from .._core.operation import Operation
from .._core.runtime import runtime
from .._native import ffi
from .errors import FtpClientConnectionError, FtpClientException, check_ftp, ftp_error
from .handle import Session
from .marker import add_span
from .restarts import Held

__all__ = ["Block", "Registered"]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of data that was read or written."""

    length: int
    """Bytes in the buffer."""
    offset: int
    """Where they belong in the file."""
    eof: bool
    """Whether the file ends with this block."""


class Registered:
    """A buffer of the caller's that Globus has, or will get again in the next attempt.

    Nothing in here may refer to itself in a circle: a circle that is left to the garbage collector
    pins the buffer until then, and CPython 3.11 crashes when it collects what pins it.
    """

    __slots__ = ("_call", "_session", "_verb", "operation")

    def __init__(self, session: Session, verb: str, keep: Any, call: Callable[[Any], int]) -> None:
        self._session = session
        self._verb = verb
        self._call = call
        self.operation: Operation[Block] = Operation(
            f"{verb} a block", functools.partial(_outcome, session, verb), keep=keep
        )

    def register(self) -> None:
        """Give it to Globus."""
        token = runtime.enrol(self._arrive)
        try:
            # the C handle is not replaced, and so not destroyed, while Globus is in it
            with self._session.lock:
                check_ftp(self._call(ffi.cast("void *", token)), self.operation.what)
        except BaseException:
            runtime.withdraw(token)
            raise

    def held(self, error: GlobusException) -> Held:
        """To be kept for the next attempt; `error` is its outcome when there is none."""
        return Held(self.operation, error, Block(0, 0, True), self.register)

    def _arrive(self, event: Any) -> None:
        session = self._session
        if event.object != ffi.NULL and session.restarts and not session.ended:
            # the end of the transfer tells whether there is another attempt
            with session.lock:
                session.held.append(self.held(ftp_error(event.object, self.operation.what, None)))
        elif self._verb == "read" and session.is_doubtful(event):
            with session.lock:
                session.moved[0] += event.a
                session.doubtful.append(
                    (self.held(_closed(self.operation.what)), Block(event.a, event.b, True))
                )
        else:
            self.operation.complete(event)


def _outcome(session: Session, verb: str, event: Any) -> Block:
    """The outcome of a block."""
    with session.lock:
        session.blocks -= 1
    if event.object != ffi.NULL:
        raise ftp_error(event.object, f"{verb} a block", None)
    first, end = session.part
    if (
        event.a
        and verb == "read"
        and not (first <= event.b and (end < 0 or event.b + event.a <= end))
    ):
        raise FtpClientConnectionError(
            f"{verb} a block: the server sent data from outside of the part that was asked for",
            library="globus_ftp_client",
        )
    session.moved[0] += event.a
    if event.a and verb == "read":
        add_span(session.spans, event.b, event.b + event.a)
    session.ended |= bool(event.c)
    return Block(event.a, event.b, bool(event.c))


def _closed(what: str) -> FtpClientException:
    return FtpClientConnectionError(
        f"{what}: the transfer has failed meanwhile", library="globus_ftp_client"
    )
