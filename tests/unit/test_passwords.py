"""Passwords in URLs: what is one, and that none is shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cogkit import jobs
from cogkit.cli import run
from cogkit.files import Listing
from cogkit.jobs import History
from pyGlobus.ftpClient import FtpClient, FtpClientHandleAttr
from pyGlobus.gassCopy import GassCopy
from pyGlobus.globusException import GlobusException
from pyGlobus.rsl import RSL, RSLSyntaxError
from pyGlobus.urls import shown, shown_in

pytestmark = pytest.mark.timeout(30)

TABLE = [
    # (URL, as it may be shown)
    ("ftp://u:secret@h/x", "ftp://u:...@h/x"),
    ("ftp://u:secret@h", "ftp://u:...@h"),
    ("ftp://u@site:secret@h/x", "ftp://u@site:...@h/x"),
    ("ftp://u:se/cret@h/x", "ftp://u:...@h/x"),
    ("ftp://u:se/cr/et@h", "ftp://u:...@h"),
    ("ftp://u:se@cret@h/x", "ftp://u:...@h/x"),
    ("ftp://u:se:cret@h:21/x", "ftp://u:...@h:21/x"),
    ("ftp://u:@h/x", "ftp://u:...@h/x"),
    ("ftp://:secret@h/x", "ftp://:...@h/x"),
    ("ftp://u:se cret@h/x", "ftp://u:...@h/x"),
    ("ftp://u:%73ecret@[::1]:21/x", "ftp://u:...@[::1]:21/x"),
    ("http://u:secret@h/x", "http://u:...@h/x"),
    ("sshftp://u:secret@h/x", "sshftp://u:...@h/x"),
    ("ftp://u:...@h/x", "ftp://u:...@h/x"),
    # nothing to hide
    ("ftp://u@h/x", "ftp://u@h/x"),
    ("gsiftp://h:2811/x@y", "gsiftp://h:2811/x@y"),
    ("gsiftp://h:2811./x@y", "gsiftp://h:2811./x@y"),
    ("gsiftp://[::1]:2811/x@y", "gsiftp://[::1]:2811/x@y"),
    ("gsiftp://h/a:b@c", "gsiftp://h/a:b@c"),
    ("gsiftp://h:port/x", "gsiftp://h:port/x"),
    ("file:///a:b@c", "file:///a:b@c"),
    ("/local/a:b@c", "/local/a:b@c"),
    ("", ""),
]

# what nobody would take for a part of something else
SECRETS = st.text(st.characters(codec="utf-8"), min_size=3).map(lambda text: f"\N{SNOWMAN}{text}")


@pytest.mark.parametrize(("url", "told"), TABLE)
def test_the_password_of_a_url_is_hidden_and_nothing_else(url: str, told: str) -> None:
    assert shown(url) == told
    assert shown(told) == told
    if " " not in url:
        assert shown_in(f"get {url}: no\nput '{url}'") == f"get {told}: no\nput '{told}'"


@given(st.from_regex(r"[a-z@.%]*", fullmatch=True), SECRETS, st.booleans(), st.booleans())
def test_whatever_a_password_holds_is_hidden(
    user: str, password: str, with_port: bool, with_path: bool
) -> None:
    url = f"ftp://{user}:{password}@host{':21' * with_port}{'/dir/file' * with_path}"
    assert shown(url) == url.replace(f":{password}@", ":...@")


@given(SECRETS)
def test_columns_stay_where_a_password_is_hidden(password: str) -> None:
    url = f"ftp://user:{password}@host/"
    assert len(shown(url, keep_length=True)) == len(url)
    assert "\N{SNOWMAN}" not in shown(url, keep_length=True)


@given(st.text())
def test_no_text_fails_or_grows_more_than_dots(text: str) -> None:
    assert shown_in(text).replace(".", "") in text.replace(".", "") or "://" in text
    assert shown_in(shown_in(text)) == shown_in(text)


WRONG = ["ftp://u:se/cret@h/x", "ftp://u:se@cret@h/x", "ftp://u@site:secret@h/x"]
PLAIN = "ftp://u:secret@localhost:1/x"


def assert_hidden(text: str) -> None:
    assert "cret" not in text, text
    assert "..." in text, text


@pytest.mark.parametrize("url", [*WRONG, PLAIN, "ftp://u:secret@h/\n"])
def test_errors_operations_and_their_repr_hide_passwords(url: str) -> None:
    with FtpClient() as client:
        with pytest.raises((GlobusException, ValueError)) as caught:
            operation = client.size(url, timeout=5)
            assert_hidden(operation.what + repr(operation))
            operation.result()
        assert_hidden(str(caught.value) + repr(caught.value))
        with pytest.raises((GlobusException, ValueError)) as caught:
            client.move(url, url, timeout=5).result()
        assert_hidden(str(caught.value))


@pytest.mark.parametrize("url", WRONG)
def test_caches_of_connections_hide_passwords(url: str) -> None:
    with FtpClient() as client:
        for call in (client.cache_url_state, client.flush_url_state):
            with pytest.raises(GlobusException) as caught:
                call(url)
            assert_hidden(str(caught.value))
    attr = FtpClientHandleAttr()
    with pytest.raises(GlobusException) as caught:
        attr.remove_cached_url(url)
    assert_hidden(str(caught.value))
    with GassCopy() as copy, pytest.raises(GlobusException) as caught:
        copy.cache_url_state(url)
    assert_hidden(str(caught.value))


def test_what_globus_says_itself_hides_passwords() -> None:
    assert_hidden(str(GlobusException(f"unable to parse {PLAIN}")))


def test_a_description_of_a_job_hides_passwords() -> None:
    job = jobs.Command(["/bin/cat", PLAIN], stage_in=[(PLAIN, "x")])
    assert_hidden(repr(job))
    assert_hidden(repr(job.rsl()))
    assert PLAIN in str(job.rsl())


def test_an_error_in_a_description_shows_its_place_and_no_password() -> None:
    text = f'&(arguments="{PLAIN}")(='
    with pytest.raises(RSLSyntaxError) as caught:
        RSL.parse(text)
    *_, line, caret = str(caught.value).splitlines()
    assert "secret" not in line
    assert line[caret.index("^")] == "="


def test_the_record_of_jobs_holds_no_password(tmp_path: Path) -> None:
    record = History(tmp_path / "jobs.json")
    entry = record.add("https://a:1/1/1/", "a", f"cat {PLAIN}")
    assert_hidden(entry.command)
    assert "secret" not in (tmp_path / "jobs.json").read_text()


@pytest.mark.parametrize("url", [*WRONG, PLAIN])
@pytest.mark.parametrize(
    "command", ["ls {0}", "ls {0} {0}", "ls --json {0}", "mkdir --json {0}", "rm --json {0}",
                "cp --json {0} x", "cat {0}", "run --resource {0} -- true",
                "submit --stage-in {0}= --resource localhost:1 -- true",
                "submit --stage-in {0}=a --stdout {0} --resource localhost:1 -- true"]
)  # fmt: skip
def test_no_command_prints_a_password(
    command: str, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.format(url).split()) != 0
    told = capsys.readouterr()
    assert not re.search("cret", told.out + told.err), told


def test_what_was_done_is_told_without_passwords(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cogkit.files.Files.listdir", lambda self, place: Listing())
    monkeypatch.setattr("cogkit.files.Files.mkdir", lambda self, place, **how: None)
    monkeypatch.setattr("cogkit.files.Files.remove", lambda self, place, **how: None)
    for command in ("ls --json", "mkdir --json", "rm --json"):
        assert run([*command.split(), PLAIN]) == 0
        assert_hidden(json.dumps(json.loads(capsys.readouterr().out)))
    assert run(["ls", PLAIN, PLAIN]) == 0
    assert_hidden(capsys.readouterr().out)
