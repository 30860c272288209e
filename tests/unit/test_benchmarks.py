"""The benchmarks: that their arithmetic is right, and that they still run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import benchmarks.__main__  # noqa: E402, F401  # it imports each benchmark
from benchmarks.harness import Comparison, Measurement, Pace, Ratio, interleave  # noqa: E402
from benchmarks.registry import BENCHMARKS, choose  # noqa: E402


def test_sides_take_turns_and_the_order_turns_round() -> None:
    calls: list[str] = []

    def side(name: str) -> float:
        calls.append(name)
        return float(len(calls))

    samples = interleave(
        {"a": lambda: side("a"), "b": lambda: side("b"), "c": lambda: side("c")}, Pace(2, warm=1)
    )
    assert "".join(calls) == "cba" + "abc" + "cba"
    # the warm-up does not count
    assert samples == {"a": [4.0, 9.0], "b": [5.0, 8.0], "c": [6.0, 7.0]}


def test_a_disturbed_round_moves_the_ratio_of_medians_but_not_the_paired_one() -> None:
    ratio = Ratio.between([1.0, 2.0, 30.0, 2.0], [2.0, 4.0, 60.0, 3.0])
    assert ratio.of_medians == pytest.approx(2.0 / 3.5)
    assert ratio.paired == pytest.approx(0.5)


def test_a_target_is_met_up_to_its_limit_and_missed_above() -> None:
    measured = Measurement("name", "title", {"ours": [1.2, 1.2, 1.2], "theirs": [1.0, 1.0, 1.0]})
    assert measured.verdict(Comparison("ours", "theirs", 1.2)) == "met"
    assert measured.verdict(Comparison("ours", "theirs", 1.1)) == "missed"
    assert measured.verdict(Comparison("ours", "theirs")) == ""
    assert measured.verdict(Comparison("ours", most=1.2)) == "met"
    assert measured.verdict(Comparison("ours", most=1.1)) == "missed"


def test_the_json_holds_samples_medians_and_verdicts() -> None:
    document = Measurement(
        "name", "title", {"ours": [3.0, 1.0, 2.0], "theirs": [4.0, 4.0, 4.0]},
        [Comparison("ours", "theirs", 1.0), Comparison("ours", most=1.5)],
    ).as_json()  # fmt: skip
    assert document["sides"]["ours"] == {
        "median": 2.0, "min": 1.0, "max": 3.0, "samples": [3.0, 1.0, 2.0],
    }  # fmt: skip
    ratio, limit = document["comparisons"]
    assert (ratio["ratio_of_medians"], ratio["verdict"]) == (0.5, "met")
    assert (limit["ratio_of_medians"], limit["verdict"]) == (None, "missed")
    json.dumps(document)


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(LookupError, match="nonsense"):
        choose(["nonsense*"])


EVERYTHING = {
    "get-null", "get-file", "get-private", "put-null", "put-file", "put-private",
    "third-party", "submit", "event", "list", "small-files", "small-files-put",
    "small-files-20", "small-files-20-put", "third-party-small", "small-files-default",
    "start", "submit-many", "job-end", "first-output", "slurm-many",
    "gss-contexts", "gss-messages", "gss-small", "mapfile-lookup", "mapfile-edit",
}  # fmt: skip


def test_every_benchmark_is_known_to_the_tests() -> None:
    assert set(BENCHMARKS) == EVERYTHING


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "names",
    [
        # one of each module that needs neither a batch system's polls nor minutes
        pytest.param({"event", "get-null", "list", "start", "gss-contexts"}, id="some"),
        pytest.param(EVERYTHING, id="everything", marks=pytest.mark.soak),
    ],
)
def test_a_quick_run_measures_and_leaves_nothing(tmp_path: Path, names: set[str]) -> None:
    result = tmp_path / "bench.json"
    # not in tmp_path, which is too long for the sockets of a job manager
    with tempfile.TemporaryDirectory(prefix="b-") as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--quick", "--json", str(result), *sorted(names)],
            cwd=ROOT, capture_output=True, text=True, timeout=580,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "TMPDIR": scratch},
        )  # fmt: skip
        assert list(Path(scratch).iterdir()) == []
    assert done.returncode == 0, done.stderr
    document = json.loads(result.read_text())
    assert document["not_measured"] == {}
    assert {one["name"] for one in document["benchmarks"]} == names
    assert all(one["sides"] and one["comparisons"] for one in document["benchmarks"])
    assert document["machine"]["globus"]["globus_ftp_client"]
