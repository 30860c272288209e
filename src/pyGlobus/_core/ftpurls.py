"""URLs of FTP servers: what path they send, and paths in the login directory.

Globus sends the path of ``ftp://host/~/x`` as ``~/x``.  GCT's server takes that for the login
directory, others for a directory called ``~``.  What every server understands is a relative path:
a session begins in the login directory.  Globus' parser takes what follows the port for the path,
so that ``ftp://host:21./x`` makes it send ``./x``.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["host_of", "is_relative", "path_of", "plain_url", "wire_url"]

_PORTS = {"ftp": 21, "gsiftp": 2811}
_HOME = re.compile(r"(?P<scheme>ftp|gsiftp)://(?P<who>[^/]*)/~(?P<rest>/.*)?", re.I | re.S)
_PORT = re.compile(r":\d+\Z")
_WIRED = re.compile(r"((?:ftp|gsiftp)://[^/]*:\d+)\.(/.*)?", re.I | re.S)


def wire_url(url: str) -> str:
    """The URL as it is given to Globus: ``/~/x`` is a relative path."""
    found = _HOME.fullmatch(url)
    if found is None:
        return url
    scheme, who = found["scheme"], found["who"]
    if not _PORT.search(who):
        who = f"{who.rstrip(':')}:{_PORTS[scheme.lower()]}"
    return f"{scheme}://{who}.{(found['rest'] or '').rstrip('/') or ''}"


def plain_url(url: str) -> str:
    """The URL as people write it, of one that Globus was given; see `wire_url`."""
    found = _WIRED.fullmatch(url)
    return url if found is None else f"{found[1]}/~{found[2] or '/'}"


def is_relative(url: str) -> bool:
    """Whether what it names depends on the directory in which the session is."""
    return _HOME.fullmatch(url) is not None or _WIRED.fullmatch(url) is not None


def path_of(url: str) -> str:
    """The path that is sent to the server, decoded."""
    _, _, rest = wire_url(url).partition("://")
    if found := _WIRED.fullmatch(wire_url(url)):
        return unquote(f".{found[2] or ''}", errors="surrogateescape")
    _, slash, path = rest.partition("/")
    return unquote(slash + path, errors="surrogateescape") or "/"


def host_of(url: str) -> str:
    """The host, an IPv6 address without its brackets, in lower case."""
    who = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if who.startswith("["):
        return who[1:].partition("]")[0].lower()
    return who.partition(":")[0].lower()
