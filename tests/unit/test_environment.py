"""Variables that Globus passes over in silence when they are malformed."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli import assert_fails, cogkit
from pyGlobus._core import environment

pytestmark = pytest.mark.timeout(30)

RANGES = ["GLOBUS_TCP_PORT_RANGE", "GLOBUS_TCP_SOURCE_RANGE", "GLOBUS_UDP_PORT_RANGE"]
WRONG = [
    "45000-45100", "45000 45100", "45000", "45000,", ",45000", "45100,45000", "0,45000",
    "45000,65536", "450000,450001", "-1,45000", "45000,45100x", "45000,45100,45200", "x", "a,b",
    "\uff14\uff15000,45100",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _no_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANGES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that nobody else can open."""
    with socket.create_server(("", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", WRONG)
def test_a_range_that_globus_would_ignore_is_malformed(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    told = environment.malformed()
    assert told.startswith(f"{name}={value} is no range of ports")
    assert f"{name}=45000,45100" in told


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", ["45000,45100", " 45000 , 45100 ", "1,65535", "80,80", "", " "])
def test_a_range_that_globus_reads_is_taken(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert environment.malformed() == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(-9, 70000), st.integers(-9, 70000), st.sampled_from([",", " , ", "-", " "]))
def test_a_range_is_taken_if_and_only_if_it_is_one(
    monkeypatch: pytest.MonkeyPatch, low: int, high: int, between: str
) -> None:
    monkeypatch.setenv(RANGES[0], f"{low}{between}{high}")
    sound = "," in between and 1 <= low <= high <= 65535
    assert (environment.malformed() == "") is sound


@pytest.mark.parametrize("name", RANGES)
def test_a_malformed_range_is_wrong_usage_before_globus_comes_up(name: str) -> None:
    done = cogkit("proxy", "info", env={name: "45000-45100"})
    assert_fails(done, 2, f"{name}=45000-45100", f"{name}=45000,45100", lines=1)


def test_a_command_without_globus_needs_no_range(tmp_path: object) -> None:
    assert cogkit("ls", str(tmp_path), env={RANGES[0]: "45000-45100"}).returncode == 0


def test_only_a_range_without_a_free_port_is_blamed(
    taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOBUS_HOSTNAME", "localhost")
    assert environment.listening_trouble() == ""
    monkeypatch.setenv("GLOBUS_TCP_PORT_RANGE", "1024,65535")
    assert environment.listening_trouble() == ""
    monkeypatch.setenv("GLOBUS_TCP_PORT_RANGE", f"{taken_port},{taken_port}")
    assert f"GLOBUS_TCP_PORT_RANGE={taken_port},{taken_port}" in environment.listening_trouble()
    assert environment.listening_trouble(2811) == ""
    assert environment.connecting_trouble() == ""
    monkeypatch.setenv("GLOBUS_TCP_SOURCE_RANGE", f"{taken_port},{taken_port}")
    assert "GLOBUS_TCP_SOURCE_RANGE" in environment.connecting_trouble()


def test_a_host_name_that_is_not_known_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLOBUS_HOSTNAME", "no-such-host.invalid")
    assert "GLOBUS_HOSTNAME=no-such-host.invalid" in environment.listening_trouble()
    monkeypatch.setenv("GLOBUS_HOSTNAME", "127.0.0.1")
    assert environment.listening_trouble() == ""


def test_a_resolver_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import threading

    answer = threading.Event()
    monkeypatch.setattr(environment, "_LOOK_UP_TIMEOUT", 0.1)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answer.wait(20))
    monkeypatch.setenv("GLOBUS_HOSTNAME", "slow.example.org")
    try:
        assert "GLOBUS_HOSTNAME=slow.example.org" in environment.listening_trouble()
    finally:
        answer.set()
