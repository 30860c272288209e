"""`DebugPlugin`: what happens on a handle, as text."""

from __future__ import annotations

import os
import sys
from datetime import datetime
from typing import TextIO

from ..._core.errors import GlobusException
from .api import PluginClient
from .base import FtpClientPlugin

__all__ = ["DebugPlugin"]


class DebugPlugin(FtpClientPlugin):
    """Writes what happens, a line for each event (globus_ftp_client_debug_plugin.h).

    The lines are those of the C library's plugin and of ``globus-url-copy -dbg``, but for
    passwords, which that one shows.

    >>> class Lines(list):
    ...     def write(self, text): self.append(text)
    ...     def flush(self): pass
    >>> lines = Lines()
    >>> with FtpClient(FtpClientHandleAttr(plugins=[DebugPlugin(lines, "debug")])) as client:
    ...     client.size(url).result()
    6
    >>> print(lines[0][:33])
    debug: starting to size gsiftp://
    """

    def __init__(self, file: TextIO | int | None = None, text: str = "") -> None:
        """Write to `file`.

        Args:
            file: an object with ``write`` and ``flush``, or a descriptor, which stays open;
                ``sys.stderr`` of the moment when None.
            text: begins each event.
        """
        self._file = file
        self._text = f"{text}: " if text else ""

    def _say(self, line: str) -> None:
        line = f"{self._text}{line}\n"
        if isinstance(self._file, int):
            rest = line.encode()
            while rest:
                rest = rest[os.write(self._file, rest) :]
        else:
            file = sys.stderr if self._file is None else self._file
            file.write(line)
            file.flush()

    def connect(self, client: PluginClient | None, url: str) -> None:
        """As in the base class, here and below."""
        self._say(f"connecting to {url}")

    def authenticate(self, client: PluginClient | None, url: str, user: str) -> None:
        self._say(f"authenticating with {url}{' as ' + user if user else ''}")

    def command(self, client: PluginClient | None, url: str, command: str) -> None:
        self._say(f"sending command to {url}:\n{command}")

    def response(
        self, client: PluginClient | None, url: str, code: int, reply: str,
        error: GlobusException | None,
    ) -> None:  # fmt: skip
        if error is None:
            self._say(f"response from {url}:\n{reply}")
        else:
            self._say(f"error reading response from {url}: {error}")

    def fault(self, client: PluginClient | None, url: str, error: GlobusException | None) -> None:
        self._say(f"fault on connection to {url}{'' if error is None else f': {error}'}")

    def get(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("get", url, restart)

    def put(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("put", url, restart)

    def third_party_transfer(
        self, client: PluginClient | None, source_url: str, dest_url: str, restart: bool
    ) -> None:
        self._start("transfer", f"{source_url} to {dest_url}", restart)

    def read(self, client: PluginClient | None, length: int) -> None:
        self._say(f"reading into a data buffer, maximum length {length}")

    def write(self, client: PluginClient | None, length: int, offset: int, eof: bool) -> None:
        self._say(f"writing a buffer, length {length}, offset={offset}, eof={_flag(eof)}")

    def data(
        self, client: PluginClient | None, error: GlobusException | None, length: int, offset: int,
        eof: bool,
    ) -> None:  # fmt: skip
        trouble = "no error" if error is None else f"error {error}"
        self._say(f"data callback, {trouble}, length {length}, offset={offset}, eof={_flag(eof)}")

    def abort(self, client: PluginClient | None) -> None:
        self._say("aborting current operation")

    def complete(self, client: PluginClient | None) -> None:
        self._say("operation complete")

    def _start(self, verb: str, what: str, restart: bool) -> None:
        self._say(f"starting to {verb} {what}{' again' if restart else ''}")

    def delete(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("delete", url, restart)

    def feat(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("feat", url, restart)

    def mkdir(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("mkdir", url, restart)

    def rmdir(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("rmdir", url, restart)

    def list(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("list", url, restart)

    def verbose_list(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("verbose list", url, restart)

    def machine_list(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("machine list", url, restart)

    def recursive_list(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("recursive list", url, restart)

    def mlst(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("mlst", url, restart)

    def stat(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("stat", url, restart)

    def modification_time(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("modification_time", url, restart)

    def size(self, client: PluginClient | None, url: str, restart: bool) -> None:
        self._start("size", url, restart)

    def cksm(
        self, client: PluginClient | None, url: str, offset: int, length: int, algorithm: str,
        restart: bool,
    ) -> None:  # fmt: skip
        self._start(f"cksm {offset} {length} {algorithm}", url, restart)

    def move(
        self, client: PluginClient | None, source_url: str, dest_url: str, restart: bool
    ) -> None:
        self._start("move", f"{source_url} to {dest_url}", restart)

    def symlink(self, client: PluginClient | None, url: str, link_url: str, restart: bool) -> None:
        self._start("symlink", f"{url} to {link_url}", restart)

    def chmod(self, client: PluginClient | None, url: str, mode: int, restart: bool) -> None:
        self._start(f"chmod {mode:04o}", url, restart)

    def chgrp(self, client: PluginClient | None, url: str, group: str, restart: bool) -> None:
        self._start(f"chgrp {group}", url, restart)

    def utime(self, client: PluginClient | None, url: str, when: datetime, restart: bool) -> None:
        self._start(f"utime {when:%Y-%m-%d %H:%M:%S} UTC", url, restart)


def _flag(value: bool) -> str:
    return "true" if value else "false"
