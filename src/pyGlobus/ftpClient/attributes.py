"""`FtpClientOperationAttr`: how an operation behaves.

Each attribute can be given as a keyword, read and written as a property, or set and read by the
C library's own ``set_*`` and ``get_*``; those of `FtpClientHandleAttr` too::

    attr = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK, parallelism=4)
    attr.parallelism = 8
    attr.set_parallelism(8)
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Container, Iterable
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from .._core.ftpurls import host_of
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib
from ..security.credential import Credential
from .constants import DcauMode, Mode, Protection, Type
from .errors import FtpClientValueError, check_ftp, ftp_error
from .guard import checked_hosts
from .settings import (
    Attributes,
    Setting,
    read_dcau,
    read_layout,
    read_parallelism,
    read_tcp_buffer,
    read_text,
    write_dcau,
    write_layout,
    write_parallelism,
    write_tcp_buffer,
    write_text,
)

__all__ = ["IPV6", "FtpClientOperationAttr"]

IPV6 = 2
"""A bit of cog_name_families()."""

T = TypeVar("T")

DataFunc = Callable[[Any, Any, BaseException | None, Any, int, int, bool], object]
"""``data_func(arg, client, error, buffer, length, offset, eof)``: C's data callback."""

_ON_DATA = ffi.addressof(lib, "cog_on_ftp_data")

_OPERATION = "globus_ftp_client_operationattr"


def _flag(name: str) -> Setting[bool]:
    return Setting(_OPERATION, name, "globus_bool_t", lambda p: bool(p[0]), int)


def _text(name: str) -> Setting[str | None]:
    return Setting(_OPERATION, name, "char *", read_text, write_text)


def _withdraw(token: int) -> Callable[[], None]:
    return lambda: runtime.withdraw(token)


def _plain(c_type: str, name: str, python: Callable[[int], T]) -> Setting[T]:
    return Setting(_OPERATION, name, c_type, lambda p: python(p[0]), lambda value: value)


def user_in(url: str) -> tuple[str, str] | None:
    """Name and password in an ``ftp:`` URL (RFC 1738, 3.2.1)."""
    scheme, _, rest = url.partition("://")
    who, at, _ = rest.partition("/")[0].rpartition("@")
    if scheme.lower() != "ftp" or not at:
        return None
    name, _, password = who.partition(":")
    return unquote(name), unquote(password)


def _login(name: str, value: str | None) -> Any:
    """What is sent with USER, PASS or ACCT: a line end would begin another command."""
    if value is not None and any(sign in value for sign in "\0\r\n"):
        raise FtpClientValueError(f"a {name} cannot hold NUL, CR or LF")
    return write_text(value)


