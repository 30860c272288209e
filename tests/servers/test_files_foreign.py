"""Each file command with servers that GCT did not write, and with GCT's without MLST."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.files import CopyIncomplete, Files, TransferOptions
from foreign import ForeignServer, start_vsftpd
from waiting import until

pytestmark = pytest.mark.timeout(60)

# In the clear GCT's server takes no name that is not ASCII.
ODD = "a b#?%41'\"$(x);~"


@pytest.fixture(params=["vsftpd", "arc", "gct_without_mlst"])
def server(request: pytest.FixtureRequest) -> str:
    """The URL of a server of each kind, one after the other."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else found.url


@pytest.fixture(params=["vsftpd", "arc", "gct_without_mlst", "url"])
def any_server(request: pytest.FixtureRequest) -> str:
    """The same, and GCT's server as it is."""
    found = request.getfixturevalue(request.param)
    return found if isinstance(found, str) else found.url


@pytest.fixture
def told() -> list[str]:
    """What a session tells its user."""
    return []


@pytest.fixture
def session(told: list[str]) -> Iterator[Files]:
    """A session that keeps what it tells."""
    with Files(tell=told.append) as files:
        yield files


def make_tree(folder: Path, count: int = 20) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    for number in range(count):
        (folder / f"f{number}").write_bytes(os.urandom(number * 100))
    (folder / "sub" / "deep" / ODD).write_text("odd")
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], capture_output=True).returncode == 0


def lets_in(files: Files, place: str) -> bool:
    with contextlib.suppress(ConnectionError):
        return files.stat(place).is_dir
    return False


