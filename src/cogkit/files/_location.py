"""`Location`: a path or a URL, taken apart."""

from __future__ import annotations

import os
import posixpath
import re
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote

from pyGlobus.urls import shown

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>[^/]*)(?P<path>/.*)?", re.DOTALL)
_HOST = re.compile(
    r"([^@:/\s]+(:[^@/\s]*)?@)?"  # user and password
    r"(\[[0-9A-Fa-f:.]+\]|[^@:/\[\]\s]+)"
    r"(:(?P<port>\d{1,5}))?"
)
_REMOTE = ("gsiftp", "ftp", "sshftp")
# What need not be quoted in a path (RFC 3986, 3.3); GridFTP servers know "~" unquoted only.
_SAFE = "/~!$&'()*+,;=:@-._"


class LocationError(ValueError):
    """Text that names no place."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a file is.

    ``str()`` of it is what a user may type again.
    """

    path: str
    """The path as the file system has it: nothing in it is quoted."""
    scheme: str = "file"
    host: str = ""
    """``host:port``, with the user in front where the URL has one; empty on this machine."""

    @classmethod
    def parse(cls, text: str) -> Location:
        """Take a path or a URL apart.

        Args:
            text: A path, ``file:///path``, ``gsiftp://host[:port]/path`` or
                ``ftp://[user[:password]@]host[:port]/path``; ``/~/`` is the home directory there.

        Raises:
            LocationError: It is neither.
        """
        if not text:
            raise LocationError("an empty name is no place")
        match = _URL.fullmatch(text)
        if match is None:
            if re.match(r"(gsiftp|ftp|sshftp|file):", text):
                # what cannot be taken apart may have a password anywhere before an @
                what = "" if "@" in text else f": {shown(text)!r}"
                raise LocationError(f"malformed URL{what}; it begins with scheme://host/")
            return cls(_sound(text, text))
        scheme, host = match["scheme"].lower(), match["host"]
        # A name may hold any byte, of which a str can hold what is not UTF-8 as surrogates.
        path = _sound(unquote(match["path"] or "/", errors="surrogateescape"), text)
        if scheme == "file":
            if host not in ("", "localhost"):
                raise LocationError(
                    f"{shown(text)}: a file: URL is on this machine; write file:///path"
                )
            return cls(path)
        if scheme not in _REMOTE:
            raise LocationError(
                f"{shown(text)}: {scheme} is not supported; use gsiftp, ftp, sshftp or file"
            )
        sound = _HOST.fullmatch(host)
        if sound is None or int(sound["port"] or 1) not in range(1, 65536):
            raise LocationError(
                f"malformed URL: {shown(text)!r}; a host and port look like host:2811"
            )
        # Not "~", which stays the home directory's name; nor is "/" dropped, which says directory.
        return cls(path, scheme, host)

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine."""
        return self.scheme == "file"

    @property
    def name(self) -> str:
        """The last part of the path, ``""`` for a root or a home directory."""
        name = posixpath.basename(self.path.rstrip("/"))
        return "" if name in ("~", ".", "..") else name

    @property
    def says_directory(self) -> bool:
        """Whether it is written as a directory is, with a slash at the end."""
        return self.path.endswith("/")

    def child(self, name: str) -> Location:
        """The place of that name in this directory.

        Raises:
            LocationError: It is no name of a file: what a server lists may not lead elsewhere.
        """
        if reason := unusable(name, remote=not self.is_local):
            raise LocationError(f"{name!r} is no name of a file: {reason}")
        return replace(self, path=posixpath.join(self.path, name))

    @property
    def parent(self) -> Location:
        """The directory that holds it."""
        return replace(self, path=posixpath.dirname(self.path.rstrip("/")) or _top(self))

    def is_inside(self, other: Location) -> bool:
        """Whether it is `other`, or in the directory `other`."""
        if (self.scheme, self.host) != (other.scheme, other.host):
            return False
        ours, theirs = (_normal(place) for place in (self, other))
        return ours == theirs or ours.startswith(theirs.rstrip("/") + "/")

    def __str__(self) -> str:
        if self.is_local:
            return self.path
        # a password is nobody's to read in a message
        host = re.sub(r":[^@/]*@", "@", self.host)
        return f"{self.scheme}://{host}{_quoted(self.path)}"

    @property
    def server(self) -> str:
        """Its server alone, for messages."""
        return str(replace(self, path=""))

    @property
    def url(self) -> str:
        """For pyGlobus: the URL with everything that it needs."""
        return f"{self.scheme}://{self.host}{_quoted(self.path)}"


def unusable(name: str, *, remote: bool) -> str:
    """Why text cannot be the name of one file in a directory; ``""`` if it can.

    Args:
        name: What a listing tells, or a local directory holds.
        remote: Whether it is to be sent over FTP, where a line end begins the next command.
    """
    if name in ("", ".", ".."):
        return "it is empty" if not name else "it is the directory itself, or the one above"
    if "/" in name:
        return "it has a slash"
    if "\0" in name:
        return "it has a NUL"
    if remote and ("\r" in name or "\n" in name):
        return "it has a line end, which cannot be sent over FTP"
    return ""


def _quoted(path: str) -> str:
    return quote(path, safe=_SAFE, errors="surrogateescape")


def _normal(place: Location) -> str:
    return os.path.realpath(place.path) if place.is_local else posixpath.normpath(place.path)


def _top(place: Location) -> str:
    return "." if place.is_local else "/"


def _sound(path: str, text: str) -> str:
    # In FTP a line end would begin the next command.
    if any(character in path for character in "\0\r\n") and "://" in text:
        raise LocationError(
            f"{shown(text)!r}: a name with NUL or a line end cannot be sent over FTP"
        )
    if "\0" in path:
        raise LocationError(f"{shown(text)!r}: a name cannot hold NUL")
    return path
