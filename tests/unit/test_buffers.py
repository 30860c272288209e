"""What C is lent, and what it is told."""

from __future__ import annotations

import gc
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus._core import buffers
from pyGlobus._core.buffers import pin, urls


def test_a_pinned_memoryview_in_a_cycle_is_collected_without_a_crash() -> None:
    def leave_garbage() -> None:
        view = memoryview(bytearray(10))
        pinned: list[object] = [pin(view)]
        pinned.append(pinned)

    for _ in range(10):
        leave_garbage()
    gc.collect()
    assert not buffers._lent


def test_a_pinned_memoryview_stays_as_long_as_what_is_pinned_to_it() -> None:
    memory = bytearray(10)
    pinned = pin(memoryview(memory)[2:5], writable=True)
    gc.collect()
    pinned[0] = ord("x")
    assert memory[2:3] == b"x"
    with pytest.raises(BufferError):
        memory.clear()
    del pinned
    memory.clear()


@given(st.text())
def test_no_url_brings_a_second_command(text: str) -> None:
    try:
        (sent,) = urls(f"ftp://localhost/{text}")
    except (ValueError, UnicodeEncodeError):
        return
    assert not re.search(rb"[\0\r\n]|%(00|0[aAdD])", sent)


@given(st.text(alphabet="-a@:/#[] ;$(%2", max_size=30))
def test_no_url_gives_ssh_an_option_or_its_shell_a_command(text: str) -> None:
    try:
        (sent,) = urls(f"sshftp://{text}")
    except ValueError:
        return
    authority = sent.decode().removeprefix("sshftp://").partition("/")[0]
    user, _, host = authority.rpartition("@")
    assert not user.startswith("-")
    assert not host.startswith("-")
    assert not set(authority) & set(" ;$(%#")
    assert b"#" not in sent


@pytest.mark.parametrize(
    "good",
    [
        "sshftp://host/path",
        "sshftp://me@host:22/a%23b",
        "sshftp://first.last@[::1]:2222/~/x",
        "sshftp://a_b-c@my-host.example.org",
        "SSHFTP://me:pass@host/x",
    ],
)
def test_usual_ssh_urls_are_taken(good: str) -> None:
    assert urls(good) == [good.encode()]
