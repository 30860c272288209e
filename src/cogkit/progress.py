"""A progress bar for copies, on a terminal."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cogkit.files import Progress


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Callable[[Progress], object] | None]:
    """What ``copy(progress=…)`` takes: a bar with rate and time left on standard error.

    It is ``None``, and nothing is shown, when that is no terminal or with `quiet`.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    # rich takes 0.1 s to import
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Display

    display = Display(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with display:
        task = display.add_task("", total=None)

        def show(state: Progress) -> None:
            name = printable(state.current)
            if len(name) > 30:
                name = name[:29] + "…"
            if state.files > 1:
                name = f"{min(state.files_done + 1, state.files)}/{state.files} {name}"
            display.update(task, description=name, completed=state.bytes_done, total=state.bytes)

        yield show


def printable(name: str) -> str:
    """A file's name that a terminal can be given: no control characters, no half characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)
