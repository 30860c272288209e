"""The life of an `FtpClient`: from its C handle to the end of its connections."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator

from .._core.handles import Handle
from .._core.runtime import runtime
from ..security import Credential
from .calls import Calls
from .handle import Session
from .handleattr import FtpClientHandleAttr
from .plugins.base import FtpClientPlugin

__all__ = ["FtpLife"]

_CLOSE_GRACE = 6.0
"""Seconds that what runs may take to end."""


class FtpLife(Handle):
    """The life of a client, and its plugins; the methods that begin operations use `_calls`."""

    def __init__(
        self,
        handle_attr: FtpClientHandleAttr | None = None,
        *,
        credential: Credential | None = None,
    ) -> None:
        """Make a handle; nothing is connected yet.

        Args:
            handle_attr: how it behaves.
            credential: our credential for every operation whose attributes name none; the one GSI
                finds when None.
        """
        here = weakref.ref(self)
        self._calls = Calls(handle_attr, credential, here)
        super().__init__(self._calls.session.close)
        self._calls.session.plugins.client = here

    def add_plugin(self, plugin: FtpClientPlugin) -> None:
        """Put a plugin on this client (globus_ftp_client_handle_add_plugin), while it is idle."""
        with self._idle("add a plugin") as session:
            session.plugins.add(session.pointer, plugin)

    def remove_plugin(self, plugin: FtpClientPlugin) -> None:
        """Take a plugin off this client (globus_ftp_client_handle_remove_plugin), while it is idle.

        Also one that came with its attributes, which keep it.
        """
        with self._idle("remove a plugin") as session:
            session.plugins.remove(session.pointer, plugin)

    @property
    def plugins(self) -> tuple[FtpClientPlugin, ...]:
        """The plugins of this client."""
        return tuple(self._calls.session.plugins.plugins)

    @contextlib.contextmanager
    def _idle(self, what: str) -> Iterator[Session]:
        """The session, which no operation has meanwhile."""
        self._require_open()
        self._calls.session.claim(what)
        try:
            yield self._calls.session
        finally:
            self._calls.session.give()

    def close(self) -> None:
        """Abort what runs, close the connections, free the handle.

        What runs is waited for, 6 s at most.
        """
        operation = self._calls.session.operation
        super().close()
        if operation is not None and not (runtime.forked or runtime.on_callback_thread()):
            operation.wait(_CLOSE_GRACE)

    def abandon(self) -> None:
        """Abort what runs and leave: at interpreter exit."""
        super().close()
