"""`GassCopy`: files between any two URLs."""

from __future__ import annotations

from typing import Any

from .._core.operation import Operation
from ..ftpClient import Mode
from .attributes import GassCopyAttr
from .bridge import Bridge
from .commands import Commands
from .constants import UrlMode
from .errors import DESTINATION, SOURCE, GassCopyValueError
from .handle import DoneFunc
from .running import Copy
from .session import CHandle
from .sides import HasFileno, Side

__all__ = ["STALL_TIMEOUT", "GassCopy"]

STALL_TIMEOUT = 60.0
"""Seconds a copy may go without moving a byte."""
_RARE_REPORTS = 12.0
"""Seconds that a stall limit is at least, where servers tell of progress every five seconds."""


class GassCopy(Commands):
    """Copies files between URLs, one at a time.

    >>> with GassCopy() as copy:
    ...     copy.copy_url_to_url(url, None, "file:///dev/null", None)
    """

    # --- copies ----------------------------------------------------------------------------------

    def register_url_to_url(
        self,
        source_url: str,
        source_attr: GassCopyAttr | None,
        dest_url: str,
        dest_attr: GassCopyAttr | None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[None]:
        """Begin to copy a file (globus_gass_copy_register_url_to_url).

        Args:
            source_url: what to copy.
            source_attr: how its side behaves; the defaults when None.
            dest_url: where to, a file's name included.  A file that is there is overwritten.
            dest_attr: how its side behaves.
            done_func: called as ``done_func(arg, copy, error)`` when done.
            arg: its first argument.
            timeout: seconds that the whole copy may take; None for no limit.
            stall_timeout: seconds that it may go without moving a byte; None for no limit.  Servers
                of a third-party copy tell of its progress every five seconds, and in extended
                block mode only: it runs in that mode then, and the limit is at least 12 s.  Where
                one of them is ``ftp:``, which may not have that mode, there is no such limit: use
                `timeout`.

        Raises:
            GassCopyValueError: a URL that cannot be copied from or to, or settings that such a
                copy cannot obey.
        """
        return self._copy(
            Side(SOURCE, source_url, source_attr), Side(DESTINATION, dest_url, dest_attr),
            done_func, arg, timeout, stall_timeout,
        )  # fmt: skip

    def copy_url_to_url(
        self,
        source_url: str,
        source_attr: GassCopyAttr | None,
        dest_url: str,
        dest_attr: GassCopyAttr | None,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Copy a file (globus_gass_copy_url_to_url): `register_url_to_url`, and wait."""
        self.register_url_to_url(
            source_url, source_attr, dest_url, dest_attr,
            timeout=timeout, stall_timeout=stall_timeout,
        ).result()  # fmt: skip

    def register_url_to_handle(
        self,
        source_url: str,
        source_attr: GassCopyAttr | None,
        dest_handle: int | HasFileno,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[None]:
        """Begin to copy a file to an open one (globus_gass_copy_register_url_to_handle).

        Args:
            source_url: what to copy.
            source_attr: how its side behaves.
            dest_handle: a descriptor, or an object with one, such as a file or a pipe: it is
                written from where it stands on (from its beginning on when the source is a GridFTP
                server and the file can be sought), is not truncated, and stays open.  Meanwhile
                it does not block (O_NONBLOCK).
            done_func, arg, timeout, stall_timeout: as for `register_url_to_url`.
        """
        return self._copy(
            Side(SOURCE, source_url, source_attr), Side(DESTINATION, "", handle=dest_handle),
            done_func, arg, timeout, stall_timeout,
        )  # fmt: skip

    def copy_url_to_handle(
        self,
        source_url: str,
        source_attr: GassCopyAttr | None,
        dest_handle: int | HasFileno,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Copy a file to an open one (globus_gass_copy_url_to_handle)."""
        self.register_url_to_handle(
            source_url, source_attr, dest_handle, timeout=timeout, stall_timeout=stall_timeout
        ).result()

    def register_handle_to_url(
        self,
        source_handle: int | HasFileno,
        dest_url: str,
        dest_attr: GassCopyAttr | None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> Operation[None]:
        """Begin to copy an open file (globus_gass_copy_register_handle_to_url).

        Args:
            source_handle: a descriptor, or an object with one: it is read from where it stands to
                its end, and stays open.  Meanwhile it does not block (O_NONBLOCK).
            dest_url: where to.
            dest_attr: how its side behaves.
            done_func, arg, timeout, stall_timeout: as for `register_url_to_url`.
        """
        return self._copy(
            Side(SOURCE, "", handle=source_handle), Side(DESTINATION, dest_url, dest_attr),
            done_func, arg, timeout, stall_timeout,
        )  # fmt: skip

    def copy_handle_to_url(
        self,
        source_handle: int | HasFileno,
        dest_url: str,
        dest_attr: GassCopyAttr | None,
        *,
        timeout: float | None = None,
        stall_timeout: float | None = STALL_TIMEOUT,
    ) -> None:
        """Copy an open file (globus_gass_copy_handle_to_url)."""
        self.register_handle_to_url(
            source_handle, dest_url, dest_attr, timeout=timeout, stall_timeout=stall_timeout
        ).result()

    def _copy(
        self,
        source: Side,
        destination: Side,
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
        stall_timeout: float | None,
    ) -> Operation[None]:
        try:
            self._require_open()
            self._settle(source, destination, stall_timeout is not None)
            with self._lock:
                if self._settings.verifies and self._second is None:
                    self._second = CHandle(self._session.attributes)
                copy = self._made(source, destination)
                operation = copy.operation
                if done_func is not None:
                    operation.add_done_callback(lambda op: done_func(arg, self, op.exception(0)))
                if copy.rarely and stall_timeout is not None:
                    stall_timeout = max(stall_timeout, _RARE_REPORTS) if copy.reports else None
                copy.stall_timeout = stall_timeout
                copy.begin()
        except BaseException:
            source.close()
            destination.close()
            raise
        operation.limit(timeout)
        operation.limit_stall(stall_timeout)
        return operation

    def _announced(self, source: Side, destination: Side) -> int:
        """The size to announce; 0 where the library finds it out itself, or nobody can."""
        if source.mode is not UrlMode.IO:
            return 0
        return source.size(self._settings.offset, self._settings.end_offset)

    def _made(self, source: Side, destination: Side) -> Copy | Bridge:
        if UrlMode.FTP not in (source.mode, destination.mode) or UrlMode.GASS in (
            source.mode, destination.mode,
        ):  # fmt: skip
            return Bridge(self._session, source, destination, self._second)
        return Copy(self._session, source, destination, self._second)

    def _settle(self, source: Side, destination: Side, followed: bool) -> None:
        """Decide on the attributes of both sides; refuse what the library would get wrong."""
        settings = self._settings
        modes = {source.mode, destination.mode}
        if settings.offset >= 0 and UrlMode.GASS in modes:
            raise GassCopyValueError(
                f"copy {source} to {destination}: http knows no parts of files",
                hint="set_partial_offsets(None)",
            )
        if settings.verifies and (
            destination.mode is UrlMode.GASS or destination.handle is not None
        ):
            raise GassCopyValueError(
                f"copy {source} to {destination}: the library cannot check what arrives there",
                hint="set_checksum(None)",
            )
        changes: dict[str, Any] = {}
        ordered = destination.mode is UrlMode.GASS or destination.handle is not None
        if source.mode is UrlMode.FTP and ordered:
            # blocks must come in order; the library would see to that too, and lose memory
            changes["parallelism"] = 1
        third_party = modes == {UrlMode.FTP} and not settings.no_third_party_transfers
        grid = "ftp" not in (source.scheme, destination.scheme)
        if third_party and (settings.performance_token or (followed and grid)):
            # servers tell of progress in this mode only.  The library would set it too, for a
            # performance callback, and free the attributes that it replaces although they are ours
            changes["mode"] = Mode.EXTENDED_BLOCK
        source.choose_attributes(self._defaults[SOURCE], self._credential, **changes)
        changes.pop("parallelism", None)
        if settings.allocate and destination.mode is UrlMode.FTP:
            changes["allocate"] = self._announced(source, destination)
        destination.choose_attributes(self._defaults[DESTINATION], self._credential, **changes)
