"""Copies and removals with servers that lie, refuse in any words, or can do little."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.files import CopyIncomplete, Files, TransferOptions
from oddserver import OddServer

pytestmark = pytest.mark.timeout(60)

HOSTILE = ["../escaped", "/etc/x", "..", ".", "", "a/b", "sub/../../escaped"]
FACTS = "type=file;size=4;"
LONG = "-rw-r--r--   1 odd      odd                4 Jan 01 12:00"


@pytest.fixture
def told() -> list[str]:
    """What a session tells its user."""
    return []


@pytest.fixture
def session(told: list[str]) -> Iterator[Files]:
    """A session that keeps what it tells."""
    with Files(tell=told.append) as files:
        yield files


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\r\n" for text in texts).encode()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def everything(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*"))


# ---- names that lead elsewhere -----------------------------------------------------------


@pytest.mark.parametrize("form", ["MLSD", "LIST", "NLST"])
@pytest.mark.parametrize("recursive_target", [True, False])
def test_a_listing_writes_nothing_outside_the_target(
    odd_server: OddServer, session: Files, tmp_path: Path, form: str, recursive_target: bool
) -> None:
    (odd_server.root / "d").mkdir()
    (odd_server.root / "escaped").write_text("evil")
    (odd_server.root / "d" / "good").write_text("good")
    prefix = {"MLSD": f"{FACTS} ", "LIST": f"{LONG} ", "NLST": ""}[form]
    bad = [name for name in HOSTILE if name]  # no line is left of an empty one in NLST
    odd_server.listings[f"{form} /d"] = lines(*(f"{prefix}{name}" for name in [*bad, "good"]))
    odd_server.without = {"NLST": {"MLSD", "MLST", "LIST"}, "LIST": {"MLSD", "MLST"}}.get(
        form, set()
    )
    here = tmp_path / "here" / "deep"
    here.mkdir(parents=True)
    target = here / "d" if recursive_target else here
    before = [path for path in everything(tmp_path) if path.parts[0] != "odd"]
    with pytest.raises(CopyIncomplete) as caught:
        session.copy(f"{odd_server.url}/d", str(target), recursive=True)
    assert any("escaped" in one.place for one in caught.value.summary.refused)
    assert [one.target for one in caught.value.summary.copied] == [str(here / "d" / "good")]
    after = [path for path in everything(tmp_path) if path.parts[0] != "odd"]
    assert [path for path in after if path not in before] == [
        Path("here/deep/d"),
        Path("here/deep/d/good"),
    ]
    assert [one for one in odd_server.commands if ".." in one] == []


def test_a_removal_sends_no_name_that_leads_elsewhere_and_removes_nothing(
    odd_server: OddServer, session: Files
) -> None:
    (odd_server.root / "d").mkdir()
    (odd_server.root / "escaped").touch()
    (odd_server.root / "d" / "good").touch()
    odd_server.listings["MLSD /d"] = lines(f"{FACTS} ../escaped", f"{FACTS} good")
    with pytest.raises(OSError, match="nothing was removed"):
        session.remove(f"{odd_server.url}/d", recursive=True)
    assert "DELE" not in odd_server.verbs()
    assert [str(path) for path in everything(odd_server.root)] == ["d", "d/good", "escaped"]


def test_nothing_is_removed_of_a_tree_that_cannot_be_read_whole(
    odd_server: OddServer, session: Files
) -> None:
    for name in ("a", "b", "c"):
        (odd_server.root / "d" / name).mkdir(parents=True)
        (odd_server.root / "d" / name / "f").touch()
    odd_server.listings["MLSD /d/c"] = lines("this is no line of facts", f"{FACTS} f")
    with pytest.raises(OSError, match="nothing was removed"):
        session.remove(f"{odd_server.url}/d", recursive=True)
    assert "DELE /d/a/f" not in odd_server.commands
    assert (odd_server.root / "d" / "a" / "f").exists()


def test_what_cannot_be_told_from_a_link_is_not_entered(
    odd_server: OddServer, session: Files
) -> None:
    (odd_server.root / "keep").mkdir()
    (odd_server.root / "keep" / "f").touch()
    (odd_server.root / "d").mkdir()
    (odd_server.root / "d" / "link").symlink_to("../keep")
    # It follows links in its listings, lets none be removed, and says GridFTP's words.
    odd_server.features = [*odd_server.features, "DCAU", "ERET"]
    odd_server.listings["MLSD /d"] = lines("type=dir; link")
    odd_server.replies["DELE /d/link"] = "550 Nein."
    odd_server.replies["RMD"] = "550 Nein."
    with pytest.raises(OSError, match=r"cannot be told|Nein"):
        session.remove(f"{odd_server.url}/d", recursive=True)
    assert (odd_server.root / "keep" / "f").exists()


def test_a_listing_that_is_strange_in_part_is_shown_with_what_was_left_out(
    odd_server: OddServer, session: Files
) -> None:
    odd_server.listings["MLSD /"] = lines(f"{FACTS} good", "junk", f"{FACTS} ../bad")
    listing = session.listdir(f"{odd_server.url}/")
    assert [entry.name for entry in listing] == ["good"]
    assert [line.text for line in listing.left_out] == ["junk", f"{FACTS} ../bad"]


# ---- refusals in any words ---------------------------------------------------------------


@pytest.mark.parametrize("words", ["Zugriff nicht möglich.", "Can't check for file existence", ""])
@pytest.mark.parametrize("without", [set(), {"MLST", "MLSD"}, {"MLST", "MLSD", "SIZE", "MDTM"}])
def test_what_is_there_is_not_asked_in_words(
    odd_server: OddServer, session: Files, tmp_path: Path, words: str, without: set[str]
) -> None:
    odd_server.texts[550] = words
    odd_server.without = without
    (tmp_path / "new").write_text("new")
    base = f"{odd_server.url}/d"
    session.mkdir(f"{base}/e/f", parents=True)
    session.mkdir(f"{base}/e/f", parents=True)
    with pytest.raises(FileExistsError):
        session.mkdir(f"{base}/e")
    with pytest.raises(FileNotFoundError):
        session.mkdir(f"{base}/none/g")
    session.copy(str(tmp_path / "new"), f"{base}/x")
    session.copy(str(tmp_path / "new"), f"{base}/e/")
    assert (odd_server.root / "d" / "x").read_text() == "new"
    assert session.stat(f"{base}/x").is_file
    for missing in (f"{base}/none", f"{base}/none/none"):
        with pytest.raises(FileNotFoundError):
            session.stat(missing)
        with pytest.raises(FileNotFoundError):
            session.copy(missing, str(tmp_path / "back"))
    with pytest.raises(FileNotFoundError):
        session.remove(f"{base}/none")
    session.remove(base, recursive=True)
    assert names(odd_server.root) == []


def test_a_directory_that_may_not_be_listed_takes_new_files(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    (tmp_path / "new").write_text("new")
    for verb in ("LIST", "NLST", "SIZE", "MDTM"):
        odd_server.replies[verb] = "550 Zugriff verweigert"
    odd_server.without = {"MLST", "MLSD"}
    session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert (odd_server.root / "x").read_text() == "new"


# ---- renaming ----------------------------------------------------------------------------


def test_without_renaming_an_existing_file_is_not_touched_before_the_new_one_comes(
    odd_server: OddServer, session: Files, told: list[str], tmp_path: Path
) -> None:
    odd_server.without = {"RNFR", "RNTO"}
    (odd_server.root / "x").write_text("old")
    (tmp_path / "new").write_text("new")
    odd_server.replies["STOR"] = "553 Nein."
    with pytest.raises(OSError, match=r"."):
        session.copy(str(tmp_path / "none"), f"{odd_server.url}/x")
    with pytest.raises(Exception, match="Nein"):
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert (odd_server.root / "x").read_text() == "old"
    assert "DELE /x" not in odd_server.commands
    del odd_server.replies["STOR"]
    session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert (odd_server.root / "x").read_text() == "new"
    assert told
    assert set(told) == {told[0]}
    assert "straight" in told[0]
    assert names(odd_server.root) == ["x"]


def test_whether_a_server_can_rename_is_asked_before_much_is_sent(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.without = {"RNFR", "RNTO"}
    (tmp_path / "big").write_bytes(bytes(2 << 20))
    session.copy(str(tmp_path / "big"), f"{odd_server.url}/big")
    assert [one for one in odd_server.commands if one.startswith("STOR")] == ["STOR /big"]


def test_of_many_files_only_one_is_sent_twice_to_find_out(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.without = {"RNFR", "RNTO"}
    (tmp_path / "tree").mkdir()
    for number in range(30):
        (tmp_path / "tree" / f"{number}").write_text(f"{number}")
    session.copy(str(tmp_path / "tree"), f"{odd_server.url}/tree", recursive=True)
    assert odd_server.verbs().count("STOR") == 31
    assert names(odd_server.root / "tree") == names(tmp_path / "tree")


def test_a_server_that_renames_over_no_file_has_the_old_one_removed_when_the_new_one_is_there(
    odd_server: OddServer, session: Files, told: list[str], tmp_path: Path
) -> None:
    odd_server.rename_replaces = False
    odd_server.texts[550] = "Nein."
    for name in ("x", "y"):
        (odd_server.root / name).write_text("old")
    (tmp_path / "new").write_text("new")
    with (
        Files(TransferOptions(require_atomic=True)) as strict,
        pytest.raises(OSError, match="one step"),
    ):
        strict.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert (odd_server.root / "x").read_text() == "old"
    assert names(odd_server.root) == ["x", "y"]
    odd_server.commands.clear()
    session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    verbs = odd_server.verbs()
    assert verbs.index("STOR") < verbs.index("DELE")
    odd_server.commands.clear()
    session.copy(str(tmp_path / "new"), f"{odd_server.url}/y")
    # now it is known
    assert [verb for verb in odd_server.verbs() if verb in ("STOR", "RNFR", "DELE")] == [
        "STOR", "DELE", "RNFR",
    ]  # fmt: skip
    assert (odd_server.root / "x").read_text() == (odd_server.root / "y").read_text() == "new"
    assert names(odd_server.root) == ["x", "y"]
    assert any("renames over no file" in text for text in told)


def test_a_refused_renaming_that_has_other_reasons_removes_nothing(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    (odd_server.root / "x").write_text("old")
    (tmp_path / "new").write_text("new")
    odd_server.replies["RNTO"] = "550 Nein."
    with pytest.raises(Exception, match="Nein"):
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert (odd_server.root / "x").read_text() == "old"
    assert names(odd_server.root) == ["x"]


def test_if_the_last_renaming_fails_the_new_content_stays_and_is_named(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.rename_replaces = False
    (odd_server.root / "x").write_text("old")
    (tmp_path / "new").write_text("new")
    removed: list[str] = []

    def after_removal(line: str) -> str | None:
        return "550 Nein." if removed else None

    def removal(line: str) -> None:
        removed.append(line)

    odd_server.replies["DELE"] = removal
    odd_server.replies["RNTO /x"] = after_removal
    with pytest.raises(Exception, match="Nein") as caught:
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    (left,) = odd_server.root.iterdir()
    assert left.read_text() == "new"
    assert left.name in caught.value.__notes__[0]


def test_in_place_means_in_place(odd_server: OddServer, tmp_path: Path) -> None:
    (odd_server.root / "x").write_text("an old and longer text")
    (tmp_path / "new").write_text("new")
    told: list[str] = []
    with Files(TransferOptions(in_place=True), tell=told.append) as session:
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
        (tmp_path / "y").write_text("an old and longer text")
        inode = (tmp_path / "y").stat().st_ino
        session.copy(f"{odd_server.url}/x", str(tmp_path / "y"))
        session.copy(f"{odd_server.url}/x", str(tmp_path / "z"))
    assert (odd_server.root / "x").read_text() == (tmp_path / "y").read_text() == "new"
    assert (tmp_path / "y").stat().st_ino == inode
    assert "RNFR" not in odd_server.verbs()
    assert "STOR /x" in odd_server.commands
    assert told == []


# ---- what passes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "reply"),
    [
        ("PASV", "425 Cannot open a data connection."),
        ("STOR", "425 Cannot build data connection."),
        ("RETR", "425 Cannot build data connection."),
        ("MLSD", "425 Cannot build data connection."),
        ("PASV", "553 Failed to allocate port for data transfer"),
    ],
)
@pytest.mark.parametrize("count", [1, 20])
def test_a_data_connection_that_is_refused_once_is_tried_again(
    odd_server: OddServer, session: Files, tmp_path: Path, verb: str, reply: str, count: int
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(count):
        (tree / f"{number}").write_text(f"{number}")
    asked = 0
    for source, target in (
        (str(tree), f"{odd_server.url}/tree"),
        (f"{odd_server.url}/tree", str(tmp_path / "back")),
    ):
        odd_server.replies[verb] = refusals = [reply]
        session.copy(source, target, recursive=True)
        asked += not refusals
    assert asked
    assert names(tmp_path / "back") == names(tree)
    assert names(odd_server.root / "tree") == names(tree)


def test_what_comes_from_a_pipe_is_not_taken_twice(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(
        ["sh", "-c", f"seq 200000 >'{tmp_path}/pipe'"], stderr=subprocess.DEVNULL
    )
    odd_server.replies["STOR"] = ["425 Cannot build data connection."]
    try:
        with pytest.raises(ConnectionError):
            session.copy(str(tmp_path / "pipe"), f"{odd_server.url}/x")
    finally:
        writer.kill()
        writer.wait(10)
    assert names(odd_server.root) == []


def test_what_is_refused_again_and_again_fails(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    (odd_server.root / "x").write_text("old")
    (tmp_path / "new").write_text("new")
    odd_server.replies["STOR"] = "425 Cannot build data connection."
    with pytest.raises(ConnectionError):
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert odd_server.verbs().count("STOR") == 4
    assert names(odd_server.root) == ["x"]


def test_one_connection_for_a_user_is_enough_here_too(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.most_connections = 1
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(30):
        (tree / f"{number}").write_text(f"{number}")
    session.copy(str(tree), f"{odd_server.url}/tree", recursive=True)
    session.copy(f"{odd_server.url}/tree", str(tmp_path / "back"), recursive=True)
    assert names(tmp_path / "back") == names(odd_server.root / "tree") == names(tree)


# ---- loops -------------------------------------------------------------------------------


def test_directories_of_one_name_in_each_other_are_no_loop(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.without = {"MLST", "MLSD"}
    deep = odd_server.root / "a" / "a" / "a" / "a" / "a"
    deep.mkdir(parents=True)
    (deep / "f").touch()
    session.copy(f"{odd_server.url}/a", str(tmp_path / "a"), recursive=True)
    assert (tmp_path / "a" / "a" / "a" / "a" / "a" / "f").exists()


def test_directories_without_an_end_are_refused(
    odd_server: OddServer, session: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("_plan", "_remove"):
        monkeypatch.setattr(f"cogkit.files.{module}._DEEPEST", 20)
    (odd_server.root / "d").mkdir()
    (odd_server.root / "d" / "f").touch()
    count = 0

    def deeper(line: str) -> None:
        nonlocal count
        count += 1
        odd_server.listings["MLSD"] = lines(f"type=dir;size={count}; d", f"{FACTS} f")

    odd_server.replies["MLSD"] = deeper
    odd_server.replies["RMD"] = "550 Directory not empty"
    with pytest.raises(OSError, match="one in the other"):
        session.remove(f"{odd_server.url}/d", recursive=True)
    assert "DELE" not in odd_server.verbs()
    odd_server.without = {"RETR"}
    with pytest.raises(Exception, match=r"500|one in the other") as caught:
        session.copy(f"{odd_server.url}/d", str(tmp_path / "d"), recursive=True)
    assert not isinstance(caught.value, RecursionError)


def test_what_fails_is_cleaned_up_where_one_connection_is_allowed(
    odd_server: OddServer, session: Files, tmp_path: Path
) -> None:
    odd_server.most_connections = 1
    (tmp_path / "new").write_text("new")
    session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    odd_server.replies["SIZE"] = "213 2"
    odd_server.without = {"MLST"}
    with pytest.raises(OSError, match="bytes came of"):
        session.copy(str(tmp_path / "new"), f"{odd_server.url}/x")
    assert names(odd_server.root) == ["x"]
