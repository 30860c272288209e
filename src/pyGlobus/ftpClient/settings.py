"""What the attribute classes are made of: settings, each a property over two C functions."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from .._core.errors import text_of
from .._gridftp.constants import DcauMode, Striping
from .._gridftp.errors import check_ftp
from .._native import ffi, lib

__all__ = [
    "Attributes",
    "Dcau",
    "Layout",
    "Setting",
    "TcpBuffer",
    "read_dcau",
    "read_layout",
    "read_parallelism",
    "read_tcp_buffer",
    "read_text",
    "write_dcau",
    "write_layout",
    "write_parallelism",
    "write_tcp_buffer",
    "write_text",
]

T = TypeVar("T")

# what a cdata struct points at, for as long as the struct lives
_keep: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class TcpBuffer:
    """Size of the sockets' buffers in bytes: fixed, or chosen between two bounds."""

    initial: int
    minimum: int | None = None
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Dcau:
    """Data channel authentication; `subject` goes with `DcauMode.SUBJECT`."""

    mode: DcauMode
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Layout of a striped transfer; `size` in bytes, of a block or of a partition."""

    mode: Striping
    size: int = 0


class Setting(Generic[T]):
    """One attribute: a property over a pair of C functions."""

    def __init__(
        self, prefix: str, name: str, c_type: str, read: Callable[[Any], T],
        write: Callable[[T], Any],
    ) -> None:  # fmt: skip
        self._get = f"{prefix}_get_{name}"
        self._set = f"{prefix}_set_{name}"
        self._name = name
        self._c_type = c_type
        self._read = read
        self._write = write

    @overload
    def __get__(self, owner: None, cls: type) -> Self: ...
    @overload
    def __get__(self, owner: Attributes, cls: type) -> T: ...
    def __get__(self, owner: Attributes | None, cls: type) -> Self | T:
        return self if owner is None else self.get(owner)

    def __set__(self, owner: Attributes, value: T) -> None:
        self.set(owner, value)

    def get(self, owner: Attributes) -> T:
        """The C getter."""
        place = ffi.new(f"{self._c_type} *")
        check_ftp(getattr(lib, self._get)(owner.pointer(), place), self._name)
        return self._read(place)

    def set(self, owner: Attributes, value: T) -> None:
        """The C setter."""
        check_ftp(
            getattr(lib, self._set)(owner.pointer(), self._write(value)), f"{self._name}={value!r}"
        )

    def methods(self) -> tuple[Callable[[Any], T], Callable[[Any, T], None]]:
        """``get_<name>`` and ``set_<name>``, as the C library has them."""

        def get(owner: Any) -> T:
            return self.get(owner)

        def set_(owner: Any, value: T) -> None:
            self.set(owner, value)

        get.__name__, set_.__name__ = f"get_{self._name}", f"set_{self._name}"
        get.__doc__, set_.__doc__ = f"C: {self._get}.", f"C: {self._set}."
        return get, set_


def read_text(place: Any) -> str | None:
    if place[0] == ffi.NULL:
        return None
    try:
        return text_of(place[0])
    finally:
        lib.free(place[0])


def write_text(value: str | None) -> Any:
    return ffi.NULL if value is None else value.encode()


class Attributes:
    """What both attribute classes share."""

    _names: tuple[str, ...] = ()
    _pointer: Any

    def pointer(self) -> Any:
        """The C attributes."""
        return self._pointer

    def _assign(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if name not in self._names:
                raise TypeError(
                    f"{type(self).__name__} has no attribute {name!r}; "
                    f"it has {', '.join(self._names)}"
                )
            setattr(self, name, value)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        default = type(self)()._values()
        told = ", ".join(
            f"{name}={'...' if name == 'password' else repr(value)}"
            for name, value in self._values().items()
            if value != default[name]
        )
        return f"{type(self).__name__}({told})"


def read_parallelism(place: Any) -> int:
    fixed = place.mode == lib.GLOBUS_FTP_CONTROL_PARALLELISM_FIXED
    return int(place.fixed.size) if fixed else 1


def write_parallelism(streams: int) -> Any:
    if streams < 1:
        raise ValueError(f"parallelism is a number of streams, at least 1: {streams}")
    place = ffi.new("globus_ftp_control_parallelism_t *")
    place.fixed.mode = lib.GLOBUS_FTP_CONTROL_PARALLELISM_FIXED
    place.fixed.size = streams
    if streams == 1:
        place.mode = lib.GLOBUS_FTP_CONTROL_PARALLELISM_NONE
    return place


def read_tcp_buffer(place: Any) -> TcpBuffer | None:
    if place.mode == lib.GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED:
        return TcpBuffer(place.fixed.size)
    if place.mode == lib.GLOBUS_FTP_CONTROL_TCPBUFFER_AUTOMATIC:
        chosen = place.automatic
        return TcpBuffer(chosen.initial_size, chosen.minimum_size, chosen.maximum_size)
    return None


def write_tcp_buffer(value: TcpBuffer | int | None) -> Any:
    place = ffi.new("globus_ftp_control_tcpbuffer_t *")
    if isinstance(value, int):
        value = TcpBuffer(value)
    if value is None:
        place.mode = lib.GLOBUS_FTP_CONTROL_TCPBUFFER_DEFAULT
    elif value.minimum is None or value.maximum is None:
        place.fixed.mode = lib.GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED
        place.fixed.size = value.initial
    else:
        place.automatic.mode = lib.GLOBUS_FTP_CONTROL_TCPBUFFER_AUTOMATIC
        place.automatic.initial_size = value.initial
        place.automatic.minimum_size = value.minimum
        place.automatic.maximum_size = value.maximum
    return place


def read_dcau(place: Any) -> Dcau:
    mode = DcauMode(place.mode)
    if mode is not DcauMode.SUBJECT:
        return Dcau(mode)
    try:
        return Dcau(mode, text_of(place.subject.subject))
    finally:
        lib.free(place.subject.subject)


def write_dcau(value: Dcau | DcauMode) -> Any:
    if isinstance(value, DcauMode):
        value = Dcau(value)
    place = ffi.new("globus_ftp_control_dcau_t *")
    place.mode = value.mode
    if value.mode is DcauMode.SUBJECT:
        if value.subject is None:
            raise ValueError("DcauMode.SUBJECT needs the subject: Dcau(DcauMode.SUBJECT, '/O=...')")
        text = ffi.new("char[]", value.subject.encode())
        place.subject.subject = text
        _keep[place] = text
    return place


def read_layout(place: Any) -> Layout:
    return Layout(Striping(place.mode), int(place.round_robin.block_size) if place.mode else 0)


def write_layout(value: Layout) -> Any:
    place = ffi.new("globus_ftp_control_layout_t *")
    place.round_robin.mode = value.mode
    place.round_robin.block_size = value.size
    return place
