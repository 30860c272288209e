"""Globus I/O.

So far the attributes of a file, which `pyGlobus.gassCopy` takes; maps those of ``globus_io.h``.

>>> FileIOAttr(file_type=FileType.TEXT).file_type
<FileType.TEXT: 0>
"""

from __future__ import annotations

from .attributes import FileIOAttr, FileType

__all__ = ["FileIOAttr", "FileType"]
