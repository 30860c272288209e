"""`FtpClientHandleAttr` and `FtpClientOperationAttr`: how a handle and its operations behave.

Each attribute can be given as a keyword, read and written as a property, or set and read by the
C library's own ``set_*`` and ``get_*``::

    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4)
    attr.parallelism = 8
    attr.set_parallelism(8)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

from .._core.errors import text_of
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib
from ..security.credential import Credential
from .constants import DcauMode, Mode, Protection, Striping, Type
from .errors import FtpClientValueError, check_ftp

__all__ = ["Dcau", "FtpClientHandleAttr", "FtpClientOperationAttr", "Layout", "TcpBuffer"]

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


class _Setting(Generic[T]):
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
    def __get__(self, owner: _Attributes, cls: type) -> T: ...
    def __get__(self, owner: _Attributes | None, cls: type) -> Self | T:
        return self if owner is None else self.get(owner)

    def __set__(self, owner: _Attributes, value: T) -> None:
        self.set(owner, value)

    def get(self, owner: _Attributes) -> T:
        """The C getter."""
        place = ffi.new(f"{self._c_type} *")
        check_ftp(getattr(lib, self._get)(owner.pointer(), place), self._name)
        return self._read(place)

    def set(self, owner: _Attributes, value: T) -> None:
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


def _read_text(place: Any) -> str | None:
    if place[0] == ffi.NULL:
        return None
    try:
        return text_of(place[0])
    finally:
        lib.free(place[0])


def _write_text(value: str | None) -> Any:
    return ffi.NULL if value is None else value.encode()


class _Attributes:
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


def _handle_flag(name: str) -> _Setting[bool]:
    return _Setting(
        "globus_ftp_client_handleattr", name, "globus_bool_t", lambda p: bool(p[0]), int
    )


class FtpClientHandleAttr(_Attributes):
    """How a handle behaves (globus_ftp_client_handleattr_t)."""

    _names = ("cache_all", "rfc1738_url", "gridftp2", "clientinfo")

    cache_all = _handle_flag("cache_all")
    """Keep every connection for later operations; what is kept is closed with the handle."""
    get_cache_all, set_cache_all = cache_all.methods()
    rfc1738_url = _handle_flag("rfc1738_url")
    """Paths are relative to the login directory; ``%2F`` at the start makes one absolute."""
    get_rfc1738_url, set_rfc1738_url = rfc1738_url.methods()
    gridftp2 = _handle_flag("gridftp2")
    """Use GETPUT where the server has it (GFD.47).  A put followed by a get on one handle has
    been seen to freeze with some servers; off by default."""
    get_gridftp2, set_gridftp2 = gridftp2.methods()

    def __init__(self, **values: Any) -> None:
        """Keywords are the attributes' names."""
        runtime.activate("FTP_CLIENT")
        pointer = ffi.new("globus_ftp_client_handleattr_t *")
        check_ftp(lib.globus_ftp_client_handleattr_init(pointer), "handle attributes")
        self._pointer = pointer
        self._clientinfo: tuple[str, str, str] | None = None
        owned(self, lambda: lib.globus_ftp_client_handleattr_destroy(pointer))
        self._assign(values)

    @property
    def clientinfo(self) -> tuple[str, str, str] | None:
        """Name and version of the program, and anything else, told to the server."""
        return self._clientinfo

    @clientinfo.setter
    def clientinfo(self, value: tuple[str, str, str]) -> None:
        self.set_clientinfo(*value)

    def set_clientinfo(self, app_name: str, app_version: str, other: str = "") -> None:
        """C: globus_ftp_client_handleattr_set_clientinfo."""
        check_ftp(
            lib.globus_ftp_client_handleattr_set_clientinfo(
                self._pointer, app_name.encode(), app_version.encode(),
                other.encode() if other else ffi.NULL,
            ),
            "client info",
        )  # fmt: skip
        self._clientinfo = (app_name, app_version, other)

    def add_cached_url(self, url: str) -> None:
        """Keep connections to the server of `url` (globus_ftp_client_handleattr_add_cached_url)."""
        check_ftp(
            lib.globus_ftp_client_handleattr_add_cached_url(self._pointer, url.encode()),
            f"cache of {url}",
        )

    def remove_cached_url(self, url: str) -> None:
        """No longer (globus_ftp_client_handleattr_remove_cached_url)."""
        check_ftp(
            lib.globus_ftp_client_handleattr_remove_cached_url(self._pointer, url.encode()),
            f"cache of {url}",
        )

    def copy(self) -> Self:
        """Another one with the same values."""
        other = type(self)()
        other._assign({name: value for name, value in self._values().items() if value is not None})
        return other


