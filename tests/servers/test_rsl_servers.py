"""RSL as GCT's own programs read it: ``globusrun``, and the job manager of a real gatekeeper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cogkit import jobs
from cogkit.jobs._describe import described
from pyGlobus.gramClient import GramClient, GramClientException, GramError, JobState
from pyGlobus.rsl import RSL, Relation, RSLSyntaxError, RSLValueError, Variable, parse
from pyGlobus.rsl.request import MAX_LENGTH

NASTY = [
    "", " ", "a b", '"', "'", '""', "'\"'\"", "say \"hi\" it's", "^", "^|a|", "#", "a # b",
    "$(HOME)", "$HOME", "${HOME}", "`id`", "$(id)", "(", ")", "(* no comment *)", "&(a=b)", "+|&",
    "a=b", "!=", "<", ">=", "?", "~", "~/x", "*", "%s%n", "%41", "@x", "a@b.c", "\\", "\\\\",
    "a\\'b", "\\n", "|", "a|b", "\t", "x\ty", "line\nbreak", "\n", "cr\r\n", "é", "ü\u2028",
    "\U0001f600", "\udcff\udc80", "\x01\x7f", "-n", "--", "x" * 3000,
]  # fmt: skip

TELL = """
import json, os, sys
mine = {os.fsencode(n).hex(): os.fsencode(v).hex() for n, v in os.environ.items() if n[0] == "N"}
print(json.dumps([[os.fsencode(one).hex() for one in sys.argv[1:]], mine]))
"""


def told(rm: str, job: RSL, out: Path) -> tuple[list[str], dict[str, str]]:
    """Arguments, and the environment's ``N*``, that a job has got."""
    ended = threading.Event()
    states = []

    def watch(arg: object, contact: str, state: JobState, error: int) -> None:
        states.append((state, error))
        if state.is_final:
            ended.set()

    with GramClient() as client:
        client.set_callback(watch)
        client.submit_request(rm, job.replace(stdout=out))
        assert ended.wait(30)
    assert states[-1] == (JobState.DONE, 0)
    arguments, environ = json.loads(out.read_text())
    text = [os.fsdecode(bytes.fromhex(one)) for one in arguments]
    return text, {
        os.fsdecode(bytes.fromhex(name)): os.fsdecode(bytes.fromhex(value))
        for name, value in environ.items()
    }


def test_a_job_gets_exactly_the_strings_that_were_given(rm: str, tmp_path: Path) -> None:
    wanted = {f"N{n}": one for n, one in enumerate(NASTY)}
    job = RSL(executable=sys.executable, arguments=["-c", TELL, *NASTY], environment=wanted)
    arguments, environ = told(rm, job, tmp_path / "out $(X) 'y' \"z\"")
    assert arguments == NASTY
    assert wanted.items() <= environ.items()


def test_a_job_gets_what_evaluation_tells(rm: str, tmp_path: Path) -> None:
    job = RSL(
        rsl_substitution=[(f"S{n}", one) for n, one in enumerate(NASTY)] + [("S0", "again")],
        executable=sys.executable,
        arguments=["-c", TELL, *("<" + Variable(f"S{n}") + ">" for n in range(len(NASTY)))],
        environment={"N1": Variable("HOME") + "/x", "N2": Variable("S1") + Variable("S2")},
    )
    arguments, environ = told(rm, job, tmp_path / "out")
    assert arguments == [f"<{one}>" for one in NASTY]
    home = environ["N1"].removesuffix("/x")
    assert Path(home).is_dir()
    evaluated = job.evaluate({"HOME": home})
    assert list(evaluated["arguments"][2:]) == arguments
    # GCT's fork.pm keeps the environment of earlier jobs: there may be more
    assert evaluated["environment"].items() <= environ.items()


def test_a_job_manager_does_not_evaluate_defaults(rm: str) -> None:
    job = RSL(executable="/bin/echo", arguments=[Variable("COLOUR", "red")])
    with GramClient() as client:
        with pytest.raises(RSLValueError, match="evaluate no default"):
            client.submit_request(rm, job)
        with pytest.raises(GramClientException) as caught:
            client.submit_request(rm, str(job))
    assert caught.value.code == GramError.RSL_EVALUATION_FAILED
    assert job.evaluate()["arguments"] == ("red",)


