"""Between the tree in Python and the tree of the C library (``globus_rsl.h``).

The C library reads RSL, prints it, and evaluates it; its trees live for the time of a call.  Its
parser has no state of its own between calls (a reentrant scanner, a pure parser), and works in any
number of threads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .._core.runtime import runtime
from .._native import ffi, lib
from .errors import RSLEvaluationError, RSLSyntaxError, RSLValueError
from .evaluation import Scope, resolve, resolve_value
from .syntax import MAX_DEPTH, check
from .tree import (
    Boolean,
    Concatenation,
    Literal,
    Node,
    Operator,
    Relation,
    Sequence,
    Specification,
    Value,
    Variable,
)

__all__ = ["canonicalized", "evaluate", "evaluate_value", "parse", "unparse"]


def parse(text: str) -> Specification:
    """Read RSL (globus_rsl_parse).

    >>> parse("&(executable=/bin/echo)(arguments=$(HOME)/x)").operands[1].values
    (Concatenation(parts=(Variable(name='HOME', default=None), Literal(text='/x'))),)

    Raises:
        RSLSyntaxError: `text` is not RSL; it tells where.
    """
    check(text)
    _bring_up()
    # C ends a quoted string at the character behind it, which at the very end is not there
    tree = lib.globus_rsl_parse(_bytes(text) + b" ")
    if tree == ffi.NULL:
        raise RSLSyntaxError.at(text, 0, "GCT does not read this", "report it, please")
    try:
        return _specification(tree)
    finally:
        lib.globus_rsl_free_recursive(tree)


def unparse(node: Node) -> str:
    """Write RSL (globus_rsl_unparse, of a value globus_rsl_value_unparse): `parse` reads the same.

    >>> unparse(Relation.of("arguments", "=", ["a b", 'say "hi" now']))
    '"arguments" = "a b" "say ""hi"" now" '
    """
    _bring_up()
    _require_depth(node)
    if isinstance(node, Relation | Boolean):
        tree = _c_specification(node)
        try:
            return _take(lib.globus_rsl_unparse(tree))
        finally:
            lib.globus_rsl_free_recursive(tree)
    value = _c_value(node)
    try:
        return _take(lib.globus_rsl_value_unparse(value))
    finally:
        lib.globus_rsl_value_free_recursive(value)


Node._unparse = unparse


def evaluate(tree: Specification, definitions: Mapping[str, str] | None = None) -> Specification:
    """With strings in the place of variables and concatenations (globus_rsl_eval).

    Args:
        tree: its ``rsl_substitution`` relations define variables for what is behind them, and
            nested within, as they do for a job manager.
        definitions: more of them, such as the job manager's own (``HOME``, ``LOGNAME``,
            ``GLOBUS_SCRATCH_DIR``, ...).

    Raises:
        RSLEvaluationError: nothing defines a variable, or ``rsl_substitution`` holds what is no
            pair.

    >>> job = parse("&(rsl_substitution=(IN /data))(stdin=$(IN)/a)(stdout=$(OUT /tmp)/b)")
    >>> print(evaluate(job))
    &("rsl_substitution" = ("IN" "/data" ) )("stdin" = "/data/a" )("stdout" = "/tmp/b" )
    """
    _require_depth(tree)
    scope = _scope(definitions)
    tree = resolve(tree, scope)
    table, keep = _symbols(scope)
    c_tree = _c_specification(tree)
    try:
        if lib.globus_rsl_eval(c_tree, table) != lib.GLOBUS_SUCCESS:
            raise RSLEvaluationError(f"GCT cannot evaluate {tree}")
        return _specification(c_tree)
    finally:
        # the table points into the tree, and at `keep`
        lib.globus_symboltable_destroy(table)
        lib.globus_rsl_free_recursive(c_tree)
        del keep


def evaluate_value(
    value: Literal | Variable | Concatenation, definitions: Mapping[str, str] | None = None
) -> str:
    """The string that a value stands for (globus_rsl_value_eval).

    >>> evaluate_value(Variable("HOME") + "/results", {"HOME": "/home/jane"})
    '/home/jane/results'

    Raises:
        RSLEvaluationError: a variable that is not among `definitions` and has no default.
    """
    scope = _scope(definitions)
    resolved = resolve_value(value, scope)
    table, keep = _symbols(scope)
    c_value = _c_value(resolved)
    text = ffi.new("char **")
    try:
        if lib.globus_rsl_value_eval(c_value, table, text, 0) != lib.GLOBUS_SUCCESS:
            raise RSLEvaluationError(f"GCT cannot evaluate {value}")
        return _take(text[0])
    finally:
        lib.globus_symboltable_destroy(table)
        lib.globus_rsl_value_free_recursive(c_value)
        del keep


def canonicalized(name: str) -> str:
    """See `pyGlobus.rsl.canonical` (globus_rsl_assist_string_canonicalize)."""
    place = ffi.new("char[]", _bytes(name))
    lib.globus_rsl_assist_string_canonicalize(place)
    return _text(place)


def _bring_up() -> None:
    runtime.require()
    _activate()


@functools.cache
def _activate() -> None:
    # C lists are made by other means once Globus is up: no thread may make one at that moment
    runtime.activate("RSL")


def _scope(definitions: Mapping[str, str] | None) -> Scope:
    pairs = (definitions or {}).items()
    return Scope({Literal(name).text: Literal(value).text for name, value in pairs})


def _symbols(known: Mapping[str, str]) -> tuple[Any, Any]:
    """A symbol table, and the strings that it points at."""
    _bring_up()
    table = ffi.new("globus_symboltable_t *")
    lib.globus_symboltable_init(
        table,
        ffi.addressof(lib, "globus_hashtable_string_hash"),
        ffi.addressof(lib, "globus_hashtable_string_keyeq"),
    )
    lib.globus_symboltable_create_scope(table)
    keep = []
    for name, value in known.items():
        pair = (ffi.new("char[]", _bytes(name)), ffi.new("char[]", _bytes(value)))
        lib.globus_symboltable_insert(table, *pair)
        keep.append(pair)
    return table, keep


# --- from C --------------------------------------------------------------------------------------


def _specification(tree: Any) -> Specification:
    if lib.globus_rsl_is_boolean(tree):
        below = _items(lib.globus_rsl_boolean_get_operand_list(tree), "globus_rsl_t *")
        return Boolean(
            Operator(lib.globus_rsl_boolean_get_operator(tree)),
            tuple(_specification(one) for one in below),
        )
    assert lib.globus_rsl_is_relation(tree)
    return Relation(
        _text(lib.globus_rsl_relation_get_attribute(tree)),
        Operator(lib.globus_rsl_relation_get_operator(tree)),
        _values(lib.globus_rsl_relation_get_value_sequence(tree)),
    )


def _values(sequence: Any) -> tuple[Value, ...]:
    below = lib.globus_rsl_value_sequence_get_value_list(sequence)
    return tuple(_value(one) for one in _items(below, "globus_rsl_value_t *"))


def _value(value: Any) -> Value:
    if lib.globus_rsl_value_is_literal(value):
        return Literal(_text(lib.globus_rsl_value_literal_get_string(value)))
    if lib.globus_rsl_value_is_sequence(value):
        return Sequence(_values(value))
    if lib.globus_rsl_value_is_variable(value):
        default = lib.globus_rsl_value_variable_get_default(value)
        return Variable(
            _text(lib.globus_rsl_value_variable_get_name(value)),
            None if default == ffi.NULL else _text(default),
        )
    assert lib.globus_rsl_value_is_concatenation(value)
    parts: list[Any] = []
    while lib.globus_rsl_value_is_concatenation(value):
        left = _value(lib.globus_rsl_value_concatenation_get_left(value))
        parts += left.parts if isinstance(left, Concatenation) else (left,)
        value = lib.globus_rsl_value_concatenation_get_right(value)
    return Concatenation((*parts, _value(value)))  # type: ignore[arg-type]


def _items(head: Any, kind: str) -> Iterator[Any]:
    while not lib.globus_list_empty(head):
        yield ffi.cast(kind, lib.globus_list_first(head))
        head = lib.globus_list_rest(head)


# --- to C ----------------------------------------------------------------------------------------

# The nodes have been checked when they were made, so that nothing below fails half way.


def _c_specification(node: Specification) -> Any:
    if isinstance(node, Boolean):
        below = _c_list(_c_specification(one) for one in reversed(node.operands))
        return lib.globus_rsl_make_boolean(node.operator, below)
    values = _c_sequence(node.values)
    return lib.globus_rsl_make_relation(node.operator, _c_text(node.attribute), values)


def _c_sequence(values: tuple[Value, ...]) -> Any:
    below = _c_list(_c_value(one) for one in reversed(values))
    return lib.globus_rsl_value_make_sequence(below)


def _c_value(node: Node) -> Any:
    if isinstance(node, Literal):
        return lib.globus_rsl_value_make_literal(_c_text(node.text))
    if isinstance(node, Sequence):
        return _c_sequence(node.values)
    if isinstance(node, Variable):
        texts = (node.name,) if node.default is None else (node.name, node.default)
        return lib.globus_rsl_value_make_variable(
            _c_sequence(tuple(Literal(text) for text in texts))
        )
    assert isinstance(node, Concatenation)
    *parts, last = node.parts
    value = _c_value(last)
    for part in reversed(parts):
        value = lib.globus_rsl_value_make_concatenation(_c_value(part), value)
    return value


def _c_list(reversed_items: Iterable[Any]) -> Any:
    head = ffi.new("globus_list_t **")
    for item in reversed_items:
        lib.globus_list_insert(head, item)
    return head[0]


def _c_text(text: str) -> Any:
    # the tree frees it
    return lib.strdup(_bytes(text))


def _require_depth(node: Node) -> None:
    """Refuse what `parse` would: a node as deep as that many open parentheses."""
    todo = [(node, 0)]
    while todo:
        node, depth = todo.pop()
        if depth > MAX_DEPTH:
            raise RSLValueError(f"nested more than {MAX_DEPTH} deep")
        if isinstance(node, Boolean):
            todo += ((one, depth + 1) for one in node.operands)
        elif isinstance(node, Relation):
            todo += ((one, depth) for one in node.values)
        elif isinstance(node, Sequence):
            todo += ((one, depth + 1) for one in node.values)


# --- strings -------------------------------------------------------------------------------------


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(pointer: Any) -> str:
    raw: bytes = ffi.string(pointer)
    return raw.decode("utf-8", "surrogateescape")


def _take(pointer: Any) -> str:
    """A string that is ours now."""
    if pointer == ffi.NULL:
        raise MemoryError
    text = _text(pointer)
    lib.free(pointer)
    return text
