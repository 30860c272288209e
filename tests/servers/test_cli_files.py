"""``cogkit ls``, ``cp``, ``cat``, ``mkdir`` and ``rm`` with real servers."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pty
import signal
import subprocess
from pathlib import Path

import pytest

from cli import COGKIT, assert_fails, cogkit, started
from cogkit import files
from cogkit.files import Files, TransferOptions
from cogkit.sandbox import Sandbox
from faultproxy import FaultProxy, Tamper
from foreign import ForeignServer
from oddserver import OddServer
from waiting import until

pytestmark = pytest.mark.timeout(60)

ODD = "a b#?%41é'\"$(x);~"


def make_tree(folder: Path, count: int = 16) -> Path:
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    for number in range(count):
        (folder / f"f{number}").write_bytes(os.urandom(number * 100))
    (folder / "sub" / "deep" / ODD).write_text("odd")
    return folder


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["diff", "-r", one, other], capture_output=True).returncode == 0


def test_a_file_goes_up_across_and_down_unchanged(url: str, tmp_path: Path, remote: Path) -> None:
    data = tmp_path / ODD
    data.write_bytes(os.urandom(5_000_000))
    assert cogkit("cp", data, f"{url}{remote}/").returncode == 0
    base = f"{url}{remote}/a%20b%23%3F%2541%C3%A9'%22$(x);~"
    assert cogkit("cp", base, f"{url}{remote}/other").returncode == 0
    done = cogkit("cp", "--json", f"{url}{remote}/other", tmp_path / "back")
    assert json.loads(done.stdout)["bytes"] == 5_000_000
    assert (tmp_path / "back").read_bytes() == data.read_bytes()
    assert sorted(names(remote)) == sorted([ODD, "other"])


@pytest.mark.parametrize(
    "options", [["--parallel", "4"], ["--private"], ["--no-dcau"], ["--stream"]]
)
def test_every_way_to_move_data_moves_it_unchanged(
    url: str, tmp_path: Path, remote: Path, options: list[str]
) -> None:
    data = tmp_path / "data"
    data.write_bytes(os.urandom(3_000_001))
    for source, target in ((data, f"{url}{remote}/x"), (f"{url}{remote}/x", tmp_path / "back")):
        done = cogkit("cp", *options, source, target)
        assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "back").read_bytes() == data.read_bytes()


def test_a_tree_goes_up_across_and_down_unchanged(
    grid: Sandbox, url: str, tmp_path: Path, remote: Path
) -> None:
    tree = make_tree(tmp_path / "tree")
    assert cogkit("cp", "-r", tree, f"{url}{remote}/").returncode == 0
    assert same(tree, remote / "tree")
    other = grid.add_gridftp()
    try:
        assert cogkit("cp", "-r", f"{url}{remote}/tree", f"{other.url}{remote}/two").returncode == 0
    finally:
        other.kill()
    assert same(tree, remote / "two")
    assert cogkit("cp", "-r", f"{url}{remote}/two", tmp_path / "back").returncode == 0
    assert same(tree, tmp_path / "back")


def test_many_small_files_share_a_data_connection(
    plain_port: int, grid_env: object, tmp_path: Path, remote: Path
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03}").write_bytes(b"x" * 1000)
    said = bytearray()

    def heard() -> Tamper:
        def tamper(data: bytes) -> list[bytes]:
            said.extend(data)
            return [data]

        return tamper

    with FaultProxy(plain_port, to_server=heard) as proxy, Files() as session:
        url = f"ftp://localhost:{proxy.port}"
        session.copy(str(folder), f"{url}{remote}/many", recursive=True)
        session.copy(f"{url}{remote}/many", str(tmp_path / "back"), recursive=True)
    assert same(folder, tmp_path / "back")
    count = lambda *verbs: sum(said.count(verb) for verb in verbs)  # noqa: E731
    assert count(b"STOR", b"ESTO", b"RETR", b"ERET") >= 400
    assert count(b"PASV", b"EPSV", b"SPAS", b"PORT", b"EPRT") < 40  # 4, on a quiet machine


def test_files_that_exist_are_replaced_or_left_alone(
    url: str, tmp_path: Path, remote: Path
) -> None:
    (tmp_path / "new").write_text("new")
    for target in (remote / "x", tmp_path / "y"):
        target.write_text("old")
        target.chmod(0o640)
        place = f"{url}{target}" if target.parent == remote else target
        done = cogkit("cp", "--json", "-n", tmp_path / "new", place)
        assert json.loads(done.stdout)["skipped"] == [str(place)]
        assert target.read_text() == "old"
        assert cogkit("cp", tmp_path / "new", place).returncode == 0
        assert target.read_text() == "new"
    assert (tmp_path / "y").stat().st_mode & 0o777 == 0o640


def test_a_device_is_written_straight(url: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    assert cogkit("cp", tmp_path / "x", f"{url}/dev/null").returncode == 0
    assert cogkit("cp", f"{url}{tmp_path}/x", "/dev/null").returncode == 0
    assert Path("/dev/null").is_char_device()


def test_a_full_local_disk_is_said_and_leaves_no_part(url: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 100_000)
    assert_fails(cogkit("cp", f"{url}{tmp_path}/x", "/dev/full"), 1, "No space left on device")
    assert_fails(cogkit("cp", tmp_path / "x", "/dev/full"), 1, "/dev/full: No space left")
    assert_fails(cogkit("cp", tmp_path / "x", f"{url}/dev/full"), 1, "No space left on device")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may mount a small file system")
def test_a_disk_that_becomes_full_keeps_the_old_file(url: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine lets nobody mount")
    try:
        (disk / "x").write_text("old")
        (tmp_path / "big").write_bytes(bytes(4 << 20))
        done = cogkit("cp", f"{url}{tmp_path}/big", disk / "x")
        assert_fails(done, 1, "No space left on device")
        assert names(disk) == ["x"]
        assert (disk / "x").read_text() == "old"
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_copy_leaves_the_target_as_it_was(
    url: str, tmp_path: Path, remote: Path, number: signal.Signals
) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(40 << 30)  # sparse: minutes of work, and no disk
    (remote / "x").write_text("old")
    (tmp_path / "y").write_text("old")
    for first, second, folder in (
        (source, f"{url}{remote}/x", remote),
        (f"{url}{source}", tmp_path / "y", tmp_path),
        (f"{url}{source}", f"{url}{remote}/x", remote),
    ):
        with started("cp", first, second) as process:
            until(lambda folder=folder: any(n.endswith(".part") for n in names(folder)))
            process.send_signal(number)
            _, errors = process.communicate(timeout=15)
        assert process.returncode == (130 if number == signal.SIGINT else 143)
        assert errors == f"cogkit: {'interrupted' if number == signal.SIGINT else 'terminated'}\n"
        assert not any(name.endswith(".part") for name in names(folder))
    assert (remote / "x").read_text() == (tmp_path / "y").read_text() == "old"


def test_a_killed_copy_leaves_the_target_as_it_was(url: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(40 << 30)
    (tmp_path / "y").write_text("old")
    with started("cp", f"{url}{source}", tmp_path / "y") as process:
        until(lambda: any(name.endswith(".part") for name in names(tmp_path)))
        part = next(name for name in names(tmp_path) if name.endswith(".part"))
        assert (tmp_path / part).stat().st_mode & 0o777 == 0o600
        process.kill()
        process.wait(10)
    assert (tmp_path / "y").read_text() == "old"


@pytest.mark.parametrize("way", ["up", "down", "across"])
def test_a_server_that_hangs_in_a_transfer_is_given_up(
    grid: Sandbox, grid_env: dict[str, str], tmp_path: Path, way: str
) -> None:
    server = grid.add_gridftp()
    other = grid.add_gridftp()
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(40 << 30)
    target = tmp_path / "target"
    target.write_text("old")
    first = str(source) if way == "up" else f"{server.url}{source}"
    second = (
        str(target) if way == "down" else f"{other.url if way == 'across' else server.url}{target}"
    )
    with started("cp", "--stall", "2", first, second) as process:
        until(lambda: any(name.endswith(".part") for name in names(tmp_path)))
        server.stop()
        other.stop()
        try:
            _, errors = process.communicate(timeout=30)
        finally:
            server.cont()
            other.cont()
            server.kill()
            other.kill()
    assert process.returncode == 6, errors
    assert len(errors.splitlines()) <= 2
    assert target.read_text() == "old"


def test_cat_writes_to_pipes_and_files_in_order(url: str, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 3_000_000)
    expected = b"a" * 3_000_000 + b"b" * 3_000_000
    places = [f"{url}{tmp_path}/a", str(tmp_path / "b")]
    piped = subprocess.run([*COGKIT, "cat", *places], capture_output=True, timeout=30)
    assert piped.stdout == expected
    out = tmp_path / "out"
    with out.open("wb") as file:
        file.write(b"head")
        file.flush()
        subprocess.run([*COGKIT, "cat", places[0]], stdout=file, timeout=30, check=True)
        subprocess.run([*COGKIT, "cat", places[1]], stdout=file, timeout=30, check=True)
    assert out.read_bytes() == b"head" + expected


def test_cat_into_a_pipe_that_breaks_ends_quietly(url: str, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(1 << 30)
    command = [*COGKIT, "cat", f"{url}{tmp_path}/big"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(5) == bytes(5)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(15) == 141


def test_ls_shows_a_directory_sorted_and_a_file_as_itself(url: str, tmp_path: Path) -> None:
    tree = make_tree(tmp_path / "tree", 3)
    (tree / "link").symlink_to("f1")
    (tree / "f1").chmod(0o644)
    assert cogkit("ls", f"file://{tree}").stdout.split()[0] == "empty"
    for base in ("", url):
        listed = cogkit("ls", f"{base}{tree}").stdout
        assert listed.split() == ["empty", "f0", "f1", "f2", "link", "sub"]
        assert cogkit("ls", f"{base}{tree}/f1").stdout == "f1\n"
        told = json.loads(cogkit("ls", "--json", f"{base}{tree}").stdout)
        entries = {entry["name"]: entry for entry in told["listings"][0]["entries"]}
        assert entries["f1"]["size"] == entries["link"]["size"] == 100
        assert entries["sub"]["type"] == "dir"
        assert entries["link"]["link_target"]
        lines = cogkit("ls", "-l", f"{base}{tree}").stdout.splitlines()
        assert lines[2].startswith("-rw-r--r--  ")
        assert lines[2].endswith(" f1")


def test_a_server_without_mlsd_is_listed_and_copied_from_all_the_same(
    grid: Sandbox, grid_env: dict[str, str], tmp_path: Path
) -> None:
    server = grid.add_gridftp(disable_command_list="MLST,MLSD")
    try:
        tree = make_tree(tmp_path / "tree", 3)
        with Files() as session:
            found = {entry.name: entry for entry in session.listdir(f"{server.url}{tree}")}
            assert [*found] == ["empty", "f0", "f1", "f2", "sub"]
            assert (found["f2"].size, found["sub"].is_dir) == (200, True)
            session.copy(f"{server.url}{tree}", str(tmp_path / "back"), recursive=True)
            session.copy(str(tree), f"{server.url}{tmp_path}/up", recursive=True)
            with pytest.raises(FileNotFoundError):
                session.stat(f"{server.url}{tree}/none")
        assert same(tree, tmp_path / "back")
        assert same(tree, tmp_path / "up")
    finally:
        server.kill()


def test_directories_are_made_and_removed(url: str, remote: Path) -> None:
    base = f"{url}{remote}"
    assert_fails(cogkit("mkdir", f"{base}/a/b/c"), 4, "No such file")
    assert cogkit("mkdir", "-p", f"{base}/a/b/c").returncode == 0
    assert cogkit("mkdir", "-p", f"{base}/a/b/c").returncode == 0
    assert_fails(cogkit("mkdir", f"{base}/a"), 1, "File exists")
    (remote / "a" / "file").write_text("x")
    (remote / "kept").mkdir()
    (remote / "a" / "link").symlink_to(remote / "kept")
    assert_fails(cogkit("rm", f"{base}/a"), 1, "Is a directory", "rm -r")
    assert cogkit("rm", "-r", f"{base}/a").returncode == 0
    assert names(remote) == ["kept"]
    assert_fails(cogkit("rm", f"{base}/none"), 4, "No such file")


def test_a_home_directory_is_not_removed_as_a_whole(url: str) -> None:
    assert_fails(cogkit("rm", "-r", f"{url}/~/"), 5, "not removed")


def test_after_a_failed_transfer_the_session_goes_on(
    url: str, tmp_path: Path, remote: Path
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(name)
    with Files() as session:
        session.copy([str(tmp_path / "a"), str(tmp_path / "b")], f"{url}{remote}/")
        for _ in range(2):
            with pytest.raises(OSError, match="No space left") as caught:
                session.copy(f"{url}{remote}/a", "/dev/full")
            assert caught.value.errno == errno.ENOSPC
            session.copy([str(tmp_path / "b"), str(tmp_path / "c")], f"{url}{remote}/")
    assert (remote / "c").read_text() == "c"


def test_a_progress_bar_is_shown_on_a_terminal_only(url: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(20 << 20))
    main, terminal = pty.openpty()
    command = [*COGKIT, "cp", f"{url}{tmp_path}/x", str(tmp_path / "y")]
    with subprocess.Popen(command, stderr=terminal, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while some := os.read(main, 10_000):
                shown += some
        os.close(main)
        assert process.wait(20) == 0
    assert b"21.0/21.0 MB" in shown
    assert cogkit("cp", f"{url}{tmp_path}/x", tmp_path / "z").stderr == ""


def test_progress_tells_how_far_it_is(url: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(50_000_000))
    seen = []
    files.copy(
        f"{url}{tmp_path}/x",
        str(tmp_path / "y"),
        progress=lambda state: seen.append((state.bytes_done, state.bytes, state.files_done)),
        options=TransferOptions(),
    )
    assert seen[-1] == (50_000_000, 50_000_000, 1)
    assert seen == sorted(seen)


def test_what_was_not_copied_is_named_and_the_exit_code_says_so(
    url: str, tmp_path: Path, remote: Path
) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / ("y" if folder == "c" else "x")).write_text(folder)
    sources = [tmp_path / name for name in ("a/x", "b/x", "c/y")]
    done = cogkit("cp", "--json", *sources, f"{url}{remote}/")
    assert_fails(done, 1, f"{remote}/x: will not overwrite just-created", f"{tmp_path}/b/x")
    told = json.loads(done.stdout)
    assert len(told["copied"]) == 2
    assert [one["place"] for one in told["refused"]] == [f"{url}{remote}/x"]
    assert (remote / "x").read_text() == "a"
    tree = make_tree(tmp_path / "tree", 3)
    (tree / "self").symlink_to(".")
    done = cogkit("cp", "-r", tree, f"{url}{remote}/")
    assert_fails(done, 1, f"{tree}/self: a symbolic link leads back")
    assert (remote / "tree" / "f2").exists()


def test_a_hostile_listing_harms_nobody(odd_server: OddServer, tmp_path: Path) -> None:
    (odd_server.root / "good").write_text("good")
    odd_server.listings["MLSD /"] = (
        b"type=file;size=4; ../escaped\r\ntype=file;size=4; a\x1b[2Jb/c\r\n"
        b"type=file;size=4; good\r\n"
    )
    listed = cogkit("ls", f"{odd_server.url}/")
    assert (listed.returncode, listed.stdout) == (1, "good\n")
    (tmp_path / "deep").mkdir()
    copied = cogkit("cp", "-r", f"{odd_server.url}/", tmp_path / "deep" / "here")
    assert copied.returncode == 1
    assert names(tmp_path / "deep") == ["here"]
    assert names(tmp_path / "deep" / "here") == ["good"]
    for done in (listed, copied):
        assert len(done.stderr.splitlines()) == 2
        assert "escaped" in done.stderr
        assert "\x1b" not in done.stderr


def test_what_is_not_replaced_in_one_step_is_said_or_refused(
    arc: ForeignServer, tmp_path: Path, remote: Path
) -> None:
    (remote / "x").write_text("old")
    (tmp_path / "new").write_text("new")
    refused = cogkit("cp", "--require-atomic", tmp_path / "new", f"{arc.url}{remote}/x")
    assert_fails(refused, 1, "cannot be replaced in one step", f"{remote}/x")
    assert (remote / "x").read_text() == "old"
    done = cogkit("cp", tmp_path / "new", f"{arc.url}{remote}/x")
    assert done.returncode == 0
    assert "not replaced in one step" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (remote / "x").read_text() == "new"
    done = cogkit("cp", "--in-place", tmp_path / "new", f"{arc.url}{remote}/x")
    assert (done.returncode, done.stderr) == (0, "")
    contradiction = cogkit("cp", "--in-place", "--require-atomic", tmp_path / "new", tmp_path / "x")
    assert_fails(contradiction, 2, "in one step")


@pytest.mark.parametrize("password", ["secret", "se%40cret", "se%2Fcret", "12"])
def test_no_password_is_printed(odd_server: OddServer, tmp_path: Path, password: str) -> None:
    (tmp_path / "x").write_text("x")
    (tmp_path / "same").mkdir()
    (tmp_path / "same" / "x").write_text("x")
    base = odd_server.url.replace("://", f"://me:{password}@")
    said = []
    for arguments in (
        ["cp", "--json", tmp_path / "x", f"{base}/x"],
        ["cp", "--json", tmp_path / "x", tmp_path / "same" / "x", f"{base}/"],
        ["cp", f"{base}/none", tmp_path / "y"],
        ["ls", "--json", f"{base}/"],
        ["ls", f"{base}/", f"{base}/x"],
        ["mkdir", "--json", f"{base}/d"],
        ["mkdir", f"{base}/d"],
        ["rm", "--json", f"{base}/x"],
        ["rm", f"{base}/x"],
        ["ls", f"ftp:me:{password}@host/x"],
        ["ls", f"ftp://me:{password}@host:port/x"],
    ):
        done = cogkit(*arguments)
        said.append(done.stdout + done.stderr)
    assert all(text.strip() for number, text in enumerate(said) if number != 2)
    assert not [text for text in said if f":{password}@" in text]
