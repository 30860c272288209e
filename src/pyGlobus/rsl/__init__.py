"""RSL, the language of job descriptions: build, read, print, evaluate.

Maps ``globus_rsl.h``: the C library reads, prints and evaluates; the trees are Python's.

>>> job = RSL(executable="/bin/echo", arguments=["a b", 'say "hi" now'], environment={"X": "1"})
>>> print(job)
&("executable" = "/bin/echo" )("arguments" = "a b" "say ""hi"" now" )("environment" = ("X" "1" ) )
>>> job["arguments"]
('a b', 'say "hi" now')
>>> RSL.parse(str(job)) == job
True

Where a text is not RSL, the error shows it:

>>> RSL.parse("&(count=2)(arguments=)")  # doctest: +ELLIPSIS
Traceback (most recent call last):
...
pyGlobus.rsl.errors.RSLSyntaxError: bad RSL, line 1, column 22: a value is due ...
  &(count=2)(arguments=)
                       ^

`RSL` is a job: its names are written as GRAM compares them (``max_wall_time``, ``maxWallTime`` and
``maxwalltime`` are one).  `parse` and `unparse` work on trees, as they are written.
"""

from __future__ import annotations

from .border import evaluate, evaluate_value, parse, unparse
from .errors import RSLError, RSLEvaluationError, RSLSyntaxError, RSLTypeError, RSLValueError
from .request import RSL, canonical
from .tree import (
    Boolean,
    Concatenation,
    Literal,
    Node,
    Operator,
    Plain,
    Relation,
    Sequence,
    Specification,
    Value,
    Variable,
    walk,
)

__all__ = [
    "RSL",
    "Boolean",
    "Concatenation",
    "Literal",
    "Node",
    "Operator",
    "Plain",
    "RSLError",
    "RSLEvaluationError",
    "RSLSyntaxError",
    "RSLTypeError",
    "RSLValueError",
    "Relation",
    "Sequence",
    "Specification",
    "Value",
    "Variable",
    "canonical",
    "evaluate",
    "evaluate_value",
    "parse",
    "unparse",
    "walk",
]

# the operators under their C names
for _operator in Operator:
    globals()[f"GLOBUS_RSL_{_operator.name}"] = _operator
del _operator
