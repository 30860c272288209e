"""Doing what a `Plan` says: which session moves which file, and how."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

from cogkit.files._report import Copied
from cogkit.files._target_local import reading, writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cogkit.files._local import Store
    from cogkit.files._location import Location
    from cogkit.files._options import Progress, TransferOptions
    from cogkit.files._plan import Plan, Step
    from cogkit.files._remote import RemoteStore

    Tick = Callable[[int], object]

A = TypeVar("A")
R = TypeVar("R")

# From so many files on, further sessions are worth their handshakes.
_MANY = 16
_BLOCK = 1 << 20


def execute(
    plan: Plan,
    options: TransferOptions,
    store: Callable[[Location], Store],
    sessions: Callable[[bool], Sequence[RemoteStore]],
    state: Progress,
    progress: Callable[[Progress], object] | None,
) -> list[Copied]:
    """Make the directories, then copy the files; returns what was copied.

    The first that fails ends it.

    Args:
        plan: What to do.
        options: How.
        store: What a directory is made with.
        sessions: The sessions with servers: one, or as many as the user wants.
        state: How far it has got.
        progress: Told `state`, some ten times a second.
    """
    remote = [step for step in plan.steps if not (step.source.is_local and step.target.is_local)]
    if remote and options.require_atomic:
        _require_atomic(remote, sessions(False)[0])
    for folder in plan.directories:
        try:
            store(folder).mkdir(folder)
        except FileExistsError:
            if not store(folder).stat(folder).is_dir:
                raise
    execution = _Execution(len(plan.steps), state, progress)
    try:
        for step in plan.steps:
            if step.source.is_local and step.target.is_local:
                execution.copy_local(step, options)
        if remote:
            execution.copy_remote(remote, sessions)
    except Exception as error:
        if len(plan.steps) > 1:
            error.add_note(f"{len(execution.copied)} of {len(plan.steps)} files are complete.")
        raise
    return execution.copied


def _require_atomic(steps: Sequence[Step], store: RemoteStore) -> None:
    from cogkit.files._target_remote import require_rename

    for step in steps:
        if not step.target.is_local:
            require_rename(store, step)
            return


class _Execution:
    """The files of one copy."""

    def __init__(
        self, files: int, state: Progress, progress: Callable[[Progress], object] | None
    ) -> None:
        self.copied: list[Copied] = []
        self._files = files
        self._state = state
        self._progress = progress

    def copy_local(self, step: Step, options: TransferOptions) -> None:
        """From this machine to this machine."""
        tick = self._tick()
        self._state.current = step.source.name
        with reading(step) as source, writing(step, options) as target:
            while block := _named(step.source, os.read, source, _BLOCK):
                view = memoryview(block)
                while view:
                    view = view[_named(step.target, os.write, target.descriptor, view) :]
                target.moved += len(block)
                if tick:
                    tick(target.moved)
        self._done(step, target.moved)

    def copy_remote(
        self, steps: list[Step], sessions: Callable[[bool], Sequence[RemoteStore]]
    ) -> None:
        """To or from servers."""
        # here, so that Globus is not loaded where no server is needed
        from cogkit.files import _transport
        from cogkit.files._sessions import Sessions
        from cogkit.files._target_remote import needs_care

        enough = len(steps) >= _MANY or any(
            (step.entry.size or 0) >= _transport.SPLIT_FROM for step in steps
        )
        stores = sessions(enough)
        several = self._files > 1
        large: list[Step] = []
        simple: list[Step] = []
        others: list[Step] = []
        for step in steps:
            if _transport.can_be_split(stores, step):
                large.append(step)
            elif step.source.is_local != step.target.is_local and not (
                needs_care(stores[0], step)
                if step.source.is_local
                else step.existing is not None and not step.existing.is_file
            ):
                simple.append(step)
            else:
                others.append(step)
        for group in (
            [step for step in simple if step.source.is_local],
            [step for step in simple if not step.source.is_local],
        ):
            if len(stores) > 1 and len(group) >= _MANY:
                others += self._run_many(stores, group)
            else:
                others += group
        if len(stores) > 1 and len(others) > 1:
            pool: Sessions[Step, tuple[Step, int]] = Sessions(
                stores,
                lambda store, step, tick: (
                    step,
                    _transport.copy_file(store, step, many=several, tick=tick),
                ),
                lambda step: [one for one in (step.source, step.target) if not one.is_local],
                watched=self._progress is not None,
            )
            pool.run(others, lambda outcome: self._done(*outcome), self._tick())
        else:
            for step in others:
                self._state.current = step.source.name
                moved = _transport.copy_file(stores[0], step, many=several, tick=self._tick())
                self._done(step, moved)
        for step in large:
            self._state.current = step.source.name
            copy = _transport.upload_parts if step.source.is_local else _transport.download_parts
            self._done(step, copy(stores, step, self._tick()))

    def _run_many(self, stores: Sequence[RemoteStore], steps: list[Step]) -> list[Step]:
        from cogkit.files._many import copy_many
        from cogkit.files._transport import copy_file

        target = steps[0].target
        if not target.is_local and stores[0].server(target).can_rename is None:
            # one alone shows whether the server can rename
            smallest = min(steps, key=lambda step: step.entry.size or 0)
            steps = [step for step in steps if step is not smallest]
            self._done(smallest, copy_file(stores[0], smallest, many=True, tick=self._tick()))
        tick = self._tick()
        begun = self._state.at_file
        return copy_many(
            stores,
            steps,
            self._done,
            tick and (lambda moved: tick(begun + moved - self._state.at_file)),
        )

    def _done(self, step: Step, moved: int) -> None:
        state = self._state
        self.copied.append(Copied(str(step.source), str(step.target), moved))
        state.files_done += 1
        state.at_file += moved
        state.bytes_done = state.at_file
        state.current = step.source.name
        if self._progress:
            self._progress(state)

    def _tick(self) -> Tick | None:
        progress, state = self._progress, self._state
        if progress is None:
            return None

        def tick(moved: int) -> None:
            state.bytes_done = state.at_file + moved
            progress(state)

        return tick


def _named(place: Location, call: Callable[[int, A], R], descriptor: int, argument: A) -> R:
    """A call on a descriptor; its error names the file."""
    try:
        return call(descriptor, argument)
    except OSError as error:
        error.filename = place.path
        raise
