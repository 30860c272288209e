"""When a transfer that failed for no reason of its own is begun again."""

from __future__ import annotations

import pytest

from pyGlobus._gridftp.retry import StaleConnection
from pyGlobus.globusException import GlobusException

STALE = GlobusException("get x: the server replied 500: An end of file occurred")


def test_what_the_transfer_before_took_down_is_begun_again_at_once_and_once() -> None:
    policy = StaleConnection(lambda: 0)
    assert policy.delay(STALE, 1, 0.0) == 0.0
    assert policy.delay(STALE, 2, 0.0) is None


def test_of_many_files_each_may_be_begun_again_when_the_ones_between_have_moved_something() -> None:
    moved = [0]
    policy = StaleConnection(lambda: moved[0], several=True)
    for _ in range(5):
        assert policy.delay(STALE, 1, 0.0) == 0.0
        assert policy.delay(STALE, 1, 0.0) is None
        moved[0] += 10


def test_an_end_that_came_before_gass_copy_asked_for_data_is_begun_again() -> None:
    error = GlobusException("copy x to y: GLOBUS_FTP_CLIENT_IDLE not allowed here")
    assert StaleConnection(lambda: 0).delay(error, 1, 0.0) == 0.0


@pytest.mark.parametrize("text", ["No such file or directory", "Permission denied", "no answer"])
def test_nothing_else_is_begun_again(text: str) -> None:
    assert StaleConnection(lambda: 0).delay(GlobusException(text), 1, 0.0) is None
