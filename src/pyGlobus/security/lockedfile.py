"""A small file that several programs edit: locked, and replaced in one step."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .._core.errors import GlobusTimeoutError

__all__ = ["LockedFile", "locked_file"]

_POLL = 0.02
_SCRIPT_AGE = 2.0
"""Seconds that a file of mode 0400 may have been so to be one that GCT's scripts work on."""


class LockedFile:
    """The file, while it is ours."""

    def __init__(self, path: Path, descriptor: int, created: bool) -> None:
        self._path = path
        self._descriptor = descriptor
        self.unused = created
        """Whether we have made it, and nothing is in it yet."""

    def read(self) -> bytes:
        """What is in it."""
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            return file.read()

    def replace(self, data: bytes) -> None:
        """Put other contents in its place: owner, permissions and attributes stay.

        Raises:
            PermissionError: the owner or group cannot be kept.
            OSError: it cannot be written; the old one is there then.
        """
        before = os.fstat(self._descriptor)
        temporary = self._path.with_name(
            f".{self._path.name}.{os.getpid()}.{time.monotonic_ns():x}"
        )
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                made = os.fstat(descriptor)
                if (made.st_uid, made.st_gid) != (before.st_uid, before.st_gid):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                for name in os.listxattr(self._descriptor):
                    with contextlib.suppress(OSError):  # not every file system takes every one
                        os.setxattr(descriptor, name, os.getxattr(self._descriptor, name))
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
                os.fsync(descriptor)
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self.unused = False
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextmanager
def locked_file(path: Path, *, create: bool = False, timeout: float = 10.0) -> Iterator[LockedFile]:
    """Lock a file for a change.

    The lock is on the file itself (flock), and whoever waited for a file that has been replaced
    takes the new one.  GCT's scripts take the mode 0400 for a lock: one that is new is respected.

    Args:
        path: the file; behind a symbolic link, the one that it leads to.
        create: make it, with permissions 0644, when it is missing.
        timeout: seconds to wait for the lock.

    Raises:
        FileNotFoundError, PermissionError, GlobusTimeoutError.
    """
    target = Path(os.path.realpath(path))
    ends = time.monotonic() + timeout
    while True:
        descriptor, created = _open(target, create)
        try:
            if _lock(descriptor, ends, target) and _is_current(descriptor, target):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    locked = LockedFile(target, descriptor, created)
    try:
        _wait_for_scripts(descriptor, ends, target)
        yield locked
    finally:
        if locked.unused:
            with contextlib.suppress(OSError):
                target.unlink()
        os.close(descriptor)


def _open(target: Path, create: bool) -> tuple[int, bool]:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    created = False
    try:
        descriptor = os.open(target, flags)
    except FileNotFoundError:
        if not create:
            raise
        try:
            descriptor = os.open(target, flags | os.O_CREAT | os.O_EXCL, 0o644)
            created = True
        except FileExistsError:  # somebody else was quicker
            descriptor = os.open(target, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{target} is not a plain file")
    return descriptor, created


def _lock(descriptor: int, ends: float, target: Path) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends:
                raise GlobusTimeoutError(f"somebody else edits {target}") from None
            time.sleep(_POLL)
        else:
            return True


def _is_current(descriptor: int, target: Path) -> bool:
    """Whether the file that is locked is still the one with that name."""
    mine = os.fstat(descriptor)
    try:
        theirs = target.lstat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (theirs.st_dev, theirs.st_ino)


def _wait_for_scripts(descriptor: int, ends: float, target: Path) -> None:
    while True:
        status = os.fstat(descriptor)
        if stat.S_IMODE(status.st_mode) != 0o400 or time.time() - status.st_ctime > _SCRIPT_AGE:
            return
        if time.monotonic() >= ends:
            raise GlobusTimeoutError(f"a script of GCT edits {target}: its mode is 0400")
        time.sleep(_POLL)
