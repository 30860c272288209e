"""Ranges of ports and names of hosts that cannot be used: the message names the variable."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import assert_fails, cogkit

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def taken() -> Iterator[str]:
    """A range of ports of which none is free."""
    with socket.create_server(("", 0)) as listener:
        port = listener.getsockname()[1]
        yield f"{port},{port}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / "there" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "there" / name).write_text(name)
    return tmp_path


COMMANDS = [
    "run -- true",
    "submit -- true",
    "cp -r {url}{folder}/there {folder}/here",
    "cp -p 2 {url}{folder}/there/a {folder}/here",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_exhausted_range_of_listening_ports_is_named(
    command: str, rm: str, url: str, folder: Path, taken: str
) -> None:
    words = command.format(url=url, folder=folder).split()
    done = cogkit(*words, env={"GLOBUS_TCP_PORT_RANGE": taken})
    assert_fails(done, 1, f"no port of GLOBUS_TCP_PORT_RANGE={taken} is free")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_host_name_that_is_not_known_is_named(
    command: str, rm: str, url: str, folder: Path
) -> None:
    words = command.format(url=url, folder=folder).split()
    done = cogkit(*words, env={"GLOBUS_HOSTNAME": "no-such-host.invalid"})
    assert_fails(done, 1, "GLOBUS_HOSTNAME=no-such-host.invalid")


@pytest.mark.parametrize(("command", "code"), [("run -- true", 6), ("ls {url}/", 1)])
def test_an_exhausted_range_of_source_ports_is_named(
    command: str, code: int, rm: str, url: str, taken: str
) -> None:
    words = command.format(url=url).split()
    done = cogkit(*words, env={"GLOBUS_TCP_SOURCE_RANGE": taken})
    assert_fails(done, code, f"no port of GLOBUS_TCP_SOURCE_RANGE={taken} is free", lines=1)


def test_a_range_with_free_ports_is_used(rm: str, taken: str) -> None:
    first = int(taken.partition(",")[0])
    done = cogkit("run", "--", "echo", "hi", env={"GLOBUS_TCP_PORT_RANGE": f"{first},65535"})
    assert (done.returncode, done.stdout) == (0, "hi\n")
