"""What copies keep, refuse and leave behind, with GCT's server."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli import COGKIT, started
from cogkit import files
from cogkit.files import CopyIncomplete, Files, TransferOptions
from cogkit.files._local import LocalStore
from cogkit.files._remote import RemoteStore
from cogkit.sandbox import Sandbox
from faultproxy import FaultProxy, Tamper
from waiting import until

pytestmark = pytest.mark.timeout(60)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.part") if path.name.startswith(".")]


def make_files(folder: Path, count: int, size: int = 1000) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"f{number:03}").write_bytes(os.urandom(size))
    return folder


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


# ---- modes -------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["up", "across", "tree", "many"])
def test_a_replaced_file_keeps_its_mode(url: str, tmp_path: Path, remote: Path, way: str) -> None:
    new = make_files(tmp_path / "new", 20 if way == "many" else 3)
    old = make_files(remote / "new", 20)
    for number, path in enumerate(sorted(old.iterdir())):
        path.chmod((0o600, 0o640, 0o755, 0o664)[number % 4])
    modes = {path.name: mode_of(path) for path in old.iterdir()}
    with Files() as session:
        if way in ("up", "across"):
            base = url if way == "across" else ""
            for path in new.iterdir():
                session.copy(f"{base}{path}", f"{url}{old}/{path.name}")
        else:
            session.copy(str(new), f"{url}{remote}/", recursive=True)
    for path in new.iterdir():
        assert (old / path.name).read_bytes() == path.read_bytes()
    assert {path.name: mode_of(path) for path in old.iterdir()} == modes


@pytest.mark.parametrize("way", ["up", "across"])
def test_a_private_file_is_private_while_it_is_replaced(
    url: str, tmp_path: Path, remote: Path, way: str
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (remote / "s").write_text("old")
    (remote / "s").chmod(0o600)
    source = f"{url if way == 'across' else ''}{tmp_path}/pipe"
    with started("cp", source, f"{url}{remote}/s") as process:
        with (tmp_path / "pipe").open("wb") as pipe:
            pipe.write(bytes(8 << 20))
            pipe.flush()
            until(lambda: any(part.stat().st_size > 0 for part in parts(remote)))
            assert [mode_of(part) for part in parts(remote)] == [0o600]
            assert (remote / "s").read_text() == "old"
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert ((remote / "s").stat().st_size, mode_of(remote / "s")) == (8 << 20, 0o600)
    assert names(remote) == ["s"]


def test_new_content_here_has_no_setuid_bit(url: str, tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    for source in (str(tmp_path / "new"), f"{url}{tmp_path}/new"):
        (tmp_path / "old").write_text("old")
        (tmp_path / "old").chmod(0o4755)
        files.copy(source, str(tmp_path / "old"))
        assert ((tmp_path / "old").read_text(), mode_of(tmp_path / "old")) == ("new", 0o755)


def test_new_content_at_a_server_has_no_setuid_bit(url: str, tmp_path: Path, remote: Path) -> None:
    (tmp_path / "new").write_text("new")
    (remote / "old").touch()
    (remote / "old").chmod(0o4755)
    files.copy(str(tmp_path / "new"), f"{url}{remote}/old")
    assert mode_of(remote / "old") == 0o755


def test_what_is_private_at_a_server_is_private_here(
    url: str, tmp_path: Path, remote: Path
) -> None:
    for name, mode in (("private", 0o600), ("public", 0o755), ("strange", 0o411)):
        (remote / name).touch()
        (remote / name).chmod(mode)
    before = os.umask(0o022)
    try:
        files.copy(f"{url}{remote}", str(tmp_path / "here"), recursive=True)
    finally:
        os.umask(before)
    assert {path.name: mode_of(path) for path in (tmp_path / "here").iterdir()} == {
        "private": 0o600,
        "public": 0o644,  # a server's word makes nothing executable
        "strange": 0o600,
    }


def test_the_umask_is_read_and_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "umask", lambda mask: pytest.fail("files of others change"))
            (tmp_path / "a").touch(mode=0o666)
            (tmp_path / "a").chmod(0o666)
            files.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "b") == 0o640


# ---- links -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["real file", "100%", "a%20b", "a=b;c", "é", "plain"])
@pytest.mark.parametrize("relative", [True, False])
def test_what_is_uploaded_onto_a_link_goes_to_the_real_file(
    url: str, tmp_path: Path, remote: Path, name: str, relative: bool
) -> None:
    (tmp_path / "new").write_text("new")
    (remote / "sub").mkdir()
    real = remote / "sub" / name
    real.write_text("old")
    real.chmod(0o640)
    (remote / "second").symlink_to(f"sub/{name}" if relative else real)
    (remote / "first").symlink_to("second")
    files.copy(str(tmp_path / "new"), f"{url}{remote}/first")
    assert (real.read_text(), mode_of(real)) == ("new", 0o640)
    assert (remote / "first").is_symlink()
    assert (remote / "second").is_symlink()
    assert names(remote) == ["first", "second", "sub"]
    assert names(remote / "sub") == [name]


# ---- sizes -------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["/proc/cpuinfo", "/sys/class/net/lo/mtu"])
def test_files_that_are_not_of_the_size_that_they_say_are_copied_to_their_end(
    url: str, tmp_path: Path, remote: Path, source: str
) -> None:
    content = Path(source).read_bytes()
    assert len(content) != Path(source).stat().st_size
    files.copy(source, str(tmp_path / "here"))
    assert len((tmp_path / "here").read_bytes()) == len(content)
    files.copy(source, f"{url}{remote}/there")
    assert len((remote / "there").read_bytes()) == len(content)
    (tmp_path / "many").mkdir()
    for number in range(20):
        (tmp_path / "many" / f"{number}").symlink_to(source)
    files.copy(str(tmp_path / "many"), f"{url}{remote}/many", recursive=True)
    assert {len(path.read_bytes()) for path in (remote / "many").iterdir()} == {len(content)}


def test_a_file_of_proc_comes_from_a_server_whole(url: str, tmp_path: Path) -> None:
    files.copy(f"{url}/proc/cpuinfo", str(tmp_path / "here"))
    assert (tmp_path / "here").stat().st_size == len(Path("/proc/cpuinfo").read_bytes())


def test_a_file_that_ends_before_its_size_is_refused_when_it_comes_from_a_server(
    url: str, tmp_path: Path
) -> None:
    (tmp_path / "here").write_text("old")
    with pytest.raises(OSError, match="bytes came of"):
        files.copy(f"{url}/sys/class/net/lo/mtu", str(tmp_path / "here"))
    assert (tmp_path / "here").read_text() == "old"
    assert names(tmp_path) == ["here", "remote"] or names(tmp_path) == ["here"]


@pytest.mark.parametrize("way", ["here", "up", "down", "across"])
def test_a_file_that_has_grown_since_it_was_looked_at_is_copied_to_its_end(
    url: str, tmp_path: Path, remote: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "log").write_bytes(b"x" * 5000)
    for store in (LocalStore, RemoteStore):
        once = [store.stat]

        def grows(self: object, place: object, once: list[object] = once) -> object:
            entry = once[0](self, place)  # type: ignore[operator]
            if str(place).endswith("/log") and entry.size == 5000:
                (tmp_path / "log").write_bytes(b"x" * 6000)
            return entry

        monkeypatch.setattr(store, "stat", grows)
    source = url if way in ("down", "across") else ""
    target = url if way in ("up", "across") else ""
    files.copy(f"{source}{tmp_path}/log", f"{target}{remote}/copy")
    assert (remote / "copy").stat().st_size == 6000


# ---- what is refused, while the rest is copied ---------------------------------------------


def test_of_two_sources_of_one_name_the_second_is_refused(
    url: str, tmp_path: Path, remote: Path
) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text(folder)
    (tmp_path / "c" / "y").write_text("y")
    (tmp_path / "here").mkdir()
    sources = [str(tmp_path / name) for name in ("a/x", "b/x", "c/y")]
    for target, folder in ((str(tmp_path / "here"), tmp_path / "here"), (f"{url}{remote}", remote)):
        with pytest.raises(CopyIncomplete, match="will not overwrite just-created") as caught:
            files.copy(sources, target)
        assert len(caught.value.summary.copied) == 2
        assert names(folder) == ["x", "y"]
        assert (folder / "x").read_text() == "a"


def test_directories_of_one_name_are_merged_and_their_files_not_overwritten(
    tmp_path: Path,
) -> None:
    for folder, name in (("a", "x"), ("b", "x"), ("b", "y")):
        (tmp_path / folder / "d").mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "d" / name).write_text(folder)
    (tmp_path / "here").mkdir()
    with pytest.raises(CopyIncomplete, match="just-created"):
        files.copy([f"{tmp_path}/a/d", f"{tmp_path}/b/d"], str(tmp_path / "here"), recursive=True)
    assert names(tmp_path / "here" / "d") == ["x", "y"]
    assert (tmp_path / "here" / "d" / "x").read_text() == "a"


def test_what_cannot_be_copied_in_a_directory_is_named_and_the_rest_goes(
    url: str, tmp_path: Path, remote: Path
) -> None:
    tree = make_files(tmp_path / "tree", 3)
    os.mkfifo(tree / "pipe")
    (tree / "broken").symlink_to("none")
    (tree / "two\nlines").write_text("x")
    with pytest.raises(CopyIncomplete) as caught:
        files.copy(str(tree), f"{url}{remote}/tree", recursive=True)
    refused = {one.place.rpartition("/")[2]: one.reason for one in caught.value.summary.refused}
    assert len(refused) == 3
    assert "line end" in next(text for name, text in refused.items() if "lines" in name)
    assert names(remote / "tree") == ["f000", "f001", "f002"]
    with pytest.raises(CopyIncomplete):
        files.copy(str(tree), str(tmp_path / "here"), recursive=True)
    assert names(tmp_path / "here") == ["f000", "f001", "f002", "two\nlines"]


# ---- failures and interruptions ------------------------------------------------------------


def test_after_a_failed_parallel_copy_the_session_goes_on(
    plain_url: str, tmp_path: Path, remote: Path
) -> None:
    url = plain_url
    tree = make_files(tmp_path / "tree", 40)
    (tree / "f020").unlink()
    (tree / "f020").symlink_to("/sys/class/net/lo/mtu")  # which is not of its size
    with Files() as session:
        with pytest.raises(OSError, match="bytes came of") as caught:
            session.copy(f"{url}{tree}", f"{url}{remote}/across", recursive=True)
        (note,) = [note for note in caught.value.__notes__ if "files are complete" in note]
        assert "f020" not in names(remote / "across")
        # one may have got its name without our being told, as it was cancelled meanwhile
        there = len([name for name in names(remote / "across") if not name.startswith(".")])
        assert there - 1 <= int(note.removesuffix(" of 40 files are complete.")) <= there
        assert session.listdir(f"{url}{tree}")
        for name in ("f001", "f002"):
            session.copy(f"{url}{tree}/{name}", f"{url}{remote}/{name}")
    assert parts(remote) == []


def test_between_servers_what_came_short_replaces_nothing(
    plain_url: str, tmp_path: Path, remote: Path
) -> None:
    (tmp_path / "source").symlink_to("/sys/class/net/lo/mtu")  # which is not of its size
    (remote / "old").write_bytes(b"old")
    with Files() as session:
        for name in ("old", "new"):
            with pytest.raises(OSError, match="bytes came of"):
                session.copy(f"{plain_url}{tmp_path}/source", f"{plain_url}{remote}/{name}")
    assert names(remote) == ["old"]
    assert (remote / "old").read_bytes() == b"old"


def test_a_failure_tells_how_many_files_are_complete(
    url: str, tmp_path: Path, remote: Path
) -> None:
    tree = make_files(tmp_path / "tree", 20)

    def spoil(state: files.Progress) -> None:
        (tree / "f019").unlink(missing_ok=True)

    with pytest.raises(FileNotFoundError) as caught, Files(TransferOptions(sessions=1)) as session:
        session.copy(str(tree), f"{url}{remote}/tree", recursive=True, progress=spoil)
    assert caught.value.__notes__[-1] == "19 of 20 files are complete."


def test_an_interrupted_copy_of_many_files_ends_soon_and_leaves_no_parts(
    url: str, tmp_path: Path, remote: Path
) -> None:
    # each session of its own would take a handshake
    tree = make_files(tmp_path / "tree", 1500, 10)
    with started("cp", "-r", tree, f"{url}{remote}/") as process:
        until(lambda: len(names(remote)) and len(names(remote / "tree")) > 10)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        took = time.monotonic() - begin
    assert (process.returncode, errors) == (130, "cogkit: interrupted\n")
    assert parts(remote) == []
    assert took < 12, took


@pytest.mark.parametrize("way", ["up", "across"])
def test_where_parts_cannot_be_removed_it_is_said_which_they_are(
    grid: Sandbox, plain_url: str, tmp_path: Path, remote: Path, way: str
) -> None:
    tree = make_files(tmp_path / "tree", 1500, 10)
    source = f"{plain_url if way == 'across' else ''}{tree}"
    server = grid.add_gridftp("-aa", *(["-anonymous-user", "root"] if os.getuid() == 0 else []))
    try:
        with started("cp", "-r", source, f"ftp://localhost:{server.port}{remote}/") as process:
            until(lambda: len(names(remote)) and len(names(remote / "tree")) > 10)
            server.stop()
            begin = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=40)
            took = time.monotonic() - begin
            # before the server goes on with the commands that it has not read yet
            there = parts(remote)
    finally:
        server.cont()
        server.kill()
    assert process.returncode == 130
    assert took < 20, took
    told = sum(part.name in errors for part in there)
    # ten by name, the others by their number
    assert told == len(there) or (told and re.search(r", and \d+ more$", errors.strip())), errors


@pytest.mark.parametrize("sessions", [4])
def test_few_descriptors_are_enough_for_many_files(
    plain_url: str, tmp_path: Path, remote: Path, sessions: int
) -> None:
    tree = make_files(tmp_path / "tree", 300, 10)
    for source, target in (
        (str(tree), f"{plain_url}{remote}/tree"),
        (f"{plain_url}{remote}/tree", str(tmp_path / "back")),
    ):
        done = subprocess.run(
            ["prlimit", "--nofile=110", *COGKIT, "cp", "-s", str(sessions), "-r", source, target],
            capture_output=True, text=True, timeout=50,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
    assert names(tmp_path / "back") == names(remote / "tree") == names(tree)


# ---- round trips -------------------------------------------------------------------------


@pytest.fixture
def wire(plain_port: int, grid_env: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """A URL of GCT's server, and the verbs that are sent to it."""
    verbs: list[str] = []
    lock = threading.Lock()

    def heard() -> Tamper:
        rest = b""

        def tamper(data: bytes) -> list[bytes]:
            nonlocal rest
            *whole, rest = (rest + data).split(b"\r\n")
            with lock:
                verbs.extend(line.split(b" ")[0].decode() for line in whole)
            return [data]

        return tamper

    with FaultProxy(plain_port, to_server=heard) as proxy:
        yield f"ftp://localhost:{proxy.port}", verbs


