"""`Commands`: what a `GassCopy` can do besides copying."""

from __future__ import annotations

from typing import Any, TypeVar

from .._core.buffers import shown
from .._core.errors import text_of
from .._core.operation import Operation
from .._core.work import Work
from .._native import ffi, lib
from ..ftpClient import Mode, Type
from .attributes import GassCopyAttr
from .constants import UrlMode
from .entries import Batches, Expansion, GlobStat, Reading, read_stat
from .errors import SOURCE, GassCopyValueError
from .handle import CopyHandle, DoneFunc
from .local import LocalChecksum
from .running import Command
from .session import ON_COMPLETE, Machine
from .sides import Side

__all__ = ["COMMAND_TIMEOUT", "Commands"]

T = TypeVar("T")

COMMAND_TIMEOUT = 60.0
"""Seconds a command may take, or a list go without an entry."""


class Commands(CopyHandle):
    """Files and directories, of GridFTP servers and of this machine."""

    def mkdir(
        self, url: str, attr: GassCopyAttr | None = None, *, timeout: float | None = COMMAND_TIMEOUT
    ) -> None:
        """Make a directory (globus_gass_copy_mkdir).

        Args:
            url: ``file:`` or a GridFTP URL.
            attr: how its side behaves.
            timeout: seconds it may take; None for no limit.
        """
        side = self._side(url, attr, "make a directory at")
        attributes = side.attributes()

        def call(machine: Machine, token: Any) -> int:
            return lib.globus_gass_copy_mkdir(machine.pointer, side.c_url, attributes)

        command = Command(self._session, f"mkdir {side}", side, call, lambda: None)
        self._run(command, timeout).result()

    def stat(
        self, url: str, attr: GassCopyAttr | None = None, *, timeout: float | None = COMMAND_TIMEOUT
    ) -> GlobStat:
        """What is known of a file or directory (globus_gass_copy_stat).

        Args:
            url: ``file:`` or a GridFTP URL.
            attr: how its side behaves.
            timeout: seconds it may take; None for no limit.
        """
        side = self._side(url, attr, "look at")
        attributes = side.attributes()
        place = ffi.new("globus_gass_copy_glob_stat_t *")

        def call(machine: Machine, token: Any) -> int:
            return lib.globus_gass_copy_stat(machine.pointer, side.c_url, attributes, place)

        command = Command(self._session, f"stat {side}", side, call, lambda: read_stat(place))
        return self._run(command, timeout).result()

    def cksm(
        self,
        url: str,
        algorithm: str,
        attr: GassCopyAttr | None = None,
        *,
        offset: int = 0,
        length: int | None = None,
        timeout: float | None = None,
    ) -> str:
        """The checksum of a file (globus_gass_copy_cksm): `cksm_async`, and wait."""
        return self.cksm_async(
            url, algorithm, attr, offset=offset, length=length, timeout=timeout
        ).result()

    def cksm_async(
        self,
        url: str,
        algorithm: str,
        attr: GassCopyAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        offset: int = 0,
        length: int | None = None,
        timeout: float | None = None,
    ) -> Operation[str]:
        """Begin to compute the checksum of a file (globus_gass_copy_cksm_async).

        Args:
            url: ``file:`` or a GridFTP URL.
            algorithm: for a GridFTP server one that it has (``ADLER32``, ``MD5``, ``SHA256``,
                ...); for a file one of OpenSSL's digests, to which Adler-32 does not belong.
            attr: how its side behaves.
            done_func: called as ``done_func(arg, copy, error)`` when done.
            arg: its first argument.
            offset: the first byte.
            length: how many bytes; None for all to the end.
            timeout: seconds it may take; None for no limit: it depends on the file.

        Returns:
            hexadecimal digits, when done.

        Raises, when it is waited for:
            GassCopyIsADirectoryError, GassCopyPermissionError, ...: it cannot be read.
            GassCopyValueError: there is no such algorithm, or a file here ends before `length`
                bytes (a server takes what there is).
        """
        if offset < 0 or (length is not None and length < 0):
            raise GassCopyValueError(f"no part of a file: {length} bytes from {offset}")
        side = self._side(url, attr, "compute a checksum of")
        what = f"{algorithm} checksum of {side}"
        if side.mode is UrlMode.IO:
            local = LocalChecksum(self._session, side, algorithm, offset, length, what=what)
            return self._run(local, timeout, done_func, arg)
        attributes = side.attributes()
        place = ffi.new("char[]", lib.CKSM_SIZE)
        count = -1 if length is None else length

        def call(machine: Machine, token: Any) -> int:
            # the form without a callback frees its memory twice
            return lib.globus_gass_copy_cksm_async(
                machine.pointer, side.c_url, attributes, offset, count, algorithm.encode(), place,
                ON_COMPLETE, token,
            )  # fmt: skip

        command = Command(self._session, what, side, call, lambda: text_of(place), posts=True)
        return self._run(command, timeout, done_func, arg)

    def glob_expand_url(
        self,
        url: str,
        attr: GassCopyAttr | None = None,
        *,
        stall_timeout: float | None = COMMAND_TIMEOUT,
    ) -> Expansion:
        """What a URL with wildcards stands for (globus_gass_copy_glob_expand_url).

        Wildcards (``*``, ``?``, ``[...]``) count behind the last slash; a URL that ends with a
        slash stands for all that is in that directory, and one without either for itself (see
        `set_stat_on_expand`).

        The entries come as they are asked for; this handle is busy until the last one, or until
        the iterator is closed.  A server is asked by MLSD, or LIST where it does not know that.
        A line that is no entry, or whose name leads out of the directory, is left out, and told
        by `Expansion.rejected`.

        Args:
            url: ``file:`` or a GridFTP URL.
            attr: how its side behaves.
            stall_timeout: seconds that the server may go without an answer; None for no limit.
        """
        reading = Reading(url)
        batches = Batches(reading.read)
        lists = _has_wildcards(url) and not url.lower().startswith("file:")
        # brackets are no letters of a URL for the library
        side = self._side(reading.base if lists else url, attr, "expand")
        lists = lists and side.ftp is not None
        if lists and side.ftp is not None:
            # the library's own way has room for names of some length, whatever a server sends
            side.ftp = side.ftp.for_operation(
                url, mode=Mode.STREAM, type=Type.IMAGE, parallelism=1, list_uses_data_mode=True
            )
        attributes = side.attributes()

        def call(machine: Machine, token: Any) -> int:
            if lists:
                return lib.cog_glob_list(batches.token, machine.pointer, side.c_url, attributes)
            return lib.cog_glob_expand(batches.token, machine.pointer, side.c_url, attributes)

        command = Command(
            self._session, f"expand {shown(url)}", side, call, lambda: None,
            progress=lambda: batches.taken,
        )  # fmt: skip
        try:
            operation = self._run(command, None)
        except BaseException:
            batches.end()
            raise
        operation.add_done_callback(lambda _: batches.end())
        operation.limit_stall(stall_timeout, lambda: not batches.waiting())
        return Expansion(reading, batches, operation)

    # --- how they run ----------------------------------------------------------------------------

    def _side(self, url: str, attr: GassCopyAttr | None, verb: str) -> Side:
        self._require_open()
        side = Side(SOURCE, url, attr)
        if side.mode is UrlMode.GASS:
            raise GassCopyValueError(
                f"{verb} {shown(url)}: the library can do this with files and GridFTP servers only"
            )
        side.settle(self._defaults[SOURCE], self._credential)
        return side

    def _run(
        self,
        command: Command[T] | Work[T],
        timeout: float | None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
    ) -> Operation[T]:
        operation = command.operation
        if done_func is not None:
            operation.add_done_callback(lambda op: done_func(arg, self, op.exception(0)))
        with self._lock:
            self._require_open()
            command.begin()
        operation.limit(timeout)
        return operation


def _has_wildcards(url: str) -> bool:
    path = url.partition("://")[2].partition("/")[2]
    return url.endswith("/") or any(letter in "*?[]" for letter in path)
