"""A file by http or https, between a URL and a descriptor, on a socket of ours.

The http driver of GASS transfer cannot be stopped: what cancels a request meets its own
assertions, and its socket is out of reach.  It also follows a server to any other one.  So its
requests are made here, as it makes them: a GET, or a PUT in chunks, one to a connection.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from .._core.channel import (
    Channel,
    ConnectionBroken,
    Expected,
    SocketOptions,
    connect,
    secure,
)
from .._core.errors import CredentialError
from .._core.http import AGENT, Head, body, read_head, shown_text, take_head
from .._core.work import Stop, write_all
from ..gassTransfer import Authorization, FileMode, GassRequestAttr
from ..security.credential import Credential

__all__ = ["Denied", "NotReferred", "get", "put"]

_BLOCK = 1 << 18
"""Bytes that are read or written at once."""
_MOST_REFERRALS = 5
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})(?: (.*))?")
_HOST = re.compile(r"[\w.:%-]+")
_PORTS = {"http": 80, "https": 443}

Count = Callable[[int], None]
"""Is told how many bytes have been moved, each time."""


class Denied(Exception):
    """The server has refused the request."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class NotReferred(Exception):
    """The server sends us to where we do not go."""


@dataclass(frozen=True, slots=True)
class _Address:
    """What a URL says."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query, as the request names them."""
    url: str

    @classmethod
    def of(cls, url: str) -> _Address:
        """Raises `ValueError`: it is no URL for http."""
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        name = parts.hostname or ""
        if not name.isascii():
            name = name.encode("idna").decode("ascii")
        if scheme not in _PORTS or not _HOST.fullmatch(name):
            raise ValueError("no host, or another scheme")
        if "@" in parts.netloc:
            raise ValueError("users and passwords are not sent by http")
        behind = url.partition("://")[2].partition("#")[0]
        at = next((n for n, char in enumerate(behind) if char in "/?"), len(behind))
        target = behind[at:]
        if not target.startswith("/"):
            target = f"/{target}"
        # what is printable goes as it is: the servers of GCT decode it, or do not
        target = quote(target, safe="".join(map(chr, range(0x21, 0x7F))))
        return cls(scheme, name, parts.port or _PORTS[scheme], target, url)

    @property
    def place(self) -> str:
        """Host and port, for the header."""
        host = _bracketed(self.host)
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True, slots=True)
class _Answer(Head):
    """The head of a server's answer."""

    status: int = 0
    reason: str = ""

    @classmethod
    def parse(cls, text: bytes) -> _Answer:
        """Read one."""
        head = Head.parse(text)
        status = _STATUS.fullmatch(head.first)
        if status is None:
            raise ConnectionBroken("what answers does not speak HTTP")
        reason = shown_text((status[2] or b"").decode("latin-1"))
        return cls(head.first, head.headers, int(status[1]), reason)


def get(url: str, attr: GassRequestAttr | None, descriptor: int, stop: Stop, count: Count) -> None:
    """Fetch a page into a descriptor.

    Raises:
        Denied: the server has refused it.
        NotReferred: it sends us elsewhere.
        ConnectionBroken, PeerRefused: see `channel`.
        CredentialError: there is no credential for https.
        OSError: the descriptor cannot be written.
        OperationCancelledError: it was stopped.
    """
    address = _Address.of(url)
    for _ in range(_MOST_REFERRALS + 1):
        channel = _opened(address, attr, stop)
        try:
            channel.put(_head("GET", address, attr))
            while not channel.flush():
                if channel.ended:
                    break  # what it has answered before is read below
            answer = _answer(channel)
            if 300 <= answer.status < 400 and "location" in answer.headers:
                address = _referred(address, answer, attr)
                continue
            _require_success(answer)
            pieces = iter(()) if answer.status == 204 else body(channel, answer, to_the_end=True)
            if attr is not None and attr.file_mode is FileMode.TEXT:
                pieces = _text(pieces)
            for piece in pieces:
                write_all(descriptor, piece, stop, count)
            return
        finally:
            channel.close()
    raise NotReferred(f"the server refers to another place more than {_MOST_REFERRALS} times")


def put(url: str, attr: GassRequestAttr | None, descriptor: int, stop: Stop, count: Count) -> None:
    """Send what a descriptor has, to its end.

    Raises:
        as `get`; OSError: the descriptor cannot be read.
    """
    address = _Address.of(url)
    channel = _opened(address, attr, stop)
    try:
        channel.put(_head("PUT", address, attr))
        _flush(channel)
        while True:
            block = _read(channel, descriptor, stop)
            channel.put(b"%x\r\n%b\r\n" % (len(block), block) if block else b"0\r\n\r\n")
            _flush(channel)
            count(len(block))
            if not block:
                break
        _require_taken(_answer(channel))
    finally:
        channel.close()


# --- the request ---------------------------------------------------------------------------------


