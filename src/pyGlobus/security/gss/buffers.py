"""`gss_buffer_t`, `gss_buffer_set_t` and `gss_OID_set` at the border."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..._core.buffers import pin
from ..._native import ffi, lib
from .oids import OID

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["input_buffer", "oid_set", "output_buffer", "take", "take_oids", "take_set"]


def input_buffer(data: ReadableBuffer) -> tuple[Any, Any]:
    """A `gss_buffer_t` of `data`'s own memory, and what must be kept as long as it is used."""
    pinned = pin(data)
    return ffi.new("gss_buffer_desc *", {"length": len(pinned), "value": pinned}), pinned


def output_buffer() -> Any:
    """An empty `gss_buffer_t` for C to fill."""
    return ffi.new("gss_buffer_desc *")


def take(buffer: Any) -> bytes:
    """What C has put into a buffer; the buffer is released (gss_release_buffer)."""
    if buffer.value == ffi.NULL:
        return b""
    try:
        return ffi.buffer(buffer.value, buffer.length)[:]  # type: ignore[no-any-return]
    finally:
        lib.gss_release_buffer(ffi.new("OM_uint32 *"), buffer)


def take_set(pointer: Any) -> list[bytes]:
    """The members of a `gss_buffer_set_t *`; it is released (gss_release_buffer_set)."""
    members = pointer[0]
    if members == ffi.NULL:
        return []
    try:
        return [
            bytes(ffi.buffer(members.elements[i].value, members.elements[i].length))
            if members.elements[i].length
            else b""
            for i in range(members.count)
        ]
    finally:
        lib.gss_release_buffer_set(ffi.new("OM_uint32 *"), pointer)


def take_oids(pointer: Any) -> set[OID]:
    """The members of a `gss_OID_set *`; it is released (gss_release_oid_set)."""
    members = pointer[0]
    if members == ffi.NULL:
        return set()
    try:
        return {
            OID(elements=bytes(ffi.buffer(one.elements, one.length)))
            for one in (members.elements[i] for i in range(members.count))
        }
    finally:
        lib.gss_release_oid_set(ffi.new("OM_uint32 *"), pointer)


def oid_set(oids: Sequence[OID]) -> tuple[Any, Any]:
    """A `gss_OID_set`, and what must be kept as long as it is used."""
    texts = [ffi.new("char[]", one.elements) for one in oids]
    array = ffi.new("gss_OID_desc[]", len(oids))
    for place, one, text in zip(array, oids, texts, strict=True):
        place.length, place.elements = len(one.elements), text
    made = ffi.new("gss_OID_set_desc *", {"count": len(oids), "elements": array})
    return made, (texts, array)
