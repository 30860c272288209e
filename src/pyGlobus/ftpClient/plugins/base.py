"""`FtpClientPlugin`, and how a notification finds its method and its client."""

from __future__ import annotations

import contextlib
import itertools
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..._core.errors import GlobusException, text_of
from ..._core.ftpurls import plain_url
from ..._core.handles import owned
from ..._core.passwords import shown
from ..._core.runtime import call_user, runtime
from ..._native import ffi, lib
from ..constants import CommandMask
from ..errors import check_ftp, ftp_error

if TYPE_CHECKING:
    from ..client import FtpClient

__all__ = ["FtpClientPlugin", "PluginSet"]


class FtpClientPlugin:
    """What happens on a GridFTP handle, told to whoever overrides these methods.

    Only what a subclass overrides is registered with the C library; a client without plugins has
    none.  Notifications are copied where they happen and delivered on the drainer, in order, and
    before the operation that they are about is done.  So they cannot change what happens next, and
    must not block; `FtpClient.abort` is the one thing to do about an operation.  What they raise is
    logged (logger ``pyGlobus``) and harms nothing.

    `client` is the `FtpClient` whose handle it is, or None for the handle of another library, such
    as GASS copy's.  One plugin may serve any number of handles.

    URLs come without passwords, and commands that carry a secret (PASS, ADAT, DCSC, ...) end in
    ``...``.

    >>> class Commands(FtpClientPlugin):
    ...     def command(self, client, url, command):
    ...         print(command.split()[0])
    >>> with FtpClient(FtpClientHandleAttr(plugins=[Commands()])) as client:
    ...     client.size(url).result()
    SITE
    FEAT
    SITE
    TYPE
    SIZE
    6
    """

    command_mask: CommandMask = CommandMask.ALL
    """Of which commands, and of the responses to which, it is told."""
    _interval: float = 1.0
    """Seconds between two reports of `_progress` or `_marker`."""
    _needs_client: bool = False
    """Whether it does nothing on a handle that is not an `FtpClient`'s."""
    _registration: _Registration | None = None

    # --- the connection ------------------------------------------------------------------------

    def connect(self, client: FtpClient | None, url: str) -> None:
        """A connection to the server of `url` is being made."""

    def authenticate(self, client: FtpClient | None, url: str, user: str) -> None:
        """We authenticate ourselves; `user` is the login name, ``""`` for the server's choice."""

    def command(self, client: FtpClient | None, url: str, command: str) -> None:
        """A command is sent, the one that `command` holds, without its line end."""

    def response(
        self, client: FtpClient | None, url: str, code: int, reply: str,
        error: GlobusException | None,
    ) -> None:  # fmt: skip
        """A reply has come: its code and its whole text; or `error`, and code 0."""

    def fault(self, client: FtpClient | None, url: str, error: GlobusException | None) -> None:
        """Something failed; what comes of it is told by the operation."""

    # --- operations: they begin (`restart`: once more), move data, end ---------------------------

    def get(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """A get of any kind."""

    def put(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """A put of any kind."""

    def third_party_transfer(
        self, client: FtpClient | None, source_url: str, dest_url: str, restart: bool
    ) -> None:
        """A transfer between two servers."""

    def read(self, client: FtpClient | None, length: int) -> None:
        """A buffer of so many bytes waits for data."""

    def write(self, client: FtpClient | None, length: int, offset: int, eof: bool) -> None:
        """A block of data is about to be sent."""

    def data(
        self, client: FtpClient | None, error: GlobusException | None, length: int, offset: int,
        eof: bool,
    ) -> None:  # fmt: skip
        """A block of data has been read or written."""

    def abort(self, client: FtpClient | None) -> None:
        """The operation is aborted."""

    def complete(self, client: FtpClient | None) -> None:
        """The operation is over, well or not."""

    def delete(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """A file is deleted."""

    def feat(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """The server is asked for its features."""

    def mkdir(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """A directory is made."""

    def rmdir(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """A directory is removed."""

    def list(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """Names are listed."""

    def verbose_list(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """Files are listed for people."""

    def machine_list(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """Files are listed for programs."""

    def recursive_list(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """Files are listed for programs, with those in subdirectories."""

    def mlst(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """The server is asked for the facts of one file."""

    def stat(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """The server is asked for the status of a file (STAT)."""

    def modification_time(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """The server is asked when a file was last changed."""

    def size(self, client: FtpClient | None, url: str, restart: bool) -> None:
        """The server is asked how big a file is."""

    def cksm(
        self, client: FtpClient | None, url: str, offset: int, length: int, algorithm: str,
        restart: bool,
    ) -> None:  # fmt: skip
        """The server is asked for a checksum of `length` bytes (-1: to the end) from `offset`."""

    def move(self, client: FtpClient | None, source_url: str, dest_url: str, restart: bool) -> None:
        """A file is renamed."""

    def symlink(self, client: FtpClient | None, url: str, link_url: str, restart: bool) -> None:
        """A symbolic link is made."""

    def chmod(self, client: FtpClient | None, url: str, mode: int, restart: bool) -> None:
        """A file's permissions are changed."""

    def chgrp(self, client: FtpClient | None, url: str, group: str, restart: bool) -> None:
        """A file's group is changed."""

    def utime(self, client: FtpClient | None, url: str, when: datetime, restart: bool) -> None:
        """A file's times are set."""

    # --- for the plugins of this package -----------------------------------------------------

    def _progress(self, client: FtpClient | None, key: int, moved: int, when: datetime) -> None:
        """So many bytes of this attempt have been moved by our own side."""

    def _performance(self, client: FtpClient | None, key: int, reply: str) -> None:
        """A server's performance marker (112)."""

    def _marker(self, client: FtpClient | None, key: int, ranges: str) -> None:
        """What has arrived: ``START-STOP,START-STOP``, in order."""

    def _keyed(self, client: FtpClient | None, key: int, name: str, args: tuple[Any, ...]) -> bool:
        """Take a notification with the number of its handle; False to have the method called."""
        return False

    def _c_plugin(self) -> Any:
        """The C plugin that handles copy."""
        if self._registration is None:
            with _making:
                if self._registration is None:
                    self._registration = _Registration(self)
        return self._registration.pointer

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


_making = threading.Lock()
_numbers = itertools.count(1)
_owners: weakref.WeakValueDictionary[int, PluginSet] = weakref.WeakValueDictionary()


class _Registration:
    """The C plugin of a Python one, and the token by which it posts."""

    def __init__(self, plugin: FtpClientPlugin) -> None:
        runtime.activate("FTP_CLIENT")
        reference = weakref.ref(plugin)

        def handle(event: Any) -> None:
            alive = reference()
            if alive is not None:
                _deliver(alive, event)

        token = runtime.enrol(handle, once=False)
        name = f"pyGlobus {type(plugin).__name__:.18} {next(_numbers)}".encode()
        self.token = token
        self.pointer = lib.cog_plugin_new(
            token, name, _wanted(type(plugin)), plugin.command_mask, int(plugin._interval * 1e6)
        )
        if self.pointer == ffi.NULL:
            runtime.withdraw(token)
            raise MemoryError("no room for a plugin")
        pointer = self.pointer

        def free() -> None:
            runtime.withdraw(token)
            lib.cog_plugin_free(pointer)

        owned(plugin, free)
        runtime.close_at_exit(self)

    def abandon(self) -> None:
        """At interpreter exit: nothing more is wanted."""
        runtime.withdraw(self.token)


class PluginSet:
    """The plugins of one client, put on each C handle that it uses."""

    def __init__(self, plugins: tuple[FtpClientPlugin, ...]) -> None:
        self.plugins = list(plugins)
        self.client: weakref.ref[Any] | None = None
        self.again = False
        """Whether the operation under way has been begun before."""
        self.key = next(_numbers)
        _owners[self.key] = self

    @contextlib.contextmanager
    def owning(self) -> Iterator[None]:
        """The copies of plugins that Globus makes in here are this client's."""
        lib.cog_plugin_set_owner(self.key)
        try:
            yield
        finally:
            lib.cog_plugin_set_owner(0)

    def equip(self, pointer: Any, given: tuple[FtpClientPlugin, ...]) -> None:
        """Put the plugins on a new handle, which has those of its attributes: `given`."""
        for plugin in given:
            if plugin not in self.plugins:
                _call("remove", lib.globus_ftp_client_handle_remove_plugin, pointer, plugin)
        for plugin in self.plugins:
            if plugin not in given:
                _call("add", lib.globus_ftp_client_handle_add_plugin, pointer, plugin)

    def add(self, pointer: Any, plugin: FtpClientPlugin) -> None:
        """One more, from now on."""
        if plugin in self.plugins:
            raise ValueError(f"{plugin!r} is on this client already")
        with self.owning():
            _call("add", lib.globus_ftp_client_handle_add_plugin, pointer, plugin)
        self.plugins.append(plugin)

    def remove(self, pointer: Any, plugin: FtpClientPlugin) -> None:
        """No longer."""
        if plugin not in self.plugins:
            raise ValueError(f"{plugin!r} is not on this client")
        _call("remove", lib.globus_ftp_client_handle_remove_plugin, pointer, plugin)
        self.plugins.remove(plugin)


def _call(
    verb: str, function: Callable[[Any, Any], int], pointer: Any, plugin: FtpClientPlugin
) -> None:
    check_ftp(function(pointer, plugin._c_plugin()), f"{verb} {plugin!r}")


# --- notifications --------------------------------------------------------------------------------

Decode = Callable[[Any, str, bool], tuple[Any, ...]]
"""The arguments of a method from an event, the text that came with it, and the flag."""


def _error(event: Any, what: str) -> GlobusException | None:
    if event.object == ffi.NULL:
        return None
    error = ftp_error(event.object, what, None)
    error.hint = ""  # a notification advises nobody
    return error


def _url(text: str) -> str:
    """The URL, which is all of a text, as it may be shown."""
    return _told(text[:-1])


def _told(url: str) -> str:
    """The URL as its user has written it, without a password."""
    return shown(plain_url(url))


def _operation(event: Any, text: str, flag: bool) -> tuple[Any, ...]:
    return _url(text), flag


def _with_text(event: Any, text: str, flag: bool) -> tuple[Any, ...]:
    url, _, rest = text.partition("\x1e")
    return _told(url), rest, flag


def _with_url(event: Any, text: str, flag: bool) -> tuple[Any, ...]:
    url, _, rest = text.partition("\x1e")
    return _told(url), _told(rest), flag


def _response(event: Any, text: str, flag: bool) -> tuple[Any, ...]:
    url, reply, _ = _with_text(event, text, flag)
    return url, event.a, reply.rstrip(), _error(event, f"reply from {url}")


def _when(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1e6, UTC)


_METHODS: dict[int, tuple[str, Decode]] = {
    lib.COG_PLUGIN_CONNECT: ("connect", lambda e, t, f: (_url(t),)),
    lib.COG_PLUGIN_AUTHENTICATE: ("authenticate", lambda e, t, f: _with_text(e, t, f)[:2]),
    lib.COG_PLUGIN_COMMAND: (
        "command", lambda e, t, f: tuple(part.rstrip() for part in _with_text(e, t, f)[:2]),
    ),
    lib.COG_PLUGIN_RESPONSE: ("response", _response),
    lib.COG_PLUGIN_FAULT: ("fault", lambda e, t, f: (_url(t), _error(e, _url(t)))),
    lib.COG_PLUGIN_ABORT: ("abort", lambda e, t, f: ()),
    lib.COG_PLUGIN_COMPLETE: ("complete", lambda e, t, f: ()),
    lib.COG_PLUGIN_READ: ("read", lambda e, t, f: (e.a,)),
    lib.COG_PLUGIN_WRITE: ("write", lambda e, t, f: (e.a, e.b, f)),
    lib.COG_PLUGIN_DATA: ("data", lambda e, t, f: (_error(e, "a block of data"), e.a, e.b, f)),
    lib.COG_PLUGIN_GET: ("get", _operation),
    lib.COG_PLUGIN_PUT: ("put", _operation),
    lib.COG_PLUGIN_TRANSFER: ("third_party_transfer", _with_url),
    lib.COG_PLUGIN_DELETE: ("delete", _operation),
    lib.COG_PLUGIN_FEAT: ("feat", _operation),
    lib.COG_PLUGIN_MKDIR: ("mkdir", _operation),
    lib.COG_PLUGIN_RMDIR: ("rmdir", _operation),
    lib.COG_PLUGIN_LIST: ("list", _operation),
    lib.COG_PLUGIN_VERBOSE_LIST: ("verbose_list", _operation),
    lib.COG_PLUGIN_MACHINE_LIST: ("machine_list", _operation),
    lib.COG_PLUGIN_RECURSIVE_LIST: ("recursive_list", _operation),
    lib.COG_PLUGIN_MLST: ("mlst", _operation),
    lib.COG_PLUGIN_STAT: ("stat", _operation),
    lib.COG_PLUGIN_MODIFICATION_TIME: ("modification_time", _operation),
    lib.COG_PLUGIN_SIZE: ("size", _operation),
    lib.COG_PLUGIN_MOVE: ("move", _with_url),
    lib.COG_PLUGIN_SYMLINK: ("symlink", _with_url),
    lib.COG_PLUGIN_CHMOD: ("chmod", lambda e, t, f: (_url(t), e.a, f)),
    lib.COG_PLUGIN_CHGRP: ("chgrp", _with_text),
    lib.COG_PLUGIN_UTIME: ("utime", lambda e, t, f: (_url(t), _when(e.a * 1_000_000), f)),
    lib.COG_PLUGIN_CKSM: (
        "cksm", lambda e, t, f: (_with_text(e, t, f)[0], e.a, e.b, _with_text(e, t, f)[1], f),
    ),
}  # fmt: skip
_OWN: dict[int, tuple[str, Decode]] = {
    lib.COG_PLUGIN_PROGRESS: ("_progress", lambda e, t, f: (e.a, _when(e.b))),
    lib.COG_PLUGIN_PERFORMANCE: ("_performance", lambda e, t, f: (t.partition("\x1e")[2],)),
    lib.COG_PLUGIN_MARKER: ("_marker", lambda e, t, f: (t,)),
}
_OPERATIONS = frozenset(range(lib.COG_PLUGIN_GET, lib.COG_PLUGIN_CKSM + 1))


def _wanted(cls: type[FtpClientPlugin]) -> int:
    """A bit for each notification that the class overrides."""
    return sum(
        1 << code
        for code, (name, _) in (_METHODS | _OWN).items()
        if getattr(cls, name) is not getattr(FtpClientPlugin, name)
    )


def _deliver(plugin: FtpClientPlugin, event: Any) -> None:
    code, key, flag = event.code, event.c >> 1, bool(event.c & 1)
    owner = _owners.get(key)
    client = owner.client() if owner is not None and owner.client is not None else None
    if code in _OPERATIONS and owner is not None:
        flag = owner.again
    name, decode = _METHODS.get(code) or _OWN[code]

    def tell() -> None:
        arguments = decode(event, text_of(event.text), flag)
        if code in _OWN:
            getattr(plugin, name)(client, key, *arguments)
        elif not plugin._keyed(client, key, name, arguments):
            getattr(plugin, name)(client, *arguments)

    call_user(f"{plugin!r}: {name}", tell)
