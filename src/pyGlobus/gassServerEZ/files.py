"""The files behind the paths that clients name."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

from .options import Options

__all__ = ["Denied", "Files", "opened_for_reading", "opened_for_writing", "path_of", "read_all"]

_BLOCK = 1 << 18
_REASONS = {
    errno.ENOENT: (404, "File Not Found"),
    errno.ENOTDIR: (404, "File Not Found"),
    errno.EACCES: (403, "Permission Denied"),
    errno.EPERM: (403, "Permission Denied"),
    errno.EROFS: (403, "Read-Only File System"),
    errno.EISDIR: (403, "Is a Directory"),
    errno.ENOSPC: (507, "No Space Left"),
    errno.EDQUOT: (507, "Quota Exceeded"),
}


class Denied(Exception):
    """A client does not get what it asks for: an http status and its reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status

    @classmethod
    def by(cls, error: OSError) -> Denied:
        """For what the system says of a file."""
        number = error.errno or 0
        return cls(*_REASONS.get(number, (500, os.strerror(number))))


@dataclass(frozen=True, slots=True)
class Files:
    """Which files clients may read and write."""

    options: Options
    readable: Mapping[str, Path] = field(default_factory=dict)
    writable: Mapping[str, Path] = field(default_factory=dict)

    def to_read(self, path: str) -> Path:
        """The file behind a path; raises `Denied`."""
        return self._found(path, self.readable, Options.READ_ENABLE)

    def to_write(self, path: str) -> Path:
        """The file behind a path; raises `Denied`."""
        return self._found(path, self.writable, Options.WRITE_ENABLE)

    def _found(self, path: str, named: Mapping[str, Path], option: Options) -> Path:
        if path in named:
            return named[path]
        if option not in self.options:
            raise Denied(403, "Not Served Here")
        return self._expanded(path)

    def _expanded(self, path: str) -> Path:
        """As globus_l_gass_server_ez_tilde_expand() has it."""
        if path.startswith("/./"):
            return Path(path[3:])
        first, slash, rest = path.removeprefix("/").partition("/")
        name = first[1:]
        wanted = Options.TILDE_USER_EXPAND if name else Options.TILDE_EXPAND
        if not first.startswith("~") or wanted not in self.options:
            return Path(path)
        try:
            home = pwd.getpwnam(name).pw_dir if name else str(Path.home())
        except (KeyError, RuntimeError):
            raise Denied(404, "File Not Found") from None
        return Path(home + slash + rest)


def path_of(target: bytes) -> str:
    """The path that a request names, decoded."""
    if not target.startswith(b"/"):  # as a proxy is asked
        target = b"/" + target.partition(b"://")[2].partition(b"/")[2]
    raw = unquote_to_bytes(target)
    if b"\0" in raw:
        raise Denied(400, "Bad Request")
    return os.fsdecode(raw)


def opened_for_reading(path: Path) -> int:
    """A descriptor of a file; raises `Denied`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Denied.by(error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISBLK(mode):
        os.close(descriptor)
        # a pipe or a terminal would keep the client waiting, a device has no end
        raise Denied(403, "Is a Directory" if stat.S_ISDIR(mode) else "Not a File")
    return descriptor


def opened_for_writing(path: Path, *, append: bool) -> int:
    """A descriptor of a file, which is made or emptied; raises `Denied`."""
    how = os.O_APPEND if append else os.O_TRUNC
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | how
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise Denied.by(error) from error


def read_all(descriptor: int) -> Iterator[bytes]:
    """The blocks of a file, as it was when this began: what is added meanwhile is left out.

    A file whose size is not what it holds, as in ``/proc``, is read to its end.

    Raises:
        OSError: it cannot be read, or was cut meanwhile.
    """
    size = os.fstat(descriptor).st_size
    left = size or -1
    while left:
        block = os.read(descriptor, _BLOCK if left < 0 else min(left, _BLOCK))
        if not block:
            break
        left -= len(block) if left > 0 else 0
        yield block
    if os.fstat(descriptor).st_size < size:
        raise OSError(errno.EIO, "the file was cut while it was read")
