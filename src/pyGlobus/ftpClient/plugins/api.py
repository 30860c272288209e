"""`PluginClient`: what a plugin may rely on of the client that it is told about.

A plugin is below the client, which knows its plugins; so it knows no more of the client than this.
"""

from __future__ import annotations

from typing import Protocol

__all__ = ["PluginClient"]


class PluginClient(Protocol):
    """The `FtpClient` on whose handle something happens."""

    def abort(self) -> None:
        """Abort what runs; its operation ends as cancelled."""