LOGIN = ["USER", "PASS", "SITE", "FEAT", "SITE", "TYPE"]


def test_gcts_server_is_asked_nothing_that_is_not_needed(
    wire: tuple[str, list[str]], tmp_path: Path, remote: Path
) -> None:
    base, verbs = wire
    (tmp_path / "a").write_text("a")
    upload = ["MLST", "PASV", "STOR", "MLST", "RNFR", "RNTO"]
    with Files() as session:
        session.copy(str(tmp_path / "a"), f"{base}{remote}/a")
        assert verbs == [*LOGIN, *upload]
        for does, expected in (
            (lambda: session.copy(str(tmp_path / "a"), f"{base}{remote}/a"), upload),
            (lambda: session.copy(f"{base}{remote}/a", f"{tmp_path}/b"), ["MLST", "PASV", "RETR"]),
            (lambda: session.listdir(f"{base}{remote}"), ["MLST", "PASV", "MLSD"]),
            (lambda: session.mkdir(f"{base}{remote}/d/e", parents=True), ["MKD"] * 3),
            (lambda: session.remove(f"{base}{remote}/a"), ["MLST", "DELE"]),
        ):
            verbs.clear()
            does()
            assert verbs == expected


def test_a_tree_takes_so_many_commands_a_file(
    wire: tuple[str, list[str]], tmp_path: Path, remote: Path
) -> None:
    base, verbs = wire
    tree = make_files(tmp_path / "tree", 10)
    (tree / "sub").mkdir()
    with Files(TransferOptions(sessions=1)) as session:
        session.copy(str(tree), f"{base}{remote}/tree", recursive=True)
        assert Counter(verbs) == Counter(
            [*LOGIN, "MLST", "MKD", "MKD", "MODE", "PASV", *["STOR", "MLST", "RNFR", "RNTO"] * 10]
        )
        verbs.clear()
        session.copy(f"{base}{remote}/tree", str(tmp_path / "back"), recursive=True)
        assert Counter(verbs) == Counter(
            ["MLST", "MODE", *["PASV", "MLSD"] * 2, "MODE", "PORT", *["RETR"] * 10]
        )
        verbs.clear()
        session.remove(f"{base}{remote}/tree", recursive=True)
        assert Counter(verbs) == Counter(
            ["MLST", "RMD", "MODE", *["PASV", "MLSD"] * 2, *["DELE"] * 10, "RMD", "RMD"]
        )


def test_an_interruption_while_a_part_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_text("new")
    (tmp_path / "y").write_text("old")
    open_really = os.open

    def interrupted(path: str | Path, *how: int) -> int:
        descriptor = open_really(path, *how)
        if str(path).endswith(".part"):
            os.close(descriptor)
            raise KeyboardInterrupt
        return descriptor

    monkeypatch.setattr(os, "open", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.copy(str(tmp_path / "x"), str(tmp_path / "y"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]
    assert (tmp_path / "y").read_text() == "old"
