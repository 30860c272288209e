"""Where a text goes wrong that is not RSL.

globus_rsl_parse tells nothing but that there is an error, and must not meet one: it forgets some
memory at each, and writes the word at which it stopped into 1024 bytes of the heap, whatever the
length of that word (globus_rsl_parser.y, yyerror).  So `check` reads a text first, by the same
grammar, and raises with the position; what passes is read by the C library.

The grammar, of globus_rsl_parser.y::

    specification: (& | "|" | +) { ( specification ) }+   |   string operator { value }+
    value:         ( { value }+ )   |   simple { # simple }
    simple:        string   |   $( { value }+ )

and words, of globus_rsl_scanner.l: white space is blank, tab and newline; ``(* ... *)`` is a
comment; a string is bare, or between ``"`` or ``'``, which is doubled within, or between any byte
that is named by ``^``, as in ``^|a "b" 'c'|``.

What C reads, and this does not:

- at a character that begins no word (``?``, ``~``, ``*``, ``!``), and at a quote or a comment that
  is never closed, C takes the text for ended: behind the last parenthesis it drops the rest
  without a word;
- ``$(...)`` with anything but a name, and one default, both strings: C reads but cannot print or
  evaluate it;
- nesting of more than 100 levels.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from .errors import RSLSyntaxError

__all__ = ["MAX_DEPTH", "check"]

MAX_DEPTH = 100
"""How deep parentheses may be nested."""

# C's parser holds at most 10000 things that are not yet put together (YYMAXDEPTH)
_MAX_HELD = 9950

# Without possessive groups: Python 3.11 before 3.11.5 reads those wrongly.
_WORD = re.compile(
    rb"""
    (?P<blank>    [ \t\n]+ | \(\*(?s:.*?)\*\) )
  | (?P<string>   [^\t\n\ +&|=!<>()"'^*$\#?~][^\t\n\ =!<>()"'^*$\#?~]*
                | "[^"]*(?:""[^"]*)*"(?!") | '[^']*(?:''[^']*)*'(?!') )
  | (?P<own>      \^(?P<mark>(?s:.)) (?:(?!(?P=mark))(?s:.)|(?P=mark)(?P=mark))*
                  (?P=mark)(?!(?P=mark)) )
  | (?P<operator> != | <=? | >=? | = )
  | (?P<sign>     [&|+#$)] | \((?!\*) )
    """,
    re.VERBOSE,
)


class _Word(NamedTuple):
    kind: str
    """``string``, ``operator``, the sign itself, or ``""`` for the end."""
    start: int
    end: int


def check(text: str) -> None:
    """Raise `RSLSyntaxError` unless `text` is RSL."""
    _Check(text).specification(0, 0)


class _Check:
    """One text, read from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.bytes = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError as error:
            raise RSLSyntaxError.at(text, error.start, "this is not Unicode") from None
        if "\0" in text:
            raise RSLSyntaxError.at(text, text.index("\0"), "RSL cannot hold NUL")
        self.depth = 0
        self.word = _Word("", 0, 0)
        self.advance()

    # --- words -----------------------------------------------------------------------------------

    def advance(self) -> None:
        """Go on to the next word."""
        place = self.word.end
        while place < len(self.bytes):
            found = _WORD.match(self.bytes, place)
            if found is None:
                self.no_word(place)
            kind = found.lastgroup or ""
            if kind != "blank":
                if kind in ("mark", "own"):
                    kind = "string"
                elif kind == "sign":
                    kind = found[0].decode()
                self.word = _Word(kind, place, found.end())
                return
            place = found.end()
        self.word = _Word("", place, place)

    def no_word(self, place: int) -> NoReturn:
        """Say why no word begins here."""
        char = self.bytes[place : place + 1]
        if char in b"\"'":
            self.fail(
                "this quote is never closed", "a quote within a string is written twice", place
            )
        if char == b"^":
            self.fail(
                "this string is never closed", "as in ^|text|, with a mark that is free", place
            )
        if self.bytes[place : place + 2] == b"(*":
            self.fail("this comment is never closed", "it ends with *)", place)
        if char == b"!":
            self.fail("! stands only before =", "quote the string that it is in", place)
        self.fail(f"{char.decode()!r} means nothing here", "quote the string that it is in", place)

    def fail(self, reason: str, hint: str, place: int | None = None) -> NoReturn:
        """Raise at a place, that of the word at hand by default."""
        offset = self.word.start if place is None else place
        before = self.bytes[:offset].decode("utf-8", "surrogateescape")
        raise RSLSyntaxError.at(self.text, len(before), reason, hint)

    def take(self, kind: str, reason: str, hint: str = "") -> None:
        """Go past a word of this kind."""
        if self.word.kind != kind:
            self.fail(reason if self.word.kind else f"the text ends: {reason}", hint)
        self.advance()

    def hold(self, held: int) -> None:
        """Refuse what would overrun C's parser; `held` is what it has not yet put together."""
        if held > _MAX_HELD:
            self.fail("more than GCT's parser can hold", "some 9900 values or 3300 relations fit")

    def deeper(self) -> None:
        """Go past an opening parenthesis."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail(f"nested more than {MAX_DEPTH} deep", "")
        self.advance()

    # --- grammar ---------------------------------------------------------------------------------

    def specification(self, held: int, closing: int) -> None:
        """``held``: see `hold`; ``closing``: parentheses that must be closed after it."""
        self.hold(held)
        if self.word.kind in ("&", "|", "+"):
            self.advance()
            held += 1
            if self.word.kind != "(":
                self.fail("& | and + are followed by (", "such as &(executable=/bin/date)")
            while self.word.kind == "(":
                self.deeper()
                self.specification(held + 1, closing + 1)
                self.take(")", "a ) is missing")
                self.depth -= 1
                held += 3
                self.hold(held)
        else:
            self.relation(held)
        if not closing and self.word.kind:
            self.fail(
                "this is behind the end of the specification",
                "quote a string that has blanks or signs; join relations by &(...)(...)",
            )

    def relation(self, held: int) -> None:
        hint = "such as executable=/bin/date"
        if self.word.kind == "(":
            self.fail("( where an attribute's name is due", "relations are joined by &(...)(...)")
        self.take("string", "an attribute's name is due", hint)
        self.take("operator", "an operator is due: = != < <= > >=", hint)
        self.values(held + 2)

    def values(self, held: int) -> None:
        if self.word.kind not in ("string", "(", "$"):
            reason = "a value is due" if self.word.kind else "the text ends: a value is due"
            self.fail(reason, 'an empty string is ""')
        while self.word.kind in ("string", "(", "$"):
            self.value(held)
            held += 1
            self.hold(held)

    def value(self, held: int) -> None:
        if self.word.kind == "(":
            self.deeper()
            self.values(held + 1)
            self.take(")", "a ) is missing")
            self.depth -= 1
            return
        self.simple()
        while self.word.kind == "#":
            self.advance()
            held += 2
            self.hold(held)
            self.simple()

    def simple(self) -> None:
        if self.word.kind == "$":
            self.advance()
            self.take("(", "$ is followed by (", "such as $(HOME)")
            form = "a variable is $(NAME), or $(NAME default)"
            self.take("string", form, "both of them are plain strings")
            if self.word.kind == "string":
                self.advance()
            self.take(")", form, "both of them are plain strings")
        else:
            self.take("string", "a string or a variable is due")
