"""The grid-mapfile: which user stands for which subject.

Reads it as GCT's servers do (gridmap.c), so that what is found here is what they will find, and
edits it so that comments, order and everything else stay as they are.

>>> from pyGlobus.security.gridmap import GridMap, edit_gridmap
>>> with edit_gridmap("mapfile", create=True) as mapping:
...     mapping.add("/O=Grid/CN=Ann Other", "nobody", "daemon")
...     mapping.add("/O=Grid/CN=host/node.example.org", "daemon")
>>> mapping = GridMap.load("mapfile")
>>> mapping.lookup("/O=Grid/CN=Ann Other")
'nobody'
>>> mapping.users("/O=Grid/CN=ann other")
('nobody', 'daemon')
>>> mapping.subjects("nobody")
['/O=Grid/CN=Ann Other']
>>> print(mapping.data.decode(), end="")
"/O=Grid/CN=Ann Other" nobody,daemon
"/O=Grid/CN=host/node.example.org" daemon

A line is a subject, in quotes where it has blanks, and users with commas between them, the first of
which is the one who is taken when nobody in particular is asked for.  Where a subject has several
lines the first counts.  A subject is written as GSI writes it: octets that are no printable ASCII
as ``\\xC3``.  It is compared without regard to case, and ``E=``, ``Email=`` and ``emailAddress=``
are the same, as are ``UID=`` and ``USERID=``.
"""

from __future__ import annotations

import os
import pwd
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .._core.errors import AuthenticationError, check, text_of
from .._core.runtime import runtime
from .._native import ffi, lib
from .lockedfile import locked_file

__all__ = [
    "Entry",
    "GridMap",
    "NotMappedError",
    "Problem",
    "canonical_subject",
    "edit_gridmap",
    "gridmap_path",
    "quote_subject",
]

_BLANKS = b" \t\n"
# What nearly all lines look like: quick to read.
_PLAIN = re.compile(rb'"([ !#-\[\]-~]+)"[ \t]+([^\s,\x00]+(?:,[^\s,\x00]+)*)\n?')
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.|\Z)", re.DOTALL)
_UNPRINTABLE = re.compile(rb"[^ -~]")
_SYNONYM = re.compile(r"/(uid|e|email)=")
_SYNONYMS = {"uid": "/userid=", "e": "/emailaddress=", "email": "/emailaddress="}
_NO_USER = re.compile(r"[\s,\0-\x1f\x7f#\"]")


class NotMappedError(AuthenticationError, LookupError):
    """Nobody here stands for that subject, or a callout denies it."""


class Entry(NamedTuple):
    """A line that maps a subject."""

    subject: str
    """As GSI writes it, without quotes and escapes of the file."""
    users: tuple[str, ...]
    line: int
    """Its number, from 1."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What `GridMap.check` found."""

    line: int
    """0 for the whole file."""
    kind: str
    """``quote``, ``no users``, ``duplicate``, ``unknown user``, ``subject``, ``blanks`` or
    ``empty``."""
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}" if self.line else self.text


# --- the language ------------------------------------------------------------------------------


def canonical_subject(subject: str) -> str:
    """A subject as GSI writes it: octets that are no printable ASCII as ``\\xC3``."""
    return _UNPRINTABLE.sub(_as_hex, subject.encode()).decode("ascii")


def _as_hex(found: re.Match[bytes]) -> bytes:
    return b"\\x%02X" % found[0][0]


def quote_subject(subject: str) -> str:
    """A subject as it stands in the file, in quotes.

    Escapes are all of the form ``\\x22``, which GCT's programs and scripts both understand.

    Raises:
        ValueError: it does not begin with a slash.
    """
    if not subject.startswith("/"):
        raise ValueError(
            f"not a subject as GSI writes it, with slashes: {subject!r}; see 'cogkit proxy info'"
        )
    text = canonical_subject(subject)
    text = re.sub(r"\\(?!x(?:[01][0-9A-Fa-f]|7[Ff]|[89A-Fa-f][0-9A-Fa-f]))", r"\\x5C", text)
    return '"' + text.replace('"', r"\x22") + '"'


