"""The store of pairs behind pipelined transfers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pyGlobus.ftpClient import FtpClient
from pyGlobus.ftpClient.pipeline import Pipeline


@pytest.fixture(autouse=True)
def _active() -> Iterator[None]:
    with FtpClient():  # the module is active
        yield


def test_what_a_failed_operation_has_left_comes_first_and_in_order() -> None:
    pipeline = Pipeline(8)
    try:
        pipeline.begin(None)
        names = [bytes([letter]) for letter in b"abcde"]
        for name in names[:4]:
            assert pipeline.push((name.decode(), "x"), name, b"x")
        assert [pipeline.take(), pipeline.take()] == [(b"a", b"x"), (b"b", b"x")]
        assert pipeline.under_way() == [("a", "x"), ("b", "x")]
        pipeline.rest()
        pipeline.again()
        assert pipeline.under_way() == []
        assert pipeline.push(("e", "x"), b"e", b"x")
        assert [pipeline.take() for _ in range(6)] == [*((name, b"x") for name in names), None]
        pipeline.again()
        pipeline.again()
        assert [pipeline.take() for _ in range(6)] == [*((name, b"x") for name in names), None]
    finally:
        pipeline.finish()
        pipeline.free()


def test_nothing_left_is_no_trouble() -> None:
    pipeline = Pipeline(8)
    pipeline.begin(None)
    pipeline.again()
    assert pipeline.take() is None
    assert pipeline.push(("a", "b"), b"a", b"b")
    assert pipeline.take() == (b"a", b"b")
    pipeline.finish()
    pipeline.free()
