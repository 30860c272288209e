"""What both sides of http read (RFC 9112): heads, and bodies however they are framed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from .channel import Channel, ConnectionBroken

__all__ = ["AGENT", "Head", "body", "read_head", "shown_text", "take_head"]

H = TypeVar("H", bound="Head")

AGENT = "Globus-GASS-HTTP/1.1.0"
"""What GASS clients and servers call themselves."""

_LONGEST_HEAD = 1 << 16
"""Bytes of the headers, at most."""
_LONGEST_LINE = 1 << 12
_HEADER = re.compile(rb"([!#-'*+\-.^-z|~\w]+):[ \t]*(.*?)[ \t]*")


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of a message, and its headers."""

    first: bytes
    headers: Mapping[str, str]
    """By names in lower case; those of one name are joined by commas."""

    @classmethod
    def parse(cls, text: bytes) -> Head:
        """Read one, without the blank line that ends it."""
        first, *lines = text.split(b"\r\n")
        headers: dict[str, str] = {}
        for line in lines:
            header = _HEADER.fullmatch(line)
            if header is None:
                raise ConnectionBroken("the headers of the other side cannot be read")
            name, value = header[1].decode("ascii").lower(), header[2].decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        return cls(first, headers)

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks; a length is void then."""
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding not in ("", "identity", "chunked"):
            raise ConnectionBroken(f"the other side sends in the coding {coding[:40]!r}")
        return coding == "chunked"

    @property
    def length(self) -> int | None:
        """How many bytes the body has; None where that is not announced."""
        text = self.headers.get("content-length")
        if text is None:
            return None
        lengths = {one.strip() for one in text.split(",")}
        number = lengths.pop()
        if lengths or not number.isascii() or not number.isdecimal():
            raise ConnectionBroken(f"the other side announces {text[:40]!r} bytes")
        return int(number)


def read_head(channel: Channel, parse: Callable[[bytes], H]) -> H:
    """Wait for the head of the next message; `parse` reads it.

    Raises:
        ConnectionBroken: it does not come, or is none.
    """
    while (head := take_head(channel, parse)) is None:
        if not channel.fill():
            raise ConnectionBroken("the other side has closed the connection without a word")
    return head


def take_head(channel: Channel, parse: Callable[[bytes], H]) -> H | None:
    """The head of the next message, if it has come.

    Raises:
        ConnectionBroken: it is none.
    """
    end = channel.received.find(b"\r\n\r\n")
    if end < 0:
        if len(channel.received) > _LONGEST_HEAD:
            raise ConnectionBroken("the headers of the other side have no end")
        return None
    head = parse(bytes(channel.received[:end]))
    del channel.received[: end + 4]
    return head


def body(channel: Channel, head: Head, *, to_the_end: bool) -> Iterator[bytes]:
    """The pieces of a message's body.

    Args:
        channel: where it comes.
        head: what has come before it.
        to_the_end: whether one without a length lasts until the other side hangs up; else it is
            empty.

    Raises:
        ConnectionBroken: it breaks off before its end, or is framed wrongly.
    """
    if head.chunked:
        return _chunks(channel)
    if head.length is not None:
        return _exactly(channel, head.length, "the body")
    return _until_it_hangs_up(channel) if to_the_end else iter(())


def shown_text(text: str) -> str:
    """What the other side has said, as it may be shown."""
    return "".join(char if char.isprintable() else " " for char in text)[:200]


def _until_it_hangs_up(channel: Channel) -> Iterator[bytes]:
    while channel.received or channel.fill():
        yield _taken(channel, len(channel.received))


def _exactly(channel: Channel, length: int, what: str) -> Iterator[bytes]:
    left = length
    while left:
        if not channel.received and not channel.fill():
            raise ConnectionBroken(
                f"the connection broke {left} bytes before the end of {what} of {length} bytes"
            )
        piece = _taken(channel, left)
        left -= len(piece)
        yield piece


def _chunks(channel: Channel) -> Iterator[bytes]:
    while True:
        size = _line(channel).partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise ConnectionBroken("the chunks of the other side cannot be read")
        length = int(size, 16)
        if not length:
            break
        yield from _exactly(channel, length, "a chunk")
        if _line(channel):
            raise ConnectionBroken("the chunks of the other side cannot be read")
    trailers = 0
    while line := _line(channel):
        trailers += len(line)
        if trailers > _LONGEST_HEAD:
            raise ConnectionBroken("the headers of the other side have no end")


def _line(channel: Channel) -> bytes:
    while (end := channel.received.find(b"\r\n")) < 0:
        if len(channel.received) > _LONGEST_LINE:
            raise ConnectionBroken("the chunks of the other side cannot be read")
        if not channel.fill():
            raise ConnectionBroken("the connection broke between two chunks")
    line = bytes(channel.received[:end])
    del channel.received[: end + 2]
    return line


def _taken(channel: Channel, most: int) -> bytes:
    piece = bytes(channel.received[:most])
    del channel.received[:most]
    return piece