def _unescape(raw: bytes) -> str:
    """globus_i_gss_assist_gridmap_parse_globusid."""
    if b"\\" in raw:
        raw = _ESCAPE.sub(lambda found: bytes.fromhex(found[1][1:].decode())
                          if len(found[1]) == 3 else found[1], raw)  # fmt: skip
    return _UNPRINTABLE.sub(_as_hex, raw).decode("ascii")


def _key(subject: str) -> str:
    """Equal for what globus_i_gsi_cert_utils_dn_cmp takes for equal."""
    subject = subject.lower()
    if "/u" in subject or "/e" in subject:
        subject = _SYNONYM.sub(lambda found: _SYNONYMS[found[1]], subject)
    return subject


def _end_of_quoted(line: bytes, start: int) -> int:
    """Where the quote is that ends a subject, -1: nowhere.  One behind a backslash is not it."""
    end = line.find(b'"', start)
    while end > start and line[end - 1] == 0x5C:
        end = line.find(b'"', end + 1)
    return end


class _Line(NamedTuple):
    subject: str
    users: tuple[str, ...]
    rest: int
    """Where the users begin in the line."""


def _parse(line: bytes) -> _Line | str | None:
    """globus_i_gss_assist_gridmap_parse_line: None for a comment, text for what is wrong."""
    plain = _PLAIN.fullmatch(line)
    if plain:
        users = tuple(plain[2].decode("utf-8", "surrogateescape").split(","))
        return _Line(plain[1].decode("ascii"), users, plain.start(2))
    whole = line.partition(b"\0")[0]
    start = len(whole) - len(whole.lstrip(_BLANKS))
    if start == len(whole) or whole[start] == 0x23:
        return None
    if whole[start] == 0x22:
        start += 1
        end = _end_of_quoted(whole, start)
        if end < 0:
            return "a closing quote is missing"
    else:
        ends = [at for blank in _BLANKS if (at := whole.find(bytes([blank]), start)) >= 0]
        if not ends:
            return "nothing follows the subject"
        end = min(ends)
    subject = _unescape(whole[start:end])
    if not subject:
        return "the subject is empty"
    rest = end + 1
    while rest < len(whole) and whole[rest] in _BLANKS:
        rest += 1
    users = tuple(
        word.decode("utf-8", "surrogateescape")
        for number, word in enumerate(re.split(rb"[, \t\n]+", whole[rest:]))
        if word or (number == 0 and whole[rest : rest + 1] == b",")
    )
    return _Line(subject, users, rest)


# --- the file ------------------------------------------------------------------------------------


