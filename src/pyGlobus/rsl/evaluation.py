"""What variables stand for, as far as globus_rsl_eval does not know.

globus_rsl_eval fails at a variable with a default, also where it is defined, and does not tell
which variable is not.  So defaults are resolved first, with the same rules:

- a definition holds for what is behind it in its boolean, and for the booleans nested there;
- the first definition of a name in a boolean counts, and hides that of an outer one.
"""

from __future__ import annotations

from collections import ChainMap

from .errors import RSLEvaluationError
from .tree import (
    Boolean,
    Concatenation,
    Literal,
    Relation,
    Sequence,
    Specification,
    Value,
    Variable,
)

__all__ = ["Scope", "resolve", "resolve_value"]

Scope = ChainMap[str, str]
"""What names stand for, the innermost boolean first."""


def resolve(tree: Specification, scope: Scope) -> Specification:
    """The tree without defaults: each variable is left where it is defined, else its default.

    Raises:
        RSLEvaluationError: a variable that is not defined and has no default; an
            ``rsl_substitution`` that is not made of pairs.
    """
    if isinstance(tree, Boolean):
        inner = scope.new_child()
        return Boolean(tree.operator, tuple(resolve(one, inner) for one in tree.operands))
    if tree.attribute.lower() not in ("rsl_substitution", "rslsubstitution"):
        values = tuple(resolve_value(one, scope) for one in tree.values)
        return Relation(tree.attribute, tree.operator, values)
    pairs = []
    for one in tree.values:
        resolved = _pair(one, scope)
        name, value = (_text(part, scope) for part in resolved.values)
        scope.maps[0].setdefault(name, value)
        pairs.append(resolved)
    return Relation(tree.attribute, tree.operator, tuple(pairs))


def resolve_value(value: Value, scope: Scope) -> Value:
    """As `resolve`, for one value."""
    if isinstance(value, Variable):
        if value.name in scope:
            return Variable(value.name)
        if value.default is not None:
            return Literal(value.default)
        known = ", ".join(sorted(scope)) or "no variable"
        raise RSLEvaluationError(
            f"nothing defines $({value.name})",
            hint=f"{known} is defined here; rsl_substitution defines, or definitions=",
        )
    if isinstance(value, Concatenation):
        return Concatenation(tuple(resolve_value(one, scope) for one in value.parts))  # type: ignore[misc]
    if isinstance(value, Sequence):
        return Sequence(tuple(resolve_value(one, scope) for one in value.values))
    return value


def _pair(value: Value, scope: Scope) -> Sequence:
    if isinstance(value, Sequence) and len(value.values) == 2:
        resolved = Sequence(tuple(resolve_value(one, scope) for one in value.values))
        if not any(isinstance(one, Sequence) for one in resolved.values):
            return resolved
    raise RSLEvaluationError(
        f"rsl_substitution holds what is no pair: {value}", hint="such as (NAME value)"
    )


def _text(value: Value, scope: Scope) -> str:
    """What a resolved value stands for."""
    if isinstance(value, Literal):
        return value.text
    if isinstance(value, Variable):
        return scope[value.name]
    assert isinstance(value, Concatenation)
    return "".join(_text(one, scope) for one in value.parts)
