"""`GassRequestAttr`: how a request by http or https is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from .._core.errors import GlobusException, text_of
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib
from .constants import Authorization, FileMode

__all__ = ["GassRequestAttr", "GassTransferException", "GassTransferValueError"]


class GassTransferException(GlobusException):
    """What GASS transfer reports; `code` is its GLOBUS_GASS_TRANSFER_ERROR_*."""


class GassTransferValueError(GassTransferException, ValueError):
    """An argument that the library rejects."""


def _check(status: int, what: str) -> None:
    if status != 0:
        raise GassTransferValueError(
            f"{what}: the library rejects it (error {status})",
            code=status, library="globus_gass_transfer",
        )  # fmt: skip


class GassRequestAttr:
    """How a request by http or https is made (globus_gass_transfer_requestattr_t).

    The credential is not among these: the C library takes the process' default one.
    """

    _names = (
        "proxy_url", "block_size", "file_mode", "connection_reuse", "sndbuf", "rcvbuf", "nodelay",
        "authorization", "subject", "referral_hosts",
    )  # fmt: skip

    def __init__(
        self,
        *,
        proxy_url: str | None = None,
        block_size: int = 0,
        file_mode: FileMode = FileMode.BINARY,
        connection_reuse: bool = False,
        sndbuf: int = 0,
        rcvbuf: int = 0,
        nodelay: bool = False,
        authorization: Authorization = Authorization.SELF,
        subject: str | None = None,
        referral_hosts: Iterable[str] | str = (),
    ) -> None:
        """See the properties.  A `subject` alone means `Authorization.SUBJECT`."""
        runtime.activate("GASS_TRANSFER")
        pointer = ffi.new("globus_gass_transfer_requestattr_t *")
        # https' attributes are http's and more, and http takes them
        _check(lib.globus_gass_transfer_requestattr_init(pointer, b"https"), "request attributes")
        self._pointer = pointer
        owned(self, lambda: lib.globus_gass_transfer_requestattr_destroy(pointer))
        self.proxy_url = proxy_url
        self.block_size = block_size
        self.file_mode = file_mode
        self.connection_reuse = connection_reuse
        self.sndbuf = sndbuf
        self.rcvbuf = rcvbuf
        self.nodelay = nodelay
        if subject is not None and authorization is Authorization.SELF:
            authorization = Authorization.SUBJECT
        self.set_authorization(authorization, subject)
        self.referral_hosts = referral_hosts

    def pointer(self) -> Any:
        """The C attributes."""
        return self._pointer

    @property
    def proxy_url(self) -> str | None:
        """The http proxy to go through."""
        place = ffi.new("char **")
        _check(
            lib.globus_gass_transfer_requestattr_get_proxy_url(self._pointer, place), "proxy_url"
        )
        return text_of(place[0]) or None  # the library's own string: not to be freed

    @proxy_url.setter
    def proxy_url(self, value: str | None) -> None:
        text = ffi.NULL if value is None else value.encode()
        _check(
            lib.globus_gass_transfer_requestattr_set_proxy_url(self._pointer, text),
            f"proxy_url={value!r}",
        )

    @property
    def block_size(self) -> int:
        """Bytes of a block of text; the library uses it in `FileMode.TEXT` only."""
        place = ffi.new("globus_size_t *")
        _check(
            lib.globus_gass_transfer_requestattr_get_block_size(self._pointer, place), "block_size"
        )
        return int(place[0])

    @block_size.setter
    def block_size(self, value: int) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_block_size(self._pointer, value),
            f"block_size={value}",
        )

    @property
    def file_mode(self) -> FileMode:
        """Whether line ends are translated."""
        place = ffi.new("globus_gass_transfer_file_mode_t *")
        _check(
            lib.globus_gass_transfer_requestattr_get_file_mode(self._pointer, place), "file_mode"
        )
        return FileMode(place[0])

    @file_mode.setter
    def file_mode(self, value: FileMode) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_file_mode(self._pointer, value),
            f"file_mode={value!r}",
        )

    @property
    def connection_reuse(self) -> bool:
        """Asks that the connection be kept; the http driver of GCT 6.2 never keeps one."""
        place = ffi.new("globus_bool_t *")
        _check(
            lib.globus_gass_transfer_requestattr_get_connection_reuse(self._pointer, place),
            "connection_reuse",
        )
        return bool(place[0])

    @connection_reuse.setter
    def connection_reuse(self, value: bool) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_connection_reuse(self._pointer, value),
            f"connection_reuse={value}",
        )

    @property
    def sndbuf(self) -> int:
        """Bytes of the socket's send buffer; 0 for the system's own."""
        place = ffi.new("int *")
        _check(
            lib.globus_gass_transfer_requestattr_get_socket_sndbuf(self._pointer, place), "sndbuf"
        )
        return int(place[0])

    @sndbuf.setter
    def sndbuf(self, value: int) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_socket_sndbuf(self._pointer, value),
            f"sndbuf={value}",
        )

    @property
    def rcvbuf(self) -> int:
        """Bytes of the socket's receive buffer; 0 for the system's own."""
        place = ffi.new("int *")
        _check(
            lib.globus_gass_transfer_requestattr_get_socket_rcvbuf(self._pointer, place), "rcvbuf"
        )
        return int(place[0])

    @rcvbuf.setter
    def rcvbuf(self, value: int) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_socket_rcvbuf(self._pointer, value),
            f"rcvbuf={value}",
        )

    @property
    def nodelay(self) -> bool:
        """Send small packets at once (TCP_NODELAY)."""
        place = ffi.new("globus_bool_t *")
        _check(
            lib.globus_gass_transfer_requestattr_get_socket_nodelay(self._pointer, place), "nodelay"
        )
        return bool(place[0])

    @nodelay.setter
    def nodelay(self, value: bool) -> None:
        _check(
            lib.globus_gass_transfer_requestattr_set_socket_nodelay(self._pointer, value),
            f"nodelay={value}",
        )

    @property
    def referral_hosts(self) -> tuple[str, ...]:
        """Hosts that a server may refer to, beside its own (http status 301, 302, ...).

        Names, or ``*`` for any; none by default.  From https no server is followed to http,
        whatever is allowed.  The C library knows no such limit.
        """
        return self._referral_hosts

    @referral_hosts.setter
    def referral_hosts(self, value: Iterable[str] | str) -> None:
        hosts = (value,) if isinstance(value, str) else tuple(value)
        for host in hosts:
            if not host or not host.isprintable() or set(host) & set(" ,/"):
                raise GassTransferValueError(f"not a host: {host!r}", library="")
        self._referral_hosts = hosts

    def set_authorization(self, mode: Authorization, subject: str | None = None) -> None:
        """Who an https server must be.

        Args:
            mode: ourselves, its host, or a subject.
            subject: the distinguished name, with `Authorization.SUBJECT`.

        (globus_gass_transfer_secure_requestattr_set_authorization)
        """
        if (mode is Authorization.SUBJECT) != (subject is not None):
            raise GassTransferValueError(
                "Authorization.SUBJECT goes with a subject, and only it", library=""
            )
        _check(
            lib.globus_gass_transfer_secure_requestattr_set_authorization(
                self._pointer, mode, ffi.NULL if subject is None else subject.encode()
            ),
            f"authorization={mode!r}",
        )

    def get_authorization(self) -> tuple[Authorization, str | None]:
        """Mode and subject (globus_gass_transfer_secure_requestattr_get_authorization)."""
        mode = ffi.new("globus_gass_transfer_authorization_t *")
        subject = ffi.new("char **")
        _check(
            lib.globus_gass_transfer_secure_requestattr_get_authorization(
                self._pointer, mode, subject
            ),
            "authorization",
        )
        found = Authorization(mode[0])
        return found, text_of(subject[0]) if found is Authorization.SUBJECT else None

    @property
    def authorization(self) -> Authorization:
        """Who an https server must be."""
        return self.get_authorization()[0]

    @property
    def subject(self) -> str | None:
        """The server's subject, with `Authorization.SUBJECT`."""
        return self.get_authorization()[1]

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}

    def copy(self) -> Self:
        """Another one with the same values."""
        return type(self)(**self._values())

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        default = type(self)()._values()
        told = ", ".join(
            f"{name}={value!r}" for name, value in self._values().items() if value != default[name]
        )
        return f"{type(self).__name__}({told})"
