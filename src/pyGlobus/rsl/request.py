"""`RSL`: a job's description, built from Python and read like a mapping."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NoReturn, Self, TypeGuard

from .._core.passwords import shown_in
from .border import canonicalized, evaluate, parse, unparse
from .errors import RSLTypeError, RSLValueError
from .tree import (
    Boolean,
    Literal,
    Operator,
    Plain,
    Relation,
    Sequence,
    Specification,
    Value,
    Variable,
    values_of,
    walk,
)

__all__ = ["RSL", "canonical"]

# what GRAM's job managers take (globus-gram-job-manager.rvf), where it is not one value
_PAIRS = {"environment", "rslsubstitution", "filestagein", "filestageinshared", "filestageout"}
_TABLES = {"environment", "rslsubstitution"}
_LISTS = {"arguments", "filecleanup", "librarypath"}
_MINUTES = {"maxtime", "maxwalltime", "maxcputime"}
_DEFINES = "rslsubstitution"

MAX_LENGTH = 63_000
"""Bytes of RSL in a request, at most.

A gatekeeper reads 64000 in all (GLOBUS_GRAM_PROTOCOL_MAX_MSG_SIZE); the rest is for contacts."""


def canonical(name: str) -> str:
    """An attribute's name as GRAM compares it (globus_rsl_assist_string_canonicalize).

    >>> canonical("max_wall_time"), canonical("maxWallTime")
    ('maxwalltime', 'maxwalltime')
    """
    return canonicalized(Literal(name).text)


class RSL(Mapping[str, Any]):
    """A job's description.

    Args:
        specifications: nodes that keywords cannot say, such as
            ``Relation.of("min_memory", ">=", 64)``.
        attributes: GRAM's, in any spelling: ``max_wall_time=`` and ``maxWallTime=`` are one.  A
            value is a string, number, path, bool (``yes``, ``no``), `Variable` or `Concatenation`;
            a list of them; pairs, as a list of tuples or a mapping.  Times that GRAM has in minutes
            may be a `timedelta`, of which a begun minute counts.  None, and an empty list, leave
            the attribute out.

    >>> job = RSL(executable="/bin/echo", arguments=["a b", "c"], environment={"X": "1"}, count=2)
    >>> job["environment"]["X"], job["count"], "stdin" in job
    ('1', '2', False)
    >>> print(job.replace(arguments=["d"], environment=None) | {"stdout": "/tmp/out"})
    &("executable" = "/bin/echo" )("arguments" = "d" )("count" = "2" )("stdout" = "/tmp/out" )

    It never changes; it can be compared, hashed, pickled.  `str()` is what is sent to GRAM.

    Reading gives the values of ``=`` relations: a `str`, a node where there is a variable in it, a
    tuple of these for lists, and a `dict` for ``environment`` and ``rsl_substitution``.

    Raises:
        RSLValueError: a string with NUL; what should be pairs and is not; a name given twice.
        RSLTypeError: an object that RSL has nothing for.
    """

    __slots__ = ("_tree",)

    _tree: Specification

    def __init__(
        self, *specifications: Specification | RSL, **attributes: Plain | timedelta | None
    ) -> None:
        operands = [_tree_of(one) for one in specifications]
        operands += _relations(attributes).values()
        if not operands:
            raise RSLValueError("a job's description has at least one attribute")
        tree = operands[0]
        if len(operands) > 1 or isinstance(tree, Relation):
            tree = Boolean(Operator.AND, tuple(operands))
        object.__setattr__(self, "_tree", _flat(tree))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read RSL (globus_rsl_parse).

        Raises:
            RSLSyntaxError: `text` is not RSL; it tells where, and shows it.

        >>> RSL.parse("&(maxWallTime=10)(jobType=mpi)")
        RSL(maxwalltime='10', jobtype='mpi')
        """
        return cls(parse(text))

    @classmethod
    def multi(cls, *requests: Specification | RSL) -> Self:
        """Several jobs in one (``+``); ``one + other`` is the same.

        GRAM's job managers do not take it: submit each of `requests`.
        """
        return cls(Boolean(Operator.MULTIREQ, tuple(_tree_of(one) for one in requests)))

    # --- as a whole ------------------------------------------------------------------------------

    @property
    def tree(self) -> Boolean:
        """The tree, with names as GRAM compares them."""
        assert isinstance(self._tree, Boolean)
        return self._tree

    @property
    def requests(self) -> tuple[RSL, ...]:
        """The jobs of a multi-request; of any other, itself."""
        if self.tree.operator is Operator.MULTIREQ:
            return tuple(RSL(one) for one in self.tree.operands)
        return (self,)

    def job_text(self) -> str:
        """What to send to a job manager: `str()`, when it can be a job there.

        A GRAM 5 job manager takes ``=`` relations joined by one ``&``, and no others.  At a boolean
        within it crashes, and with it the contact to all jobs of that user.

        Raises:
            RSLValueError: several jobs, alternatives, another operator, a variable with a default,
                or a request that is too long.

        >>> RSL(Relation.of("min_memory", ">=", 64)).job_text()
        Traceback (most recent call last):
        ...
        pyGlobus.rsl.errors.RSLValueError: job managers take = only, not "minmemory" >= "64"
        """
        self._require_and("submit each of requests")
        for one in self.tree.operands:
            if isinstance(one, Boolean):
                raise RSLValueError(f"job managers take no boolean within &: {one}")
            if one.operator is not Operator.EQ:
                raise RSLValueError(f"job managers take = only, not {str(one).strip()}")
            for below in walk(one):
                if isinstance(below, Variable) and below.default is not None:
                    raise RSLValueError(
                        f"job managers evaluate no default, as in {below}", hint="evaluate() does"
                    )
        text = str(self)
        # a request is quoted once more
        length = len(text.encode("utf-8", "surrogateescape")) + text.count('"') + text.count("\\")
        if length > MAX_LENGTH:
            raise RSLValueError(
                f"{length} bytes with all quotes doubled, where GRAM takes {MAX_LENGTH}",
                hint="stage long input as a file",
            )
        return text

    def evaluate(self, definitions: Mapping[str, str] | None = None) -> Self:
        """With strings in the place of variables (globus_rsl_eval): see `pyGlobus.rsl.evaluate`.

        >>> job = RSL(rsl_substitution={"IN": "/data"}, stdin=Variable("IN") + "/a b")
        >>> job.evaluate()["stdin"]
        '/data/a b'
        """
        return type(self)(evaluate(self.tree, definitions))

    def replace(self, **attributes: Plain | timedelta | None) -> Self:
        """Another one, with these attributes; None removes one.

        Raises:
            RSLValueError: this one is not an ``&``.
        """
        return self._replaced(_relations(attributes), {canonical(name) for name in attributes})

    def __or__(self, other: Mapping[str, Any]) -> Self:
        """As `replace`, with what `other` has."""
        if not isinstance(other, Mapping):
            return NotImplemented
        if not isinstance(other, RSL):
            return self.replace(**other)
        other._require_and()
        more = [one for one in _all(other.tree) if not _is_plain(one)]
        made = {name: Relation.of(name, Operator.EQ, value) for name, value in other.items()}
        changed = self._replaced(made, set(made))
        return type(self)(Boolean(Operator.AND, (*changed.tree.operands, *more)))

    def __add__(self, other: RSL) -> Self:
        if not isinstance(other, RSL):
            return NotImplemented
        return self.multi(*self.requests, *other.requests)

    # --- as a mapping ----------------------------------------------------------------------------

    def __getitem__(self, name: str) -> Any:
        wanted = canonical(name)
        for relation in _all(self.tree):
            if _is_plain(relation) and relation.attribute == wanted:
                return _read(wanted, relation.values)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(one.attribute for one in _all(self.tree) if _is_plain(one)))

    def __len__(self) -> int:
        return len(list(iter(self)))

    # --- as an object ----------------------------------------------------------------------------

    def __str__(self) -> str:
        return unparse(self.tree)

    def __repr__(self) -> str:
        parts = [
            f"{one.attribute}={_read(one.attribute, one.values)!r}"
            if _is_plain(one) and one.attribute.isidentifier()
            else repr(one)
            for one in self.tree.operands
        ]
        # nodes come before keywords in a call
        if self.tree.operator is not Operator.AND or parts != sorted(parts, key=_is_keyword):
            return shown_in(f"{type(self).__name__}({self.tree!r})")
        return shown_in(f"{type(self).__name__}({', '.join(parts)})")

    def __eq__(self, other: object) -> bool:
        return self.tree == other.tree if isinstance(other, RSL) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.tree)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.tree,)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"an RSL does not change: use replace({name}=...)")

    # --- inside ----------------------------------------------------------------------------------

    def _require_and(self, hint: str = "change each of requests, and join them again") -> None:
        if self.tree.operator is not Operator.AND:
            raise RSLValueError(
                f"this is no single job, but joined by {self.tree.operator.sign}",
                hint=hint if self.tree.operator is Operator.MULTIREQ else "",
            )

    def _replaced(self, made: dict[str, Relation], names: set[str]) -> Self:
        self._require_and()
        left = dict(made)

        def changed(operands: Iterable[Specification]) -> Iterator[Specification]:
            for one in operands:
                if isinstance(one, Boolean):
                    below = tuple(changed(one.operands)) if one.operator is Operator.AND else None
                    if below is None:
                        yield one
                    elif below:
                        yield Boolean(Operator.AND, below)
                elif one.attribute not in names:
                    yield one
                elif one.attribute in left:
                    yield left.pop(one.attribute)

        kept = (*changed(self.tree.operands), *left.values())
        return type(self)(Boolean(Operator.AND, kept))


