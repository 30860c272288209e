"""`GassCopyAttr` and `GassCopyHandleAttr`: how each side of a copy, and its connections, behave."""

from __future__ import annotations

from typing import Any

from .._core.runtime import runtime
from .._native import ffi, lib
from ..ftpClient import FtpClientHandleAttr, FtpClientOperationAttr
from ..gassTransfer import GassRequestAttr
from ..io import FileIOAttr
from .errors import check_copy

__all__ = ["GassCopyAttr", "GassCopyHandleAttr"]


class GassCopyHandleAttr:
    """How the connections of a `GassCopy` behave (globus_gass_copy_handleattr_t)."""

    def __init__(self, *, ftp: FtpClientHandleAttr | None = None) -> None:
        """`ftp`: how its two GridFTP handles behave; the library's defaults when None."""
        self.ftp = ftp

    def set_ftp_attr(self, ftp_attr: FtpClientHandleAttr) -> None:
        """C: globus_gass_copy_handleattr_set_ftp_attr."""
        self.ftp = ftp_attr

    def make(self) -> Any:
        """The C attributes, good for as long as this object and its parts are."""
        runtime.activate("GASS_COPY")
        pointer = ffi.new("globus_gass_copy_handleattr_t *")
        check_copy(lib.globus_gass_copy_handleattr_init(pointer), "handle attributes")
        if self.ftp is not None:
            self.ftp.require_any_handle()
            check_copy(
                lib.globus_gass_copy_handleattr_set_ftp_attr(pointer, self.ftp.pointer()),
                "ftp handle attributes",
            )
        return pointer

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.ftp == other.ftp

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "GassCopyHandleAttr()" if self.ftp is None else f"GassCopyHandleAttr(ftp={self.ftp})"


class GassCopyAttr:
    """How one side of a copy behaves (globus_gass_copy_attr_t).

    It has a part for each library that may move that side's data; the URL's scheme chooses
    (`GassCopy.get_url_mode`).  Parts can be given as keywords, read, and set::

        attr = GassCopyAttr(ftp=FtpClientOperationAttr(parallelism=4))
        attr.set_gass(GassRequestAttr(subject="/O=Grid/CN=someone"))
    """

    def __init__(
        self,
        *,
        ftp: FtpClientOperationAttr | None = None,
        gass: GassRequestAttr | None = None,
        io: FileIOAttr | None = None,
    ) -> None:
        """The library's defaults apply where a part is None.

        Args:
            ftp: for ``gsiftp:``, ``ftp:`` and ``sshftp:``, this side's credential included.
            gass: for ``http:`` and ``https:``.
            io: for ``file:``.
        """
        self.ftp = ftp
        self.gass = gass
        self.io = io

    def set_ftp(self, ftp_attr: FtpClientOperationAttr) -> None:
        """C: globus_gass_copy_attr_set_ftp."""
        self.ftp = ftp_attr

    def set_gass(self, gass_attr: GassRequestAttr) -> None:
        """C: globus_gass_copy_attr_set_gass."""
        self.gass = gass_attr

    def set_io(self, io_attr: FileIOAttr) -> None:
        """C: globus_gass_copy_attr_set_io."""
        self.io = io_attr

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.ftp, self.gass, self.io) == (other.ftp, other.gass, other.io)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        told = ", ".join(
            f"{name}={value!r}"
            for name, value in (("ftp", self.ftp), ("gass", self.gass), ("io", self.io))
            if value is not None
        )
        return f"GassCopyAttr({told})"


def c_attributes(ftp: Any, gass: Any, io: Any) -> Any:
    """A ``globus_gass_copy_attr_t *`` of C parts, each of which may be NULL."""
    pointer = ffi.new("globus_gass_copy_attr_t *")
    check_copy(lib.globus_gass_copy_attr_init(pointer), "attributes")
    check_copy(lib.globus_gass_copy_attr_set_ftp(pointer, ftp), "ftp attributes")
    check_copy(lib.globus_gass_copy_attr_set_gass(pointer, gass), "gass attributes")
    check_copy(lib.globus_gass_copy_attr_set_io(pointer, io), "io attributes")
    return pointer
