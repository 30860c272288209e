"""Transfers: get, put and third-party; whole, in part, and with processing at the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._core.buffers import pin, shown, urls
from .._core.errors import GlobusException
from .._core.operation import Operation
from .._gridftp.constants import Mode
from .._gridftp.errors import FtpClientValueError
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .calls import (
    ON_COMPLETE,
    ON_DATA,
    STALL_TIMEOUT,
    Block,
    DataFunc,
    DoneFunc,
    Transfer,
)
from .life import FtpLife
from .marker import FtpClientRestartMarker
from .pump import Destination, Source
from .restarts import Resume, go_on, restarter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["FtpTransfers"]


class FtpTransfers(FtpLife):
    """What moves data.

    The ``partial_`` and ``extended_`` forms take the arguments of the whole one, and their own.
    """

    # --- from the server -----------------------------------------------------------------------

    def get(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: Destination | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get a file (globus_ftp_client_get).

        Args:
            url: ``gsiftp://host:port/path``, ``sshftp://...`` or ``ftp://...``.
            op_attr: attributes of this operation.
            marker: what has arrived already and need not be sent.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            into: a descriptor, or what has one, or a `pathlib.Path`: the data goes there without
                Python in between.  The file of a path is made, or what is in it replaced; after a
                failure it is there in part.  When None, call `register_read` until it tells the
                end of the file.
            file_offset: where in that file the remote file's first byte belongs.
            stall_timeout: seconds without data after which the transfer is aborted; the time for
                which nobody reads a pipe does not count.

        Returns:
            An operation whose result is the number of bytes that came.

        Raises:
            FtpClientException: from the operation: one of its subclasses.
        """
        return self._calls.transfer(
            Transfer(
                "get", lib.globus_ftp_client_get, url, op_attr, done_func, arg, into, marker,
                file_offset, stall_timeout, whole=True,
            )
        )  # fmt: skip

    def partial_get(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        offset: int,
        end_offset: int = -1,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: Destination | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get bytes `offset` up to, not including, `end_offset`; -1: to the end of the file.

        The offsets of blocks, and of the marker, are those of the whole file
        (globus_ftp_client_partial_get).
        """
        return self._calls.transfer(
            Transfer(
                "get", lib.globus_ftp_client_partial_get, url, op_attr, done_func, arg, into,
                marker, file_offset, stall_timeout, first=offset, end=end_offset,
                extra=(offset, end_offset),
            )
        )  # fmt: skip

    def extended_get(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        eret_algorithm: str,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: Destination | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get what the server makes of a file (ERET, GFD.20; globus_ftp_client_extended_get).

        Args:
            eret_algorithm: the algorithm and its arguments, such as ``P 100 50``: 50 bytes from
                offset 100; servers may have others.
        """
        algorithm = _algorithm(eret_algorithm)
        return self._calls.transfer(
            Transfer(
                "get", lib.globus_ftp_client_extended_get, url, op_attr, done_func, arg, into,
                marker, file_offset, stall_timeout, extra=(algorithm,),
            )
        )  # fmt: skip

    def register_read(
        self, buf: WriteableBuffer, data_func: DataFunc | None = None, arg: Any = None
    ) -> Operation[Block]:
        """Give the running get (or listing) a buffer to fill (globus_ftp_client_register_read).

        Args:
            buf: anything writable with the buffer protocol; it is pinned until the block comes.
                Register several, to keep the data flowing.  In extended block mode blocks come
                in any order: their offsets tell where they belong.
            data_func: called with ``(arg, client, error, buffer, length, offset, eof)``.
            arg: for `data_func`.
        """
        memory = pin(buf, writable=True)
        return self._calls.block(
            "read", buf, memory, data_func, arg,
            lambda token: lib.globus_ftp_client_register_read(
                self._calls.session.pointer, memory, len(memory), ON_DATA, token
            ),
        )  # fmt: skip

    # --- to the server -------------------------------------------------------------------------

    def put(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        source: Source | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Put a file (globus_ftp_client_put).

        Args:
            url: where to.
            op_attr: attributes of this operation.
            marker: what has arrived already and need not be sent.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            source: what is sent: a descriptor, or what has one, or a `pathlib.Path`, that is read
                to its end; or the bytes themselves (anything with the buffer protocol, which must
                not change before the end).  A pipe, a socket or a terminal is read by a thread of
                its own: nobody waits for it, and its bytes go out as they come.  When None, call
                `register_write`, the last time with ``eof=True``.
            file_offset: where in that file the remote file's first byte lies.
            stall_timeout: seconds without data after which the transfer is aborted, whichever side
                they do not come from: a pipe that is silent for longer needs more, or None.

        Returns:
            An operation whose result is the number of bytes that went.

        Raises:
            OSError: the source cannot be opened or read.
            TypeError: it is nothing that can be read.
            FtpClientException: from the operation: one of its subclasses.
        """
        return self._calls.transfer(
            Transfer(
                "put", lib.globus_ftp_client_put, url, op_attr, done_func, arg, source, marker,
                file_offset, stall_timeout, first=_resume_at(marker), whole=True,
            )
        )  # fmt: skip

    def partial_put(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        offset: int,
        end_offset: int = -1,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        source: Source | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Put bytes `offset` up to, not including, `end_offset` of a file that is there already.

        The rest of the remote file stays as it is.  The offsets of blocks are those of the whole
        file.  With `end_offset` -1 the source is sent to its end; without `source` the end is
        where ``eof=True`` is registered (globus_ftp_client_partial_put).
        """
        return self._calls.transfer(
            Transfer(
                "put", lib.globus_ftp_client_partial_put, url, op_attr, done_func, arg, source,
                marker, file_offset, stall_timeout, first=max(offset, _resume_at(marker)),
                end=end_offset, extra=(offset, end_offset),
            )
        )  # fmt: skip

    def extended_put(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        esto_algorithm: str,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        source: Source | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Put what the server is to store in its own way (ESTO; globus_ftp_client_extended_put).

        Args:
            esto_algorithm: the algorithm and its arguments, such as ``A 100``: store at offset
                100; servers may have others.
        """
        algorithm = _algorithm(esto_algorithm)
        return self._calls.transfer(
            Transfer(
                "put", lib.globus_ftp_client_extended_put, url, op_attr, done_func, arg, source,
                marker, file_offset, stall_timeout, first=_resume_at(marker), extra=(algorithm,),
            )
        )  # fmt: skip

    def register_write(
        self,
        buf: ReadableBuffer,
        offset: int,
        eof: bool = False,
        data_func: DataFunc | None = None,
        arg: Any = None,
    ) -> Operation[Block]:
        """Give the running put a buffer to send (globus_ftp_client_register_write).

        Args:
            buf: anything with the buffer protocol; do not change it until the block has gone.
            offset: where it belongs in the file; in stream mode the next byte, always.
            eof: whether it is the last one that is registered.
            data_func: called with ``(arg, client, error, buffer, length, offset, eof)``.
            arg: for `data_func`.
        """
        memory = pin(buf)
        session = self._calls.session
        if session.longest is not None and len(memory) > session.longest:
            raise FtpClientValueError(
                f"a block of {len(memory)} bytes, and the layout's blocks have {session.longest}"
            )
        end = offset + len(memory)
        early = eof and end < session.furthest
        operation = self._calls.block(
            "write", buf, memory, data_func, arg,
            lambda token: lib.globus_ftp_client_register_write(
                session.pointer, memory, len(memory), offset, eof and not early, ON_DATA, token
            ),
        )  # fmt: skip
        session.furthest = max(session.furthest, end)
        if early:
            self._end_of_file(session.furthest)
        return operation

    def _end_of_file(self, offset: int) -> None:
        """Tell the end by an empty block behind all others.

        Until the data connection is up the library keeps blocks in the order of their offsets,
        and what comes behind the one that tells the end is refused.
        """
        memory = pin(b"")
        self._calls.block(
            "write", b"", memory, None, None,
            lambda token: lib.globus_ftp_client_register_write(
                self._calls.session.pointer, memory, 0, offset, True, ON_DATA, token
            ),
        )  # fmt: skip

    # --- between servers -----------------------------------------------------------------------

    def third_party_transfer(
        self,
        source_url: str,
        source_attr: FtpClientOperationAttr | None,
        dest_url: str,
        dest_attr: FtpClientOperationAttr | None = None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
    ) -> Operation[None]:
        """Have one server send a file to another (globus_ftp_client_third_party_transfer).

        Args:
            source_url: where from.
            source_attr: attributes for the source.
            dest_url: where to.
            dest_attr: attributes for the destination.
            marker: what has arrived already.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            timeout: deadline of the whole transfer; none by default, as no data passes here.
        """
        return self._third_party(
            source_url, source_attr, dest_url, dest_attr, marker, done_func, arg, timeout,
            lib.globus_ftp_client_third_party_transfer,
            whole=True,
        )  # fmt: skip

    def partial_third_party_transfer(
        self,
        source_url: str,
        source_attr: FtpClientOperationAttr | None,
        dest_url: str,
        dest_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        offset: int,
        end_offset: int = -1,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
    ) -> Operation[None]:
        """Bytes `offset` up to, not including, `end_offset`, to the same place at the destination.

        (globus_ftp_client_partial_third_party_transfer)
        """
        transfer = lib.globus_ftp_client_partial_third_party_transfer
        return self._third_party(
            source_url, source_attr, dest_url, dest_attr, marker, done_func, arg, timeout,
            lambda handle, source, s_attr, dest, d_attr, where, *rest: transfer(
                handle, source, s_attr, dest, d_attr, where, offset, end_offset, *rest
            ),
        )  # fmt: skip

    def extended_third_party_transfer(
        self,
        source_url: str,
        source_attr: FtpClientOperationAttr | None,
        eret_algorithm: str | None,
        dest_url: str,
        dest_attr: FtpClientOperationAttr | None,
        esto_algorithm: str | None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
    ) -> Operation[None]:
        """With processing at either server, or None for none there; see `extended_get` and `_put`.

        (globus_ftp_client_extended_third_party_transfer)
        """
        eret = ffi.NULL if eret_algorithm is None else _algorithm(eret_algorithm)
        esto = ffi.NULL if esto_algorithm is None else _algorithm(esto_algorithm)
        transfer = lib.globus_ftp_client_extended_third_party_transfer
        return self._third_party(
            source_url, source_attr, dest_url, dest_attr, marker, done_func, arg, timeout,
            lambda handle, source, s_attr, dest, d_attr, *rest: transfer(
                handle, source, s_attr, eret, dest, d_attr, esto, *rest
            ),
        )  # fmt: skip

    def _third_party(
        self,
        source_url: str,
        source_attr: FtpClientOperationAttr | None,
        dest_url: str,
        dest_attr: FtpClientOperationAttr | None,
        marker: FtpClientRestartMarker | None,
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
        function: Callable[..., int],
        *,
        whole: bool = False,
    ) -> Operation[None]:
        """Start it; `function` takes the C handle, each URL with its attributes, and the marker."""
        calls, session = self._calls, self._calls.session
        source, dest = urls(source_url, dest_url)
        s_attr = calls.attributes_for(source_attr, source_url)
        d_attr = calls.attributes_for(dest_attr, dest_url)
        plugins = session.plugins
        plugin = restarter(plugins)

        def on_error(error: GlobusException) -> None:
            raise session.guard.refine(error, what, source_url, dest_url)

        what = f"transfer {shown(source_url)} to {shown(dest_url)}"
        operation = calls.operation(
            what, lambda event: None, s_attr,
            keep=(source, dest, s_attr, d_attr, marker), transfer=True,
            progress=None if plugin is None else lambda: plugin.moved(plugins.key),
            on_error=on_error,
        )  # fmt: skip
        first = Resume(marker)
        reach = calls.families.reach(
            session.guard.answered, (s_attr, source_url), (d_attr, dest_url)
        )

        def begun() -> None:
            # the servers tell how far they are in extended block mode only
            if plugin is not None and s_attr.mode is d_attr.mode is Mode.EXTENDED_BLOCK:
                operation.limit_stall(plugin.stall_timeout)

        calls.start(
            operation,
            lambda token: function(
                session.pointer, source, reach.pointer(0), dest, reach.pointer(1),
                calls.marker(marker), ON_COMPLETE, token,
            ),
            done_func, arg, timeout, attr=d_attr, reach=reach,
            begun=begun, resume=first, confirms=True,
            plan=lambda ranges, before: go_on(
                "transfer", d_attr, whole, None, 0, session.guard.began(), ranges, before,
                first,
            ),
        )  # fmt: skip
        return operation


def _resume_at(marker: FtpClientRestartMarker | None) -> int:
    """Where a put goes on: behind what has arrived from the beginning on."""
    block = marker.first_block if marker is not None else None
    return block.stop if block is not None and block.start == 0 else 0


def _algorithm(text: str) -> bytes:
    """It becomes a part of a command line: nothing that could end it, and another begin."""
    if not text or not text.isprintable():
        raise FtpClientValueError(
            f"not an algorithm for ERET or ESTO: {text!r}",
            hint="name and arguments on one line, such as 'P 100 50'",
        )
    return text.encode()
