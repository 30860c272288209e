"""The grid-mapfile: GCT's own reading of it, its scripts, and editing that is safe."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pyGlobus.globusException import GlobusTimeoutError
from pyGlobus.security import gss
from pyGlobus.security.gridmap import (
    GridMap,
    NotMappedError,
    canonical_subject,
    edit_gridmap,
    gridmap_path,
    quote_subject,
)

ANN = "/O=Grid/OU=A B/CN=Ann Other"
HOST = "/O=Grid/CN=host/node.example.org"


@pytest.fixture
def mapfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "grid-mapfile"
    monkeypatch.setenv("GRIDMAP", str(path))
    return path


# --- agreement with globus_gss_assist ----------------------------------------------------------

LINES = [
    b'"/O=Grid/CN=Ann Other" ann',
    b'"/O=Grid/CN=Ann Other" ann,guest , third',
    b"/O=Grid/CN=Ann ann",
    b"/O=Grid/CN=Ann\tann,,bob",
    b'  "/O=Grid/CN=A"   ann  ',
    b'"/O=Grid/CN=A"ann',
    b'"/O=Grid/CN=A" ,ann',
    b'"/O=Grid/CN=A" ann # the boss',
    b'# "/O=Grid/CN=A" ann',
    b'"/O=Grid/CN=A ann',
    b'"/O=Grid/CN=A"',
    b"/O=Grid/CN=A",
    b'"/O=Grid/CN=A \\"the\\" B" ann',
    b'"/O=Grid/CN=A\\\\" ann" bob',
    b'"/O=Grid/CN=A\\x22B" ann',
    b'"/O=Grid/CN=A\\x5C" ann',
    b'"/O=Grid/CN=A\\xgg\\q" ann',
    b'"/O=Grid/CN=\\xc3\\xa9" ann',
    '"/O=Grid/CN=é" ann'.encode(),
    b'"/O=Grid/CN=\\xC3\\xA9" ann',
    b'"/O=Grid/emailAddress=a@b/CN=A" ann',
    b'"/O=Grid/Email=a@b/CN=A" ann',
    b'"/O=Grid/E=a@b/UID=x/CN=A" ann',
    b'"/o=grid/cn=a" ann',
    b'"/O=Grid/CN=A" ann\r',
    b'"/O=Grid/CN=A" ann\0junk,bob',
    b'"/O=Grid/CN=A" .pool',
    b"",
    b"   ",
    HOST.encode() + b" daemon",
    b'"/O=Grid/CN=' + b"x" * 20000 + b'" ann',
]
SUBJECTS = [
    "/O=Grid/CN=Ann Other", "/O=Grid/CN=Ann", "/O=Grid/CN=A", "/O=grid/CN=a",
    '/O=Grid/CN=A "the" B',
    '/O=Grid/CN=A"B', "/O=Grid/CN=A\\", '/O=Grid/CN=A\\" ann', "/O=Grid/CN=Axggq",
    r"/O=Grid/CN=\xC3\xA9", "/O=Grid/emailAddress=a@b/CN=A", "/O=Grid/Email=a@b/CN=A",
    "/O=Grid/E=a@b/CN=A", "/O=Grid/E=a@b/USERID=x/CN=A", HOST, "/O=Grid/CN=" + "x" * 20000, "#", "",
]  # fmt: skip
USERS = ["ann", "bob", "guest", "third", "#", "the", "boss", "daemon", "ann\r", ""]


def agree(path: Path, data: bytes, subjects: list[str], users: list[str]) -> None:
    path.write_bytes(data)
    ours = GridMap(data)
    for subject in subjects:
        try:
            theirs: str | None = gss.gridmap(subject)
        except NotMappedError:
            theirs = None
        mapped = ours.users(subject)
        if mapped and mapped[0].startswith("."):
            continue  # GCT leases an account of a pool
        assert (mapped[0] if mapped else None) == theirs, subject
        for user in users:
            assert ours.allows(subject, user) == gss.userok(subject, user), (subject, user)
    for user in users:
        assert ours.subjects(user) == gss.lookup_all_globusid(user), user
        try:
            first: str | None = gss.map_local_user(user)
        except NotMappedError:
            first = None
        assert (ours.subjects(user) or [None])[0] == first, user  # type: ignore[list-item]


@pytest.mark.parametrize("end", [b"\n", b""])
@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_is_read_as_gss_assist_reads_it(mapfile: Path, line: bytes, end: bytes) -> None:
    agree(mapfile, line + end, SUBJECTS, USERS)


def test_all_lines_together_are_read_as_gss_assist_reads_them(mapfile: Path) -> None:
    for lines in (LINES, LINES[::-1]):
        agree(mapfile, b"\n".join(lines) + b"\n", SUBJECTS, USERS)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.lists(st.sampled_from(
    ['"', "\\", "/CN=", "a", "x", "4", "1", " ", "\t", "\n", ",", "#", "é", "/E=", "\\x", "/O=G"]
), max_size=40).map("".join))  # fmt: skip
@example('"\\"a" a')
@example("/CN=a\\ a")
@example('"/CN=a\\')
def test_any_text_is_read_as_gss_assist_reads_it(mapfile: Path, data: str) -> None:
    raw = data.encode()
    # GCT reads memory that nobody has set at an empty subject
    assume("the subject is empty" not in [problem.text for problem in GridMap(raw).check()])
    agree(mapfile, raw, [entry.subject for entry in GridMap(raw)] + ["/CN=a"], ["a", "x", "#"])


NAMES = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(names=st.lists(NAMES, min_size=1, max_size=4, unique=True))
@example(['x"y', "back\\slash", "\\x41", "\\xC3", "end\\", "new\nline", "é\\xC3"])
def test_what_is_written_is_read_again_by_us_and_by_gss_assist(
    mapfile: Path, names: list[str]
) -> None:
    mapping = GridMap(b"# a comment\n")
    subjects = [f"/O=Grid/CN={number} {name}" for number, name in enumerate(names)]
    for number, subject in enumerate(subjects):
        mapping.add(subject, f"user{number}", force=True)
    mapfile.write_bytes(mapping.data)
    again = GridMap(mapping.data)
    for number, subject in enumerate(subjects):
        assert again.lookup(subject) == f"user{number}"
        assert gss.gridmap(canonical_subject(subject)) == f"user{number}"
        again.remove(subject)
    assert again.data == b"# a comment\n"


# --- agreement with GCT's scripts --------------------------------------------------------------


def script(name: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [f"grid-mapfile-{name}", *arguments, "-f", path],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def mapped(path: Path) -> dict[str, tuple[str, ...]]:
    return {entry.subject: entry.users for entry in GridMap.load(path)}


SCRIPTED = [
    ANN,
    HOST,
    "/O=Grid/CN=O'Brien",
    r"/O=Grid/CN=\xC3\xA9",
    "/O=Grid/emailAddress=a@b/CN=A",
]


def test_grid_mapfile_add_entry_and_delete_entry_do_the_same(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for path in (ours, theirs):
        path.write_text('"/O=Grid/CN=First" root\n')
    for subject in SCRIPTED:
        for users in (["nobody"], ["daemon", "nobody"], ["bin"]):
            done = script("add-entry", theirs, "-dn", subject, "-ln", *users)
            assert done.returncode == 0, done.stderr
            with edit_gridmap(ours) as mapping:
                mapping.add(subject, *users)
    assert mapped(ours) == mapped(theirs)
    for subject in SCRIPTED:
        done = script("delete-entry", theirs, "-dn", subject, "-ln", "nobody", "bin")
        assert done.returncode == 0, done.stdout
        with edit_gridmap(ours) as mapping:
            mapping.remove(subject, "nobody", "bin")
    assert mapped(ours) == mapped(theirs) == {
        "/O=Grid/CN=First": ("root",), **dict.fromkeys(SCRIPTED, ("daemon",)),
    }  # fmt: skip


def test_the_scripts_work_on_what_is_written_here(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    odd = '/O=Grid/CN=A "B" C'
    with edit_gridmap(path, create=True) as mapping:
        mapping.add(odd, "nobody")
        mapping.add(ANN, "nobody")
    assert script("check-consistency", path).returncode == 0
    assert script("add-entry", path, "-dn", ANN, "-ln", "daemon").returncode == 0
    assert script("delete-entry", path, "-dn", ANN, "-ln", "nobody").returncode == 0
    assert mapped(path) == {odd: ("nobody",), ANN: ("daemon",)}


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (f'"{ANN}" nobody\n# a comment\n\n', []),
        ("", ["empty"]),
        (f'"{ANN}" nobody\n"{ANN}" daemon\n', ["duplicate"]),
        (f'"{ANN}" no-such-user\n', ["unknown user"]),
        (f'"{ANN}" nobody,no-such-user\n', ["unknown user"]),
        ("/O=Grid/CN=A nobody\n", ["quote"]),
        (f'"{ANN} nobody\n', ["quote"]),
        (f'"{ANN}"\n', ["no users"]),
    ],
)
def test_check_finds_what_check_consistency_finds(
    tmp_path: Path, data: str, kinds: list[str]
) -> None:
    path = tmp_path / "mapfile"
    path.write_text(data)
    assert [problem.kind for problem in GridMap.load(path).check()] == kinds
    done = script("check-consistency", path)
    complains = "ERROR" in done.stdout or done.returncode != 0 or "empty" in done.stdout
    assert complains == bool(kinds) or kinds == ["no users"], done.stdout


def test_check_finds_what_misleads() -> None:
    data = b'"/O=Grid/CN=A" root # the boss\n"CN=A,O=Grid" root\n"/O=Grid/CN=B" .pool\n'
    found = [(one.line, one.kind) for one in GridMap(data).check(lambda user: user == "root")]
    assert (1, "blanks") in found
    assert (1, "unknown user") in found
    assert (2, "subject") in found
    assert not [one for one in found if one[0] == 3]


# --- editing -------------------------------------------------------------------------------------


def test_everything_else_stays_as_it_is() -> None:
    data = b'# head\n\n  "/O=Grid/CN=A"\t nobody\n/O=Grid/CN=B  bin # why\r\nbroken "line\n# tail'
    mapping = GridMap(data)
    mapping.add("/o=grid/cn=a", "daemon", "nobody")
    assert mapping.data == data.replace(b"\t nobody", b"\t nobody,daemon")
    mapping.add("/O=Grid/CN=C", "nobody")
    assert mapping.data.endswith(b'# tail\n"/O=Grid/CN=C" nobody\n')
    mapping.replace("/O=Grid/CN=A", "bin")
    mapping.remove("/O=Grid/CN=C")
    assert mapping.data == data.replace(b"\t nobody", b"\t bin") + b"\n"


def test_an_entry_without_a_blank_before_its_users_stays_readable() -> None:
    mapping = GridMap(b'"/O=Grid/CN=A"nobody')
    mapping.add("/O=Grid/CN=A", "daemon")
    assert mapping.data == b'"/O=Grid/CN=A" nobody,daemon'
    mapping = GridMap(b'"/O=Grid/CN=A"\n')
    mapping.add("/O=Grid/CN=A", "daemon")
    assert mapping.lookup("/O=Grid/CN=A") == "daemon"


def test_a_line_that_counted_for_nothing_does_not_come_to_count() -> None:
    mapping = GridMap(f'"{ANN}" nobody\n"{ANN}" root\n'.encode())
    mapping.add(ANN, "daemon")
    assert mapping.users(ANN) == ("nobody", "daemon")
    mapping.remove(ANN)
    assert mapping.users(ANN) == ()
    mapping = GridMap(f'"{ANN}" nobody\n"{ANN}" root\n'.encode())
    mapping.replace(ANN, "daemon")
    assert mapping.data == f'"{ANN}" daemon\n'.encode()


@pytest.mark.parametrize("user", ["", "a b", "a,b", "a\nb", '"a', "#a", "a\0"])
def test_what_cannot_be_a_user_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="not a user's name"):
        GridMap().add(ANN, user, force=True)


def test_who_does_not_exist_is_refused_unless_forced() -> None:
    mapping = GridMap()
    with pytest.raises(LookupError, match="no user 'no-such-user'"):
        mapping.add(ANN, "no-such-user")
    mapping.add(ANN, "no-such-user", force=True)
    mapping.add(HOST, ".pool")
    with pytest.raises(ValueError, match="with slashes"):
        mapping.add("CN=Ann,O=Grid", "nobody")
    with pytest.raises(NotMappedError):
        mapping.remove(ANN, "nobody")
    with pytest.raises(NotMappedError):
        mapping.lookup("/O=Grid/CN=Nobody")


def test_owner_and_permissions_stay_and_a_link_is_followed(tmp_path: Path) -> None:
    path, link = tmp_path / "real" / "mapfile", tmp_path / "link"
    path.parent.mkdir()
    path.write_text(f'"{ANN}" nobody\n')
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 1, 2)
    before = path.stat()
    link.symlink_to(path)
    with edit_gridmap(link) as mapping:
        mapping.add(HOST, "daemon")
    after = path.stat()
    assert link.is_symlink()
    assert after.st_ino != before.st_ino
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert mapped(path)[HOST] == ("daemon",)
    assert [file.name for file in path.parent.iterdir()] == ["mapfile"]


def test_a_new_file_can_be_read_by_servers(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    with pytest.raises(FileNotFoundError), edit_gridmap(path):
        pass
    with pytest.raises(ZeroDivisionError), edit_gridmap(path, create=True) as mapping:
        mapping.add(ANN, "nobody")
        _ = 1 / 0
    assert not path.exists()
    with edit_gridmap(path, create=True) as mapping:
        mapping.add(ANN, "nobody")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_nothing_is_written_when_nothing_changes_or_something_fails(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    path.write_text(f'"{ANN}" nobody\n')
    before = path.stat()
    with edit_gridmap(path) as mapping:
        mapping.add(ANN, "nobody")
    with pytest.raises(ZeroDivisionError), edit_gridmap(path) as mapping:
        mapping.add(HOST, "nobody")
        _ = 1 / 0
    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_mtime_ns == before.st_mtime_ns


EDITOR = """
import sys
from pyGlobus.security.gridmap import edit_gridmap
for number in range(25):
    with edit_gridmap(sys.argv[1], timeout=60) as mapping:
        mapping.add(f"/O=Grid/CN={sys.argv[2]} {number}", "nobody")
