"""What a copy writes to at a server.

It is a temporary file next to the target, which gets the target's name when it is complete, has
the right size, and the mode of the file that it replaces.  Until then the target is as it was.
Where that cannot be done the target is written straight, and the user is told once.
"""

from __future__ import annotations

import errno
import posixpath
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from cogkit.files._clean import remove_parts
from cogkit.files._remote import suppress_refusals
from cogkit.files._target_local import part_name, wrong_size
from pyGlobus.ftpClient import FtpClientException
from pyGlobus.globusException import GlobusException
from pyGlobus.urls import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogkit.files._entry import Entry
    from cogkit.files._location import Location
    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

# What most servers give new files, as long as this one's has not been seen.
_USUAL_MODE = 0o644
_MOST_LINKS = 40
_SMALL = 1 << 20
_CANNOT_RENAME = "the server cannot rename them"


def needs_care(store: RemoteStore, step: Step) -> bool:
    """Whether the server must be asked or told something before the data goes."""
    existing = step.existing
    return existing is not None and (
        not existing.is_file or existing.is_link or _is_private(store, step)
    )


def _is_private(store: RemoteStore, step: Step) -> bool:
    """Whether the server's new files are more open than the one that is replaced."""
    if step.existing is None or step.existing.mode is None:
        return False
    usual = store.server(step.target).new_mode
    return bool((_USUAL_MODE if usual is None else usual) & ~step.existing.mode & 0o777)


def require_rename(store: RemoteStore, step: Step) -> None:
    """Raise OSError if the server cannot replace files in one step, before anything is done."""
    part = step.target.parent.child(part_name(step.target.name))
    if not store.can_rename(part, ask=True):
        raise _not_atomic(step, _CANNOT_RENAME)


def _not_atomic(step: Step, reason: str) -> OSError:
    return OSError(
        errno.EOPNOTSUPP, f"it cannot be replaced in one step: {reason}", str(step.target)
    )


class RenameUnknown(Exception):
    """The server turned out to have no RNFR: the copy is to be made once more, straight."""


