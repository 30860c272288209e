"""Listings: as text, and entry by entry from directories of any size."""

from __future__ import annotations

import collections
import contextlib
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self

from .._core.errors import GlobusException
from .._core.ftpurls import path_of
from .._core.operation import Operation
from .._gridftp.constants import Mode, Type
from .._gridftp.errors import FtpClientException
from .._gridftp.listing import FtpEntry
from .._gridftp.reading import ListingForm, ListingReader, RejectedLine
from .._native import lib
from .attributes import FtpClientOperationAttr
from .calls import STALL_TIMEOUT, Block, DoneFunc, Transfer
from .pump import Destination
from .transfers import FtpTransfers

__all__ = ["FtpListings", "FtpScan"]

_SCAN_BUFFERS = 3
_SCAN_BLOCK = 128 << 10


class Lists(Protocol):
    """A method that lists a directory."""

    def __call__(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: Destination | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Start it."""
        ...


_HELP = """

Args:
    url: the directory.
    op_attr: attributes of this operation.
    done_func: called with ``(arg, client, error)`` at the end.
    arg: for `done_func`.
    into: where the text goes, as that of a `get`; None: to the buffers of `register_read`.
    stall_timeout: seconds that the server may be silent; None for ever.
"""


def _lists(name: str, function: Callable[..., int], doc: str) -> Lists:
    def method(
        self: FtpTransfers,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: Destination | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        return self._calls.transfer(
            Transfer("list", function, url, op_attr, done_func, arg, into, None, 0, stall_timeout)
        )

    method.__name__, method.__qualname__ = name, f"FtpClient.{name}"
    method.__doc__ = doc + _HELP
    return method  # type: ignore[return-value]  # as it is when it is bound


class FtpListings(FtpTransfers):
    """What lists directories."""

    list = _lists(
        "list",
        lib.globus_ftp_client_list,
        "List names (NLST, globus_ftp_client_list); the text comes as the data of a `get`.",
    )
    verbose_list = _lists(
        "verbose_list",
        lib.globus_ftp_client_verbose_list,
        "List as ``ls -l`` (LIST, globus_ftp_client_verbose_list), as the data of a `get`.",
    )
    machine_list = _lists(
        "machine_list",
        lib.globus_ftp_client_machine_list,
        "List facts (MLSD, RFC 3659, globus_ftp_client_machine_list), as the data of a `get`.",
    )
    recursive_list = _lists(
        "recursive_list",
        lib.globus_ftp_client_recursive_list,
        "List facts of a whole tree (MLSR, GCT's own; globus_ftp_client_recursive_list).",
    )

    def scandir(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        *,
        form: ListingForm = ListingForm.FACTS,
        recursive: bool = False,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> FtpScan:
        """The entries of a directory one by one, as they come, like `os.scandir`.

        A million entries need no more memory than ten.  Iterate with ``for`` or ``async for``;
        leave early with `FtpScan.close` or a ``with`` statement.  The client is busy until then.

        >>> with FtpClient() as client, client.scandir(parent) as entries:
        ...     sorted(entry.name for entry in entries)
        ['x']

        Args:
            url: the directory.
            op_attr: attributes of this operation.
            form: the command that lists, for servers that do not know MLSD; that is an
                `FtpClientException` whose `unsupported` is True.
            recursive: the whole tree below, names relative to `url` (MLSR).
            stall_timeout: seconds that the server may be silent.

        Raises:
            FtpClientException: from the iteration.  A line that is no entry, or whose name leads
                out of the directory, is left out, and told by `FtpScan.rejected`.
        """
        if recursive:
            form = ListingForm.TREE
        return FtpScan(self, self._listing_of(form, url, op_attr, stall_timeout), form, url)

    def _listing_of(
        self,
        form: ListingForm,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        stall_timeout: float | None,
    ) -> Operation[int]:
        if form in (ListingForm.LONG, ListingForm.NAMES):
            # As the bytes are: as text the library makes one LF of CR LF, and so of a name that
            # holds an LF two names.
            attr = self._calls.default_attr if op_attr is None else op_attr
            if not attr.list_uses_data_mode:
                op_attr = attr.copy()
                op_attr.mode, op_attr.type, op_attr.parallelism = Mode.STREAM, Type.IMAGE, 1
                op_attr.list_uses_data_mode = True
        start = {
            ListingForm.FACTS: self.machine_list,
            ListingForm.TREE: self.recursive_list,
            ListingForm.LONG: self.verbose_list,
            ListingForm.NAMES: self.list,
        }[form]
        return start(url, op_attr, stall_timeout=stall_timeout)


class FtpScan:
    """An iterator over the entries of a directory, and a context manager; see `scandir`.

    ``.`` and ``..`` are left out.  The client is busy until all have been read, or `close` is
    called, or nobody refers to this object any more: then the listing is cancelled.
    """

    def __init__(
        self, client: FtpTransfers, operation: Operation[int], form: ListingForm, url: str
    ) -> None:
        self._client = client
        self._operation = operation
        # a loop may be left by `break`; harmless when the listing is over
        weakref.finalize(self, operation.cancel).atexit = False
        self._reader = ListingReader(form, path=path_of(url))
        self._entries: collections.deque[FtpEntry] = collections.deque()
        self._offset = 0
        self._early: dict[int, tuple[bytearray, Block]] = {}
        self._blocks: collections.deque[tuple[bytearray, Operation[Block]]] = collections.deque()
        for _ in range(_SCAN_BUFFERS):
            self._register(bytearray(_SCAN_BLOCK))

    @property
    def rejected(self) -> tuple[RejectedLine, ...]:
        """The lines that were left out up to now, at most a thousand; each with what is wrong.

        What they stand for is there all the same: a directory of which a line was left out has
        not been listed whole.
        """
        return tuple(self._reader.rejected)

    @property
    def rejected_count(self) -> int:
        """How many lines were left out."""
        return self._reader.rejected_count

    def close(self) -> None:
        """Stop, and let the client go on with something else."""
        if not self._operation.done():
            self._operation.cancel()
            self._operation.wait()

    async def aclose(self) -> None:
        """The same in asyncio."""
        self._operation.cancel()
        with contextlib.suppress(GlobusException):
            await self._operation

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __iter__(self) -> Iterator[FtpEntry]:
        return self

    def __next__(self) -> FtpEntry:
        while not self._entries:
            if not self._blocks:
                self._operation.result()
                if not self._take_rest():
                    raise StopIteration
                continue
            buffer, block = self._blocks.popleft()
            try:
                self._take(buffer, block.result())
            except FtpClientException:
                self._blocks.clear()
                self._operation.result()  # what ended the listing says more
                raise
            except BaseException:
                self.close()
                raise
        return self._entries.popleft()

    def __aiter__(self) -> AsyncIterator[FtpEntry]:
        return self

    async def __anext__(self) -> FtpEntry:
        while not self._entries:
            if not self._blocks:
                await self._operation
                if not self._take_rest():
                    raise StopAsyncIteration
                continue
            buffer, block = self._blocks.popleft()
            try:
                self._take(buffer, await block)
            except FtpClientException:
                self._blocks.clear()
                await self._operation
                raise
            except BaseException:
                self._operation.cancel()
                raise
        return self._entries.popleft()

    def _register(self, buffer: bytearray) -> None:
        # refused when the listing has failed already; its operation tells why
        with contextlib.suppress(FtpClientException):
            self._blocks.append((buffer, self._client.register_read(buffer)))

    def _take(self, buffer: bytearray, block: Block) -> None:
        """Blocks are waited for in the order of registering them; they come in any order."""
        self._early[block.offset] = buffer, block
        while (found := self._early.pop(self._offset, None)) is not None:
            buffer, block = found
            self._entries.extend(self._reader.feed(bytes(memoryview(buffer)[: block.length])))
            self._offset += block.length
            if block.eof:
                self._blocks.clear()
                self._early.clear()
            else:
                self._register(buffer)

    def _take_rest(self) -> bool:
        """A last line without its end counts once the server has said that this was all."""
        before = len(self._entries)
        self._entries.extend(self._reader.end())
        return len(self._entries) > before
