"""Where a copy goes to until it is complete: a temporary name next to the target.

It is ``.NAME.<random>.part``, and gets the target's name in the end.  What is not a plain file,
such as /dev/null or a pipe, has no such name: it is written straight.
"""

from __future__ import annotations

import errno
import os
import posixpath
import secrets
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogkit.files._location import Location
    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

# How long the removal of a temporary file may hold up the report of what went wrong.
_CLEAN_UP_TIMEOUT = 5.0


class Writing:
    """The new content of a local target, under a temporary name."""

    def __init__(self, step: Step) -> None:
        """Open it."""
        self._step = step
        # a symbolic link stays, and what it leads to is replaced
        self._final = Path(os.path.realpath(step.target.path))
        self._part = self._final.with_name(_part_name(self._final.name))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self.descriptor = os.open(self._part, flags, 0o600)
        except OSError as error:
            # the temporary name would tell the user nothing
            raise OSError(error.errno, error.strerror, str(self._final)) from None

    def finish(self) -> None:
        """Give it the target's name."""
        try:
            try:
                os.fchmod(self.descriptor, _mode(self._step))
            finally:
                os.close(self.descriptor)
            self._part.replace(self._final)
        except BaseException:
            self._part.unlink(missing_ok=True)
            raise

    def discard(self) -> None:
        """Remove it."""
        os.close(self.descriptor)
        self._part.unlink(missing_ok=True)


class Naming:
    """A temporary place on the target's server, for what gets the target's name in the end."""

    def __init__(self, step: Step) -> None:
        """Choose it."""
        final = step.target
        if step.existing is not None and step.existing.link_target:
            linked = posixpath.join(final.parent.path, step.existing.link_target)
            final = replace(final, path=linked)
        self._final = final
        self.part = final.parent.child(_part_name(final.name))

    def finish(self, store: RemoteStore) -> None:
        """Give what is there the target's name."""
        store.rename(self.part, self._final)

    def discard(self, store: RemoteStore, error: BaseException) -> None:
        """Remove what is there, because of `error`."""
        _remove_part(store, self.part, error)
        if isinstance(error, GlobusException):
            # the temporary name would tell the user nothing
            error.msg = error.msg.replace(self.part.url, self._final.url)


@contextmanager
def reading(source: Location) -> Iterator[int]:
    """A descriptor of a local source."""
    descriptor = os.open(source.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def writing(step: Step) -> Iterator[int]:
    """A descriptor for the new content of a local target, which is there when the block is left."""
    if step.existing is not None and not step.existing.is_file:
        descriptor = os.open(os.path.realpath(step.target.path), os.O_WRONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)
        return
    part = Writing(step)
    try:
        yield part.descriptor
    except BaseException:
        part.discard()
        raise
    part.finish()


@contextmanager
def naming(store: RemoteStore, step: Step) -> Iterator[Location]:
    """A temporary place on the target's server; what is there gets the target's name at the end."""
    if step.existing is not None and not step.existing.is_file:
        yield step.target
        return
    name = Naming(step)
    try:
        yield name.part
        name.finish(store)
    except BaseException as error:
        name.discard(store, error)
        raise


def _remove_part(store: RemoteStore, part: Location, error: BaseException) -> None:
    # by a session of its own: after an abort, the other is in no state to be relied on
    other = type(store)(replace(store.options, timeout=_CLEAN_UP_TIMEOUT))
    try:
        other.unlink(part)
    except FileNotFoundError:
        pass  # it had not come to that
    except (GlobusException, OSError):
        error.add_note(f"A part of it may be left there: {part}")
    finally:
        other.close()


def _part_name(name: str) -> str:
    # a name may have 255 bytes
    return f".{os.fsdecode(os.fsencode(name)[:200])}.{secrets.token_hex(4)}.part"


def _mode(step: Step) -> int:
    """As cp: that of the file that is replaced, else the source's, as far as the umask lets it."""
    if step.existing is not None and step.existing.mode is not None:
        return step.existing.mode
    mode = step.entry.mode if step.source.is_local else None
    return (0o666 if mode is None else mode & 0o777) & ~_umask()


def _umask() -> int:
    # it can only be read by setting it
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def require_size(step: Step, moved: int, expected: int | None = None) -> None:
    """Raise if what was moved is not what was expected: the source's size, where it is told."""
    if expected is None:
        expected = step.entry.size if step.entry.is_file else None
    if expected is not None and moved != expected:
        error = OSError(
            errno.EIO, f"{moved} bytes came of {expected}; the copy was given up", str(step.target)
        )
        error.add_note(f"Has {step.source} changed in the meantime? Try again.")
        raise error
