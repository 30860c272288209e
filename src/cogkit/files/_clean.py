"""Removing what an interrupted or failed copy has left at servers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from cogkit.files._connection import Connection
from cogkit.files._remote import RemoteStore
from cogkit.files._report import tell_parts
from cogkit.files._run import Run
from pyGlobus.globusException import AuthenticationError, GlobusException

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cogkit.files._location import Location

# How long all of it together may hold up the report of what went wrong.
_BUDGET = 5.0


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
    own = Connection(replace(store.options, timeout=_BUDGET), store.connection.servers)
    try:
        _remove(own, left, deadline)
        if left:  # a server may let in no session more
            _remove(store.connection, left, deadline)
    finally:
        own.close()
    if left and error is not None:
        tell_parts(error, [str(part) for part in left])


def _remove(connection: Connection, left: list[Location], deadline: float) -> None:
    """Remove them by this session, and take those that are gone from the list."""
    for part in list(left):
        if (seconds := deadline - time.monotonic()) <= 0:
            return
        options = replace(connection.options, timeout=seconds, stall=seconds)
        try:
            RemoteStore(connection, Run(), options).unlink(part)
        except FileNotFoundError:
            left.remove(part)  # it had not come to that
        except (ConnectionError, TimeoutError, AuthenticationError):
            return
        except (GlobusException, OSError):
            pass  # this one stays
        else:
            left.remove(part)
