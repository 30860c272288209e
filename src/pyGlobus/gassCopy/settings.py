"""What is set on a `GassCopy`, kept in Python: its C handle may have to be replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._core.buffers import shown, urls
from .._native import ffi, lib
from .errors import check_copy

__all__ = ["Settings"]

_DEFAULT_BUFFER = 1 << 20


@dataclass
class Settings:
    """The settings of a copy handle."""

    buffer_length: int = _DEFAULT_BUFFER
    no_third_party_transfers: bool = False
    offset: int = -1
    end_offset: int = -1
    allocate: bool = False
    stat_on_expand: bool = False
    algorithm: str | None = None
    checksum: str | None = None
    cached: list[str] = field(default_factory=list, repr=False)
    performance_token: int = 0
    """Who hears of progress; 0 for nobody."""

    @property
    def verifies(self) -> bool:
        """Whether what arrives is checked."""
        return self.algorithm is not None and self.checksum is not None

    def apply(self, handle: Any) -> None:
        """Write them into an idle C handle."""
        check_copy(
            lib.globus_gass_copy_set_buffer_length(handle, self.buffer_length), "buffer length"
        )
        check_copy(
            lib.globus_gass_copy_set_no_third_party_transfers(
                handle, self.no_third_party_transfers
            ),
            "no third-party transfers",
        )
        check_copy(
            lib.globus_gass_copy_set_partial_offsets(handle, self.offset, self.end_offset),
            "partial offsets",
        )
        check_copy(lib.globus_gass_copy_set_allocate(handle, self.allocate), "allocate")
        check_copy(
            lib.globus_gass_copy_set_stat_on_expand(handle, self.stat_on_expand), "stat on expand"
        )
        # the library leaves these two as the last copy had them, and they would spoil the next
        handle.external_third_party = 0
        handle.partial_bytes_remaining = -1

    def apply_checksum(self, handle: Any, second: Any) -> None:
        """Have the library check what arrives, with the help of a second handle; NULL: not."""
        wanted = second != ffi.NULL
        algorithm = self.algorithm.encode() if wanted and self.algorithm else ffi.NULL
        checksum = self.checksum.encode() if wanted and self.checksum else ffi.NULL
        check_copy(
            lib.globus_gass_copy_set_checksum_algo(handle, algorithm, second), "checksum algorithm"
        )
        check_copy(lib.globus_gass_copy_set_checksum(handle, checksum), "checksum")

    def apply_once(self, handle: Any) -> None:
        """Write into a new C handle what it then keeps."""
        for url in self.cached:
            check_copy(
                lib.globus_gass_copy_cache_url_state(handle, urls(url)[0]), f"cache of {shown(url)}"
            )
        self.apply_performance(handle)

    def apply_performance(self, handle: Any) -> None:
        """Tell the library who hears of progress."""
        callback = _ON_PERFORMANCE if self.performance_token else ffi.NULL
        check_copy(
            lib.globus_gass_copy_register_performance_cb(
                handle, callback, ffi.cast("void *", self.performance_token)
            ),
            "performance callback",
        )


_ON_PERFORMANCE = ffi.addressof(lib, "cog_on_copy_performance")
