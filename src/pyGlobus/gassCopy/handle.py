"""`CopyHandle`: the life and the settings of a `GassCopy`."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from .._core.buffers import shown, urls
from .._core.handles import Handle
from .._core.runtime import runtime
from .._native import ffi, lib
from ..ftpClient import FtpClientOperationAttr
from ..security.credential import Credential
from .attributes import GassCopyHandleAttr
from .constants import Status, UrlMode
from .errors import DESTINATION, SOURCE, GassCopyValueError, check_copy
from .session import Machine, Session, status_of
from .settings import Settings
from .sides import url_mode

__all__ = ["CopyHandle", "DoneFunc", "PerformanceFunc"]

DoneFunc = Callable[[Any, Any, BaseException | None], object]
"""``done_func(arg, copy, error)``: C's callback, with the error as an exception."""

PerformanceFunc = Callable[[Any, Any, int, int, int], object]
"""``performance_func(arg, copy, total_bytes, instantaneous, average)``, rates in bytes/s."""

_CLOSE_GRACE = 6.0


class CopyHandle(Handle):
    """The half of `GassCopy` that copies nothing."""

    def __init__(
        self,
        handle_attr: GassCopyHandleAttr | None = None,
        *,
        credential: Credential | None = None,
    ) -> None:
        """Make a handle (globus_gass_copy_handle_init); nothing is connected yet.

        Args:
            handle_attr: how it behaves.
            credential: our credential on each GridFTP side whose attributes name none; the one
                that GSI finds when None.  The library takes https' credential from the process:
                with this one given, https is refused rather than done with another.
        """
        runtime.activate("GASS_COPY", "IO")
        self._credential = credential
        # one for each side: what is settled for one scheme does not fit another
        self._defaults = {SOURCE: FtpClientOperationAttr(), DESTINATION: FtpClientOperationAttr()}
        self._second: Machine | None = None
        """For checksums of what has arrived."""
        # last, as what fails after it would leave it behind
        self._session = Session(handle_attr or GassCopyHandleAttr())
        super().__init__(self._session.close)

    def close(self) -> None:
        """Cancel what runs, close the connections, free the handle."""
        operation = self._session.operation
        super().close()
        second, self._second = self._second, None
        if second is not None:
            second.retire(_CLOSE_GRACE)
        if operation is not None and not (runtime.forked or runtime.on_drainer()):
            operation.wait(_CLOSE_GRACE)

    def abandon(self) -> None:
        """Cancel what runs and leave: at interpreter exit."""
        super().close()

    @property
    def _settings(self) -> Settings:
        return self._session.settings

    @contextlib.contextmanager
    def _changed(self, what: str) -> Iterator[Settings]:
        """Settings that may be changed: nothing runs, and the C handle gets them afterwards."""
        self._require_open()
        session = self._session
        session.claim(what)
        try:
            yield session.settings
            session.settings.apply(session.pointer)
        finally:
            session.give()

    # --- settings --------------------------------------------------------------------------------

    def set_buffer_length(self, length: int) -> None:
        """Bytes of each buffer (globus_gass_copy_set_buffer_length); 1 MiB unless set.

        The library keeps up to three, and one more for each parallel stream.  Progress is counted
        in buffers: over a slow line, a smaller one keeps a stall limit from being fooled.
        """
        if not 1 <= length < 1 << 31:
            raise GassCopyValueError(f"a buffer holds 1 byte to 2 GiB, not {length}")
        with self._changed("set_buffer_length") as settings:
            settings.buffer_length = length

    def get_buffer_length(self) -> int:
        """C: globus_gass_copy_get_buffer_length."""
        self._require_open()
        place = ffi.new("int *")
        check_copy(
            lib.globus_gass_copy_get_buffer_length(self._session.pointer, place), "buffer length"
        )
        return int(place[0])

    def set_no_third_party_transfers(self, no_third_party_transfers: bool) -> None:
        """Move data between two GridFTP servers through this process, rather than have them
        connect to each other (globus_gass_copy_set_no_third_party_transfers)."""
        with self._changed("set_no_third_party_transfers") as settings:
            settings.no_third_party_transfers = no_third_party_transfers

    def get_no_third_party_transfers(self) -> bool:
        """C: globus_gass_copy_get_no_third_party_transfers."""
        self._require_open()
        place = ffi.new("globus_bool_t *")
        check_copy(
            lib.globus_gass_copy_get_no_third_party_transfers(self._session.pointer, place),
            "no third-party transfers",
        )
        return bool(place[0])

    def set_partial_offsets(self, offset: int | None, end_offset: int | None = None) -> None:
        """Copy a part of the file only, to the same place in the destination.

        Args:
            offset: the first byte; None for whole files again.
            end_offset: the byte behind the last one; None for the file's end.

        (globus_gass_copy_set_partial_offsets)
        """
        begin = -1 if offset is None else offset
        end = -1 if end_offset is None else end_offset
        if (offset is not None and offset < 0) or (end_offset is not None and end <= begin):
            raise GassCopyValueError(f"no part of a file: {offset} to {end_offset}")
        if offset is None and end_offset is not None:
            raise GassCopyValueError("an end needs a beginning: set_partial_offsets(0, end)")
        with self._changed("set_partial_offsets") as settings:
            settings.offset, settings.end_offset = begin, end

    def get_partial_offsets(self) -> tuple[int | None, int | None]:
        """C: globus_gass_copy_get_partial_offsets."""
        self._require_open()
        begin, end = ffi.new("globus_off_t *"), ffi.new("globus_off_t *")
        check_copy(
            lib.globus_gass_copy_get_partial_offsets(self._session.pointer, begin, end),
            "partial offsets",
        )
        return tuple(None if place[0] < 0 else int(place[0]) for place in (begin, end))  # type: ignore[return-value]

    def set_allocate(self, send_allo: bool) -> None:
        """Announce the size to a GridFTP destination (ALLO; globus_gass_copy_set_allocate)."""
        with self._changed("set_allocate") as settings:
            settings.allocate = send_allo

    def set_stat_on_expand(self, always_stat: bool) -> None:
        """Have `glob_expand_url` look at a URL without wildcards too, rather than give it back as
        it is (globus_gass_copy_set_stat_on_expand)."""
        with self._changed("set_stat_on_expand") as settings:
            settings.stat_on_expand = always_stat

    def set_checksum_algo(self, algorithm: str | None) -> None:
        """The algorithm by which what arrives is checked (globus_gass_copy_set_checksum_algo).

        Args:
            algorithm: one of the server's (``ADLER32``, ``MD5``, ``SHA256``, ...) when the
                destination is a GridFTP server, one of OpenSSL's when it is a file; None for no
                check.

        The second handle that C wants for it is made and kept here.
        """
        with self._changed("set_checksum_algo") as settings:
            settings.algorithm = algorithm

    def set_checksum(self, checksum: str | None) -> None:
        """The checksum that what arrives must have, in lower-case hexadecimal digits.

        It is looked at when `set_checksum_algo` has been called too, and stays set for the next
        copies; None for no check.  A file that has another one stays where it has arrived, and the
        copy fails with `GassCopyChecksumError`.  (globus_gass_copy_set_checksum)
        """
        with self._changed("set_checksum") as settings:
            settings.checksum = checksum

    def register_performance_cb(
        self, performance_func: PerformanceFunc | None, arg: Any = None
    ) -> None:
        """Have ``performance_func(arg, copy, total_bytes, instantaneous, average)`` called.

        The rates are in bytes/s.  It is called every second or two, not at all for a short copy,
        and every five seconds or so for a third-party copy.  As in C, a third-party copy then runs
        in extended block mode.  None: no longer.  (globus_gass_copy_register_performance_cb)
        """
        self._require_open()
        if performance_func is None:
            self._session.listen(None)
            return
        here = weakref.ref(self)  # the listener outlives this object

        def hear(total: int, now: int, average: int) -> None:
            copy = here()
            if copy is not None:
                performance_func(arg, copy, total, now, average)

        self._session.listen(hear)

    # --- state -----------------------------------------------------------------------------------

    def get_status(self) -> Status:
        """How far the copy is, or how the last one ended (globus_gass_copy_get_status)."""
        self._require_open()
        return self._status()[0]

    def get_status_string(self) -> str:
        """The same under its C name (globus_gass_copy_get_status_string)."""
        self._require_open()
        return self._status()[1]

    def _status(self) -> tuple[Status, str]:
        session = self._session
        return session.status or status_of(session.machine)

    def cancel(self) -> None:
        """Cancel what runs (globus_gass_copy_cancel); its operation ends as cancelled."""
        operation = self._session.operation
        if operation is not None:
            operation.cancel()

    def cache_url_state(self, url: str) -> None:
        """Keep connections to the GridFTP server of `url` (globus_gass_copy_cache_url_state)."""
        c_url = _cacheable(url)
        with self._changed("cache_url_state") as settings:
            check_copy(
                lib.globus_gass_copy_cache_url_state(self._session.pointer, c_url),
                f"cache of {shown(url)}",
            )
            settings.cached.append(url)

    def flush_url_state(self, url: str) -> None:
        """Close them, and keep no more (globus_gass_copy_flush_url_state)."""
        c_url = _cacheable(url)
        with self._changed("flush_url_state") as settings:
            check_copy(
                lib.globus_gass_copy_flush_url_state(self._session.pointer, c_url),
                f"cache of {shown(url)}",
            )
            settings.cached = [kept for kept in settings.cached if kept != url]

    @staticmethod
    def get_url_mode(url: str) -> UrlMode:
        """Which library moves the data of a URL (globus_gass_copy_get_url_mode).

        Raises:
            GassCopyValueError: not a URL.
        """
        return url_mode(url)


def _cacheable(url: str) -> bytes:
    # the library looks at the scheme of what it could not parse
    if url_mode(url) is not UrlMode.FTP or url.partition(":")[0] not in ("ftp", "gsiftp"):
        raise GassCopyValueError(f"only ftp and gsiftp connections can be kept: {shown(url)}")
    return urls(url)[0]
