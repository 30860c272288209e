"""URLs as they may be shown: without passwords.

This is the one place that decides what of a URL is a password: whatever is shown, logged or
raised goes through `shown`, or `shown_in` for a text that may hold URLs.

A password ends at the last ``@`` before the path, and begins after the first ``:``; so it may hold
both, which RFC 1738 wants written as ``%40`` and ``%3A``.  It may also hold ``/``, which ends the
host: where what stands there is no host and port, all up to the last ``@`` is taken for a
password.  ``ftp://u:12/x@h`` remains the file ``x@h`` at port 12 of the host ``u``, as Globus
reads it: a slash in a password has to be written as ``%2F``.
"""

from __future__ import annotations

import re

__all__ = ["shown", "shown_in"]

# host:port, where there is no user; Globus takes what follows the port for the path
_HOST = re.compile(r"(?:\[[^\[\]]*\]|[^:\[\]]*)(?::\d*\.?)?\Z")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")


def shown(url: str, *, keep_length: bool = False) -> str:
    """The URL as it may be shown: ``...`` stands for its password.

    Args:
        url: the URL, as it was given.
        keep_length: put as many dots as it has characters, for texts of which columns are told.

    >>> shown("ftp://me:secret@host/file")
    'ftp://me:...@host/file'
    """
    begin = url.find("://") + 3
    if begin < 3:
        return url
    end = url.find("/", begin)
    host = url[begin:] if end < 0 else url[begin:end]
    at = host.rfind("@")
    if at >= 0:
        at += begin
    elif _HOST.match(host) or (at := url.rfind("@")) < 0:
        return url
    colon = url.find(":", begin, at)
    if colon < 0:
        return url
    return f"{url[: colon + 1]}{'.' * (at - colon - 1) if keep_length else '...'}{url[at:]}"


def shown_in(text: str, *, keep_length: bool = False) -> str:
    """The text with each URL in it as it may be shown; see `shown`.

    >>> shown_in("get ftp://me:secret@host/file: no such file")
    'get ftp://me:...@host/file: no such file'
    """
    if "://" not in text:
        return text
    return _URL.sub(lambda found: shown(found[0], keep_length=keep_length), text)
