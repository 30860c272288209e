"""What watches over a client's servers: where they send us for data, what they have agreed to and
said that they can, and which of two failed.

A server answers PASV with the address that it listens at.  An address of another host is refused
before anything is connected to, as a server could make use of us to reach what it cannot; so is a
reply that cannot be understood, and one that ends a transfer which has not begun.  Servers that
have their data elsewhere (dCache's doors, a host with a network for data alone) need the
operation's ``data_hosts``; a striped transfer asks for several hosts, and so allows them.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .._core.buffers import shown
from .._core.errors import Cause, GlobusException, OperationCancelledError, text_of
from .._core.ftpurls import plain_url, wire_url
from .._core.handles import owned
from .._native import ffi, lib
from .constants import Striping
from .errors import FtpClientConnectionError, FtpClientDataAddressError, check_ftp, explain

if TYPE_CHECKING:
    from .attributes import FtpClientOperationAttr

__all__ = ["NO_RULES", "Guard", "Rules", "checked_hosts", "rules_of"]

Rules = tuple[str, bool]
"""Who may be connected to, as shim/passive.c reads it; and whether the address comes late."""
NO_RULES: Rules = ("", False)


def checked_hosts(value: Iterable[str] | str | None) -> tuple[str, ...] | None:
    """The hosts as `FtpClientOperationAttr.data_hosts` has them."""
    if value is None:
        return None
    hosts = (value,) if isinstance(value, str) else tuple(value)
    for host in hosts:
        if not host or not host.isprintable() or "," in host or " " in host:
            raise ValueError(f"not a host, an address or a network: {host!r}")
    return hosts


def rules_of(attr: FtpClientOperationAttr) -> Rules:
    """What these attributes allow (those of the destination, between two servers).

    Raises:
        FtpClientDataAddressError: a name in ``data_hosts`` is not known.
    """
    hosts = attr.data_hosts
    if hosts is None:
        striped = attr.striped or attr.layout.mode is not Striping.NONE
        return "*" if striped else "", attr.delayed_pasv
    if "*" in hosts:
        return "*", attr.delayed_pasv
    try:
        networks = [network for host in hosts for network in _networks(host)]
    except OSError as error:
        raise FtpClientDataAddressError(f"data_hosts={hosts}: {error.strerror}") from error
    return ",".join(networks), attr.delayed_pasv


def _networks(host: str) -> list[str]:
    try:
        network = ipaddress.ip_network(host, strict=False)
    except ValueError:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
        return [f"{address}/128" for address in sorted(found)]
    bits = network.prefixlen + (96 if network.version == 4 else 0)
    return [f"{network.network_address}/{bits}"]


class Guard:
    """The guard of one client, in each C handle that it uses (shim/guard.c)."""

    def __init__(self) -> None:
        pointer = self.pointer = lib.cog_guard_new()
        if pointer == ffi.NULL:
            raise MemoryError("no room for a handle")
        # not when the client is closed: who asks a closed one may be here at that moment
        owned(self, lambda: lib.cog_guard_free(pointer))
        self._rules = NO_RULES

    def watch(self, handle: Any) -> None:
        """Be in a new handle."""
        check_ftp(lib.cog_guard_watch(self.pointer, handle), "FTP handle")

    def follow(self, rules: Rules) -> None:
        """What is allowed in the next operation."""
        self._rules = rules

    def begin(self) -> None:
        """The operation begins, or begins again."""
        allowed, delayed = self._rules
        lib.cog_guard_begin(self.pointer, allowed.encode(), delayed)

    def began(self) -> bool:
        """Whether a server has said that data may come (a reply 1xx)."""
        return bool(lib.cog_guard_began(self.pointer))

    def refusal(self, what: str) -> FtpClientConnectionError | None:
        """Why the guard has aborted the operation, if it has, but for `refused_rename`."""
        return self._disorder(what) or self._bad_address(what)

    def refused_rename(self, what: str) -> GlobusException | None:
        """That the file to rename was refused: then the guard has aborted, or the server does not
        know how to rename (`FtpClientException.unsupported`)."""
        code = ffi.new("int *")
        reply = _taken(lib.cog_guard_rename_reply(self.pointer, code))
        if reply is None:
            return None
        return explain((Cause("globus_ftp_client", "ftp", code[0], reply.strip()),), what, None)

    def _disorder(self, what: str) -> FtpClientConnectionError | None:
        url = _taken(lib.cog_guard_disordered_url(self.pointer))
        if url is None:
            return None
        server = shown(plain_url(url))
        disorder = text_of(lib.cog_guard_disorder(self.pointer))
        error = FtpClientConnectionError(f"{what}: the replies of {server} {disorder}")
        error.url = server
        return error

    def _bad_address(self, what: str) -> FtpClientDataAddressError | None:
        address = _taken(lib.cog_guard_refused(self.pointer))
        if address is None:
            return None
        server = shown(plain_url(_taken(lib.cog_guard_refused_url(self.pointer)) or ""))
        if not address:
            error = FtpClientDataAddressError(
                f"{what}: the reply of {server} to where it listens for data makes no sense"
            )
        else:
            error = FtpClientDataAddressError(
                f"{what}: {server} has its data at another host, {address}",
                hint="if that is right, allow it: "
                f"FtpClientOperationAttr(data_hosts=['{address}']), or ['*'] for any; "
                f"cogkit: --data-host {address}",
            )
        error.address = address
        error.url = server
        return error

    def refine(self, error: GlobusException, what: str, source: str, dest: str) -> GlobusException:
        """Say of an error of `what`, between two servers, at which of them it was met."""
        fault = _taken(lib.cog_guard_fault(self.pointer))
        if fault is None or source == dest or isinstance(error, OperationCancelledError):
            return error
        for side, url in (("source", source), ("destination", dest)):
            if fault == wire_url(url):
                error.side, error.url = side, shown(url)
                error.msg = error.msg.replace(f"{what}: ", f"{what}: at the {side}: ", 1)
        return error

    def answered(self) -> bool:
        """Whether a server has replied anything in this operation, but that it hangs up (421)."""
        return bool(lib.cog_guard_answered(self.pointer))

    def agreed(self, url: str) -> tuple[str, str, str]:
        """The letters of MODE, DCAU and PROT that the session with this server has.

        ``-`` for what has not been sent in it.
        """
        letters = ffi.new("char[3]")
        lib.cog_guard_agreed(self.pointer, wire_url(url).encode(), letters)
        mode, dcau, prot = ffi.unpack(letters, 3).decode("latin-1")
        return mode, dcau, prot

    def features(self, url: str) -> Mapping[str, str] | None:
        """What the server of this URL has replied to FEAT, see `FtpFeatures.words`."""
        reply = _taken(lib.cog_guard_features(self.pointer, wire_url(url).encode()))
        if reply is None:
            return None
        words: dict[str, str] = {}
        for line in reply.replace("\r", "\n").split("\n"):
            # RFC 2389, 3.2: a blank before each; some servers forget it
            if line.strip() and not _CODE.match(line):
                name, _, rest = line.strip().partition(" ")
                words[name.upper()] = rest.strip()
        return MappingProxyType(words)


_CODE = re.compile(r"\d{3}[ -]")


def _taken(text: Any) -> str | None:
    if text == ffi.NULL:
        return None
    try:
        return text_of(text)
    finally:
        lib.free(text)