class RemoteTarget:
    """The new content of a file at a server."""

    def __init__(self, store: RemoteStore, step: Step, *, ask: bool = True) -> None:
        """Find out how it can be written, and prepare it; the target is not touched.

        Args:
            store: Asks, checks and renames; not what moves the data.
            step: What is copied.
            ask: Whether the server may be asked; if not, `needs_care` must have been False.

        Raises:
            OSError: It can only be written straight, and is to be replaced in one step.
        """
        self._store = store
        self._step = step
        existing = step.existing
        self._is_device = existing is not None and not existing.is_file
        self.is_kept = False
        """Whether the temporary file is the only one that is left, and so must stay."""
        self._mode = None if existing is None or existing.mode is None else existing.mode & 0o777
        self._final = step.target
        self.place = step.target
        """Where the data goes."""
        if self._is_device:
            return
        reason = self._choose(ask)
        if reason is None:
            return
        self.place = step.target
        if store.options.require_atomic:
            raise _not_atomic(step, reason)
        if reason:
            store.run.tell(
                f"{step.target.server}: files are written straight, and not replaced in one step: "
                f"{reason}"
            )

    @property
    def is_part(self) -> bool:
        """Whether the data goes to a temporary file, and not straight into the target."""
        return self.place != self._step.target

    def finish(self, moved: int | None, require_size: Callable[[int], object] | None = None) -> int:
        """It is complete: check it, and give it the target's name.

        Args:
            moved: How many bytes went; ``None``: nobody here has counted them.
            require_size: Raises if its bytes are not those of the source.

        Returns:
            Its bytes.
        """
        if self._is_device:
            return moved if moved is not None else self._step.entry.size or 0
        size, mode = self._look()
        if size is not None and moved is not None and size != moved:
            raise wrong_size(self._step, size, moved)
        if size is not None and require_size is not None:
            require_size(size)
        if self._mode is not None and self.is_part and mode != self._mode:
            self._set_mode(mode)
        if self.is_part:
            self._rename()
        known = moved if moved is not None else self._step.entry.size or 0
        return known if size is None else size

    def discard(self, error: BaseException) -> None:
        """It came to nothing, because of `error`: remove what the server has of it."""
        if self.is_part and not self.is_kept:
            remove_parts(self._store, [self.place], error)
        self.explain(error)

    def explain(self, error: BaseException) -> None:
        """Say in an error what the user has to know of the target."""
        if self.is_part:
            if isinstance(error, GlobusException) and not self.is_kept:
                # the temporary name would tell the user nothing
                error.msg = error.msg.replace(shown(self.place.url), str(self._step.target))
        elif not self._is_device and not isinstance(
            error, (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError)
        ):
            error.add_note(f"It was written in place and may be incomplete: {self._step.target}")

    # ---- how it can be written -------------------------------------------------------------

    def _choose(self, ask: bool) -> str | None:
        """Set `place`; returns why it is the target itself, ``""`` if the user wants it so."""
        store, step, existing = self._store, self._step, self._step.existing
        if store.options.in_place:
            return ""
        if ask and existing is not None and existing.is_link:
            final = self._follow(existing)
            if final is None:
                return "where a symbolic link leads cannot be told for sure"
            self._final = final
        final = self._final
        part = final.parent.child(part_name(final.name))
        # a small file is soon written once more, if it turns out that it cannot
        small = step.entry.size is not None and step.entry.size <= _SMALL
        if not store.can_rename(part, ask=ask and not small):
            return _CANNOT_RENAME
        self.place = part
        if not ask or not _is_private(store, step):
            return None
        assert self._mode is not None
        # The new content must at no moment be more open than what it replaces.
        store.create(part)
        if store.chmod(part, self._mode):
            return None
        store.unlink(part)
        return "the server lets no modes be set, and a private file stays private so"

    def _follow(self, entry: Entry) -> Location | None:
        """Where a link leads; ``None`` when that is not sure."""
        place = self._step.target
        for _ in range(_MOST_LINKS):
            if not entry.link_target:
                return None
            place = replace(place, path=posixpath.join(place.parent.path, entry.link_target))
            with suppress_refusals():
                found = self._store.stat(place)
                # a server that normalises paths, or encodes names, may mean another file
                if found.identity is None or found.identity != entry.identity:
                    return None
                if not found.is_link:
                    return place
                entry = found
                continue
            return None
        return None

    # ---- when it is complete ---------------------------------------------------------------

    def _look(self) -> tuple[int | None, int | None]:
        """Size and mode of what the server has now, as far as it tells them."""
        store, place = self._store, self.place
        server = store.server(place)
        if server.has_facts:
            entry = store.stat(place)
            if self.is_part and self._step.existing is None:
                server.new_mode = entry.mode
            return entry.size, entry.mode
        with suppress_refusals():
            return store.size(place), None
        # where it cannot be found, the directory may only not be listed
        with suppress_refusals(), suppress(FileNotFoundError):
            entry = store.stat(place)
            return entry.size, entry.mode
        return None, None

    def _set_mode(self, mode: int | None) -> None:
        assert self._mode is not None
        if not self._store.chmod(self.place, self._mode) and mode is not None:
            self._store.run.tell(
                f"{self._step.target.server}: the server lets no modes be set; replaced files have "
                f"{mode:04o}"
            )

    def _rename(self) -> None:
        store, part, final = self._store, self.place, self._final
        server = store.server(final)
        exists = self._step.existing is not None
        if exists and not server.replaces_by_rename:
            self._remove_and_rename(part)
            return
        try:
            store.rename(part, final)
        except (ConnectionError, TimeoutError):
            raise
        except FtpClientException as error:
            if error.unsupported:
                server.can_rename = False
                if store.options.require_atomic:
                    raise _not_atomic(self._step, _CANNOT_RENAME) from error
                raise RenameUnknown from error
            other = final.parent.child(part_name(final.name))
            if not exists or not self._moves(part, other):
                raise
            # Files can be renamed here, only not to this name: it is in the way.
            server.replaces_by_rename = False
            self.place = other
            self._remove_and_rename(other)

    def _moves(self, part: Location, other: Location) -> bool:
        with suppress_refusals():
            self._store.rename(part, other)
            return True
        return False

    def _remove_and_rename(self, part: Location) -> None:
        store, final = self._store, self._final
        if store.options.require_atomic:
            raise _not_atomic(self._step, "the server renames over no file")
        store.run.tell(
            f"{final.server}: the server renames over no file; the old one is removed when the "
            "new one is complete, and before it has its name"
        )
        store.unlink(final)
        try:
            store.rename(part, final)
        except BaseException as error:
            self.is_kept = True
            error.add_note(f"The old file is removed; the new one is complete, and is {part}")
            raise


@contextmanager
def naming(store: RemoteStore, step: Step) -> Iterator[RemoteTarget]:
    """A target at a server; `RemoteTarget.finish` is to be called in the block, at its end."""
    target = RemoteTarget(store, step)
    try:
        yield target
    except RenameUnknown:
        store.unlink(target.place)
        raise
    except BaseException as error:
        target.discard(error)
        raise