class GridMap:
    """A grid-mapfile in memory.  `edit_gridmap` changes the file itself.

    Used by one thread at a time.
    """

    def __init__(self, data: bytes = b"", path: Path | None = None) -> None:
        """Read `data`; `path` is for messages."""
        self.path = path
        # splitlines() would also end lines at a lone CR
        self._lines = [line + b"\n" for line in data.split(b"\n")]
        last = self._lines.pop()[:-1]
        if last:
            self._lines.append(last)
        self._parsed: list[_Line | str | None] = [_parse(line) for line in self._lines]
        self._index: dict[str, list[int]] | None = None
        self._by_user: dict[str, list[int]] | None = None

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> GridMap:
        """Read a file.

        Args:
            path: the file; the one that GSI finds by default.

        Raises:
            OSError: it cannot be read.
        """
        file = Path(path) if path is not None else gridmap_path()
        return cls(file.read_bytes(), file)

    @property
    def data(self) -> bytes:
        """The file's contents."""
        return b"".join(self._lines)

    # --- questions -----------------------------------------------------------------------------

    def users(self, subject: str) -> tuple[str, ...]:
        """The users that a subject may be, the default first; empty when there is none."""
        numbers = self._subjects().get(_key(canonical_subject(subject)))
        return self._entry(numbers[0]).users if numbers else ()

    def lookup(self, subject: str) -> str:
        """The user that a subject is (globus_gss_assist_gridmap).

        One that begins with a dot stands for a pool of accounts, ``GRIDMAPDIR``.

        Raises:
            NotMappedError: none.
        """
        users = self.users(subject)
        if not users:
            raise NotMappedError(
                f"{subject} is not mapped to a user" + (f" in {self.path}" if self.path else "")
            )
        return users[0]

    def allows(self, subject: str, user: str) -> bool:
        """Whether a subject may be this user (globus_gss_assist_userok)."""
        return user in self.users(subject)

    def subjects(self, user: str) -> list[str]:
        """All subjects with this user, in their order (globus_gss_assist_lookup_all_globusid)."""
        if self._by_user is None:
            self._by_user = {}
            for number, line in self._good():
                for one in dict.fromkeys(line.users):
                    self._by_user.setdefault(one, []).append(number)
        return [self._entry(number).subject for number in self._by_user.get(user, ())]

    def entries(self) -> Iterator[Entry]:
        """Every line that maps a subject."""
        for number, line in self._good():
            yield Entry(line.subject, line.users, number + 1)

    def __iter__(self) -> Iterator[Entry]:
        return self.entries()

    def __len__(self) -> int:
        return sum(1 for _ in self._good())

    def __contains__(self, subject: object) -> bool:
        return isinstance(subject, str) and bool(self.users(subject))

    def check(self, known: Callable[[str], bool] | None = None) -> list[Problem]:
        """What is wrong with the file, as grid-mapfile-check-consistency and more.

        Args:
            known: whether there is such a user; those of this machine by default.
        """
        known = known or _is_user
        seen: dict[str, int] = {}
        asked: dict[str, bool] = {}
        problems: list[Problem] = []
        for number, line in enumerate(self._parsed, 1):
            if line is None:
                continue
            if isinstance(line, str):
                problems.append(Problem(number, "quote", line))
                continue
            raw = self._lines[number - 1]
            if not raw.lstrip(_BLANKS).startswith(b'"'):
                problems.append(Problem(number, "quote", "the subject is not in quotes"))
            if not line.subject.startswith("/"):
                problems.append(Problem(number, "subject", "the subject has no slashes"))
            first = seen.setdefault(_key(line.subject), number)
            if first != number:
                problems.append(
                    Problem(number, "duplicate", f"{line.subject} is in line {first}: that counts")
                )
            if not line.users:
                problems.append(Problem(number, "no users", "no user follows the subject"))
            elif re.search(rb"[ \t]\S", raw[line.rest :]):
                problems.append(
                    Problem(number, "blanks", "what follows a blank counts as users too")
                )
            for user in line.users:
                if user not in asked:
                    asked[user] = user.startswith(".") or known(user)
                if not asked[user]:
                    problems.append(Problem(number, "unknown user", f"there is no user {user!r}"))
        if not self._lines:
            problems.append(Problem(0, "empty", "the file is empty"))
        return problems

    # --- changes ---------------------------------------------------------------------------------

    def add(self, subject: str, *users: str, force: bool = False) -> None:
        """Let a subject be these users too.

        Args:
            subject: with slashes.
            users: those it has already are left out.
            force: also users that do not exist here.

        Raises:
            ValueError: no users, or what cannot be a subject or a user.
            LookupError: there is no such user here.
        """
        users = _checked(users, force)
        quoted = quote_subject(subject)
        numbers = self._subjects().get(_key(canonical_subject(subject)))
        if not numbers:
            self._append(f"{quoted} {','.join(users)}\n".encode("utf-8", "surrogateescape"))
            return
        there = self._entry(numbers[0]).users
        new = [user for user in users if user not in there]
        if new:
            self._set_users(numbers[0], (*there, *new))

    def replace(self, subject: str, *users: str, force: bool = False) -> None:
        """Let a subject be these users, and no others.  Arguments as for `add`.

        Further lines of the subject, which counted for nothing, go.
        """
        users = _checked(users, force)
        quoted = quote_subject(subject)
        numbers = self._subjects().get(_key(canonical_subject(subject)))
        if not numbers:
            self._append(f"{quoted} {','.join(users)}\n".encode("utf-8", "surrogateescape"))
            return
        self._set_users(numbers[0], users)
        self._delete(numbers[1:])

    def remove(self, subject: str, *users: str) -> None:
        """Let a subject be these users no more; nobody at all when none are given.

        All lines of the subject are changed; one without any user left goes.

        Raises:
            NotMappedError: it is not mapped to any of them.
        """
        numbers = self._subjects().get(_key(canonical_subject(subject)), [])
        gone = [
            number
            for number in numbers
            if not users or not set(users).isdisjoint(self._entry(number).users)
        ]
        if not gone:
            raise NotMappedError(
                f"{subject} is not mapped" + (f" to {', '.join(users)}" if users else "")
            )
        empty = []
        for number in gone:
            left = tuple(user for user in self._entry(number).users if users and user not in users)
            if left:
                self._set_users(number, left)
            else:
                empty.append(number)
        self._delete(empty)

    # --- inside ------------------------------------------------------------------------------

    def _good(self) -> Iterator[tuple[int, _Line]]:
        for number, line in enumerate(self._parsed):
            if isinstance(line, _Line):
                yield number, line

    def _entry(self, number: int) -> _Line:
        line = self._parsed[number]
        assert isinstance(line, _Line)
        return line

    def _subjects(self) -> dict[str, list[int]]:
        if self._index is None:
            self._index = {}
            for number, line in self._good():
                self._index.setdefault(_key(line.subject), []).append(number)
        return self._index

    def _forget(self) -> None:
        self._index = self._by_user = None

    def _append(self, line: bytes) -> None:
        if self._lines and not self._lines[-1].endswith(b"\n"):
            self._lines[-1] += b"\n"
            self._parsed[-1] = _parse(self._lines[-1])
        self._lines.append(line)
        self._parsed.append(_parse(line))
        self._forget()

    def _set_users(self, number: int, users: tuple[str, ...]) -> None:
        old = self._lines[number]
        text = ",".join(users).encode("utf-8", "surrogateescape")
        head = old[: self._entry(number).rest].rstrip(b"\n")
        if head[-1:] not in (b" ", b"\t"):
            head += b" "
        self._lines[number] = head + text + (b"\n" if old.endswith(b"\n") else b"")
        self._parsed[number] = _parse(self._lines[number])
        self._forget()

    def _delete(self, numbers: list[int]) -> None:
        for number in sorted(numbers, reverse=True):
            del self._lines[number], self._parsed[number]
        self._forget()


