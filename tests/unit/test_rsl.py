"""RSL: what is built is what is read, whatever is in it."""

from __future__ import annotations

import pickle
import resource
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import pyGlobus.rsl
from pyGlobus._native import ffi, lib
from pyGlobus.globusException import GlobusException
from pyGlobus.rsl import (
    RSL,
    Boolean,
    Concatenation,
    Literal,
    Operator,
    Relation,
    RSLEvaluationError,
    RSLSyntaxError,
    RSLTypeError,
    RSLValueError,
    Sequence,
    Variable,
    canonical,
    evaluate,
    evaluate_value,
    parse,
    unparse,
    walk,
)

NASTY = ("", " ", '"', "'", '""', "^", "^a", "#", "$(HOME)", "(", ")", "(*", "*)", "\n", "\t\r\n",
         "\\", "a\\nb", "+", "&", "|", "=", "!", "<>", "?", "~", "é", "\U0001f600", "\udcff",
         "\x7f", "\x01", "%s%n", "x" * 1500)  # fmt: skip

# --- trees of every kind --------------------------------------------------------------------------

texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20),
    st.text("\"'^#$()*=+&|! \n~?aé\udc80", max_size=12),
)
literals = texts.map(Literal)
variables = st.builds(Variable, texts, st.none() | texts)
simple = literals | variables
joined = st.lists(simple, min_size=2, max_size=4).map(tuple).map(Concatenation)
values = st.recursive(
    simple | joined,
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(tuple).map(Sequence),
    max_leaves=6,
)
relations = st.builds(
    Relation,
    texts,
    st.sampled_from([one for one in Operator if one < Operator.AND]),
    st.lists(values, min_size=1, max_size=3).map(tuple),
)
specifications = st.recursive(
    relations,
    lambda inner: st.builds(
        Boolean,
        st.sampled_from([Operator.AND, Operator.OR, Operator.MULTIREQ]),
        st.lists(inner, min_size=1, max_size=3).map(tuple),
    ),
    max_leaves=6,
)
garbage = st.text("&|+()=!<>#$^\"'*~? \nab\0", max_size=30) | st.text(max_size=20)


@given(specifications)
def test_what_is_printed_reads_the_same(tree: Any) -> None:
    assert parse(unparse(tree)) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree
    assert hash(parse(str(tree))) == hash(tree)


@given(texts)
def test_any_string_survives_quoting(text: str) -> None:
    job = RSL(executable=text, arguments=[text, text + "x", "x" + text], environment={text: text})
    read = RSL.parse(str(job))
    assert read == job
    assert read["executable"] == text
    assert read["arguments"] == (text, text + "x", "x" + text)
    assert read["environment"] == {text: text}


def c_reads(text: str) -> bool:
    """Whether globus_rsl_parse takes it: short texts only, and each error costs some memory."""
    tree = lib.globus_rsl_parse(text.encode("utf-8", "surrogateescape") + b" ")
    if tree == ffi.NULL:
        return False
    lib.globus_rsl_free_recursive(tree)
    return True


# what C does not refuse, but pyGlobus does, with a reason
STRICTER = (
    "means nothing here",
    "! stands only",
    "is never closed",
    "NUL",
    "a variable is",
    "deep",
)


def agree(text: str) -> None:
    try:
        tree = parse(text)
    except RSLSyntaxError as error:
        assert not c_reads(text) or any(words in error.reason for words in STRICTER)
        lines = text.split("\n")
        assert 1 <= error.line <= len(lines)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1
        assert "^" in str(error)
    else:
        assert c_reads(text)
        assert parse(unparse(tree)) == tree


@settings(max_examples=1000)
@given(garbage)
@example("&(a=b)?(c=d)")
@example("a=$((b))")
@example('a="b"')
@example("&(a=^xb\nxx)")
@example("&(a=^éb\udca9\udcc3)")
@example("&(a=$(b)c$(d)$(e)#f)")
@example("a=(* b *)c(*)*)")
@example("&(a=b*)")
@example("&(a=b)'c")
@example("&(a=b)^")
@example("&(a=b)(*")
def test_what_is_not_rsl_is_told_and_what_is_reads_as_in_c(text: str) -> None:
    agree(text)


@settings(max_examples=150)
@given(specifications, st.data())
def test_damaged_rsl_is_told_of(tree: Any, data: st.DataObject) -> None:
    text = unparse(tree)[:600]
    at = data.draw(st.integers(0, len(text)))
    insert = data.draw(st.sampled_from(["", *"&|+()=!<>#$^\"' \n?"]))
    agree(text[:at] + insert + text[at + data.draw(st.integers(0, 2)) :])


# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("", 1, 1, "the text ends: an attribute's name is due"),
        ("&(a=b", 1, 6, "the text ends: a ) is missing"),
        ("&(a=b)\n(c d)", 2, 4, "an operator is due: = != < <= > >="),
        ("&(a=b)(c=)", 1, 10, "a value is due"),
        ("&(é=b)(c=())", 1, 11, "a value is due"),
        ("(a=b)", 1, 1, "( where an attribute's name is due"),
        ("&(a=b) c", 1, 8, "this is behind the end of the specification"),
        ("&a=b", 1, 2, "& | and + are followed by ("),
        ('&(a="b)\n', 1, 5, "this quote is never closed"),
        ("&(a='b''c)", 1, 5, "this quote is never closed"),
        ("&(a=^|b)", 1, 5, "this string is never closed"),
        ("&(a=b)(* c", 1, 7, "this comment is never closed"),
        ("&(a=~/x)", 1, 5, "'~' means nothing here"),
        ("&(a=x*y)", 1, 6, "'*' means nothing here"),
        ("&(a!b)", 1, 4, "! stands only before ="),
        ("&(a=\0)", 1, 5, "RSL cannot hold NUL"),
        ("&(a=$HOME)", 1, 6, "$ is followed by ("),
        ("&(a=$(b c d))", 1, 11, "a variable is $(NAME), or $(NAME default)"),
        ("&(a=$(b (c)))", 1, 9, "a variable is $(NAME), or $(NAME default)"),
        ("&(a=b#)", 1, 7, "a string or a variable is due"),
        ("&(a=b#(c))", 1, 7, "a string or a variable is due"),
        ("&(a=" + "(" * 200 + "b", 1, 104, "nested more than 100 deep"),
    ],
)
def test_a_syntax_error_tells_where(text: str, line: int, column: int, reason: str) -> None:
    with pytest.raises(RSLSyntaxError) as caught:
        parse(text)
    error = caught.value
    assert (error.line, error.column, error.reason) == (line, column, reason)
    assert isinstance(error, ValueError)
    assert isinstance(error, GlobusException)
    assert error.text == text
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)


def test_a_syntax_error_shows_the_place_in_a_long_line() -> None:
    with pytest.raises(RSLSyntaxError) as caught:
        parse("&" + "(a=b)" * 100 + "(c=?)" + "(a=b)" * 100)
    message, shown, caret = str(caught.value).split("\n")
    assert message == (
        "bad RSL, line 1, column 505: '?' means nothing here (quote the string that it is in)"
    )
    assert shown[caret.index("^")] == "?"
    assert len(shown) < 80


def test_long_words_do_not_overrun_the_parser_of_c() -> None:
    # globus_rsl_parse writes them into 1024 bytes of the heap, and has crashed by then
    for text in ("a " + "x" * 100_000, "&(a=" + "x" * 100_000, "x" * 100_000):
        with pytest.raises(RSLSyntaxError):
            parse(text)
    assert parse("a=" + "x" * 100_000) == Relation("a", Operator.EQ, (Literal("x" * 100_000),))


