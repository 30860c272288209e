"""RSL as a tree of Python objects: frozen, comparable, hashable, picklable.

=============== ======================================== ======================
node            in RSL                                   C
=============== ======================================== ======================
`Boolean`       ``&(...)(...)``, ``|...``, ``+...``      GLOBUS_RSL_BOOLEAN
`Relation`      ``count >= 2``                           GLOBUS_RSL_RELATION
`Literal`       ``abc``, ``"a b"``                       GLOBUS_RSL_VALUE_LITERAL
`Sequence`      ``(a b)``                                GLOBUS_RSL_VALUE_SEQUENCE
`Variable`      ``$(HOME)``, ``$(HOME "/tmp")``          GLOBUS_RSL_VALUE_VARIABLE
`Concatenation` ``$(HOME) # "/x"``, ``$(HOME)/x``        GLOBUS_RSL_VALUE_CONCATENATION
=============== ======================================== ======================

Numbers, times and truth are texts in RSL: `Relation.of` and `RSL` write them.

>>> Relation.of("count", ">=", 2)
Relation(attribute='count', operator=<Operator.GTEQ: 4>, values=(Literal(text='2'),))
>>> print(Variable("HOME") + "/results")
$("HOME") # "/results"

A list is never empty: RSL has no way to write one.
"""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from .._native import lib
from .errors import RSLTypeError, RSLValueError

__all__ = [
    "MAX_OPERANDS",
    "MAX_VALUES",
    "Boolean",
    "Concatenation",
    "Literal",
    "Node",
    "Operator",
    "Plain",
    "Relation",
    "Sequence",
    "Specification",
    "Value",
    "Variable",
    "value_of",
    "values_of",
    "walk",
]

T = TypeVar("T")

MAX_VALUES = 9900
"""How many values a list may have: GCT's parser holds at most 10000 things (YYMAXDEPTH), and reads
a list from its end."""
MAX_OPERANDS = 3300
"""How many operands `Boolean` may have: each of them is three things to the parser."""


class Operator(enum.IntEnum):
    """What a relation or a boolean is made with; `Operator.of(">=")` finds one by its sign."""

    EQ = lib.GLOBUS_RSL_EQ
    NEQ = lib.GLOBUS_RSL_NEQ
    GT = lib.GLOBUS_RSL_GT
    GTEQ = lib.GLOBUS_RSL_GTEQ
    LT = lib.GLOBUS_RSL_LT
    LTEQ = lib.GLOBUS_RSL_LTEQ
    AND = lib.GLOBUS_RSL_AND
    OR = lib.GLOBUS_RSL_OR
    MULTIREQ = lib.GLOBUS_RSL_MULTIREQ

    @property
    def sign(self) -> str:
        """How RSL writes it."""
        return _SIGNS[self]

    @classmethod
    def of(cls, sign: str) -> Operator:
        """By its sign, such as ``>=``."""
        for one in cls:
            if one.sign == sign:
                return one
        raise RSLValueError(f"{sign!r} is no operator", hint=" ".join(_SIGNS.values()))


_SIGNS = {
    Operator.EQ: "=",
    Operator.NEQ: "!=",
    Operator.GT: ">",
    Operator.GTEQ: ">=",
    Operator.LT: "<",
    Operator.LTEQ: "<=",
    Operator.AND: "&",
    Operator.OR: "|",
    Operator.MULTIREQ: "+",
}
_BOOLEAN = {Operator.AND, Operator.OR, Operator.MULTIREQ}


class Node:
    """What the nodes have in common: `str()` writes a node in RSL."""

    __slots__ = ()

    _unparse: ClassVar[Callable[[Node], str]]
    """Set by `border`, which knows the nodes."""

    def __str__(self) -> str:
        return Node._unparse(self)


class _Simple(Node):
    """A value that can be joined with others."""

    __slots__ = ()

    def __add__(self, other: str | _Simple) -> Concatenation:
        if not isinstance(other, str | _Simple):
            return NotImplemented
        return Concatenation((*_parts(self), *_parts(other)))

    def __radd__(self, other: str) -> Concatenation:
        if not isinstance(other, str):
            return NotImplemented
        return Concatenation((*_parts(other), *_parts(self)))


@dataclass(frozen=True, slots=True)
class Literal(_Simple):
    """A string; whatever is in it is quoted as it must be, but NUL has no place in RSL.

    What is not UTF-8 is held as `os.fsdecode` does, and sent as the bytes that it was.
    """

    text: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", _checked(self.text, "a string"))


@dataclass(frozen=True, slots=True)
class Variable(_Simple):
    """The value of a name that ``rsl_substitution``, or the job manager, defines.

    Args:
        name: such as ``HOME``.
        default: its value where nothing defines it.  `evaluate` goes by it; a job manager does
            not (globus_rsl_eval fails), so that what is sent must have been evaluated.
    """

    name: str
    default: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", _checked(self.name, "the name of a variable"))
        if self.default is not None:
            object.__setattr__(self, "default", _checked(self.default, "a default"))


@dataclass(frozen=True, slots=True)
class Concatenation(_Simple):
    """Values written one behind the other, to be one string.

    C joins two at a time; printed, ``(a # b) # c`` and ``a # (b # c)`` are the same, and so they
    are here.
    """

    parts: tuple[Literal | Variable, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", _some(self.parts, "concatenation", MAX_VALUES // 2, 2))
        for part in self.parts:
            if not isinstance(part, Literal | Variable):
                raise RSLTypeError(
                    f"strings and variables are joined, not {_kind(part)}", hint="use + to join"
                )


@dataclass(frozen=True, slots=True)
class Sequence(Node):
    """Values in parentheses, such as one pair of ``environment``."""

    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _values(self.values))


