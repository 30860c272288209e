"""`cogkit` and its jobs on a batch system: a real Slurm."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli import cogkit
from cogkit import jobs
from pyGlobus.gramClient import GramClient, JobState

pytestmark = pytest.mark.timeout(120)


def test_jobs_run_on_slurm_as_they_do_on_fork(slurm_rm: str, tmp_path: Path) -> None:
    """All at once: its job manager asks Slurm every ten seconds only."""
    (tmp_path / "in").write_text("hello")
    commands = {
        "ok": ["--", "sh", "-c", "echo out; echo err >&2; echo $SLURM_JOB_ID"],
        "exit": ["--", "sh", "-c", "echo out; exit 3"],
        "staged": [
            "--stage-in", f"{tmp_path}/in={tmp_path}/there", "--stage-out",
            f"{tmp_path}/made={tmp_path}/out", "--",
            "sh", "-c", f"tr a-z A-Z < {tmp_path}/there > {tmp_path}/made",
        ],
        "count": ["--count", "3", "--type", "multiple", "--", "sh", "-c", "echo $SLURM_PROCID"],
        "queue": ["--queue", "small", "--", "sh", "-c", "echo $SLURM_JOB_PARTITION"],
        "limit": ["--walltime", "1", "--rsl", "&(executable=/bin/true)"],
        "missing": ["--", "/no/such"],
    }  # fmt: skip
    with ThreadPoolExecutor(len(commands)) as pool:
        done = {
            name: pool.submit(cogkit, "run", "--json", "-r", slurm_rm, *words, timeout=90)
            for name, words in commands.items()
        }
        ended = {name: one.result() for name, one in done.items()}
    told = {name: json.loads(one.stdout) for name, one in ended.items() if name != "limit"}
    assert ended["ok"].returncode == 0
    first, number = told["ok"]["stdout"].split()
    assert (first, number.isdecimal(), told["ok"]["stderr"]) == ("out", True, "err\n")
    assert (ended["exit"].returncode, told["exit"]["stdout"]) == (3, "out\n")
    assert (told["exit"]["exit_code"], told["exit"]["state"]) == (3, "FAILED")
    assert (tmp_path / "out").read_text() == "HELLO"
    assert len(told["count"]["stdout"].split()) == 3
    assert told["queue"]["stdout"] == "small\n"
    assert ended["limit"].returncode == 2
    assert ended["missing"].returncode == 127


def test_a_job_on_slurm_is_left_alone_and_collected_later(slurm_rm: str) -> None:
    contact = jobs.submit(slurm_rm, ["sh", "-c", "echo out; exit 1"])
    with pytest.raises(jobs.JobFailed, match="does not say why") as error:
        jobs.wait(contact, timeout=60)
    assert error.value.code == 0
    kept = bytearray()
    jobs.logs(contact, slurm_rm, kept.extend)
    assert kept == b"out\n"
    jobs.clean(contact, slurm_rm)


def test_many_jobs_of_one_client_come_to_their_ends_on_slurm(slurm_rm: str, tmp_path: Path) -> None:
    text = f'&(executable=/bin/sh)(arguments="-c" "echo ran >> {tmp_path}/ran")'
    with GramClient() as client:
        submissions = [client.register_submit(slurm_rm, text) for _ in range(20)]
        for submission in submissions:
            assert submission.result().wait(90).state is JobState.DONE
    assert (tmp_path / "ran").read_text() == "ran\n" * 20