def test_nothing_is_printed_by_the_library(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("&(a=b)", "&(a=", "???", '"', "&(a=b)?", "(*"):
        try:
            parse(text)
        except RSLSyntaxError:
            continue
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("make", [lambda n: "&(a=" + "x " * n + ")", lambda n: "&" + "(a=b)" * n])
def test_what_is_too_much_for_the_parser_of_c_is_refused(make: Callable[[int], str]) -> None:
    assert parse(make(3000))
    with pytest.raises(RSLSyntaxError, match="than GCT's parser can hold"):
        parse(make(11_000))


def test_the_most_values_that_a_node_takes_can_be_read_back() -> None:
    most = RSL(arguments=["x"] * 9900)
    assert RSL.parse(str(most)) == most
    several = Boolean(Operator.AND, (Relation.of("a", "=", "b"),) * 3300)
    assert parse(str(several)) == several
    chain = Relation.of("a", "=", Concatenation((Literal("x"),) * 4950))
    assert parse(str(chain)) == chain
    for too_much in (
        lambda: RSL(arguments=["x"] * 9901),
        lambda: Boolean(Operator.AND, (Relation.of("a", "=", "b"),) * 3301),
        lambda: Concatenation((Literal("x"),) * 4951),
    ):
        with pytest.raises(RSLValueError, match="GCT reads at most"):
            too_much()


def test_what_is_nested_too_deep_is_not_printed() -> None:
    value: Any = Literal("x")
    for _ in range(100):
        value = Sequence((value,))
    tree = Relation("a", Operator.EQ, (value,))
    assert parse(str(tree)) == tree
    with pytest.raises(RSLValueError, match="deep"):
        str(Boolean(Operator.AND, (tree,)))


# --- the builder ----------------------------------------------------------------------------------


def test_values_are_written_as_gram_has_them() -> None:
    job = RSL(
        executable=PurePosixPath("/bin/true"),
        count=2,
        dry_run=True,
        save_state=False,
        max_wall_time=timedelta(minutes=9, seconds=1),
        file_stage_in=[("a", "b"), ("c", "d")],
        file_clean_up="a",
        rsl_substitution={"X": "1"},
        stdin=Variable("HOME") + "/in",
        project=None,
        arguments=[],
    )
    assert dict(job) == {
        "executable": "/bin/true",
        "count": "2",
        "dryrun": "yes",
        "savestate": "no",
        "maxwalltime": "10",
        "filestagein": (("a", "b"), ("c", "d")),
        "filecleanup": ("a",),
        "rslsubstitution": {"X": "1"},
        "stdin": Concatenation((Variable("HOME"), Literal("/in"))),
    }
    assert RSL(**job) == job
    assert eval(repr(job), vars(pyGlobus.rsl)) == job
    assert pickle.loads(pickle.dumps(job)) == job
    assert hash(RSL.parse(str(job))) == hash(job)


def test_names_are_one_in_any_spelling() -> None:
    assert RSL(max_wall_time=5) == RSL(maxWallTime=5) == RSL.parse("&(MAXWALLTIME=5)")
    assert RSL(max_wall_time=5)["maxWallTime"] == "5"
    with pytest.raises(RSLValueError, match="max_time and maxTime are the same attribute"):
        RSL(max_time=1, maxTime=2)


@given(st.text("aZ_É-09é", max_size=10))
def test_names_are_compared_as_gram_compares_them(name: str) -> None:
    assert canonical(name).encode() == name.encode().replace(b"_", b"").lower()


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"executable": "a\0b"}, "executable: a string in RSL cannot hold NUL"),
        ({"arguments": ["a", "b\0"]}, "arguments: a string in RSL cannot hold NUL"),
        ({"environment": {"a": "\0"}}, "environment: a string in RSL cannot hold NUL"),
        ({"executable": "\ud800"}, "is not Unicode"),
        ({"file_stage_in": ("a", "b")}, "file_stage_in takes pairs"),
        ({"environment": [("a", "b", "c")]}, "environment takes pairs"),
        ({}, "at least one attribute"),
        ({"stdin": [["a", []]]}, "at least 1"),
    ],
)
def test_what_rsl_cannot_hold_is_refused(attributes: dict[str, Any], words: str) -> None:
    with pytest.raises(RSLValueError, match=words):
        RSL(**attributes)


@pytest.mark.parametrize("value", [b"bytes", object(), 1j, PurePosixPath, timedelta(1)])
def test_what_rsl_has_nothing_for_is_refused(value: Any) -> None:
    with pytest.raises(RSLTypeError, match="executable"):
        RSL(executable=value)


def test_nodes_take_nodes_only() -> None:
    wrong: list[Callable[[], object]] = [
        lambda: Literal(1),  # type: ignore[arg-type]
        lambda: Sequence(("a",)),  # type: ignore[arg-type]
        lambda: Boolean(Operator.AND, (Literal("a"),)),  # type: ignore[arg-type]
        lambda: Concatenation((Sequence((Literal("a"),)), Literal("b"))),  # type: ignore[arg-type]
        lambda: RSL("&(a=b)"),  # type: ignore[arg-type]
    ]
    for make in wrong:
        with pytest.raises(RSLTypeError):
            make()
    with pytest.raises(RSLValueError, match="joins relations"):
        Relation("a", Operator.AND, (Literal("b"),))
    with pytest.raises(RSLValueError, match="compares"):
        Boolean(Operator.EQ, (Relation.of("a", "=", "b"),))
    with pytest.raises(RSLValueError, match="no operator"):
        Relation.of("a", "==", "b")


def test_another_one_is_made_by_replace() -> None:
    job = RSL(executable="/bin/true", stdout="/a")
    assert job.replace(stdout="/b", stderr="/c") == RSL(
        executable="/bin/true", stdout="/b", stderr="/c"
    )
    assert job.replace(stdout=None) == RSL(executable="/bin/true")
    assert job | {"max_time": 3} == RSL(executable="/bin/true", stdout="/a", max_time=3)
    limited = RSL(Relation.of("min_memory", ">=", 64), stdout="/z")
    assert str(job | limited) == (
        '&("executable" = "/bin/true" )("stdout" = "/z" )("minmemory" >= "64" )'
    )
    assert job == RSL(executable="/bin/true", stdout="/a")
    with pytest.raises(AttributeError, match="use replace"):
        job.stdout = "/b"
    several = RSL.parse("&(a=1)(b=2)(a=3)(|(a=4)(c=5))")
    assert dict(several) == {"a": "1", "b": "2"}
    assert str(several.replace(a="9", b=None)) == '&("a" = "9" )(|("a" = "4" )("c" = "5" ))'