_OPERATION = "globus_ftp_client_operationattr"


def _flag(name: str) -> _Setting[bool]:
    return _Setting(_OPERATION, name, "globus_bool_t", lambda p: bool(p[0]), int)


def _text(name: str) -> _Setting[str | None]:
    return _Setting(_OPERATION, name, "char *", _read_text, _write_text)


def _read_parallelism(place: Any) -> int:
    fixed = place.mode == lib.GLOBUS_FTP_CONTROL_PARALLELISM_FIXED
    return int(place.fixed.size) if fixed else 1


def _write_parallelism(streams: int) -> Any:
    if streams < 1:
        raise ValueError(f"parallelism is a number of streams, at least 1: {streams}")
    place = ffi.new("globus_ftp_control_parallelism_t *")
    place.fixed.mode = lib.GLOBUS_FTP_CONTROL_PARALLELISM_FIXED
    place.fixed.size = streams
    if streams == 1:
        place.mode = lib.GLOBUS_FTP_CONTROL_PARALLELISM_NONE
    return place


def _read_tcp_buffer(place: Any) -> TcpBuffer | None:
    if place.mode == lib.GLOBUS_FTP_CONTROL_TCPBUFFER_FIXED:
        return TcpBuffer(place.fixed.size)
    if place.mode == lib.GLOBUS_FTP_CONTROL_TCPBUFFER_AUTOMATIC:
        chosen = place.automatic
        return TcpBuffer(chosen.initial_size, chosen.minimum_size, chosen.maximum_size)
    return None


def _write_tcp_buffer(value: TcpBuffer | int | None) -> Any:
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


def _read_dcau(place: Any) -> Dcau:
    mode = DcauMode(place.mode)
    if mode is not DcauMode.SUBJECT:
        return Dcau(mode)
    try:
        return Dcau(mode, text_of(place.subject.subject))
    finally:
        lib.free(place.subject.subject)


def _write_dcau(value: Dcau | DcauMode) -> Any:
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


def _read_layout(place: Any) -> Layout:
    return Layout(Striping(place.mode), int(place.round_robin.block_size) if place.mode else 0)


def _write_layout(value: Layout) -> Any:
    place = ffi.new("globus_ftp_control_layout_t *")
    place.round_robin.mode = value.mode
    place.round_robin.block_size = value.size
    return place


def _plain(c_type: str, name: str, python: Callable[[int], T]) -> _Setting[T]:
    return _Setting(_OPERATION, name, c_type, lambda p: python(p[0]), lambda value: value)


