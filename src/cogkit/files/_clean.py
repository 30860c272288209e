"""Removing what an interrupted or failed copy has left at servers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cogkit.files._connection import Connection
from cogkit.files._remote import RemoteStore
from cogkit.files._run import Run
from pyGlobus.globusException import GlobusException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogkit.files._location import Location

# How long all of it together may hold up the report of what went wrong.
_BUDGET = 5.0
_MOST_NAMES = 10


def remove_parts(
    store: RemoteStore, parts: Sequence[Location], error: BaseException | None
) -> None:
    """Remove temporary files, some of which may not have been made yet.

    It takes a session of its own, since after an abort the others are in no state to be relied
    on, and five seconds at most.

    Args:
        store: Tells the options.
        parts: The temporary files; those first that are most likely to be there.
        error: Gets a note that names what may be left.
    """
    deadline = time.monotonic() + _BUDGET
    left = list(parts)
    options = replace(store.options, timeout=_BUDGET, stall=_BUDGET)
    connection = Connection(options, store.connection.servers)
    try:
        while left and (seconds := deadline - time.monotonic()) > 0:
            connection.options = replace(options, timeout=seconds)
            try:
                RemoteStore(connection, Run()).unlink(left[0])
            except FileNotFoundError:
                pass  # it had not come to that
            except (GlobusException, OSError):
                break
            del left[0]
    finally:
        connection.close()
    if left and error is not None:
        names = ", ".join(str(part) for part in left[:_MOST_NAMES])
        more = f", and {len(left) - _MOST_NAMES} more" if len(left) > _MOST_NAMES else ""
        error.add_note(f"Parts may be left there: {names}{more}")