class FtpClientOperationAttr(Attributes):
    """How an operation behaves (globus_ftp_client_operationattr_t)."""

    _names = (
        "mode", "type", "parallelism", "tcp_buffer", "dcau", "data_protection",
        "control_protection", "striped", "layout", "append", "allocate", "delayed_pasv",
        "allow_ipv6", "list_uses_data_mode", "resume_third_party_transfer", "net_stack",
        "disk_stack", "storage_module", "authz_assert", "read_all", "data_security",
        "data_hosts", "credential", "user", "password", "account", "subject",
    )  # fmt: skip

    mode = _plain("globus_ftp_control_mode_t", "mode", Mode)
    """`Mode.STREAM` or `Mode.EXTENDED_BLOCK`."""
    get_mode, set_mode = mode.methods()
    type = _plain("globus_ftp_control_type_t", "type", Type)
    """`Type.IMAGE` (as it is) or `Type.ASCII` (line ends translated)."""
    get_type, set_type = type.methods()
    parallelism = Setting(
        _OPERATION, "parallelism", "globus_ftp_control_parallelism_t",
        read_parallelism, write_parallelism,
    )  # fmt: skip
    """Data connections for one file; more than 1 needs `Mode.EXTENDED_BLOCK`."""
    get_parallelism, set_parallelism = parallelism.methods()
    tcp_buffer: Setting[Any] = Setting(
        _OPERATION, "tcp_buffer", "globus_ftp_control_tcpbuffer_t",
        read_tcp_buffer, write_tcp_buffer,
    )  # fmt: skip
    """Socket buffers: bytes, a `TcpBuffer`, or None for the system's own."""
    get_tcp_buffer, set_tcp_buffer = tcp_buffer.methods()
    dcau: Setting[Any] = Setting(
        _OPERATION, "dcau", "globus_ftp_control_dcau_t", read_dcau, write_dcau
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
    layout = Setting(_OPERATION, "layout", "globus_ftp_control_layout_t", read_layout, write_layout)
    """Layout of a striped transfer."""
    get_layout, set_layout = layout.methods()
    append = _flag("append")
    """A put adds to the end of the file."""
    get_append, set_append = append.methods()
    allocate: Setting[int] = Setting(
        _OPERATION, "allocate", "globus_off_t", lambda p: int(p[0]), int
    )
    """Bytes that a put announces, for servers that want to know."""
    get_allocate, set_allocate = allocate.methods()
    delayed_pasv = _flag("delayed_pasv")
    """Let the server choose its data address after it has seen the path."""
    get_delayed_pasv, set_delayed_pasv = delayed_pasv.methods()
    _allow_ipv6 = _flag("allow_ipv6")
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
        # the library has a variable of its own, GLOBUS_FTP_CLIENT_IPV6
        self._ipv6: bool | None = True if self._allow_ipv6 else None
        self._storage_module: tuple[str, str] | None = None
        self._authz_assert: tuple[str, bool] | None = None
        self._read_all: tuple[bool, DataFunc | None, Any] = (False, None, None)
        self._read_all_token = 0
        self._data_security: Credential | None = None
        self._data_hosts: tuple[str, ...] | None = None
        self._authorization: dict[str, Any] = {}
        self._copy_of: FtpClientOperationAttr | None = None
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

    @property
    def read_all(self) -> bool:
        """Whether the one buffer of `FtpClient.register_read` gets the whole file.

        It must be large enough.  Not for transfers into a descriptor.
        """
        return self._read_all[0]

    @read_all.setter
    def read_all(self, value: bool) -> None:
        self.set_read_all(value)

    def get_read_all(self) -> bool:
        """C: globus_ftp_client_operationattr_get_read_all."""
        place = ffi.new("globus_bool_t *")
        function, its_arg = ffi.new("globus_ftp_client_data_callback_t *"), ffi.new("void **")
        check_ftp(
            lib.globus_ftp_client_operationattr_get_read_all(
                self._pointer, place, function, its_arg
            ),
            "read_all",
        )
        return bool(place[0])

    def set_read_all(
        self, read_all: bool, data_func: DataFunc | None = None, arg: Any = None
    ) -> None:
        """As `read_all`, and with `data_func` told of each block as it comes.

        It is called with ``(arg, None, error, None, length, offset, eof)``: the bytes lie in the
        registered buffer, at `offset` (globus_ftp_client_operationattr_set_read_all).
        """
        self._forget_read_all()
        if data_func is not None:
            told = data_func

            def tell(event: Any) -> None:
                error = None
                if event.object != ffi.NULL:
                    error = ftp_error(event.object, "read a block", None)
                told(arg, None, error, None, event.a, event.b, bool(event.c))

            self._read_all_token = token = runtime.enrol(tell, once=False)
            self._read_all_finalizer = weakref.finalize(self, runtime.bury, _withdraw(token))
            self._read_all_finalizer.atexit = False
        check_ftp(
            lib.globus_ftp_client_operationattr_set_read_all(
                self._pointer, read_all, _ON_DATA if data_func is not None else ffi.NULL,
                ffi.cast("void *", self._read_all_token),
            ),
            "read_all",
        )  # fmt: skip
        self._read_all = (read_all, data_func, arg)

    def _forget_read_all(self) -> None:
        if self._read_all_token:
            self._read_all_finalizer.detach()
            runtime.withdraw(self._read_all_token)
            self._read_all_token = 0

    @property
    def allow_ipv6(self) -> bool | None:
        """Whether hosts may be reached by IPv6, and data connections made by EPSV and EPRT (RFC
        2428).

        None: where it must be.  IPv4 first, and IPv6 where there is no IPv4 address, or none that
        answers.  True: the addresses in the order of the system.
        """
        return self._ipv6

    @allow_ipv6.setter
    def allow_ipv6(self, value: bool | None) -> None:
        self._ipv6 = value
        self._allow_ipv6 = bool(value)

    def get_allow_ipv6(self) -> bool:
        """C: globus_ftp_client_operationattr_get_allow_ipv6."""
        return self._allow_ipv6

    def set_allow_ipv6(self, value: bool) -> None:
        """C: globus_ftp_client_operationattr_set_allow_ipv6."""
        self.allow_ipv6 = value

    @property
    def data_hosts(self) -> tuple[str, ...] | None:
        """Hosts that the server may name for the data connection, beside the one that it is.

        Names, addresses, networks (``10.1.0.0/16``), or ``*`` for any.  None: no other, unless
        `striped` or `layout` ask for several hosts.  Servers that redirect (dCache's doors) or
        that have a network for data alone need it; all others are refused for it, as
        `FtpClientDataAddressError`, before anything is connected to.
        """
        return self._data_hosts

    @data_hosts.setter
    def data_hosts(self, value: Iterable[str] | str | None) -> None:
        self._data_hosts = checked_hosts(value)

    @property
    def data_security(self) -> Credential | None:
        """Credential for the data channel, where it is another than the control channel's."""
        return self._data_security

    @data_security.setter
    def data_security(self, value: Credential) -> None:
        self.set_data_security(value)

    def set_data_security(self, credential: Credential) -> None:
        """Have the server use this credential on the data channel (DCSC, type P).

        For a transfer between servers that do not trust each other's CAs.  The credential, with
        its private key, goes to the server over the protected control channel
        (globus_ftp_client_operationattr_set_data_security).
        """
        check_ftp(
            lib.globus_ftp_client_operationattr_set_data_security(
                self._pointer, ord("P"), credential.gss()
            ),
            "data security",
        )
        self._data_security = credential

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

        Raises:
            FtpClientValueError: a NUL, CR or LF in what is sent to the server.
        """
        check_ftp(
            lib.globus_ftp_client_operationattr_set_authorization(
                self._pointer,
                ffi.NULL if credential is None else credential.gss(),
                _login("user", user), _login("password", password), _login("account", account),
                write_text(subject),
            ),
            "authorization",
        )  # fmt: skip
        self._authorization = {
            "credential": credential, "user": user, "password": password, "account": account,
            "subject": subject,
        }  # fmt: skip

    def for_operation(self, url: str, **changes: Any) -> Self:
        """A copy for one operation on `url`, which says outright what the library would guess.

        The caller's object may be in use by other threads and clients, so it is never changed.

        Args:
            url: where the operation goes.
            **changes: attributes that the copy has instead.

        Raises:
            FtpClientValueError: protection is asked for that this URL cannot have.
        """
        pointer = ffi.new("globus_ftp_client_operationattr_t *")
        check_ftp(
            lib.globus_ftp_client_operationattr_copy(pointer, self._pointer), "operation attributes"
        )
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._pointer = pointer
        other._copy_of = self  # who has the token of `read_all`
        owned(other, lambda: lib.globus_ftp_client_operationattr_destroy(pointer))
        other._assign(changes)
        other._insist_on_protection(url)
        other._choose_login(url)
        return other

    def _insist_on_protection(self, url: str) -> None:
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

    def _choose_login(self, url: str) -> None:
        """Say who we are where the caller has not.

        Left to its defaults the library copies the login name for every operation on a kept
        connection and forgets the copy (GCT 6.2: 64 bytes each).  The server maps whoever has no
        name.  And it does not look at the name and password in an ``ftp:`` URL.
        """
        scheme, who = url.partition(":")[0].lower(), user_in(url)
        if self._authorization or scheme not in ("gsiftp", "ftp"):
            return
        user, password = ("anonymous", "globus@") if scheme == "ftp" else (None, None)
        if who is not None:
            user, password = who
        check_ftp(
            lib.globus_ftp_client_operationattr_set_authorization(
                self._pointer, ffi.NULL, _login("user", user), _login("password", password),
                ffi.NULL, ffi.NULL,
            ),
            "authorization",
        )  # fmt: skip

    def for_host(self, url: str, also: Container[str] = (), *, look_up: bool = False) -> Self:
        """The attributes for the host of a URL: where `allow_ipv6` is None, with its answer.

        Args:
            url: names the host.
            also: hosts that are not reached by IPv4 alone.
            look_up: have the resolver say whether a host has IPv6 addresses, for who does not try
                IPv4 alone first; that takes 5 s at most.
        """
        if self.allow_ipv6 is not None:
            return self
        host = host_of(url)
        six = host in also or ":" in host
        if not six and look_up:
            six = bool(lib.cog_name_families(host.encode(), 5000) & IPV6)
        if not six:
            return self
        return self.for_operation(url, allow_ipv6=True)

    def for_command(self, url: str, mode: str, dcau: str, prot: str) -> FtpClientOperationAttr:
        """The attributes for what needs no data connection: with nothing of one that is new.

        The library sets up the data channel (MODE, DCAU, PROT, ...) for every command, also for
        ``SIZE``.  Many servers do not know these; and what is changed costs a round trip and the
        data connection that was kept.

        Args:
            url: where the operation goes; these attributes are already those for it.
            mode: the letter of MODE that the session has agreed to, ``-`` for none yet.
            dcau: that of DCAU.
            prot: that of PROT.
        """
        scheme = url.partition(":")[0].lower()
        wanted_mode = Mode.STREAM if mode == "-" else Mode(ord(mode))
        wanted_prot = Protection.CLEAR if prot == "-" else Protection(ord(prot))
        # DEFAULT sends nothing by itself; in a session of ftp: the library takes NONE anyway
        wanted_dcau = {"-": DcauMode.DEFAULT, "A": DcauMode.DEFAULT, "N": DcauMode.NONE}.get(dcau)
        same = (
            self.mode is wanted_mode
            and self.data_protection is wanted_prot
            and (scheme == "ftp" or wanted_dcau is None or self.dcau.mode is wanted_dcau)
            and self.net_stack is None
            and self.disk_stack is None
            and self.data_security is None
        )
        if same:
            return self
        other = FtpClientOperationAttr(
            type=self.type, control_protection=self.control_protection, mode=wanted_mode,
            data_protection=wanted_prot, allow_ipv6=self.allow_ipv6,
        )  # fmt: skip
        if wanted_dcau is not None:
            other.dcau = wanted_dcau
        elif self.dcau.mode is DcauMode.SUBJECT:
            other.dcau = self.dcau
        if self.authz_assert is not None:
            other.authz_assert = self.authz_assert
        if self._authorization:
            other.set_authorization(**self._authorization)
        other._choose_login(url)
        return other

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
        if self.read_all:
            other.set_read_all(*self._read_all)
        return other