Value = Literal | Variable | Concatenation | Sequence
"""What a relation holds."""


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """An attribute and its values.

    Args:
        attribute: its name, as it is written; `RSL` writes all of them as GRAM compares them.
        operator: GRAM's job managers act upon ``=`` only.
        values: of any kind, nested as the attribute asks for.
    """

    attribute: str
    operator: Operator
    values: tuple[Value, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "attribute", _checked(self.attribute, "an attribute's name"))
        object.__setattr__(self, "operator", Operator(self.operator))
        object.__setattr__(self, "values", _values(self.values))
        if self.operator in _BOOLEAN:
            raise RSLValueError(f"{self.operator.sign} joins relations, it does not make one")

    @classmethod
    def of(cls, attribute: str, operator: Operator | str, value: Plain) -> Relation:
        """From plain Python: the operator's sign, and a value, a list, or a mapping (pairs)."""
        if isinstance(operator, str):
            operator = Operator.of(operator)
        made = values_of(attribute, value)
        if not made:
            raise RSLValueError(f"{attribute}: RSL has no empty list", hint="leave it out")
        return cls(attribute, operator, made)


@dataclass(frozen=True, slots=True)
class Boolean(Node):
    """Specifications of which all (``&``) or any (``|``) shall hold, or several jobs (``+``)."""

    operator: Operator
    operands: tuple[Specification, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "operator", Operator(self.operator))
        object.__setattr__(self, "operands", _some(self.operands, "boolean", MAX_OPERANDS))
        if self.operator not in _BOOLEAN:
            raise RSLValueError(f"{self.operator.sign} compares, it does not join relations")
        for operand in self.operands:
            if not isinstance(operand, Relation | Boolean):
                raise RSLTypeError(f"relations are joined, not {_kind(operand)}")


Specification = Relation | Boolean
"""What a whole RSL is."""

Plain = (
    str
    | int
    | float
    | os.PathLike[str]
    | Value
    | Iterable["Plain"]
    | Mapping[str, "Plain"]
)  # fmt: skip
"""What Python has for a value: a bool is ``yes`` or ``no``, a list a sequence, a mapping pairs."""


def values_of(what: str, plain: Plain) -> tuple[Value, ...]:
    """The values of a relation, from plain Python; `what` is named in errors."""
    if isinstance(plain, Mapping):
        pairs = plain.items()
        return tuple(Sequence((value_of(what, key), value_of(what, one))) for key, one in pairs)
    if isinstance(plain, Iterable) and not isinstance(plain, str | bytes | bytearray):
        return tuple(value_of(what, one) for one in plain)
    return (value_of(what, plain),)


def value_of(what: str, plain: Plain) -> Value:
    """One value, from plain Python; `what` is named in errors."""
    if isinstance(plain, Literal | Variable | Concatenation | Sequence):
        return plain
    try:
        if isinstance(plain, bool):
            return Literal("yes" if plain else "no")
        if isinstance(plain, str):
            return Literal(plain)
        if isinstance(plain, int):
            return Literal(int.__repr__(plain))  # of an IntEnum, too, the number
        if isinstance(plain, float):
            return Literal(float.__repr__(plain))
        if isinstance(plain, os.PathLike) and isinstance(path := os.fspath(plain), str):
            return Literal(path)
    except RSLValueError as error:
        raise RSLValueError(f"{what}: {error.msg}") from None
    if isinstance(plain, Iterable) and not isinstance(plain, bytes | bytearray):
        return Sequence(values_of(what, plain))
    raise RSLTypeError(
        f"{what}: {_kind(plain)} is nothing that RSL can hold",
        hint="strings, numbers, paths, lists, mappings, and the nodes of pyGlobus.rsl",
    )


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, in the order of the text."""
    todo: list[Node] = [node]
    while todo:
        node = todo.pop()
        yield node
        below: tuple[Node, ...] = ()
        if isinstance(node, Boolean):
            below = node.operands
        elif isinstance(node, Relation | Sequence):
            below = node.values
        elif isinstance(node, Concatenation):
            below = node.parts
        todo.extend(reversed(below))


def _parts(one: str | _Simple) -> tuple[Literal | Variable, ...]:
    if isinstance(one, str):
        return (Literal(one),)
    if isinstance(one, Concatenation):
        return one.parts
    assert isinstance(one, Literal | Variable)
    return (one,)


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise RSLTypeError(f"{what} must be a str, not {_kind(text)}")
    text = str.__str__(text)
    if "\0" in text:
        raise RSLValueError(f"{what} in RSL cannot hold NUL: {text!r}")
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise RSLValueError(f"{what} holds what is not Unicode: {text!r}") from None
    return text


def _some(things: Iterable[T], what: str, most: int, least: int = 1) -> tuple[T, ...]:
    several = tuple(things)
    if len(several) < least:
        raise RSLValueError(f"a {what} has at least {least}, not {len(several)}")
    if len(several) > most:
        raise RSLValueError(f"GCT reads at most {most} in one {what}, not {len(several)}")
    return several


def _values(things: Iterable[Value]) -> tuple[Value, ...]:
    several = _some(things, "list of values", MAX_VALUES)
    for one in several:
        if not isinstance(one, Literal | Variable | Concatenation | Sequence):
            raise RSLTypeError(
                f"values are nodes, not {_kind(one)}", hint="Relation.of takes plain Python"
            )
    return several


def _kind(thing: object) -> str:
    return type(thing).__name__
