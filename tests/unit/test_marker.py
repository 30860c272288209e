"""Restart markers: sets of bytes, whatever the order they came in."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus.ftpClient import FtpClientRestartMarker, FtpClientValueError

RANGES = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 60)), max_size=12)


@given(RANGES)
def test_a_marker_holds_what_was_inserted_and_never_more(ranges: list[tuple[int, int]]) -> None:
    marker = FtpClientRestartMarker()
    wanted: set[int] = set()
    for start, length in ranges:
        marker.insert_range(start, start + length)
        wanted |= set(range(start, start + length))
    held = {byte for part in marker for byte in part}
    assert held <= wanted
    # one byte may be sent again where two ranges are one byte apart; nothing else
    for byte in wanted - held:
        assert byte - 1 not in wanted
        assert byte - 2 in wanted
    assert marker.total == len(held)


@given(RANGES)
def test_a_marker_survives_text_copies_and_pickles(ranges: list[tuple[int, int]]) -> None:
    marker = FtpClientRestartMarker()
    for start, length in ranges:
        marker.insert_range(start, start + length)
    for again in (
        FtpClientRestartMarker(str(marker)), marker.copy(), copy.copy(marker),
        pickle.loads(pickle.dumps(marker)),
    ):  # fmt: skip
        assert again == marker
        assert str(again) == str(marker)


def test_offsets_are_markers_too() -> None:
    marker = FtpClientRestartMarker("4096")
    assert (marker.total, list(marker), str(marker)) == (4096, [range(4096)], "4096")
    assert marker.first_block == range(4096)
    marker.set_offset(1 << 40)
    assert marker.total == 1 << 40
    assert marker == FtpClientRestartMarker(f"0-{1 << 40}")


def test_an_empty_marker_is_false() -> None:
    marker = FtpClientRestartMarker()
    assert not marker
    assert (str(marker), list(marker), marker.first_block) == ("", [], None)


@pytest.mark.parametrize("text", ["x", "1-", "-1", "1-2-3", "1,2", "0-5;6-7"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(FtpClientValueError):
        FtpClientRestartMarker(text)


def test_ranges_run_forwards() -> None:
    marker = FtpClientRestartMarker()
    with pytest.raises(ValueError, match="not a range"):
        marker.insert_range(5, 4)
    with pytest.raises(ValueError, match="not an offset"):
        marker.set_offset(-1)
