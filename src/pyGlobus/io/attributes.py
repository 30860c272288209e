"""`FileIOAttr`: how a file is opened."""

from __future__ import annotations

import enum
from typing import Any

from .._core.errors import check
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib

__all__ = ["FileIOAttr", "FileType"]


class FileType(enum.IntEnum):
    """Whether line ends are translated, where the system knows two kinds (globus_io_file_type_t).

    Unix knows one: both are the same there.
    """

    TEXT = lib.GLOBUS_IO_FILE_TYPE_TEXT
    BINARY = lib.GLOBUS_IO_FILE_TYPE_BINARY


class FileIOAttr:
    """How a file is opened (globus_io_attr_t of a file)."""

    def __init__(self, *, file_type: FileType = FileType.BINARY) -> None:
        """See the property."""
        runtime.activate("IO")
        pointer = ffi.new("globus_io_attr_t *")
        check(lib.globus_io_fileattr_init(pointer), "file attributes")
        self._pointer = pointer
        owned(self, lambda: lib.globus_io_fileattr_destroy(pointer))
        self.file_type = file_type

    def pointer(self) -> Any:
        """The C attributes."""
        return self._pointer

    @property
    def file_type(self) -> FileType:
        """Text or binary."""
        place = ffi.new("globus_io_file_type_t *")
        check(lib.globus_io_attr_get_file_type(self._pointer, place), "file_type")
        return FileType(place[0])

    @file_type.setter
    def file_type(self, value: FileType) -> None:
        check(lib.globus_io_attr_set_file_type(self._pointer, value), f"file_type={value!r}")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.file_type == other.file_type

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"FileIOAttr(file_type={self.file_type!r})"
