"""Lines of MLSD and MLST (RFC 3659, 7)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus.ftpClient import parse_fact_line, parse_list_line

NAMES = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]), min_size=1)


def test_a_line_of_a_gridftp_server() -> None:
    entry = parse_fact_line(
        "Type=file;Modify=20261123115457;Size=6;Perm=awr;UNIX.mode=0644;UNIX.owner=root;"
        "Unique=fe00-20c055; hello world\r\n"
    )
    assert entry.name == "hello world"
    assert (entry.type, entry.size, entry.mode, entry.unique) == ("file", 6, 0o644, "fe00-20c055")
    assert entry.modified == datetime(2026, 11, 23, 11, 54, 57, tzinfo=UTC)
    assert entry.facts["unix.owner"] == "root"
    assert not entry.is_dir


def test_facts_of_other_servers() -> None:
    assert parse_fact_line("type=dir;modify=20260101000000.25; d").modified == datetime(
        2026, 1, 1, microsecond=250000, tzinfo=UTC
    )
    assert parse_fact_line("Type=OS.unix=slink:/x; l").type == "os.unix=slink:/x"
    odd = parse_fact_line("size=many;modify=soon;new.fact=kept; x")
    assert (odd.size, odd.modified, odd.facts["new.fact"]) == (None, None, "kept")
    assert parse_fact_line(" bare").name == "bare"
    assert parse_fact_line(" a=b;").name == "a=b;"
    reply = parse_fact_line(" Type=file;Size=6; a b")
    assert (reply.name, reply.size) == ("a b", 6)


@given(NAMES, st.integers(0, 1 << 62), st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1)))
def test_any_name_size_and_time_come_back(name: str, size: int, when: datetime) -> None:
    when = when.replace(microsecond=0, tzinfo=UTC)
    entry = parse_fact_line(f"Type=file;Size={size};Modify={when:%Y%m%d%H%M%S}; {name}\r\n".replace(
        f"{when:%Y%m%d%H%M%S}", f"{when.year:04d}{when:%m%d%H%M%S}"
    ))  # fmt: skip
    assert (entry.name, entry.size, entry.modified) == (name, size, when)


@given(st.text())
def test_nonsense_is_refused_or_read_but_never_a_crash(line: str) -> None:
    try:
        parse_fact_line(line)
    except ValueError:
        pass


@pytest.mark.parametrize("line", ["", "type=file;size=1", "type=file name"])
def test_a_line_without_facts_or_name_is_none(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of facts"):
        parse_fact_line(line)


FACTS = st.dictionaries(
    st.sampled_from(["Type", "size", "Modify", "UNIX.mode", "unique", "UNIX.slink", "Perm", "X.y"]),
    st.text(st.characters(exclude_characters=";\r\n"), max_size=8),
)


@given(st.lists(st.tuples(FACTS, st.text(st.characters(exclude_characters="\r\n"), min_size=1))))
def test_a_line_means_the_same_whatever_came_before_it(
    lines: list[tuple[dict[str, str], str]],
) -> None:
    for facts, name in lines:
        head = "".join(f"{key}={value};" for key, value in facts.items())
        if " " in head or (not head and re.match("[^ ;=]+=[^ ;]*;", name)):
            continue
        line = f"{head} {name}"
        parse_fact_line("type=file;size=1; x")
        first, again = parse_fact_line(line), parse_fact_line(line)
        assert first == again
        assert first.facts == again.facts == {key.lower(): facts[key] for key in facts}
        assert first.name == name
        assert first.unique == facts.get("unique")
        assert first.type == facts.get("Type", "file").lower() or not facts.get("Type")


@given(st.text())
def test_nonsense_of_ls_is_refused_or_read_but_never_a_crash(line: str) -> None:
    try:
        parse_list_line(line)
    except ValueError:
        pass


def test_lines_of_ls_are_read() -> None:
    link = parse_list_line("lrwxrwxrwx 1 me us 3 Jan  1 2020 a b -> c d\r\n")
    assert (link.name, link.link_target, link.type) == ("a b", "c d", "OS.unix=slink")
    folder = parse_list_line("drwxr-s--T   2 me us 4096 Nov 23 14:38 x")
    assert folder.is_dir
    assert folder.mode == 0o3750
    assert folder.facts["unix.date"] == "Nov 23 14:38"
    assert parse_list_line("-rwsr-xr-x 1 a b 5 Jan 1 00:00 -> ").mode == 0o4755