def _tree_of(one: Specification | RSL) -> Specification:
    if isinstance(one, RSL):
        return one.tree
    if isinstance(one, Boolean):
        return Boolean(one.operator, tuple(_tree_of(below) for below in one.operands))
    if isinstance(one, Relation):
        return Relation(canonical(one.attribute), one.operator, one.values)
    hint = "RSL.parse(text) reads one" if isinstance(one, str) else ""
    raise RSLTypeError(f"nodes are joined, not {type(one).__name__}", hint=hint)


def _flat(tree: Boolean) -> Boolean:
    """Without ``&`` directly within ``&``, but for one that has definitions of its own."""
    if tree.operator is not Operator.AND:
        return Boolean(tree.operator, tuple(map(_flat_within, tree.operands)))
    operands: list[Specification] = []
    for one in map(_flat_within, tree.operands):
        if isinstance(one, Boolean) and one.operator is Operator.AND and not _defines(one):
            operands += one.operands
        else:
            operands.append(one)
    return Boolean(Operator.AND, tuple(operands))


def _flat_within(one: Specification) -> Specification:
    return _flat(one) if isinstance(one, Boolean) else one


def _defines(tree: Specification) -> bool:
    return any(isinstance(one, Relation) and one.attribute == _DEFINES for one in walk(tree))


