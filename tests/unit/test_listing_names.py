"""What servers list: names that lead nowhere else, lines of every form, and what is left out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus.ftpClient import (
    FtpEntry,
    ListingForm,
    check_name,
    parse_fact_line,
    parse_list_line,
    read_listing,
)
from pyGlobus.ftpClient.reading import ListingReader

BAD = ["", ".", "..", "../x", "/tmp/x", "a/b", "a\0b", "a\rb", "a\nb", "a/", "../../escaped"]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_leads_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        check_name(name)


@pytest.mark.parametrize("name", ["x", "...", ".x", "a b", " x", "x ", "\\", "ü", "a\tb", "~"])
def test_any_other_name_is_a_name(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("form", [ListingForm.FACTS, ListingForm.LONG, ListingForm.NAMES])
@pytest.mark.parametrize("name", ["../../escaped", "/tmp/x", "a/b", "a\nb", "a\0b", "a\rb"])
def test_no_listing_names_what_is_not_in_the_directory(form: ListingForm, name: str) -> None:
    begin = {
        ListingForm.FACTS: "type=file;size=4; ",
        ListingForm.LONG: "-rw-r--r-- 1 a a 4 Jan  1  2020 ",
        ListingForm.NAMES: "",
    }[form]
    listing = read_listing(f"{begin}x\r\n{begin}{name}\r\n{begin}y\r\n", form, path="/d")
    assert [entry.name for entry in listing.entries] == ["x", "y"]
    (rejected,) = listing.rejected
    assert rejected.text == begin + name
    assert "a name with" in rejected.reason


def test_the_directory_and_its_parent_are_no_entries_and_no_faults() -> None:
    for form, lines in {
        ListingForm.FACTS: ["type=cdir; /a/b", "type=pdir; ..", "type=dir; .", "type=dir; .."],
        ListingForm.LONG: ["total 12", "drwxr-xr-x 2 a a 6 Jan 1 2020 .", ""],
        ListingForm.NAMES: [".", ".."],
    }.items():
        listing = read_listing("\r\n".join(lines), form)
        assert (listing.entries, listing.rejected) == ((), ())


def test_a_file_cannot_be_called_like_the_parent() -> None:
    listing = read_listing("type=file;size=1; ..\r\ntype=file; \r\n")
    assert not listing.entries
    assert [line.reason for line in listing.rejected] == ["a name that is '..'", "an empty name"]


def test_a_tree_has_relative_paths_of_names() -> None:
    listing = read_listing(
        "type=dir; a\r\ntype=file; a/b\r\ntype=file; a/../../b\r\ntype=file; /b\r\n"
        "type=file; a//b\r\n",
        ListingForm.TREE,
    )
    assert [entry.name for entry in listing.entries] == ["a", "a/b"]
    assert len(listing.rejected) == 3


def test_one_bad_line_does_not_cost_the_directory() -> None:
    listing = read_listing(
        b"type=file;UNIX.groupname=domain users;size=3; a\r\nno facts at all\r\n"
        b"type=file;size=1;modify=336580101000000; b\r\ntype=file;size=1; c\nd\r\n"
        b"type=file;modify=00000101000000; e\r\n"
    )
    assert [entry.name for entry in listing.entries] == ["a", "b", "e"]
    assert [entry.modified for entry in listing.entries] == [None] * 3
    assert listing.entries[0].facts["unix.groupname"] == "domain users"
    assert listing.entries[0].size == 3
    assert [line.text for line in listing.rejected] == [
        "no facts at all",
        "type=file;size=1; c\nd",
    ]


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
@pytest.mark.parametrize("last", [True, False])
def test_lines_end_as_the_server_likes(end: bytes, last: bool) -> None:
    data = end.join([b"a", b"b c", b"d"]) + (end if last else b"")
    listing = read_listing(data, ListingForm.NAMES)
    assert [entry.name for entry in listing.entries] == ["a", "b c", "d"]
    assert {entry.type for entry in listing.entries} == {"unknown"}


@pytest.mark.parametrize(
    ("path", "name", "taken"),
    [
        ("/d", "/d/x", "x"),
        ("/d/", "/d/x", "x"),
        ("/d/x", "/d/x", "x"),  # a file, listed by its own path
        ("/", "/x", "x"),
        ("./d", "./d/x", "x"),
        ("d", "./d/x", "x"),
        ("/d", "/e/x", None),
        ("/d", "d/x", None),
        ("/d", "/d/../x", None),
        ("/d", "/d/..", None),
        ("/d/x", "/d/y", None),
        ("", "/x", None),
    ],
)
def test_the_path_that_was_asked_for_may_stand_before_names(
    path: str, name: str, taken: str | None
) -> None:
    for form, begin in (
        (ListingForm.NAMES, ""),
        (ListingForm.LONG, "-rw------- 1 a a 1 Jan 1 2020 "),
    ):
        listing = read_listing(begin + name, form, path=path)
        assert [entry.name for entry in listing.entries] == ([] if taken is None else [taken])
        assert len(listing.rejected) == (taken is None)


UNIX = [
    ("-rw-r--r--   1 me       us            6 Nov 23 14:38 x", "x", "file", 6),
    ("-rw-r--r--   1 me       us            6 Nov 23  2020 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 Jan  1 2020  x", " x", "file", 6),
    ("-rw-r--r-- 1 me us 6 Jan  1 2020 x ", "x ", "file", 6),
    ("-rw-r--r-- 1 me us 6 Jan  1 12:00 a b  c", "a b  c", "file", 6),
    ("-rw-r--r--+ 1 me us 6 Jan  1 12:00 x", "x", "file", 6),
    ("-rw-r--r--. 1 me us 6 Jan  1 12:00 x", "x", "file", 6),
    ("-rw-r--r--@ 1 me us 6 Jan  1 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 1000 1000 6 Jan  1 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 me domain users 6 Jan  1 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 me 6 Jan  1 12:00 x", "x", "file", 6),  # without a group
    ("-rw-r--r-- me us 6 Jan  1 12:00 x", "x", "file", 6),  # without links
    ("-rw-r--r-- 1 me us 6 2020-01-01 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 2020-01-01 12:00:00.000000000 +0100 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 1. Jan 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 1 Jan 2020 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 Mär  1 12:00 x", "x", "file", 6),
    ("-rw-r--r-- 1 me us 6 Jan  1 12:00 Jan 1 12:00 6", "Jan 1 12:00 6", "file", 6),
    ("-rw-r--r-- 1 me us 18446744073709551615 Jan  1 12:00 x", "x", "file", (1 << 64) - 1),
    ("-rw-r--r-- 1 me us 6 Jan  1 33658 x", "x", "file", 6),
    ("drwxrws--T  2 me us 4096 Nov 23 14:38 d", "d", "dir", 4096),
    ("crw-rw-rw- 1 root root 1, 3 Jan  1 12:00 null", "null", "OS.unix=c", None),
    ("brw-rw---- 1 root disk 8,   0 Jan  1 12:00 sda", "sda", "OS.unix=b", None),
    ("prw-r--r-- 1 me us 0 Jan  1 12:00 fifo", "fifo", "OS.unix=p", 0),
]


@pytest.mark.parametrize(("line", "name", "kind", "size"), UNIX)
def test_lines_of_unix_servers_are_read(line: str, name: str, kind: str, size: int | None) -> None:
    entry = parse_list_line(line + "\r\n")
    assert (entry.name, entry.type, entry.size) == (name, kind, size)
    assert entry.modified is None
    assert entry.facts["unix.owner"] in ("me", "root", "1000")
    assert not entry.is_link


def test_links_of_unix_servers_are_read() -> None:
    link = parse_list_line("lrwxrwxrwx 1 me us 3 Jan  1 2020 a b -> ../c d -> e")
    assert (link.name, link.link_target, link.is_link) == ("a b", "../c d -> e", True)
    assert not link.is_dir
    bare = parse_list_line("lrwxrwxrwx 1 me us 3 Jan  1 2020 a")
    assert (bare.name, bare.link_target, bare.is_link) == ("a", None, True)


@pytest.mark.parametrize(
    ("line", "name", "kind", "size"),
    [
        ("01-16-20  05:39PM       <DIR>          a b", "a b", "dir", None),
        ("01-16-2020  05:39PM                 1234 x", "x", "file", 1234),
        ("2020-01-16  17:39            1,234,567 x  y", "x  y", "file", 1234567),
        ("01-16-20  05:39 PM                12 x", "x", "file", 12),
        ("16.01.2020  17:39    <DIR>          d", "d", "dir", None),
    ],
)
def test_lines_of_windows_servers_are_read(
    line: str, name: str, kind: str, size: int | None
) -> None:
    entry = parse_list_line(line)
    assert (entry.name, entry.type, entry.size, entry.mode) == (name, kind, size, None)


def test_junctions_of_windows_servers_are_links() -> None:
    entry = parse_list_line("01-16-20  05:39PM    <JUNCTION>     old [C:\\new]")
    assert (entry.name, entry.link_target, entry.is_link, entry.is_dir) == (
        "old", "C:\\new", True, False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [
        "ls: cannot open",
        "-rw-r--r-- 1 me us 6 Jan 1 12:00",
        "-rw-r--r-- x",
        "x",
        "1 2 3 4",
        "-" * 99,
    ],
)
def test_what_no_listing_has_is_no_entry(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of a listing"):
        parse_list_line(line)


GCT = "Type=file;Size=1;UNIX.mode=0644;UNIX.owner=me;UNIX.slink={};"
OTHER = "type=file;size=1;unix.slink={};"


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("real%20file", "real file"),
        ("a%25b", "a%b"),
        ("a%3Bb%3Dc", "a;b=c"),
        ("%C3%BC", "ü"),
        ("%FF", "\udcff"),
        ("a+b~c&d", "a+b~c&d"),
    ],
)
def test_links_are_decoded_as_gct_encodes_them(told: str, meant: str) -> None:
    assert parse_fact_line(GCT.format(told) + " l").link_target == meant
    assert parse_fact_line(GCT.format(told) + " l").facts["unix.slink"] == meant
    assert parse_fact_line(OTHER.format(told) + " l").link_target == told


@pytest.mark.parametrize("told", ["a%2", "a%zz", "100%", "a%41", "a%2f", "real file", "ü%20"])
def test_what_gct_cannot_have_encoded_stays_as_it_is(told: str) -> None:
    assert parse_fact_line(GCT.format(told) + " l").link_target == told


def test_owners_are_decoded_too() -> None:
    line = "Type=file;UNIX.owner=some%20one;UNIX.group=g%3D; x"
    facts = parse_fact_line(line).facts
    assert (facts["unix.owner"], facts["unix.group"]) == ("some one", "g=")


def test_a_type_may_tell_the_target_of_a_link() -> None:
    entry = parse_fact_line("type=OS.unix=slink:/Some/Where; l")
    assert (entry.link_target, entry.is_link, entry.is_dir) == ("/Some/Where", True, False)
    assert parse_fact_line("type=OS.unix=symlink; l").is_link
    assert parse_fact_line("Type=slink; l").is_link
    assert not parse_fact_line("type=file; l").is_link


def test_a_line_without_an_end_is_left_out_and_the_rest_is_read() -> None:
    reader = ListingReader(ListingForm.NAMES)
    assert [entry.name for entry in reader.feed(b"a\r\n" + b"x" * 70000)] == ["a"]
    assert not list(reader.feed(b"x" * 70000))
    assert [entry.name for entry in reader.feed(b"x\r\nb\r\n")] == ["b"]
    assert not list(reader.end())
    assert reader.rejected_count == 1
    assert len(reader.rejected[0].text) <= 300


def test_a_flood_of_bad_lines_needs_little_memory() -> None:
    reader = ListingReader(ListingForm.FACTS)
    assert not list(reader.feed(b"bad\r\n" * 5000))
    assert (reader.rejected_count, len(reader.rejected)) == (5000, 1000)


LINES = st.lists(
    st.one_of(
        st.sampled_from([line for line, *_ in UNIX]),
        st.text(max_size=30),
        st.sampled_from(["type=file;size=1; a", "type=dir; b/c", " x", "..", "a\nb"]),
    ),
    max_size=8,
)


@given(st.sampled_from(ListingForm), LINES, st.lists(st.integers(0, 400), max_size=5))
def test_it_does_not_matter_in_which_pieces_a_listing_comes(
    form: ListingForm, lines: list[str], cuts: list[int]
) -> None:
    # the first block decides how lines end
    data = ("\r\n".join(["total 0", *lines]) + "\r\n").encode("utf-8", "surrogatepass")
    whole = read_listing(data, form)
    reader = ListingReader(form)
    entries: list[FtpEntry] = []
    places = sorted({0, len(data), *(max(9, min(cut, len(data))) for cut in cuts)})
    for begin, end in pairwise(places):
        entries += reader.feed(data[begin:end])
    entries += reader.end()
    assert tuple(entries) == whole.entries
    assert tuple(reader.rejected) == whole.rejected
    for entry in entries:
        parts = PurePosixPath("/d", entry.name).parts
        assert ".." not in parts
        assert parts[:2] == ("/", "d")
        assert len(parts) > 2
        assert form is ListingForm.TREE or len(parts) == 3


@given(st.text(alphabet="-rwxd 1,mJan:20\t", max_size=200))
def test_nonsense_of_ls_is_read_quickly(line: str) -> None:
    try:
        parse_list_line("-rw-r--r-- " + line * 100)
    except ValueError:
        pass