class FtpClientOperationAttr(_Attributes):
    """How an operation behaves (globus_ftp_client_operationattr_t)."""

    _names = (
        "mode", "type", "parallelism", "tcp_buffer", "dcau", "data_protection",
        "control_protection", "striped", "layout", "append", "allocate", "delayed_pasv",
        "allow_ipv6", "list_uses_data_mode", "resume_third_party_transfer", "net_stack",
        "disk_stack", "storage_module", "authz_assert", "credential", "user", "password",
        "account", "subject",
    )  # fmt: skip

    mode = _plain("globus_ftp_control_mode_t", "mode", Mode)
    """`Mode.STREAM` or `Mode.EXTENDED_BLOCK`."""
    get_mode, set_mode = mode.methods()
    type = _plain("globus_ftp_control_type_t", "type", Type)
    """`Type.IMAGE` (as it is) or `Type.ASCII` (line ends translated)."""
    get_type, set_type = type.methods()
    parallelism = _Setting(
        _OPERATION, "parallelism", "globus_ftp_control_parallelism_t",
        _read_parallelism, _write_parallelism,
    )  # fmt: skip
    """Data connections for one file; more than 1 needs `Mode.EXTENDED_BLOCK`."""
    get_parallelism, set_parallelism = parallelism.methods()
    tcp_buffer: _Setting[Any] = _Setting(
        _OPERATION, "tcp_buffer", "globus_ftp_control_tcpbuffer_t",
        _read_tcp_buffer, _write_tcp_buffer,
    )  # fmt: skip
    """Socket buffers: bytes, a `TcpBuffer`, or None for the system's own."""
    get_tcp_buffer, set_tcp_buffer = tcp_buffer.methods()
    dcau: _Setting[Any] = _Setting(
        _OPERATION, "dcau", "globus_ftp_control_dcau_t", _read_dcau, _write_dcau
    )
    """Data channel authentication: a `Dcau` or a `DcauMode`."""
    get_dcau, set_dcau = dcau.methods()
    data_protection = _plain("globus_ftp_control_protection_t", "data_protection", Protection)
    """Protection of the data channel."""
    get_data_protection, set_data_protection = data_protection.methods()
    control_protection = _plain("globus_ftp_control_protection_t", "control_protection", Protection)
    """Protection of the control channel."""
    get_control_protection, set_control_protection = control_protection.methods()
    striped = _flag("striped")
    """Ask a striped server to send from, or receive on, all its hosts."""
    get_striped, set_striped = striped.methods()
    layout = _Setting(
        _OPERATION, "layout", "globus_ftp_control_layout_t", _read_layout, _write_layout
    )
    """Layout of a striped transfer."""
    get_layout, set_layout = layout.methods()
    append = _flag("append")
    """A put adds to the end of the file."""
    get_append, set_append = append.methods()
    allocate: _Setting[int] = _Setting(
        _OPERATION, "allocate", "globus_off_t", lambda p: int(p[0]), int
    )
    """Bytes that a put announces, for servers that want to know."""
    get_allocate, set_allocate = allocate.methods()
    delayed_pasv = _flag("delayed_pasv")
    """Let the server choose its data address after it has seen the path."""
    get_delayed_pasv, set_delayed_pasv = delayed_pasv.methods()
    allow_ipv6 = _flag("allow_ipv6")
    """Use EPSV and EPRT, RFC 2428."""
    get_allow_ipv6, set_allow_ipv6 = allow_ipv6.methods()
    list_uses_data_mode = _flag("list_uses_data_mode")
    """Listings use `mode` too, so that the data connection is kept."""
    get_list_uses_data_mode, set_list_uses_data_mode = list_uses_data_mode.methods()
    resume_third_party_transfer = _flag("resume_third_party_transfer")
    """An interrupted third-party transfer begins where it stopped."""
    get_resume_third_party_transfer, set_resume_third_party_transfer = (
        resume_third_party_transfer.methods()
    )
    net_stack = _text("net_stack")
    """XIO drivers under the server's data channel."""
    get_net_stack, set_net_stack = net_stack.methods()
    disk_stack = _text("disk_stack")
    """XIO drivers under the server's disk access."""
    get_disk_stack, set_disk_stack = disk_stack.methods()

    def __init__(self, **values: Any) -> None:
        """Keywords are the attributes' names."""
        runtime.activate("FTP_CLIENT")
        pointer = ffi.new("globus_ftp_client_operationattr_t *")
        check_ftp(lib.globus_ftp_client_operationattr_init(pointer), "operation attributes")
        self._pointer = pointer
        self._storage_module: tuple[str, str] | None = None
        self._authz_assert: tuple[str, bool] | None = None
        self._authorization: dict[str, Any] = {}
        self._settled_for = ""
        owned(self, lambda: lib.globus_ftp_client_operationattr_destroy(pointer))
        self._assign(values)

    # The C getters of these three hand out what is not there or cannot read what the setters
    # wrote (GCT 6.2), so the values are kept here.

    @property
    def storage_module(self) -> tuple[str, str] | None:
        """Name and arguments of the server's storage module."""
        return self._storage_module

    @storage_module.setter
    def storage_module(self, value: tuple[str, str]) -> None:
        self.set_storage_module(*value)

    def set_storage_module(self, name: str, arguments: str) -> None:
        """C: globus_ftp_client_operationattr_set_storage_module."""
        check_ftp(
            lib.globus_ftp_client_operationattr_set_storage_module(
                self._pointer, name.encode(), arguments.encode()
            ),
            "storage module",
        )
        self._storage_module = (name, arguments)

    @property
    def authz_assert(self) -> tuple[str, bool] | None:
        """An authorization assertion for the server, and whether it may keep it."""
        return self._authz_assert

    @authz_assert.setter
    def authz_assert(self, value: tuple[str, bool]) -> None:
        self.set_authz_assert(*value)

    def set_authz_assert(self, assertion: str, cache: bool = False) -> None:
        """C: globus_ftp_client_operationattr_set_authz_assert."""
        check_ftp(
            lib.globus_ftp_client_operationattr_set_authz_assert(
                self._pointer, assertion.encode(), cache
            ),
            "authorization assertion",
        )
        self._authz_assert = (assertion, cache)

    def set_authorization(
        self,
        credential: Credential | None = None,
        user: str | None = None,
        password: str | None = None,
        account: str | None = None,
        subject: str | None = None,
    ) -> None:
        """Who we are, and who the server must be.

        Args:
            credential: our credential; the one GSI finds when None.
            user: login name at the server; chosen by its grid-mapfile when None.
            password: for ``ftp://`` URLs.
            account: for servers that want one.
            subject: the server's subject, when it is not that of its host name.

        (globus_ftp_client_operationattr_set_authorization)
        """
        check_ftp(
            lib.globus_ftp_client_operationattr_set_authorization(
                self._pointer,
                ffi.NULL if credential is None else credential.gss(),
                _write_text(user), _write_text(password), _write_text(account),
                _write_text(subject),
            ),
            "authorization",
        )  # fmt: skip
        self._authorization = {
            "credential": credential, "user": user, "password": password, "account": account,
            "subject": subject,
        }  # fmt: skip

    def insist_on_protection(self, url: str) -> None:
        """A protected data channel, or an error.

        Left to itself the library sends data in the clear, without a word, when protection is
        asked for and the data channel turns out not to be authenticated (GCT 6.2).
        """
        if self.data_protection is Protection.CLEAR:
            return
        if self.dcau.mode is DcauMode.NONE or url.partition(":")[0].lower() != "gsiftp":
            raise FtpClientValueError(
                f"a data channel that is {self.data_protection.name} needs GSI on both channels",
                hint="use gsiftp:// and leave dcau alone",
            )
        if self.dcau.mode is DcauMode.DEFAULT:
            # DEFAULT means: as the server likes
            self.dcau = DcauMode.SELF

    def settle_authorization(self, url: str) -> None:
        """Say outright what the library would take by default for this URL.

        Left to its defaults it copies the login name for every operation on a kept connection and
        forgets the copy (GCT 6.2: 64 bytes each).  The server maps whoever has no name.
        """
        scheme = url.partition(":")[0].lower()
        if self._authorization or scheme == self._settled_for or scheme not in ("gsiftp", "ftp"):
            return
        user, password = (b"anonymous", b"globus@") if scheme == "ftp" else (ffi.NULL, ffi.NULL)
        check_ftp(
            lib.globus_ftp_client_operationattr_set_authorization(
                self._pointer, ffi.NULL, user, password, ffi.NULL, ffi.NULL
            ),
            "authorization",
        )
        self._settled_for = scheme

    def _authorize(self, name: str, value: Any) -> None:
        self.set_authorization(**{**self._authorization, name: value})

    credential = property(
        lambda self: self._authorization.get("credential"),
        lambda self, value: self._authorize("credential", value),
        doc="Our credential, or None for the one GSI finds.",
    )
    user = property(
        lambda self: self._authorization.get("user"),
        lambda self, value: self._authorize("user", value),
        doc="Login name at the server.",
    )
    password = property(
        lambda self: self._authorization.get("password"),
        lambda self, value: self._authorize("password", value),
        doc="Password at the server.",
    )
    account = property(
        lambda self: self._authorization.get("account"),
        lambda self, value: self._authorize("account", value),
        doc="Account at the server.",
    )
    subject = property(
        lambda self: self._authorization.get("subject"),
        lambda self, value: self._authorize("subject", value),
        doc="The subject that the server must have.",
    )

    def copy(self) -> Self:
        """Another one with the same values."""
        other = type(self)()
        default = other._values()
        other._assign({name: v for name, v in self._values().items() if v != default[name]})
        return other
