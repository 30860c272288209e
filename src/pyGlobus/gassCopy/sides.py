"""The two ends of a copy: what a URL or a descriptor needs before and after the C call.

The library would open the file of a ``file:`` URL itself.  When the copy then fails, it forgets
that file without closing it, and it truncates a destination before it knows whether there is
anything to write (GCT 6.2).  So files are opened here and handed over as handles.
"""

from __future__ import annotations

import errno
import os
import stat
import urllib.parse
from pathlib import Path
from typing import Any, Protocol

from .._core.buffers import shown, urls
from .._core.errors import check
from .._core.runtime import runtime
from .._native import ffi, lib
from ..ftpClient import FtpClientOperationAttr, Mode
from ..security.credential import Credential
from .attributes import GassCopyAttr, c_attributes
from .constants import UrlMode
from .errors import DESTINATION, SOURCE, GassCopyValueError, check_copy, os_error

__all__ = ["HasFileno", "Side", "url_mode"]


class HasFileno(Protocol):
    """Anything with a file descriptor: a file, a socket, a pipe."""

    def fileno(self) -> int:
        """The descriptor."""
        ...


_LONGEST_URL = 2000
"""The library writes URLs into buffers of 4096 bytes, each byte of a file's name as up to three."""


def url_mode(url: str) -> UrlMode:
    """Which library moves the data of a URL (globus_gass_copy_get_url_mode)."""
    runtime.activate("GASS_COPY")
    (c_url,) = urls(url)
    if len(c_url) > _LONGEST_URL:
        raise GassCopyValueError(f"a URL of {len(c_url)} bytes: the library takes {_LONGEST_URL}")
    mode = ffi.new("globus_gass_copy_url_mode_t *")
    try:
        check_copy(lib.globus_gass_copy_get_url_mode(c_url, mode), shown(url))
    except GassCopyValueError:
        raise
    except Exception as error:
        raise GassCopyValueError(f"not a URL: {shown(url)!r}") from error
    return UrlMode(mode[0])