def test_what_is_and_within_and_is_made_one() -> None:
    assert RSL.parse("&(a=1)(&(b=2)(&(c=3)))") == RSL(a=1, b=2, c=3)
    assert RSL(RSL(a=1), b=2) == RSL(a=1, b=2)
    # but not where that would change what a variable stands for
    scoped = RSL.parse("&(&(rsl_substitution=(X 1))(a=$(X)))(b=$(X))(c=3)")
    assert dict(scoped.evaluate({"X": "2"})) == {
        "rslsubstitution": {"X": "1"},
        "a": "1",
        "b": "2",
        "c": "3",
    }
    assert str(scoped.replace(a="9", rsl_substitution=None)) == (
        '&("a" = "9" )("b" = $("X") )("c" = "3" )'
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+(&(a=b))(&(a=b))", r"joined by \+ \(submit each of requests\)"),
        ("|(a=b)(a=c)", r"joined by \|$"),
        ("&(a=b)(|(c=d)(c=e))", "no boolean within &"),
        ("&(a=b)(&(rsl_substitution=(c d)))", "no boolean within &"),
        ("&(a=b)(c!=d)", "job managers take = only"),
        ("&(a=$(b c))", "evaluate no default"),
        ("&(a=" + "x" * 63_000 + ")", "63016 bytes"),
        ("&(a='" + '"' * 20_000 + "')", "80016 bytes"),
    ],
)
def test_what_no_job_manager_takes_is_told_before_it_is_sent(text: str, words: str) -> None:
    with pytest.raises(RSLValueError, match=words):
        RSL.parse(text).job_text()


def test_a_multi_request_is_taken_apart() -> None:
    one, two = RSL(executable="/1"), RSL(executable="/2")
    both = one + two
    assert both == RSL.parse("+(&(executable=/1))(&(executable=/2))") == RSL.multi(one, two)
    assert both.requests == (one, two)
    assert (both + one).requests == (one, two, one)
    assert one.requests == (one,)
    assert list(both) == []
    for change in (lambda: both.replace(count=1), lambda: one | both):
        with pytest.raises(RSLValueError, match="joined by"):
            change()


def test_a_lone_relation_becomes_a_job() -> None:
    assert str(RSL.parse('executable="/bin/true"')) == '&("executable" = "/bin/true" )'


# --- evaluation -----------------------------------------------------------------------------------


def c_evaluates(text: str, **definitions: str) -> str | None:
    """What globus_rsl_eval itself makes of it."""
    from pyGlobus.rsl import border

    tree = lib.globus_rsl_parse(text.encode())
    table, keep = border._symbols(definitions)
    try:
        if lib.globus_rsl_eval(tree, table) != 0:
            return None
        return border._take(lib.globus_rsl_unparse(tree))
    finally:
        lib.globus_symboltable_destroy(table)
        lib.globus_rsl_free_recursive(tree)
        del keep


@pytest.mark.parametrize(
    "text",
    [
        "&(a=$(X))",
        "&(a=x$(X)y#$(X))",
        "&(a=$(Y))",
        "&(a=$(Y))(rsl_substitution=(Y 1))",
        "&(rsl_substitution=(Y 1)(Z $(Y)$(X)))(a=$(Y)$(Z))",
        "&(rsl_substitution=(Y 1))(rsl_substitution=(Y 2))(a=$(Y))",
        "&(rsl_substitution=(X 1))(a=$(X))(&(rsl_substitution=(X 2))(b=$(X)))(c=$(X))",
        "+(&(RSLSUBSTITUTION=(Y 1))(a=$(Y)))(&(a=$(Y)))",
        "&(rsl_substitution=($(X)#1 2))(a=$(x1))",
        "&(rsl_substitution=(Y $(Y)))",
        "&(rsl_substitution=Y)",
        "&(rsl_substitution=(Y))",
        "&(rsl_substitution=((A B) C))",
        "&(rsl_substitution=(A (B C)))",
        "&(environment=(A $(X))(B ($(X) c)))",
        "|(a=$(X))(b>=$(X))",
        "a=$(X) ",
        "rsl_substitution=(X 2) ",
    ],
)
def test_evaluation_is_that_of_c(text: str) -> None:
    try:
        evaluated: str | None = str(evaluate(parse(text), {"X": "x"}))
    except RSLEvaluationError:
        evaluated = None
    assert evaluated == c_evaluates(text, X="x")