def _opened(address: _Address, attr: GassRequestAttr | None, stop: Stop) -> Channel:
    """A connection to the server, or to it by way of a proxy."""
    proxy = _Address.of(attr.proxy_url) if attr is not None and attr.proxy_url else None
    credential = None
    if address.scheme == "https":
        credential = Credential.default()
        if credential.expired:
            raise CredentialError(f"the credential of {credential.subject} has expired")
    options = SocketOptions()
    if attr is not None:
        options = SocketOptions(attr.sndbuf, attr.rcvbuf, attr.nodelay)
    first = proxy or address
    connection = connect(first.host, first.port, options, stop)
    channel = Channel(connection, stop)
    if credential is None:
        return channel
    try:
        if proxy is not None:
            there = f"{_bracketed(address.host)}:{address.port}"
            channel.put(f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n\r\n".encode())
            _flush(channel)
            _require_success(_answer(channel))
    except BaseException:
        channel.close()
        raise
    return secure(connection, stop, credential, _expected(address, attr))


def _expected(address: _Address, attr: GassRequestAttr | None) -> Expected:
    mode, subject = (Authorization.SELF, None) if attr is None else attr.get_authorization()
    if mode is Authorization.SELF:
        return Expected()
    if mode is Authorization.HOST:
        return Expected("host", address.host)
    return Expected("subject", subject or "")


def _head(verb: str, address: _Address, attr: GassRequestAttr | None) -> bytes:
    by_proxy = attr is not None and attr.proxy_url and address.scheme == "http"
    place = f"http://{address.place}" if by_proxy else ""
    lines = [
        f"{verb} {place}{address.target} HTTP/1.1",
        f"Host: {address.place}",
        "Connection: close",
        f"User-Agent: {AGENT}",
    ]
    if verb == "PUT":
        text = attr is not None and attr.file_mode is FileMode.TEXT
        kind = "text/plain" if text else "application/octet-stream"
        lines += ["Transfer-Encoding: chunked", f"Content-Type: {kind}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _flush(channel: Channel) -> None:
    """Send all of it, unless the server says no before."""
    while not channel.flush():
        if channel.ended:
            # a last word may be there
            _require_taken(_answer(channel))
            raise ConnectionBroken("the server closed the connection before it had everything")
        _look_at_early_answer(channel)


def _look_at_early_answer(channel: Channel) -> None:
    while (answer := take_head(channel, _Answer.parse)) is not None:
        if answer.status >= 200:
            _require_taken(answer)
            raise ConnectionBroken("the server answered before it had everything")


def _read(channel: Channel, descriptor: int, stop: Stop) -> bytes:
    """What the descriptor has next; the server is heard while it has nothing."""
    while True:
        wanted = [(descriptor, select.POLLIN)]
        if not channel.ended:
            wanted.append((channel.fileno(), select.POLLIN))
        ready = stop.wait(*wanted)
        if channel.fileno() in ready:
            channel.take()
            _look_at_early_answer(channel)
            if channel.ended:
                raise ConnectionBroken("the server closed the connection")
        if descriptor in ready:
            try:
                return os.read(descriptor, _BLOCK)
            except BlockingIOError:
                continue


# --- the answer ----------------------------------------------------------------------------------


def _answer(channel: Channel) -> _Answer:
    """The head of the server's answer, but for those that only say to go on."""
    while True:
        answer = read_head(channel, _Answer.parse)
        if answer.status >= 200:
            return answer


def _require_success(answer: _Answer) -> None:
    if not 200 <= answer.status < 300 or answer.status == 206:
        raise Denied(answer.status, answer.reason)


def _require_taken(answer: _Answer) -> None:
    """Raise unless the server has taken what was sent."""
    if 300 <= answer.status < 400:
        where = shown_text(answer.headers.get("location", "another place"))
        raise NotReferred(f"the server refers to {where}, and what is sent is not sent twice")
    _require_success(answer)


def _text(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Text as GASS has it: of seven bits, with line ends as they are here.

    Which line ends the page has, the first of them tells (RFC 2068 allowed all three).
    """
    line_end = b""
    rest = b""
    for piece in pieces:
        data = rest + bytes(byte & 0x7F for byte in piece)
        # a CR may be the first half of a line end
        rest = b"\r" if data.endswith(b"\r") else b""
        data = data[: len(data) - len(rest)]
        if not line_end and (first := re.search(rb"\r\n|\r|\n", data)):
            line_end = first[0]
        yield data.replace(line_end, b"\n") if line_end else data
    if rest:
        yield b"\n" if line_end in (b"", b"\r") else rest


def _referred(address: _Address, answer: _Answer, attr: GassRequestAttr | None) -> _Address:
    """Where the server sends us, if we go there: never out of TLS, nor to a stranger."""
    there = urljoin(address.url, answer.headers["location"])
    try:
        next_one = _Address.of(there)
    except ValueError as error:
        raise NotReferred("the server refers to what is no URL of http") from error
    if address.scheme == "https" and next_one.scheme != "https":
        raise NotReferred(f"the server refers from https to http ({next_one.place})")
    allowed = () if attr is None else attr.referral_hosts
    hosts = {host.lower() for host in allowed} | {address.host.lower()}
    if "*" not in hosts and next_one.host.lower() not in hosts:
        raise NotReferred(f"the server refers to another host, {next_one.host}")
    return next_one
