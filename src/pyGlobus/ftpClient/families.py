"""By which family of addresses a client reaches its servers.

Left to itself the library knows IPv4 alone, and with `FtpClientOperationAttr.allow_ipv6` it takes
addresses in the order of the system, and other commands for data connections (EPSV, EPRT).  Here a
host is reached by IPv4 where that works, and by both families where it does not.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from .._core.errors import GlobusException
from .._core.ftpurls import host_of
from .._native import lib
from .attributes import IPV6, FtpClientOperationAttr
from .restarts import Policy

__all__ = ["Families", "Reach"]

_LOOK_UP = 5000
"""Milliseconds for the resolver, where nothing else waits for it."""
_NO_ADDRESS = (
    "address family for hostname not supported",
    "name or service not known",
    "no address associated with hostname",
)


class Families:
    """What a client knows of its hosts."""

    def __init__(self) -> None:
        self._both: set[str] = set()
        """Hosts that are not reached by IPv4 alone."""

    def known(self, attr: FtpClientOperationAttr, url: str) -> FtpClientOperationAttr:
        """The attributes for this host, by what is known of it now."""
        return attr.for_host(url, self._both)

    def reach(
        self, answered: Callable[[], bool], *sides: tuple[FtpClientOperationAttr, str]
    ) -> Reach:
        """How one operation reaches its hosts.

        Args:
            answered: tells whether a server has answered anything in this attempt.
            sides: attributes and URL of each.
        """
        return Reach(self._both, answered, sides)


class Reach:
    """How one operation reaches its hosts; see `Families`."""

    def __init__(
        self,
        both: set[str],
        answered: Callable[[], bool],
        sides: tuple[tuple[FtpClientOperationAttr, str], ...],
    ) -> None:
        self._both = both
        self._answered = answered
        self._sides = sides
        self._hosts = [host_of(url) for _, url in sides]
        self._made: dict[int, FtpClientOperationAttr] = {}
        for host in self._unknown():
            lib.cog_name_families(host.encode(), 0)  # the answer is there when it is wanted

    def _is_free(self, place: int) -> bool:
        """Whether we may choose."""
        return self._sides[place][0].allow_ipv6 is None

    def _unknown(self) -> list[str]:
        """Hosts that may turn out to need IPv6."""
        return [
            host
            for place, host in enumerate(self._hosts)
            if self._is_free(place) and host not in self._both and _version(host) is None
        ]

    def pointer(self, place: int = 0) -> Any:
        """The C attributes of a side, for the attempt that begins."""
        attr, url = self._sides[place]
        # between two servers both must speak of the same kind of addresses
        both = any(host in self._both or _version(host) == 6 for host in self._hosts)
        if not (both and self._is_free(place)):
            return attr.pointer()
        if place not in self._made:
            self._made[place] = attr.for_host(url, [host_of(url)])
        return self._made[place].pointer()

    def learn(self, error: BaseException, milliseconds: int = 0) -> bool:
        """Whether a host that could not be reached may be by IPv6, and was not tried so."""
        if self._answered() or not _is_unreached(error):
            return False
        found = [
            host
            for host in self._unknown()
            if lib.cog_name_families(host.encode(), milliseconds) & IPV6
        ]
        self._both.update(found)
        return bool(found)

    def learn_at_once(self, error: BaseException) -> bool:
        """As `learn`, where the resolver may be waited for."""
        return self.learn(error, _LOOK_UP)

    def policy(self, policy: Policy | None) -> Policy | None:
        """Begins again what may reach its host by IPv6, and else does as `policy` does."""
        return OtherFamily(self, policy) if self._unknown() else policy


class OtherFamily:
    """Begins an operation again, once, that has not reached its host by IPv4."""

    def __init__(self, reach: Reach, policy: Policy | None) -> None:
        self.on_restart = None if policy is None else policy.on_restart
        self._reach = reach
        self._policy = policy
        self._extra = 0

    def delay(self, error: GlobusException, attempt: int, began: float) -> float | None:
        """At once, if it may help."""
        if self._reach.learn(error):
            self._extra = 1
            return 0.0
        if self._policy is None:
            return None
        return self._policy.delay(error, attempt - self._extra, began)

    def arrived(self, key: int) -> str:
        """What the other policy knows."""
        return "" if self._policy is None else self._policy.arrived(key)


def _is_unreached(error: BaseException) -> bool:
    text = str(error).lower()
    return isinstance(error, ConnectionError) or any(words in text for words in _NO_ADDRESS)


def _version(host: str) -> int | None:
    """That of an address; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).version
    except ValueError:
        return None
