"""What a copy writes to on this machine.

It is a temporary file next to the target, ``.NAME.<random>.part``, which gets the target's name in
the end.  What is not a plain file, such as /dev/null or a pipe, is written straight; so is the
target itself when the user wants it.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogkit.files._options import TransferOptions
    from cogkit.files._plan import Step


class LocalTarget:
    """The new content of a local file."""

    def __init__(self, step: Step, options: TransferOptions) -> None:
        """Open it.

        Args:
            step: What is copied.
            options: Whether to write in place.
        """
        self._step = step
        # a symbolic link stays, and what it leads to is replaced
        self._final = Path(os.path.realpath(step.target.path))
        self._part: Path | None = None
        self._made = False
        existing = step.existing
        self._is_device = existing is not None and not existing.is_file
        if self._is_device:
            self.descriptor = os.open(self._final, os.O_WRONLY | os.O_CLOEXEC)
        elif options.in_place:
            # not emptied yet: it is as it was until the first byte has come
            self._made = not self._final.exists()
            flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if self._made else 0)
            self.descriptor = os.open(self._final, flags, 0o600)
        else:
            self._part = self._final.with_name(part_name(self._final.name))
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            try:
                self.descriptor = os.open(self._part, flags, 0o600)
            except OSError as error:
                # the temporary name would tell the user nothing
                raise OSError(error.errno, error.strerror, str(self._final)) from None

    @property
    def can_seek(self) -> bool:
        """Whether its parts may be written in any order."""
        return not self._is_device

    def finish(self, moved: int) -> None:
        """It is complete: give it the target's name.

        Args:
            moved: How many bytes it has.
        """
        try:
            try:
                if self._part or self._made:
                    os.fchmod(self.descriptor, _mode(self._step))
                elif not self._is_device:
                    os.ftruncate(self.descriptor, moved)
            finally:
                os.close(self.descriptor)
            if self._part:
                self._part.replace(self._final)
        except BaseException:
            self._remove()
            raise

    def discard(self, error: BaseException) -> None:
        """It came to nothing, because of `error`."""
        os.close(self.descriptor)
        self._remove()
        if not (self._part or self._made or self._is_device):
            error.add_note(f"It was written in place and may be incomplete: {self._step.target}")

    def _remove(self) -> None:
        if self._part:
            self._part.unlink(missing_ok=True)
        elif self._made:
            self._final.unlink(missing_ok=True)


@contextmanager
def writing(step: Step, options: TransferOptions) -> Iterator[_Written]:
    """A local target, which is there when the block is left; `_Written.moved` is set in it."""
    target = LocalTarget(step, options)
    written = _Written(target.descriptor, target.can_seek)
    try:
        yield written
    except BaseException as error:
        target.discard(error)
        raise
    target.finish(written.moved)


class _Written:
    """What is written in a block of `writing`."""

    def __init__(self, descriptor: int, can_seek: bool) -> None:
        self.descriptor = descriptor
        self.can_seek = can_seek
        self.moved = 0


@contextmanager
def reading(step: Step) -> Iterator[int]:
    """A descriptor of a local source."""
    descriptor = os.open(step.source.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def part_name(name: str) -> str:
    """A new temporary name for a file that will have this one."""
    # a name may have 255 bytes
    return f".{os.fsdecode(os.fsencode(name)[:200])}.{os.urandom(4).hex()}.part"


def require_end(step: Step, descriptor: int, moved: int) -> None:
    """Raise if a local source goes on behind what was moved of it.

    Its size says little: files of /proc have none, those of /sys have less than they say, and
    others grow.  What counts is that it was read to its end.
    """
    if moved >= (step.entry.size or 0):
        return
    try:
        rest = os.pread(descriptor, 1, moved)
    except OSError:
        return  # a pipe has no other end than that which was met
    if rest:
        raise wrong_size(step, moved, step.entry.size)


def wrong_size(step: Step, moved: int, expected: int | None) -> OSError:
    """The error for a copy that has not the size that it should have."""
    error = OSError(
        errno.EIO, f"{moved} bytes came of {expected}; the copy was given up", str(step.target)
    )
    error.add_note(f"Has {step.source} changed in the meantime? Try again.")
    return error


def _mode(step: Step) -> int:
    """Of new content: the mode of the file that it replaces, else the source's, as with cp.

    Neither setuid nor setgid goes over to what others may have written; a new file is never more
    open than its source, and the umask has its say.
    """
    if step.existing is not None and step.existing.mode is not None:
        return step.existing.mode & 0o777
    mode = step.entry.mode
    if mode is None:
        mode = 0o666
    elif step.source.is_local:
        mode &= 0o777
    else:
        # a server's word alone makes nothing executable, nor unreadable to its owner
        mode = mode & 0o666 | 0o600
    return mode & ~umask()


def umask() -> int:
    """The process' umask."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    if found := re.search(r"^Umask:\s*([0-7]+)$", status, re.MULTILINE):
        return int(found[1], 8)
    # Elsewhere it can only be read by setting it, for a moment in which other threads' files
    # are private.
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