def test_an_and_within_an_and_reaches_the_job_manager_as_one(rm: str) -> None:
    # as it stands, it makes the job manager crash
    job = RSL.parse("&(executable=/bin/true)(&(count=1)(&(maxTime=5)))")
    with GramClient() as client:
        assert client.submit_request(rm, job)


def test_the_longest_text_that_is_let_through_is_taken(rm: str) -> None:
    job = RSL(executable="/bin/true", environment={"X": ""})
    for filler in ("x", '"', "\\"):
        # a filler in RSL: how often it is counted
        each = {"x": 1, '"': 4, "\\": 2}[filler]
        room = MAX_LENGTH - 2 * len(str(job))
        longest = job.replace(environment={"X": filler * (room // each)})
        with GramClient() as client:
            client.set_callback(lambda *told: None)
            assert client.submit_request(rm, longest)


def globusrun_reads(text: str, place: Path) -> bool:
    place.write_bytes(text.encode("utf-8", "surrogateescape"))
    done = subprocess.run(
        ["globusrun", "-p", "-f", str(place)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode >= 0, done
    return "RSL Parsed Successfully" in done.stdout


@pytest.mark.usefixtures("grid_env")
def test_globusrun_reads_what_is_printed(tmp_path: Path) -> None:
    job = RSL(
        Relation.of("min_memory", ">=", 64),
        executable=NASTY,
        arguments=[[one, [one, Variable("A") + one, Variable(one, one)]] for one in NASTY],
        environment={one: one for one in NASTY},
    )
    for one in (job, job + job, RSL(x="y")):
        assert globusrun_reads(str(one), tmp_path / "rsl")


@pytest.mark.usefixtures("grid_env")
@pytest.mark.parametrize(
    "text",
    [
        "&(a=b)",
        "& ( a = b c ) (* comment *)\n (d>=$(X)/y#'z''z')",
        "|(a=^xbxxcx)(&(d!=()))",
        "&(a=())",
        "&(a=",
        "&(a=b)(c)",
        "(a=b)",
        '&(a="b)',
        "&(a=b) c",
        "&(a=$X)",
        "&(a=b#(c))",
        "&",
        "",
        "(* why *)&(a=b)",
        "(* why *)\n(* and\n * why *)\n&\n(a = b)\n(* or *)\n(c = d)\n",
        "\t(**)\n|(***)(a=b(* c *))",
        "(* a ( b * c ) d *)+(&(a=b))(* e *)(&(a=c)) ",
        "(* why *) a=b",
        "(* why *)(a=b) c",
        "(* why *)",
        "(*)&(a=b)",
        "(* one (* two *) three *)&(a=b)",
    ],
)
def test_globusrun_and_we_agree(text: str, tmp_path: Path) -> None:
    def taken(read: Callable[[str], object]) -> bool:
        try:
            read(text)
        except RSLSyntaxError:
            return False
        except jobs.BadJob:  # RSL it is, but no one job
            return True
        return True

    theirs = globusrun_reads(text, tmp_path / "rsl")
    # globusrun takes no lone relation for a job; its parser does
    assert taken(parse) == (theirs or text.endswith("a=b"))
    # here the & may be left out
    assert taken(described) == (taken(parse) or text == "(a=b)")


def test_a_job_whose_rsl_begins_with_a_comment_runs(rm: str) -> None:
    text = "(* what (this) does *)\n(* a date *)\n&(executable=/bin/echo)(arguments=it ran)\n"
    outcome = jobs.run(rm, text, capture=True, timeout=60)
    assert outcome.stdout == b"it ran\n"


@pytest.mark.usefixtures("grid_env")
def test_what_globusrun_drops_without_a_word_is_an_error(tmp_path: Path) -> None:
    for text in ("&(a=b)?(c=d)", "&(a=b)~(c=d)", "&(a=b)'(c=d)", "&(a=b)(*(c=d)"):
        assert globusrun_reads(text, tmp_path / "rsl")
        with pytest.raises(RSLSyntaxError) as caught:
            parse(text)
        assert caught.value.column == 7
