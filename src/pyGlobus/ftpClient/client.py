"""`FtpClient`: a GridFTP (or FTP) session, and what can be done in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .._core.buffers import pin, shown, urls
from .._core.errors import GlobusException
from .._core.operation import Operation
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .errors import check_ftp
from .listing import FtpEntry, parse_fact_line
from .marker import FtpClientRestartMarker
from .session import (
    COMMAND_TIMEOUT,
    ON_COMPLETE,
    ON_DATA,
    STALL_TIMEOUT,
    Block,
    DataFunc,
    DoneFunc,
    FtpSession,
    HasFileno,
    marker_text,
)

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["FtpClient"]


class FtpClient(FtpSession):
    """A GridFTP client handle (globus_ftp_client_handle_t).

    One operation at a time: use several clients for several transfers at once.  Methods return an
    `Operation`; the tutorial's form, with ``done_func`` and ``arg``, is the same call.

    >>> with FtpClient() as client:
    ...     client.size(url).result()
    6

    Timeouts are in seconds and None means for ever: ``timeout`` is the deadline of a command,
    ``stall_timeout`` how long a transfer may go without moving a byte.
    """

    # --- transfers ---------------------------------------------------------------------------

    def get(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: int | HasFileno | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get a file (globus_ftp_client_get).

        Args:
            url: ``gsiftp://host:port/path`` or ``ftp://...``.
            op_attr: attributes of this operation.
            marker: what has arrived already and need not be sent.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            into: a descriptor, or what has one: the data goes there without Python in between.
                When None, call `register_read` until it tells the end of the file.
            file_offset: where in that file the remote file's first byte belongs.
            stall_timeout: seconds without data after which the transfer is aborted; a pipe that
                nobody reads does not count.

        Returns:
            An operation whose result is the number of bytes that came.

        Raises:
            FtpClientException: from the operation: one of its subclasses.
        """
        return self._transfer(
            f"get {shown(url)}", url, op_attr, done_func, arg, into, "get", marker, file_offset,
            stall_timeout,
            lambda c_url, attr, on_complete, token: lib.globus_ftp_client_get(
                self._session.pointer, c_url, attr, _marker(marker), on_complete, token
            ),
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
        into: int | HasFileno | None = None,
        file_offset: int = 0,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """Get bytes `offset` up to, not including, `end_offset`; -1: to the end of the file.

        Otherwise as `get` (globus_ftp_client_partial_get).
        """
        return self._transfer(
            f"get {shown(url)}", url, op_attr, done_func, arg, into, "get", marker, file_offset,
            stall_timeout,
            lambda c_url, attr, on_complete, token: lib.globus_ftp_client_partial_get(
                self._session.pointer, c_url, attr, _marker(marker), offset, end_offset,
                on_complete, token,
            ),
            first=offset,
        )  # fmt: skip

    def put(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        marker: FtpClientRestartMarker | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        source: int | HasFileno | None = None,
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
            source: a descriptor, or what has one, that is read to its end.  When None, call
                `register_write`, the last time with ``eof=True``.
            file_offset: where in that file the remote file's first byte lies.
            stall_timeout: seconds without data after which the transfer is aborted.

        Returns:
            An operation whose result is the number of bytes that went.
        """
        return self._transfer(
            f"put {shown(url)}", url, op_attr, done_func, arg, source, "put", marker, file_offset,
            stall_timeout,
            lambda c_url, attr, on_complete, token: lib.globus_ftp_client_put(
                self._session.pointer, c_url, attr, _marker(marker), on_complete, token
            ),
            first=_resume_at(marker),
        )  # fmt: skip

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
        source, dest = urls(source_url, dest_url)
        source_attr, dest_attr = (
            self._attr(source_attr, source_url),
            self._attr(dest_attr, dest_url),
        )
        operation = self._operation(
            f"transfer {shown(source_url)} to {shown(dest_url)}", lambda event: None, source_attr,
            keep=(source, dest, source_attr, dest_attr, marker), transfer=True,
        )  # fmt: skip
        self._start(
            operation,
            lambda token: lib.globus_ftp_client_third_party_transfer(
                self._session.pointer, source, source_attr.pointer(), dest, dest_attr.pointer(),
                _marker(marker), ON_COMPLETE, token,
            ),
            done_func, arg, timeout,
        )  # fmt: skip
        return operation

    def register_read(
        self, buf: WriteableBuffer, data_func: DataFunc | None = None, arg: Any = None
    ) -> Operation[Block]:
        """Give the running get (or listing) a buffer to fill (globus_ftp_client_register_read).

        Args:
            buf: anything writable with the buffer protocol; it is pinned until the block comes.
                Register several, to keep the data flowing.
            data_func: called with ``(arg, client, error, buffer, length, offset, eof)``.
            arg: for `data_func`.
        """
        memory = pin(buf, writable=True)
        return self._block(
            "read", buf, memory, data_func, arg,
            lambda token: lib.globus_ftp_client_register_read(
                self._session.pointer, memory, len(memory), ON_DATA, token
            ),
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
            eof: whether the file ends with it.
            data_func: called with ``(arg, client, error, buffer, length, offset, eof)``.
            arg: for `data_func`.
        """
        memory = pin(buf)
        return self._block(
            "write", buf, memory, data_func, arg,
            lambda token: lib.globus_ftp_client_register_write(
                self._session.pointer, memory, len(memory), offset, eof, ON_DATA, token
            ),
        )  # fmt: skip

    # --- listings ------------------------------------------------------------------------------

    def list(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: int | HasFileno | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """List names (NLST, globus_ftp_client_list); the text comes as the data of a `get`."""
        return self._listing("list", url, op_attr, done_func, arg, into, stall_timeout)

    def verbose_list(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: int | HasFileno | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """List as ``ls -l`` (LIST, globus_ftp_client_verbose_list), as the data of a `get`."""
        return self._listing("verbose_list", url, op_attr, done_func, arg, into, stall_timeout)

    def machine_list(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        into: int | HasFileno | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[int]:
        """List facts (MLSD, RFC 3659, globus_ftp_client_machine_list), as the data of a `get`."""
        return self._listing("machine_list", url, op_attr, done_func, arg, into, stall_timeout)

    def mlst(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[FtpEntry]:
        """The facts about one file or directory (MLST, RFC 3659, globus_ftp_client_mlst)."""
        text, length = ffi.new("globus_byte_t **"), ffi.new("globus_size_t *")

        def convert(event: Any) -> FtpEntry:
            raw = bytes(ffi.buffer(text[0], length[0]))
            lib.free(text[0])
            return parse_fact_line(raw.decode("utf-8", "surrogateescape"))

        return self._command(
            "stat", url, op_attr, convert, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_mlst(
                self._session.pointer, c_url, attr, text, length, ON_COMPLETE, token
            ),
        )  # fmt: skip

    # --- files and directories -----------------------------------------------------------------

    def exists(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[bool]:
        """Whether there is a file or directory (globus_ftp_client_exists)."""
        return self._command(
            "look for", url, op_attr, lambda event: True, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_exists(
                self._session.pointer, c_url, attr, ON_COMPLETE, token
            ),
            on_error=_absent,
        )  # fmt: skip

    def size(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[int]:
        """The size of a file in bytes (SIZE, globus_ftp_client_size)."""
        size = ffi.new("globus_off_t *")
        return self._command(
            "size of", url, op_attr, lambda event: int(size[0]), done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_size(
                self._session.pointer, c_url, attr, size, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def modification_time(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[datetime]:
        """When a file was last changed, UTC (MDTM, globus_ftp_client_modification_time)."""
        when = ffi.new("globus_abstime_t *")
        return self._command(
            "modification time of", url, op_attr,
            lambda event: datetime.fromtimestamp(when.tv_sec, UTC), done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_modification_time(
                self._session.pointer, c_url, attr, when, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def mkdir(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Make a directory (globus_ftp_client_mkdir)."""
        return self._simple("mkdir", url, op_attr, done_func, arg, timeout)

    def rmdir(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Remove an empty directory (globus_ftp_client_rmdir)."""
        return self._simple("rmdir", url, op_attr, done_func, arg, timeout)

    def delete(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Remove a file (globus_ftp_client_delete)."""
        return self._simple("delete", url, op_attr, done_func, arg, timeout)

    def move(
        self,
        source_url: str,
        dest_url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Rename a file on its server (RNFR, RNTO; globus_ftp_client_move)."""
        dest = urls(dest_url)[0]
        return self._command(
            f"move to {shown(dest_url)}:", source_url, op_attr, lambda event: None, done_func, arg,
            timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_move(
                self._session.pointer, c_url, dest, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def chmod(
        self,
        url: str,
        mode: int,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Set permissions, as in `os.chmod` (SITE CHMOD, globus_ftp_client_chmod)."""
        return self._command(
            "chmod", url, op_attr, lambda event: None, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_chmod(
                self._session.pointer, c_url, mode, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

    # --- the handle ------------------------------------------------------------------------------

    def abort(self) -> None:
        """Abort what runs (globus_ftp_client_abort); its operation ends as cancelled."""
        with self._session.lock:
            operation = self._session.operation
        if operation is not None:
            operation.cancel()

    def get_restart_marker(self) -> FtpClientRestartMarker:
        """What the last transfer has moved so far (globus_ftp_client_handle_get_restart_marker)."""
        self._require_open()
        with self._session.lock:
            return FtpClientRestartMarker(
                self._session.marker or marker_text(self._session.pointer)
            )

    def cache_url_state(self, url: str) -> None:
        """Keep connections to the server of `url` (globus_ftp_client_handle_cache_url_state)."""
        self._require_open()
        check_ftp(
            lib.globus_ftp_client_handle_cache_url_state(self._session.pointer, urls(url)[0]),
            f"cache of {url}",
        )

    def flush_url_state(self, url: str) -> None:
        """Close kept connections (globus_ftp_client_handle_flush_url_state)."""
        self._require_open()
        check_ftp(
            lib.globus_ftp_client_handle_flush_url_state(self._session.pointer, urls(url)[0]),
            f"cache of {url}",
        )


def _marker(marker: FtpClientRestartMarker | None) -> Any:
    return ffi.NULL if marker is None else marker.pointer()


def _resume_at(marker: FtpClientRestartMarker | None) -> int:
    """Where a put goes on: behind what has arrived from the beginning on."""
    block = marker.first_block if marker is not None else None
    return block.stop if block is not None and block.start == 0 else 0


def _absent(error: GlobusException) -> bool:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return False
    raise error