names = st.sampled_from(["A", "B", "C"])
some_text = st.sampled_from(["A", "B", "x", ""])
some_values = st.recursive(
    st.builds(Literal, some_text)
    | st.builds(Variable, names)
    | st.lists(st.builds(Literal, some_text) | st.builds(Variable, names), min_size=2, max_size=3)
    .map(tuple)
    .map(Concatenation),
    lambda inner: st.lists(inner, min_size=1, max_size=2).map(tuple).map(Sequence),
    max_leaves=3,
)
definitions = st.builds(
    lambda name, value, more: Relation(
        "rsl_substitution", Operator.EQ, (Sequence((name, value)), *more)
    ),
    st.builds(Literal, names),
    some_values,
    st.lists(some_values, max_size=1),
)
scoped = st.recursive(
    definitions | st.builds(Relation, names, st.just(Operator.EQ), some_values.map(lambda v: (v,))),
    lambda inner: st.builds(
        Boolean,
        st.sampled_from([Operator.AND, Operator.MULTIREQ]),
        st.lists(inner, min_size=1, max_size=4).map(tuple),
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(scoped)
def test_evaluation_of_any_tree_is_that_of_c(tree: Any) -> None:
    known = {"A": "a", "B": "b"}
    try:
        evaluated: str | None = str(evaluate(tree, known))
    except RSLEvaluationError:
        evaluated = None
    assert evaluated == c_evaluates(str(tree), **known)


def test_a_default_counts_where_nothing_defines_the_variable() -> None:
    job = RSL.parse("&(a=$(X 1))(rsl_substitution=(X 2))(b=$(X 1)/$(Y 3))")
    assert job.evaluate()["a"] == "1"
    assert job.evaluate()["b"] == "2/3"
    assert job.evaluate({"X": "é"})["a"] == "é"
    assert evaluate_value(Variable("X", "d") + "/e") == "d/e"
    # which C itself cannot: that is why it is done before
    assert c_evaluates("&(a=$(X 1))", X="2") is None


@given(texts, texts)
def test_any_string_survives_evaluation(name: str, value: str) -> None:
    job = RSL(rsl_substitution={name: value}, a="<" + Variable(name) + ">")
    assert job.evaluate()["a"] == f"<{value}>"
    assert evaluate_value(Variable(name), {name: value}) == value


def test_an_undefined_variable_is_named() -> None:
    with pytest.raises(RSLEvaluationError) as caught:
        RSL(rsl_substitution={"A": "1"}, stdin=Variable("B")).evaluate({"C": "2"})
    assert str(caught.value) == (
        "nothing defines $(B) (A, C is defined here; rsl_substitution defines, or definitions=)"
    )


# --- life -----------------------------------------------------------------------------------------


def test_the_operators_have_their_c_names() -> None:
    names = vars(pyGlobus.rsl)
    assert names["GLOBUS_RSL_GTEQ"] is Operator.GTEQ
    assert names["GLOBUS_RSL_MULTIREQ"] is Operator.MULTIREQ
    assert [one.sign for one in Operator] == ["=", "!=", ">", ">=", "<", "<=", "&", "|", "+"]


def test_walk_goes_in_the_order_of_the_text() -> None:
    tree = parse("&(a=b $(c)#d)(e=(f g))")
    assert [one.text for one in walk(tree) if isinstance(one, Literal)] == ["b", "d", "f", "g"]


def test_many_threads_read_and_write_at_once() -> None:
    jobs = [RSL(executable=f"/{n}", arguments=[str(n) * n, '"']) for n in range(50)]

    def work(job: RSL) -> bool:
        return all(RSL.parse(str(job)).evaluate() == job for _ in range(20))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, jobs))


def test_memory_stays_flat_over_many_texts_good_and_bad() -> None:
    good = str(RSL(executable="/x", arguments=["y" * 1000] * 5, stdin=Variable("A") + "b"))

    def work(times: int) -> None:
        for _ in range(times):
            evaluate(parse(good), {"A": "c" * 1000})
            for bad in (good + "?", good[:-1], "&(a=" + "x" * 3000):
                with pytest.raises(RSLSyntaxError):
                    parse(bad)

    work(200)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work(1500)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 3000  # KiB


def test_importing_starts_nothing() -> None:
    code = "import pyGlobus.rsl as r, threading; r.RSL(a=1); print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