"""


def test_editors_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    path.write_text("# start\n")
    editors = [
        subprocess.Popen([sys.executable, "-c", EDITOR, path, str(number)]) for number in range(3)
    ]
    complete = True
    while any(editor.poll() is None for editor in editors):
        # a reader always sees a whole file
        complete = complete and path.read_bytes().endswith(b"\n")
    assert [editor.wait(40) for editor in editors] == [0, 0, 0]
    assert complete
    assert len(GridMap.load(path)) == 75
    assert path.read_text().startswith("# start\n")


def test_a_lock_is_awaited_for_so_long_and_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    path.write_text("# start\n")
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with edit_gridmap(path):
            inside.set()
            leave.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert inside.wait(20)
        with (
            pytest.raises(GlobusTimeoutError, match="somebody else edits"),
            edit_gridmap(path, timeout=0.1),
        ):
            pass
    finally:
        leave.set()
        thread.join()


def test_a_script_of_gct_that_is_at_work_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    path.write_text("# start\n")
    path.chmod(0o400)  # what the scripts take for a lock
    with pytest.raises(GlobusTimeoutError, match="0400"), edit_gridmap(path, timeout=0.1):
        pass
    threading.Timer(0.2, path.chmod, [0o644]).start()
    with edit_gridmap(path) as mapping:
        mapping.add(ANN, "nobody")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_what_is_no_file_is_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="not a plain file"), edit_gridmap(pipe):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_file_whose_owner_cannot_be_kept_is_left_alone(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    path = tmp_path / "mapfile"
    path.write_text("# start\n")
    nobody = pwd.getpwnam("nobody")
    code = f"""