class Side:
    """One end of a copy."""

    def __init__(
        self,
        name: str,
        url: str,
        attr: GassCopyAttr | None = None,
        *,
        handle: int | HasFileno | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.attr = attr or GassCopyAttr()
        self.handle = handle
        self.scheme = url.partition(":")[0].lower()
        self.mode = UrlMode.IO if handle is not None else url_mode(url)
        if self.mode is UrlMode.UNSUPPORTED:
            raise GassCopyValueError(
                f"no way to copy {'from' if name == SOURCE else 'to'} {shown(url)}",
                hint="file, http, https, ftp, gsiftp and sshftp URLs can be copied",
            )
        self.c_url = urls(url)[0]
        self.ftp: FtpClientOperationAttr | None = None
        self.io = ffi.NULL
        """The open globus_io handle of a file."""
        self.path = ""
        self.descriptor = -1
        self._created = False
        self._regular = False
        if handle is not None:
            self.descriptor = _duplicate(handle, writing=name == DESTINATION)
        elif self.mode is UrlMode.IO:
            self.path = _path_of(url)

    def __str__(self) -> str:
        return "a handle" if self.handle is not None else shown(self.url)

    def told(self) -> tuple[str, str, str]:
        """Name, URL and scheme, for messages."""
        return self.name, self.url, self.scheme

    # --- attributes ------------------------------------------------------------------------------

    def settle(
        self, default: FtpClientOperationAttr, credential: Credential | None, **changes: Any
    ) -> None:
        """Decide on the GridFTP attributes: never one that the library may change or free."""
        if self.mode is UrlMode.GASS:
            if self.scheme == "https" and credential is not None:
                raise GassCopyValueError(
                    f"{self}: the library takes https' credential from the process",
                    hint="set X509_USER_PROXY, and give the GridFTP side its credential with "
                    "FtpClientOperationAttr",
                )
            return
        if self.mode is not UrlMode.FTP:
            return
        chosen = self.attr.ftp or default
        if credential is not None and chosen.credential is None:
            changes["credential"] = credential
        # a copy: the library writes the size that it announces into the attributes
        chosen = chosen.for_operation(self.url, **changes)
        if chosen.parallelism > 1 and chosen.mode is not Mode.EXTENDED_BLOCK:
            raise GassCopyValueError(
                f"{self}: {chosen.parallelism} streams need Mode.EXTENDED_BLOCK"
            )
        self.ftp = chosen.for_host(self.url, look_up=True)

    def attributes(self) -> Any:
        """The C attributes; good for as long as this object is."""
        return c_attributes(
            ffi.NULL if self.ftp is None else self.ftp.pointer(),
            ffi.NULL if self.attr.gass is None else self.attr.gass.pointer(),
            ffi.NULL if self.attr.io is None else self.attr.io.pointer(),
        )

    # --- files -----------------------------------------------------------------------------------

    def open(self, what: str, offset: int, *, convert: bool = True) -> None:
        """Open the file, if it is one (on a worker: a file may keep one waiting).

        Args:
            what: what is tried, for messages.
            offset: the first byte, or -1.
            convert: whether gass copy is to have it as a handle.
        """
        if self.mode is not UrlMode.IO:
            return
        try:
            if self.handle is None:
                self._open_path()
            self._regular = stat.S_ISREG(os.fstat(self.descriptor).st_mode)
            if offset > 0 and self.handle is None:
                os.lseek(self.descriptor, offset, os.SEEK_SET)
        except OSError as error:
            raise os_error(error.errno or 0, what, self.name, self.url) from error
        if not convert:
            return
        io = ffi.new("globus_io_handle_t *")
        attr = ffi.NULL if self.attr.io is None else self.attr.io.pointer()
        check(lib.globus_io_file_posix_convert(self.descriptor, attr, io), what)
        self.io = io

    def _open_path(self) -> None:
        if self.name == SOURCE:
            self.descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            if stat.S_ISDIR(os.fstat(self.descriptor).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            return
        # not truncated: what is there stays as it is until something comes
        flags = os.O_WRONLY | os.O_CLOEXEC
        self._created = False
        try:
            self.descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            self.descriptor = os.open(self.path, flags | os.O_CREAT, 0o666)
            self._created = True

    def size(self, offset: int, end_offset: int) -> int:
        """Bytes that will be read of a file, from `offset` to `end_offset`; 0: not known."""
        try:
            found = Path(self.path).stat() if self.path else os.fstat(self.descriptor)
        except OSError:
            return 0  # opening it will tell
        if not stat.S_ISREG(found.st_mode):
            return 0
        begin = offset
        if begin < 0:
            begin = 0 if self.path else os.lseek(self.descriptor, 0, os.SEEK_CUR)
        end = found.st_size if end_offset < 0 else min(end_offset, found.st_size)
        return max(end - begin, 0)

    def position(self) -> int:
        """Where the library has come to in the file; 0 when that cannot be told."""
        if self.descriptor < 0 or not self._regular:
            return 0
        try:
            return os.lseek(self.descriptor, 0, os.SEEK_CUR)
        except OSError:
            return 0

    @property
    def can_begin_again(self) -> bool:
        """Whether it has all bytes once more: what was read from a FIFO is gone."""
        return not self.path or self._regular

    def finish(self, end: int, *, failed: bool, partial: bool) -> None:
        """The copy has ended: put the destination file in order.

        Args:
            end: bytes that are the copy's own, from the beginning on.
            failed: whether it failed; a file that nothing came for stays as it was.
            partial: whether only a part of the file was to be written.
        """
        if self.name != DESTINATION or not self.path or self.descriptor < 0:
            return
        if self._created and failed and end == 0:
            Path(self.path).unlink()
        elif self._regular and not partial and (end > 0 or not failed):
            os.ftruncate(self.descriptor, end)

    def close(self) -> None:
        """Give the handle and our descriptor back; nothing waits for it."""
        descriptor, self.descriptor = self.descriptor, -1
        io, self.io = self.io, ffi.NULL
        if descriptor < 0:
            return
        if io == ffi.NULL:
            os.close(descriptor)
            return
        # the descriptor is the library's until it says that the handle is closed
        kept = [io]

        def closed(_: Any) -> None:
            kept.clear()
            os.close(descriptor)

        token = runtime.enrol(closed)
        result = lib.globus_io_register_close(io, _ON_IO_CLOSED, ffi.cast("void *", token))
        if result != lib.GLOBUS_SUCCESS:
            lib.globus_object_free(lib.globus_error_get(result))
            runtime.withdraw(token)
            os.close(descriptor)


def _path_of(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise GassCopyValueError(f"a file of another host: {url}", hint="write file:///path")
    path = urllib.parse.unquote(url.partition(":")[2].removeprefix(f"//{parts.netloc}"))
    if not path.startswith("/"):
        raise GassCopyValueError(f"not an absolute path: {url}", hint="write file:///path")
    return path


def _duplicate(handle: int | HasFileno, *, writing: bool) -> int:
    number = handle if isinstance(handle, int) else handle.fileno()
    flush = getattr(handle, "flush", None)
    if writing and flush is not None:
        flush()
    return os.dup(number)


_ON_IO_CLOSED = ffi.addressof(lib, "cog_on_io_closed")