def _relations(attributes: Mapping[str, Plain | timedelta | None]) -> dict[str, Relation]:
    """By name; those that are empty are left out."""
    made: dict[str, Relation] = {}
    seen: dict[str, str] = {}
    for given, value in attributes.items():
        name = canonical(given)
        if name in seen:
            raise RSLValueError(f"{seen[name]} and {given} are the same attribute")
        seen[name] = given
        if value is None:
            continue
        if isinstance(value, timedelta):
            if name not in _MINUTES:
                raise RSLTypeError(f"{given} takes no timedelta", hint="give a number")
            value = -(-value // timedelta(minutes=1))
        values = values_of(given, value)
        if name in _PAIRS and not all(_is_pair(one) for one in values):
            raise RSLValueError(f"{given} takes pairs", hint=f'such as {given}=[("one", "other")]')
        if values:
            made[name] = Relation(name, Operator.EQ, values)
    return made


def _is_pair(value: Value) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value.values) == 2
        and not any(isinstance(one, Sequence) for one in value.values)
    )


def _is_keyword(part: str) -> bool:
    return not part.startswith(("Relation(", "Boolean("))


def _all(tree: Boolean) -> Iterator[Any]:
    """The operands of an ``&``, and of those directly within; none of another."""
    if tree.operator is Operator.AND:
        for one in tree.operands:
            if isinstance(one, Boolean) and one.operator is Operator.AND:
                yield from _all(one)
            else:
                yield one


def _is_plain(one: Specification) -> TypeGuard[Relation]:
    return isinstance(one, Relation) and one.operator is Operator.EQ


def _read(name: str, values: tuple[Value, ...]) -> Any:
    """Values as Python has them; the builder makes the same of it."""
    if name in _TABLES and all(_is_pair(one) for one in values):
        pairs = [tuple(map(_plain, one.values)) for one in values if isinstance(one, Sequence)]
        if len({key for key, _ in pairs}) == len(pairs) and all(
            isinstance(key, str) for key, _ in pairs
        ):
            return dict(pairs)
    if len(values) == 1 and name not in _LISTS and not isinstance(values[0], Sequence):
        return _plain(values[0])
    return tuple(map(_plain, values))


def _plain(value: Value) -> Any:
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, Sequence):
        return tuple(map(_plain, value.values))
    return value