def _checked(users: tuple[str, ...], force: bool) -> tuple[str, ...]:
    if not users:
        raise ValueError("no users")
    for user in users:
        if not user or _NO_USER.search(user):
            raise ValueError(f"not a user's name: {user!r}")
        if not (force or user.startswith(".") or _is_user(user)):
            raise LookupError(f"there is no user {user!r} here")
    return tuple(dict.fromkeys(users))


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError, UnicodeError):
        return False
    return True


def gridmap_path() -> Path:
    """The grid-mapfile that GSI uses (globus_gsi_sysconfig_get_gridmap_filename).

    ``GRIDMAP``, else ``/etc/grid-security/grid-mapfile`` for root and ``~/.gridmap`` for others.

    Raises:
        GlobusException: there is none.
    """
    named = os.environ.get("GRIDMAP")
    if named:
        return Path(named)
    runtime.activate("GSI_SYSCONFIG")
    path = ffi.new("char **")
    check(lib.globus_gsi_sysconfig_get_gridmap_filename_unix(path), "no grid-mapfile")
    try:
        return Path(text_of(path[0]))
    finally:
        lib.free(path[0])


@contextmanager
def edit_gridmap(
    path: str | os.PathLike[str] | None = None,
    *,
    create: bool = False,
    timeout: float = 10.0,
) -> Iterator[GridMap]:
    """Change a grid-mapfile: what was done to the `GridMap` is in the file at the end.

    The file is locked meanwhile, and replaced in one step, with its owner, permissions and
    attributes; a symbolic link stays, and the file behind it is replaced.  Nothing is written when
    the block raises, or changes nothing.

    Args:
        path: the file; the one that GSI finds by default.
        create: make it, with permissions 0644, when it is missing.
        timeout: seconds to wait while somebody else edits it.

    Raises:
        FileNotFoundError: it is missing.
        PermissionError: it may not be written, or not with its owner.
        GlobusTimeoutError: somebody else has edited it all the time.
    """
    file = Path(path) if path is not None else gridmap_path()
    with locked_file(file, create=create, timeout=timeout) as locked:
        before = locked.read()
        mapping = GridMap(before, file)
        yield mapping
        after = mapping.data
        if after != before:
            locked.replace(after)