def test_a_file_goes_up_is_replaced_and_comes_down(
    server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    for size in (0, 5, 3_000_001):
        (tmp_path / ODD).write_bytes(os.urandom(size))
        session.copy(str(tmp_path / ODD), f"{server}{remote}/x")
        assert (remote / "x").read_bytes() == (tmp_path / ODD).read_bytes()
        session.copy(f"{server}{remote}/x", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == (tmp_path / ODD).read_bytes()
    assert names(remote) == ["x"]


def test_a_file_goes_from_a_server_to_itself(server: str, session: Files, remote: Path) -> None:
    (remote / "x").write_bytes(os.urandom(100_000))
    session.copy(f"{server}{remote}/x", f"{server}{remote}/y")
    session.copy(f"{server}{remote}/x", f"{server}{remote}/y")
    assert (remote / "y").read_bytes() == (remote / "x").read_bytes()
    assert names(remote) == ["x", "y"]


@pytest.mark.parametrize(
    ("one", "other"),
    [("url", "arc"), ("arc", "url"), ("vsftpd", "plain_url"), ("plain_url", "vsftpd")],
)
def test_a_tree_goes_from_one_kind_of_server_to_another(
    request: pytest.FixtureRequest, session: Files, remote: Path, one: str, other: str
) -> None:
    tree = make_tree(remote / "tree", 3)
    source, target = (
        getattr(found := request.getfixturevalue(name), "url", found) for name in (one, other)
    )
    for _ in range(2):
        session.copy(f"{source}{tree}/.", f"{target}{remote}/copy", recursive=True)
        assert same(tree, remote / "copy")


def test_a_tree_goes_up_and_comes_down(
    server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    tree = make_tree(tmp_path / "tree")
    session.copy(str(tree), f"{server}{remote}/", recursive=True)
    assert same(tree, remote / "tree")
    for path in tree.iterdir():
        if path.is_file():
            path.write_bytes(os.urandom(50))
    session.copy(f"{tree}/.", f"{server}{remote}/tree", recursive=True)
    assert same(tree, remote / "tree")
    session.copy(f"{server}{remote}/tree", str(tmp_path / "back"), recursive=True)
    assert same(tree, tmp_path / "back")


def test_files_are_listed_and_their_content_shown(
    server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    (remote / "file").write_bytes(b"12345")
    (remote / "dir").mkdir()
    listed = {entry.name: entry for entry in session.listdir(f"{server}{remote}")}
    assert sorted(listed) == ["dir", "file"]
    assert (listed["file"].size, listed["dir"].is_dir) == (5, True)
    assert [entry.name for entry in session.listdir(f"{server}{remote}/file")] == ["file"]
    assert session.listdir(f"{server}{remote}/dir") == []
    assert session.stat(f"{server}{remote}/file").size == 5
    assert session.stat(f"{server}{remote}/dir").is_dir
    with (tmp_path / "out").open("wb") as out:
        assert session.cat(f"{server}{remote}/file", out.fileno()) == 5
    assert (tmp_path / "out").read_bytes() == b"12345"
    for place in (f"{server}{remote}/none", f"{server}{remote}/no/ne"):
        with pytest.raises(FileNotFoundError):
            session.stat(place)
        with pytest.raises(FileNotFoundError):
            session.copy(place, str(tmp_path / "y"))
    assert not (tmp_path / "y").exists()


def test_a_name_with_a_dot_is_found_where_it_is_not_listed(
    server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    (remote / ".file").write_bytes(b"12345")
    (remote / ".dir").mkdir()
    assert session.stat(f"{server}{remote}/.file").size == 5
    assert session.stat(f"{server}{remote}/.dir").is_dir
    with pytest.raises(FileNotFoundError):
        session.stat(f"{server}{remote}/.none")
    (tmp_path / "new").write_bytes(b"new")
    session.copy(str(tmp_path / "new"), f"{server}{remote}/.file")
    assert (remote / ".file").read_bytes() == b"new"


def test_directories_are_made_with_what_is_missing_above_them(
    server: str, session: Files, remote: Path
) -> None:
    base = f"{server}{remote}"
    session.mkdir(f"{base}/x")
    assert (remote / "x").is_dir()
    for _ in range(2):
        session.mkdir(f"{base}/x/y/z/deeper", parents=True)
        assert (remote / "x" / "y" / "z" / "deeper").is_dir()
    (remote / "file").touch()
    with pytest.raises(OSError, match=r"file"):
        session.mkdir(f"{base}/file", parents=True)
    with pytest.raises(OSError, match=r"file"):
        session.mkdir(f"{base}/file")


def test_files_and_trees_are_removed(
    server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    make_tree(remote / "tree")
    (remote / "file").touch()
    session.remove(f"{server}{remote}/file")
    with pytest.raises(FileNotFoundError):
        session.remove(f"{server}{remote}/file")
    with pytest.raises(IsADirectoryError):
        session.remove(f"{server}{remote}/tree")
    session.remove(f"{server}{remote}/tree", recursive=True)
    assert names(remote) == []


def test_a_removal_does_not_go_through_links(any_server: str, session: Files, remote: Path) -> None:
    for place in (remote / "keep", remote / "tree", remote / "tree" / "sub"):
        place.mkdir()
    (remote / "keep" / "f").write_text("x")
    (remote / "tree" / "sub" / "g").write_text("x")
    (remote / "tree" / "link").symlink_to("../keep")
    (remote / "tree" / "sub" / "up").symlink_to("../..")
    (remote / "tree" / "sub" / "flat").symlink_to("../../keep/f")
    session.remove(f"{any_server}{remote}/tree", recursive=True)
    assert names(remote) == ["keep"]
    assert (remote / "keep" / "f").read_text() == "x"


def test_of_a_link_to_a_directory_only_the_link_is_removed(
    any_server: str, session: Files, remote: Path
) -> None:
    (remote / "keep").mkdir()
    (remote / "keep" / "f").write_text("x")
    (remote / "link").symlink_to("keep")
    session.remove(f"{any_server}{remote}/link", recursive=True)
    assert names(remote) == ["keep"]
    assert names(remote / "keep") == ["f"]


def test_a_link_that_leads_back_is_named_and_the_rest_is_copied(
    any_server: str, session: Files, tmp_path: Path, remote: Path
) -> None:
    (remote / "tree" / "sub").mkdir(parents=True)
    (remote / "tree" / "f").write_text("x")
    (remote / "tree" / "sub" / "g").write_text("x")
    (remote / "tree" / "self").symlink_to(".")
    (remote / "tree" / "sub" / "up").symlink_to("..")
    with pytest.raises(CopyIncomplete) as caught:
        session.copy(f"{any_server}{remote}/tree", str(tmp_path / "back"), recursive=True)
    summary = caught.value.summary
    assert {one.place.rpartition("/tree/")[2] for one in summary.refused} == {"self", "sub/up"}
    assert all("leads back" in one.reason for one in summary.refused)
    assert len(summary.copied) == 2
    assert names(tmp_path / "back") == ["f", "sub"]
    assert names(tmp_path / "back" / "sub") == ["g"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_replaced_file_is_never_more_open_than_it_was(
    any_server: str, session: Files, tmp_path: Path, remote: Path, mode: int
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (remote / "s").write_bytes(b"old")
    (remote / "s").chmod(mode)
    session.copy(str(tmp_path / "new"), f"{any_server}{remote}/s")
    assert (remote / "s").read_bytes() == b"new"
    now = (remote / "s").stat().st_mode & 0o777
    assert now & ~mode == 0
    if mode == 0o600:
        assert now == mode


def test_a_file_is_not_replaced_in_one_step_where_that_cannot_be_and_it_is_said_once(
    arc: ForeignServer, session: Files, told: list[str], tmp_path: Path, remote: Path
) -> None:
    tree = make_tree(tmp_path / "tree")
    session.copy(str(tree), f"{arc.url}{remote}/tree", recursive=True)
    assert same(tree, remote / "tree")
    assert len(told) == 1
    assert "not replaced in one step" in told[0]
    (remote / "old").write_text("old")
    with Files(TransferOptions(require_atomic=True)) as strict:
        for source, target in ((tree / "f1", "old"), (tree, "new")):
            with pytest.raises(OSError, match="cannot be replaced in one step"):
                strict.copy(str(source), f"{arc.url}{remote}/{target}", recursive=True)
    assert (remote / "old").read_text() == "old"
    assert names(remote) == ["old", "tree"]


def test_where_modes_cannot_be_set_a_private_file_is_written_straight(
    vsftpd: ForeignServer, session: Files, told: list[str], tmp_path: Path, remote: Path
) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (remote / "s").write_bytes(b"old")
    (remote / "s").chmod(0o600)
    with (
        Files(TransferOptions(require_atomic=True)) as strict,
        pytest.raises(OSError, match="private"),
    ):
        strict.copy(str(tmp_path / "new"), f"{vsftpd.url}{remote}/s")
    assert ((remote / "s").read_bytes(), names(remote)) == (b"old", ["s"])
    session.copy(str(tmp_path / "new"), f"{vsftpd.url}{remote}/s")
    assert ((remote / "s").read_bytes(), names(remote)) == (b"new", ["s"])
    assert len(told) == 1


@pytest.mark.parametrize("sessions", [2, 4])
def test_one_connection_for_a_user_is_enough(
    foreign_directory: Path, tmp_path: Path, remote: Path, sessions: int
) -> None:
    tree = make_tree(tmp_path / "tree", 40)
    with (
        start_vsftpd(foreign_directory / "v", max_per_ip=1) as server,
        Files(TransferOptions(sessions=sessions)) as files,
    ):
        # that of the fixture, which has seen that it serves, may be counted for a moment
        until(lambda: lets_in(files, f"{server.url}{remote}"), "it lets us in")
        files.copy(str(tree), f"{server.url}{remote}/tree", recursive=True)
        files.copy(f"{server.url}{remote}/tree", str(tmp_path / "back"), recursive=True)
    assert same(tree, remote / "tree")
    assert same(tree, tmp_path / "back")


def test_what_a_link_of_a_plain_server_leads_to_is_told(
    vsftpd: ForeignServer, session: Files, tmp_path: Path, remote: Path
) -> None:
    (remote / "real").write_bytes(b"12345")
    (remote / "dir").mkdir()
    (remote / "file").symlink_to("real")
    (remote / "folder").symlink_to("dir")
    (remote / "broken").symlink_to("none")
    found = {entry.name: entry for entry in session.listdir(f"{vsftpd.url}{remote}")}
    assert (found["file"].size, found["file"].link_target) == (5, "real")
    assert found["folder"].is_dir
    assert found["folder"].is_link
    assert not (found["broken"].is_file or found["broken"].is_dir)
    (tmp_path / "new").write_bytes(b"new")
    session.copy(str(tmp_path / "new"), f"{vsftpd.url}{remote}/file")
    assert (remote / "file").is_symlink()
    assert (remote / "real").read_bytes() == b"new"
