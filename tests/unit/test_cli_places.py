"""Places, options and RSL: what the commands read, without any server."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogkit import files, jobs
from cogkit.cli import run
from cogkit.cli._common import ExitCode, Settings, exit_code, report
from cogkit.files import Location, LocationError, TransferOptions
from cogkit.files._entry import Kind
from pyGlobus.ftpClient import (
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientPermissionError,
    FtpClientTimeoutError,
)
from pyGlobus.globusException import AuthenticationError, CredentialError
from pyGlobus.gramClient import GramClientValueError

pytestmark = pytest.mark.timeout(30)

# what a POSIX name may hold and FTP can carry
NAMES = st.text(st.characters(blacklist_characters="/\0\r\n", codec="utf-8"), min_size=1)
ARGUMENTS = st.text(st.characters(blacklist_characters="\0", codec="utf-8"))


@given(NAMES)
def test_a_remote_name_survives_its_url(name: str) -> None:
    place = Location.parse("gsiftp://host:2811/").child(name)
    assert Location.parse(place.url) == place
    assert place.url.isascii()


def test_a_name_that_is_not_utf8_survives_its_url() -> None:
    place = Location.parse("gsiftp://h/%ff%FE")
    assert place.path.encode(errors="surrogateescape") == b"/\xff\xfe"
    assert place.url == "gsiftp://h/%FF%FE"


def test_the_home_directory_is_not_quoted() -> None:
    assert Location.parse("gsiftp://h/%7E/a b").url == "gsiftp://h/~/a%20b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gsiftp:/h/x",
        "gsiftp:///x",
        "gsiftp://h:0/x",
        "gsiftp://h:99999/x",
        "gsiftp://h:port/x",
        "gsiftp://a b/x",
        "http://h/x",
        "file://elsewhere/x",
        "gsiftp://h/a%0d%0aDELE%20b",
        "gsiftp://h/a\nb",
        "gsiftp://h/a%00",
    ],
)
def test_a_malformed_place_is_wrong_usage(text: str) -> None:
    with pytest.raises(LocationError) as caught:
        Location.parse(text)
    assert exit_code(caught.value) is ExitCode.USAGE


@pytest.mark.parametrize("text", ["file:///a/b", "file://localhost/a/b", "/a/b"])
def test_local_places_have_a_path_and_no_host(text: str) -> None:
    place = Location.parse(text)
    assert (place.is_local, place.path, place.name) == (True, "/a/b", "b")


def test_a_password_is_in_the_url_for_the_server_and_in_no_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = Location.parse("ftp://me:secret@h/x")
    assert "secret" in place.url
    assert "secret" not in str(place)
    report(FtpClientException(f"get {place.url}: no"), Settings())
    assert "secret" not in capsys.readouterr().err


def test_a_place_is_inside_its_directory_and_not_beside_it() -> None:
    folder = Location.parse("gsiftp://h/a/b")
    assert Location.parse("gsiftp://h/a/b/c").is_inside(folder)
    assert folder.is_inside(folder)
    assert not Location.parse("gsiftp://h/a/bc").is_inside(folder)
    assert not Location.parse("gsiftp://other/a/b/c").is_inside(folder)


@pytest.mark.parametrize(
    "wrong",
    [{"parallel": 0}, {"parallel": 2, "stream": True}, {"private": True, "authenticate": False}],
)
def test_options_that_contradict_each_other_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"."):
        TransferOptions(**wrong)  # type: ignore[arg-type]


def test_a_local_copy_needs_no_globus_and_no_credential(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "a").chmod(0o600)
    done = files.copy(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600
    assert done.bytes == 3_000_000


def test_a_copy_of_a_file_onto_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "link").symlink_to("a")
    for target in ("a", "link"):
        with pytest.raises(OSError, match="Invalid argument"):
            files.copy(str(tmp_path / "a"), str(tmp_path / target))
    assert (tmp_path / "a").read_text() == "x"


def test_a_directory_is_not_copied_into_itself(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(OSError, match="Invalid argument"):
        files.copy(str(tmp_path / "a"), str(tmp_path / "a" / "b"), recursive=True)


def test_a_loop_of_links_is_found_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "self").symlink_to(".")
    (tmp_path / "a" / "file").write_text("x")
    with pytest.raises(files.CopyIncomplete, match="a/self: a symbolic link leads back"):
        files.copy(str(tmp_path / "a"), str(tmp_path / "b"), recursive=True)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["file"]


def test_a_link_at_the_target_stays_and_leads_to_the_new_content(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("new")
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    files.copy(str(tmp_path / "new"), str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_no_gatekeeper_named_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COGKIT_GRAM", "COGKIT_SANDBOX_GRAM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(jobs.NoContact, match="COGKIT_GRAM"):
        jobs.default_contact()
    monkeypatch.setenv("COGKIT_GRAM", "site")
    assert jobs.default_contact() == "site"
    monkeypatch.setenv("COGKIT_SANDBOX_GRAM", "sandbox")
    assert jobs.default_contact() == "sandbox"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FtpClientFileNotFoundError("x"), 4),
        (FtpClientPermissionError("x"), 5),
        (FtpClientTimeoutError("x"), 6),
        (FtpClientException("x"), 1),
        (GramClientValueError("x"), 2),
        (CredentialError("x"), 3),
        (AuthenticationError("x"), 5),
        (jobs.JobFailed("x", "job", 5), 7),
        (jobs.JobLost("x", "job"), 6),
        (OSError(28, "full"), 1),
    ],
)
def test_errors_of_globus_have_exit_codes_too(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_the_hint_of_an_error_is_its_second_line(capsys: pytest.CaptureFixture[str]) -> None:
    report(CredentialError("no proxy", hint="make one"), Settings())
    assert capsys.readouterr().err == "cogkit: no proxy\nMake one\n"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "1970-01-01"), (10**12, None), (-(10**12), None), (253402300799, "9999-12-31")],
)
def test_a_file_of_any_year_is_listed(
    seconds: int, told: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file system here can be relied on to keep such times: what it tells is played."""
    (tmp_path / "old").touch()
    real = Path.stat

    def stat(path: Path, **how: bool) -> os.stat_result:
        values = list(real(path, **how))
        return os.stat_result([*values[:8], seconds, *values[9:]])

    monkeypatch.setattr(Path, "stat", stat)
    (entry,) = files.listdir(str(tmp_path))
    assert (entry.modified and entry.modified.date().isoformat()) == told


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"])
@pytest.mark.parametrize(
    "when", [None, datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)]
)
def test_a_time_at_the_end_of_time_is_shown_or_a_question_mark(
    zone: str,
    when: datetime | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    entry = files.Entry("name", Kind.FILE, 3, when)
    monkeypatch.setattr(files.Files, "listdir", lambda self, place: files.Listing([entry]))
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert run(["ls", "-l", "x"]) == 0
        assert run(["ls", "--json", "x"]) == 0
    finally:
        monkeypatch.undo()
        time.tzset()
    line = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(r"-\?{9} 3 (\?                  |\d{4}-\d\d-\d\d [\d:]{8}) name", line)