import os
from pyGlobus.security.gridmap import edit_gridmap
os.setgroups([]); os.setgid({nobody.pw_gid}); os.setuid({nobody.pw_uid})
try:
    with edit_gridmap({str(path)!r}) as mapping:
        mapping.add("/O=Grid/CN=Evil", "root")
except PermissionError:
    print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "refused\n", done.stderr
    assert path.read_text() == "# start\n"
    assert path.stat().st_uid == 0


def test_the_file_is_found_where_gsi_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRIDMAP", str(tmp_path / "x"))
    assert gridmap_path() == tmp_path / "x"
    monkeypatch.delenv("GRIDMAP")
    if os.getuid() == 0:
        assert gridmap_path() == Path("/etc/grid-security/grid-mapfile")


def test_a_hundred_thousand_lines_are_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / "mapfile"
    path.write_text(
        "".join(f'"/O=Grid/OU=Users/CN=User {n}" user{n},guest\n' for n in range(100_000))
    )
    mapping = GridMap.load(path)
    mapping.lookup("/O=Grid/OU=Users/CN=User 5")
    began = time.process_time()
    for number in range(0, 100_000, 1000):
        assert mapping.lookup(f"/O=Grid/OU=Users/CN=User {number}") == f"user{number}"
    assert (time.process_time() - began) / 100 < 0.001
    began = time.process_time()
    with edit_gridmap(path) as mapping:
        mapping.add(ANN, "nobody")
    # a second on a machine that does nothing else
    assert time.process_time() - began < 3
    assert quote_subject(ANN).encode() in path.read_bytes()
