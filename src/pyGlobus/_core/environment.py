"""Variables that Globus reads, and what it does not say about them.

Globus passes over a range of ports that it cannot read (globus_xio_tcp_driver.c,
globus_l_xio_tcp_get_env_pair), and then uses any port; and where no port of a range is free, or
``GLOBUS_HOSTNAME`` is not known, it tells a number.
"""

from __future__ import annotations

import os
import re

__all__ = ["blamed", "connecting_trouble", "listening_trouble", "malformed", "port_range"]

_LISTENING = "GLOBUS_TCP_PORT_RANGE"
_CONNECTING = "GLOBUS_TCP_SOURCE_RANGE"
_RANGES = (_LISTENING, _CONNECTING, "GLOBUS_UDP_PORT_RANGE")
_RANGE = re.compile(r"\s*(\d{1,5})\s*,\s*(\d{1,5})\s*", re.ASCII)
_HOSTNAME = "GLOBUS_HOSTNAME"
_LOOK_UP_TIMEOUT = 5.0
"""Seconds."""


def malformed() -> str:
    """What is wrong with a variable that Globus would pass over in silence; ``""``: nothing."""
    for name in _RANGES:
        value = os.environ.get(name, "")
        if value.strip() and _ports(value) is None:
            return (
                f"{name}={value} is no range of ports: write two numbers from 1 to 65535 with a "
                f"comma between, the lower one first, such as {name}=45000,45100"
            )
    return ""


def port_range(name: str) -> range | None:
    """The ports that a variable allows; None: any (Globus reads one that is malformed so, too)."""
    return _ports(os.environ.get(name, ""))


def listening_trouble(port: int = 0) -> str:
    """Why no port could be opened, as far as variables are to blame; ``""`` if they are not.

    Looks a host's name up: not for the callback thread.

    Args:
        port: the one that was wanted; 0: any.
    """
    return ("" if port else _exhausted(_LISTENING)) or _unknown_host()


def connecting_trouble() -> str:
    """Why no connection could be opened, as far as variables are to blame."""
    return _exhausted(_CONNECTING)


def blamed(text: str, *, address_in_use: bool) -> str:
    """The variable behind an error that Globus does tell of; ``""``: none.  Looks nothing up.

    Args:
        text: Globus' whole text.
        address_in_use: whether an address was in use, or could not be had.
    """
    if "globus_libc_gethostaddr failed" in text:
        return _not_known()
    if address_in_use:
        given = [f"{name}={os.environ[name]}" for name in _RANGES if os.environ.get(name)]
        return f"no port of {' or '.join(given)} is free" if given else ""
    return ""


def _ports(value: str) -> range | None:
    found = _RANGE.fullmatch(value)
    if found is None or not 1 <= int(found[1]) <= int(found[2]) <= 65535:
        return None
    return range(int(found[1]), int(found[2]) + 1)


def _exhausted(name: str) -> str:
    value = os.environ.get(name, "")
    ports = _ports(value)
    if ports is None or any(map(_is_free, ports)):
        return ""
    return f"no port of {name}={value} is free"


def _is_free(port: int) -> bool:
    import socket  # with errors only

    with socket.socket() as one:
        try:
            one.bind(("", port))
        except OSError:
            return False
    return True


def _unknown_host() -> str:
    import socket  # with errors only
    import threading

    found = threading.Event()

    def look_up() -> None:
        try:
            socket.getaddrinfo(os.environ.get(_HOSTNAME) or socket.gethostname(), None)
        except (OSError, UnicodeError):
            return
        found.set()

    # a resolver that does not answer takes its time
    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_LOOK_UP_TIMEOUT)
    return "" if found.is_set() else _not_known()


def _not_known() -> str:
    import socket  # with errors only

    if name := os.environ.get(_HOSTNAME):
        return f"{_HOSTNAME}={name} is the name of no host that can be found"
    return (
        f"the name of this machine, {socket.gethostname()}, is not known to the network: set "
        f"{_HOSTNAME} to a name or address that is"
    )
