"""The one place where the signature of a command, its types and its help stand.

A command with a URL and nothing else is written as what is particular to it::

    @command
    def mkdir(self, url: str) -> Work[None]:
        \"""Make a directory (globus_ftp_client_mkdir).\"""
        return Work("mkdir", lib.globus_ftp_client_mkdir)

and becomes the method ``mkdir(url, op_attr=None, done_func=None, arg=None, *, timeout=60)``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from .._core.errors import GlobusException
from .._core.operation import Operation
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr

__all__ = ["COMMAND_TIMEOUT", "ON_COMPLETE", "Command", "DoneFunc", "Runner", "Work", "command"]

T = TypeVar("T")
C = TypeVar("C", bound="Client")

DoneFunc = Callable[[Any, Any, BaseException | None], object]
"""``done_func(arg, client, error)``: C's complete callback, with the error as an exception."""

COMMAND_TIMEOUT = 60.0
"""Seconds a command may take."""

ON_COMPLETE = ffi.addressof(lib, "cog_on_ftp_complete")


def _nothing(event: Any) -> Any:
    return None


@dataclass(frozen=True, slots=True)
class Work(Generic[T]):
    """What one command does."""

    what: str
    """For messages: ``size of``."""
    function: Callable[..., int]
    """Takes the C handle, the URL, `before`, the attributes, `places`, a callback and its token."""
    convert: Callable[[Any], T] = _nothing
    """The result, from the event that ends it."""
    before: tuple[Any, ...] = ()
    places: tuple[Any, ...] = ()
    """Where the C function puts its results, and what follows them."""
    on_error: Callable[[GlobusException], T] | None = None
    """The result where it failed; raises what is no result."""


class Command(Protocol[T]):
    """A method of the client that sends a command about one URL."""

    def __call__(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[T]:
        """Start it."""
        ...


class Runner(Protocol):
    """What starts a command: `Calls`."""

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


class Client(Protocol):
    """What has command methods."""

    @property
    def _calls(self) -> Runner: ...


_HELP = """

Args:
    url: the file or directory.
    op_attr: attributes of this operation.
    done_func: called with ``(arg, client, error)`` at the end.
    arg: for `done_func`.
    timeout: seconds until it is aborted; None for ever.
"""


def command(work: Callable[[C, str], Work[T]]) -> Command[T]:
    """A method that does the work which `work` describes."""

    @functools.wraps(work)
    def method(
        self: C,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[T]:
        return self._calls.run(work(self, url), url, op_attr, done_func, arg, timeout)

    del method.__wrapped__
    method.__doc__ = (inspect.getdoc(work) or "") + _HELP
    returns = str(work.__annotations__["return"]).replace("Work", "Operation", 1)
    method.__annotations__ = {**_METHOD, "return": returns}
    return method  # type: ignore[return-value]  # as it is when it is bound


_METHOD = {
    name: kind for name, kind in Command.__call__.__annotations__.items() if name != "return"
}
