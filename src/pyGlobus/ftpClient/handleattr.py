"""`FtpClientHandleAttr`: how a handle behaves."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from .._core.buffers import shown, urls
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib
from .errors import check_ftp
from .plugins.base import FtpClientPlugin
from .settings import Attributes, Setting, read_text

__all__ = ["FtpClientHandleAttr"]


def _handle_flag(name: str) -> Setting[bool]:
    return Setting("globus_ftp_client_handleattr", name, "globus_bool_t", lambda p: bool(p[0]), int)


class FtpClientHandleAttr(Attributes):
    """How a handle behaves (globus_ftp_client_handleattr_t)."""

    _names = ("cache_all", "rfc1738_url", "gridftp2", "clientinfo", "pipeline", "plugins")

    cache_all = _handle_flag("cache_all")
    """Keep every connection for later operations; what is kept is closed with the handle."""
    get_cache_all, set_cache_all = cache_all.methods()
    rfc1738_url = _handle_flag("rfc1738_url")
    """Paths are relative to the login directory; ``%2F`` at the start makes one absolute."""
    get_rfc1738_url, set_rfc1738_url = rfc1738_url.methods()
    gridftp2 = _handle_flag("gridftp2")
    """Use GETPUT where the server has it (GFD.47).  A put followed by a get on one handle has
    been seen to freeze with some servers; off by default."""
    get_gridftp2, set_gridftp2 = gridftp2.methods()

    def __init__(self, **values: Any) -> None:
        """Keywords are the attributes' names."""
        runtime.activate("FTP_CLIENT")
        pointer = ffi.new("globus_ftp_client_handleattr_t *")
        check_ftp(lib.globus_ftp_client_handleattr_init(pointer), "handle attributes")
        self._pointer = pointer
        self._pipeline = 0
        self._plugins: tuple[FtpClientPlugin, ...] = ()
        owned(self, lambda: lib.globus_ftp_client_handleattr_destroy(pointer))
        self._assign(values)

    @property
    def clientinfo(self) -> tuple[str, str, str] | None:
        """Name and version of the program, and anything else, told to the server."""
        return self.get_clientinfo()

    @clientinfo.setter
    def clientinfo(self, value: tuple[str, str, str]) -> None:
        self.set_clientinfo(*value)

    def set_clientinfo(self, app_name: str, app_version: str, other: str = "") -> None:
        """C: globus_ftp_client_handleattr_set_clientinfo."""
        check_ftp(
            lib.globus_ftp_client_handleattr_set_clientinfo(
                self._pointer, app_name.encode(), app_version.encode(),
                other.encode() if other else ffi.NULL,
            ),
            "client info",
        )  # fmt: skip

    @property
    def pipeline(self) -> int:
        """Commands that may be under way at once in `FtpClient.third_party_transfers`; 0: none."""
        return self._pipeline

    @pipeline.setter
    def pipeline(self, outstanding_commands: int) -> None:
        if outstanding_commands < 0:
            raise ValueError(f"not a number of commands: {outstanding_commands}")
        self._pipeline = outstanding_commands

    def get_clientinfo(self) -> tuple[str, str, str] | None:
        """C: globus_ftp_client_handleattr_get_clientinfo."""
        places = [ffi.new("char **") for _ in range(3)]
        check_ftp(
            lib.globus_ftp_client_handleattr_get_clientinfo(self._pointer, *places), "client info"
        )
        name, version, other = (read_text(place) or "" for place in places)
        return (name, version, other) if name else None

    @property
    def plugins(self) -> tuple[FtpClientPlugin, ...]:
        """The plugins of every handle that is made with these attributes."""
        return self._plugins

    @plugins.setter
    def plugins(self, value: Iterable[FtpClientPlugin]) -> None:
        for plugin in self._plugins:
            self.remove_plugin(plugin)
        for plugin in value:
            self.add_plugin(plugin)

    def add_plugin(self, plugin: FtpClientPlugin) -> None:
        """One more plugin (globus_ftp_client_handleattr_add_plugin); each may be there once."""
        if plugin in self._plugins:
            raise ValueError(f"{plugin!r} is in these attributes already")
        check_ftp(
            lib.globus_ftp_client_handleattr_add_plugin(self._pointer, plugin._c_plugin()),
            f"add {plugin!r}",
        )
        self._plugins += (plugin,)

    def remove_plugin(self, plugin: FtpClientPlugin) -> None:
        """No longer (globus_ftp_client_handleattr_remove_plugin)."""
        if plugin not in self._plugins:
            raise ValueError(f"{plugin!r} is not in these attributes")
        check_ftp(
            lib.globus_ftp_client_handleattr_remove_plugin(self._pointer, plugin._c_plugin()),
            f"remove {plugin!r}",
        )
        self._plugins = tuple(one for one in self._plugins if one is not plugin)

    def require_any_handle(self) -> None:
        """Raise when a plugin would do nothing on a handle that is not an `FtpClient`'s."""
        for plugin in self._plugins:
            if plugin._needs_client:
                raise ValueError(f"{plugin!r} needs an FtpClient")

    def add_cached_url(self, url: str) -> None:
        """Keep connections to the server of `url` (globus_ftp_client_handleattr_add_cached_url)."""
        check_ftp(
            lib.globus_ftp_client_handleattr_add_cached_url(self._pointer, urls(url)[0]),
            f"cache of {shown(url)}",
        )

    def remove_cached_url(self, url: str) -> None:
        """No longer (globus_ftp_client_handleattr_remove_cached_url)."""
        check_ftp(
            lib.globus_ftp_client_handleattr_remove_cached_url(self._pointer, urls(url)[0]),
            f"cache of {shown(url)}",
        )

    def copy(self) -> Self:
        """Another one with the same values."""
        other = type(self)()
        other._assign({name: value for name, value in self._values().items() if value is not None})
        return other
