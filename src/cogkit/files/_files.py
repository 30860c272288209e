"""`Files`: sessions with servers, and what a user does with them."""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cogkit.files import _transfer
from cogkit.files._local import LocalStore, Store
from cogkit.files._location import Location
from cogkit.files._many import copy_many
from cogkit.files._options import Progress, TransferOptions
from cogkit.files._plan import Copied, Planner, Summary
from cogkit.files._sessions import Sessions, close_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cogkit.files._entry import Entry
    from cogkit.files._plan import Step
    from cogkit.files._remote import RemoteStore

# From so many files on, further sessions are worth their handshakes.
_MANY = 16


class Files:
    """Works with files here and on servers; keeps its sessions until it is closed.

    ::

        with Files() as session:
            session.mkdir("gsiftp://localhost:2811/~/results", parents=True)
            session.copy(["a.dat", "b.dat"], "gsiftp://localhost:2811/~/results/")

    Not for several threads at once: one call runs at a time.
    """

    def __init__(self, options: TransferOptions | None = None) -> None:
        self.options = options or TransferOptions()
        self._local = LocalStore()
        self._remote: RemoteStore | None = None
        self._more: list[RemoteStore] = []

    def close(self) -> None:
        """Hang up."""
        close_all(self._more)
        self._more.clear()
        if self._remote is not None:
            self._remote.close()
            self._remote = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stat(self, place: str) -> Entry:
        """What is at a place; a symbolic link is followed.

        Raises:
            FileNotFoundError: Nothing is there.
            LocationError: `place` is malformed.
        """
        where = Location.parse(place)
        return self._store(where).stat(where)

    def listdir(self, place: str) -> list[Entry]:
        """What is in a directory, sorted by name; a file is a list of itself."""
        where = Location.parse(place)
        entry = self._store(where).stat(where)
        return self._store(where).listdir(where) if entry.is_dir else [entry]

    def mkdir(self, place: str, *, parents: bool = False) -> None:
        """Make a directory.

        Args:
            place: Where.
            parents: Make what is missing above it too, and do not mind if it exists.

        Raises:
            FileExistsError: Something is there already.
            FileNotFoundError: Its parent is missing.
        """
        where = Location.parse(place)
        if parents:
            self._mkdirs(where)
        else:
            self._store(where).mkdir(where)

    def remove(self, place: str, *, recursive: bool = False) -> None:
        """Remove a file, or with `recursive` a directory and all that is in it.

        Symbolic links are removed, and not followed.

        Raises:
            IsADirectoryError: It is a directory, and `recursive` is not set.
        """
        where = Location.parse(place)
        store = self._store(where)
        entry = None
        with suppress(FileNotFoundError):  # a link to nothing can be removed
            entry = store.stat(where)
        if entry is None or not entry.is_dir or entry.link_target is not None:
            store.unlink(where)
        elif not recursive:
            error = IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(where))
            error.add_note("Remove a directory with: cogkit rm -r")
            raise error
        elif not where.name:
            raise PermissionError(
                errno.EPERM, "a root or home directory is not removed as a whole", str(where)
            )
        else:
            store.remove_tree(where)

    def cat(self, place: str, descriptor: int) -> int:
        """Write a file's content to a descriptor, such as a pipe; returns the bytes."""
        where = Location.parse(place)
        if where.is_local:
            moved = 0
            with Path(where.path).open("rb", buffering=0) as file:
                while block := file.read(1 << 20):
                    view = memoryview(block)
                    while view:
                        view = view[os.write(descriptor, view) :]
                    moved += len(block)
            return moved
        remote = self._servers()
        begin = _position(descriptor)
        operation = remote.client.get(
            where.url,
            self.options.attributes(ordered=True),
            into=descriptor,
            file_offset=begin or 0,
            stall_timeout=self.options.stall,
        )
        moved = int(remote.transfer(operation, where))
        if begin is not None:
            os.lseek(descriptor, begin + moved, os.SEEK_SET)
        return moved

    def copy(
        self,
        sources: str | Iterable[str],
        target: str,
        *,
        recursive: bool = False,
        clobber: bool = True,
        progress: Callable[[Progress], object] | None = None,
    ) -> Summary:
        """Copy files, as ``cp`` does; between two servers the data goes from one to the other.

        A file that exists is replaced in one step, when the new one is complete and has the
        right size.  After a failure, or Ctrl-C, it is as it was, and the file under way is gone;
        files that were complete before stay.

        Args:
            sources: Paths or URLs.
            target: A path or URL: a directory that exists, or for one source its new name.
            recursive: Copy directories, with all that is in them; links are followed.
            clobber: Replace files that exist; otherwise they are left alone.
            progress: Told how far it has got, some ten times a second.

        Raises:
            OSError: What went wrong with a file.
            GlobusException: What went wrong with a server.
            LocationError: A place is malformed.
        """
        begin = time.monotonic()
        places = [
            Location.parse(one) for one in ([sources] if isinstance(sources, str) else sources)
        ]
        planner = Planner(self._store, recursive=recursive, clobber=clobber)
        plan = planner.plan(places, Location.parse(target))
        sizes = [step.entry.size for step in plan.steps]
        state = Progress(len(plan.steps), bytes=sum(n or 0 for n in sizes))
        if None in sizes:
            state.bytes = None
        for folder in plan.directories:
            self._store(folder).mkdir(folder)
        copied: list[Copied] = []
        stores = self._sessions_for(plan.steps)
        large: list[Step] = []
        others: list[Step] = []
        for step in plan.steps:
            (large if _transfer.can_be_split(stores, step) else others).append(step)
        many = len(plan.steps) > 1

        def done(one: tuple[Step, int]) -> None:
            step, moved = one
            copied.append(Copied(str(step.source), str(step.target), moved))
            state.files_done += 1
            state.at_file += moved
            state.bytes_done = state.at_file
            state.current = step.source.name
            if progress:
                progress(state)

        tick = _ticker(state, progress)
        if len(stores) > 1 and len(others) >= _MANY and _same_way(others):
            begun = state.at_file
            copy_many(
                stores, others, lambda step, moved: done((step, moved)),
                tick and (lambda moved: tick(begun + moved - state.at_file)),
            )  # fmt: skip
        elif len(stores) > 1 and len(others) > 1:
            sessions: Sessions[Step, tuple[Step, int]] = Sessions(
                stores,
                lambda store, step, moving: (step, _copy_one(store, step, many, moving)),
                watched=tick is not None,
            )
            sessions.run(others, done, tick)
        else:
            for step in others:
                state.current = step.source.name
                done((step, self._copy_alone(step, many, tick)))
        for step in large:
            state.current = step.source.name
            copy = _transfer.upload_parts if step.source.is_local else _transfer.download_parts
            done((step, copy(stores, step, tick)))
        return Summary(copied, plan.skipped, time.monotonic() - begin)

    def _sessions_for(self, steps: list[Step]) -> list[RemoteStore]:
        """The sessions for a copy; more than one if there is enough for them to do."""
        steps = [step for step in steps if not (step.source.is_local and step.target.is_local)]
        if not steps:
            return []
        enough = len(steps) >= _MANY or any(
            (step.entry.size or 0) >= _transfer.SPLIT_FROM for step in steps
        )
        stores = [self._servers()]
        while enough and len(stores) < self.options.sessions:
            if len(self._more) < len(stores):
                self._more.append(type(stores[0])(self.options))
            stores.append(self._more[len(stores) - 1])
        return stores

    def _copy_alone(self, step: Step, many: bool, tick: Callable[[int], object] | None) -> int:
        if step.source.is_local and step.target.is_local:
            return _transfer.copy_local(step, tick)
        return _copy_one(self._servers(), step, many, tick)

    def _mkdirs(self, where: Location) -> None:
        store = self._store(where)
        try:
            store.mkdir(where)
        except FileNotFoundError:
            if where.parent == where:
                raise
            self._mkdirs(where.parent)
            store.mkdir(where)
        except OSError:
            # servers refuse to make "/" or another's directory before they see that it exists
            if not store.stat(where).is_dir:
                raise

    def _store(self, place: Location) -> Store:
        return self._local if place.is_local else self._servers()

    def _servers(self) -> RemoteStore:
        if self._remote is None:
            # where no server is needed, Globus is not loaded
            from cogkit.files._remote import RemoteStore

            self._remote = RemoteStore(self.options)
        return self._remote


def _copy_one(
    store: RemoteStore, step: Step, many: bool, tick: Callable[[int], object] | None
) -> int:
    match step.source.is_local, step.target.is_local:
        case True, True:
            return _transfer.copy_local(step, tick)
        case True, False:
            return _transfer.upload(store, step, many=many, tick=tick)
        case False, True:
            return _transfer.download(store, step, many=many, tick=tick)
        case _:
            return _transfer.third_party(store, step, many=many, tick=tick)


def _same_way(steps: list[Step]) -> bool:
    """Whether they are plain files that all go from here to servers, or all the other way."""
    here = steps[0].source.is_local
    return here != steps[0].target.is_local and all(
        step.source.is_local == here
        and step.target.is_local != here
        and (step.existing is None or step.existing.is_file)
        for step in steps
    )


def _ticker(
    state: Progress, progress: Callable[[Progress], object] | None
) -> Callable[[int], object] | None:
    if progress is None:
        return None

    def tick(moved: int) -> None:
        state.bytes_done = state.at_file + moved
        progress(state)

    return tick


def _position(descriptor: int) -> int | None:
    """Where a descriptor writes next; ``None`` for a pipe or terminal."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return None
