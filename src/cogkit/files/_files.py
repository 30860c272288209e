"""`Files`: sessions with servers, and what a user does with them."""

from __future__ import annotations

import errno
import os
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cogkit.files._entry import Listing
from cogkit.files._execute import execute
from cogkit.files._local import LocalStore, Store
from cogkit.files._location import Location
from cogkit.files._options import Progress, TransferOptions
from cogkit.files._plan import Planner
from cogkit.files._report import CopyIncomplete, Summary
from cogkit.files._run import Run
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from cogkit.files._connection import Connection
    from cogkit.files._entry import Entry
    from cogkit.files._remote import RemoteStore
    from cogkit.files._server import Servers


class Files:
    """Works with files here and on servers; keeps its sessions until it is closed.

    ::

        with Files() as session:
            session.mkdir("gsiftp://localhost:2811/~/results", parents=True)
            session.copy(["a.dat", "b.dat"], "gsiftp://localhost:2811/~/results/")

    Not for several threads at once: one call runs at a time.
    """

    def __init__(
        self,
        options: TransferOptions | None = None,
        *,
        tell: Callable[[str], object] | None = None,
    ) -> None:
        """Connect to nothing yet.

        Args:
            options: How to move data, and how long to wait.
            tell: Called with what the user should know although nothing failed, such as that a
                server cannot replace a file in one step; by default it is logged as a warning
                (logger ``cogkit.files``).
        """
        self.options = options or TransferOptions()
        self._tell = tell
        self._local = LocalStore()
        self._servers: Servers | None = None
        self._connections: list[Connection] = []

    def close(self) -> None:
        """Hang up."""
        for connection in self._connections:
            with suppress(GlobusException):
                connection.close()
        self._connections.clear()

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

    def listdir(self, place: str) -> Listing:
        """What is in a directory, sorted by name; a file is a list of itself.

        What a server tells that is no name of a file there is in `Listing.left_out`.
        """
        where = Location.parse(place)
        store = self._store(where)
        entry = store.stat(where)
        return store.listdir(where) if entry.is_dir else Listing([entry])

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
        session = None if where.is_local else self._session(0, Run(self._tell))
        store: Store = session or self._local
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
        elif session is None:
            self._local.remove_tree(where)
        else:
            from cogkit.files._remove import remove_tree

            remove_tree(session, where)

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
        remote = self._session(0, Run(self._tell))
        begin = _position(descriptor)
        connection = remote.connection
        attributes = connection.data_attributes(remote.run, where, ordered=True)
        moved = int(
            remote.transfer(
                lambda: connection.client.get(
                    where.url,
                    attributes,
                    into=descriptor,
                    file_offset=begin or 0,
                    stall_timeout=self.options.stall,
                ),
                where,
            )
        )
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
        right size; it keeps its mode.  After a failure, or Ctrl-C, it is as it was, and the file
        under way is gone; files that were complete before stay.  Where a server cannot do that,
        the target is written straight: see `TransferOptions.require_atomic`.

        Args:
            sources: Paths or URLs.
            target: A path or URL: a directory that exists, or for one source its new name.
            recursive: Copy directories, with all that is in them; links are followed.
            clobber: Replace files that exist; otherwise they are left alone.
            progress: Told how far it has got, some ten times a second.

        Raises:
            CopyIncomplete: What was found in a directory and cannot be copied, such as a link
                that leads back, or would overwrite another of the sources; all else was copied.
            OSError: What went wrong with a file.
            GlobusException: What went wrong with a server.
            LocationError: A place is malformed.
        """
        begin = time.monotonic()
        places = [
            Location.parse(one) for one in ([sources] if isinstance(sources, str) else sources)
        ]
        final = Location.parse(target)
        run = Run(self._tell)
        if all(place.is_local for place in (*places, final)):
            sessions = []
        else:
            sessions = [self._session(0, run)]

        def store(place: Location) -> Store:
            return self._local if place.is_local else sessions[0]

        planner = Planner(store, recursive=recursive, clobber=clobber)
        with sessions[0].remembering() if sessions else nullcontext():
            plan = planner.plan(places, final)
        sizes = [step.entry.size for step in plan.steps]
        state = Progress(len(plan.steps), bytes=sum(n or 0 for n in sizes))
        if None in sizes:
            state.bytes = None
        copied = execute(
            plan,
            self.options,
            store,
            lambda several: [
                *sessions,
                *(
                    self._session(number, run)
                    for number in range(1, self.options.sessions * several)
                ),
            ],
            state,
            progress,
        )
        summary = Summary(copied, plan.skipped, time.monotonic() - begin, plan.refused)
        if plan.refused:
            raise CopyIncomplete(summary)
        return summary

    def _mkdirs(self, where: Location) -> None:
        store = self._store(where)
        try:
            store.mkdir(where)
        except (ConnectionError, TimeoutError):
            raise
        except FileNotFoundError:
            if where.parent == where:
                raise
            self._mkdirs(where.parent)
            store.mkdir(where)
        except (OSError, GlobusException):
            # servers refuse to make "/" or another's directory before they see that it exists
            if not store.stat(where).is_dir:
                raise

    def _store(self, place: Location, run: Run | None = None) -> Store:
        return self._local if place.is_local else self._session(0, run or Run(self._tell))

    def _session(self, number: int, run: Run) -> RemoteStore:
        """One of the sessions with servers, for a run; the first does what takes one only."""
        # where no server is needed, Globus is not loaded
        from cogkit.files._connection import Connection
        from cogkit.files._remote import RemoteStore
        from cogkit.files._server import Servers

        if self._servers is None:
            self._servers = Servers()
        while len(self._connections) <= number:
            self._connections.append(Connection(self.options, self._servers))
        return RemoteStore(self._connections[number], run)


def _position(descriptor: int) -> int | None:
    """Where a descriptor writes next; ``None`` for a pipe or terminal."""
    try:
        return os.lseek(descriptor, 0, os.SEEK_CUR)
    except OSError:
        return None
