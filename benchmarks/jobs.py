"""Jobs: submitting one and many, hearing of their end and of their output."""

from __future__ import annotations

import json
import os
import queue
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .grid import CHILD, Grid, program
from .harness import Cannot, Comparison, Measurement, Pace, interleave
from .registry import benchmark

OURS, WARM = "pyGlobus, new process", "pyGlobus, warm process"
BATCH, FAST = "globusrun -b", "globusrun -F"


@benchmark("submit", "submit a job, not waiting for it")
def submit(grid: Grid) -> Measurement:
    contact, rsl = grid.sandbox.gram_contact, "&(executable=/bin/true)"
    tool = program("globusrun")
    job = {"do": "submit", "rm": contact, "rsl": rsl}
    facts: dict[str, Any] = {}
    with grid.client() as client:
        samples = interleave(
            {
                OURS: lambda: grid.own(job, facts),
                WARM: lambda: client(job),
                BATCH: lambda: grid.time([tool, "-q", "-b", "-r", contact, rsl])[0],
                FAST: lambda: grid.time([tool, "-q", "-F", "-r", contact, rsl])[0],
            },
            grid.pace, grid.tell,
        )  # fmt: skip
    return Measurement(
        "submit", "submit a job", samples, facts=facts,
        comparisons=[
            Comparison(OURS, BATCH, 1.0), Comparison(OURS, FAST), Comparison(WARM, BATCH),
        ],
    )  # fmt: skip


WIDTH = 8
MANY_OURS, MANY_BATCH = "pyGlobus, one process", f"globusrun -b, {WIDTH} at once"


@benchmark("submit-many", "submit many jobs, not waiting for their ends")
def submit_many(grid: Grid) -> Measurement:
    count = 8 if grid.quick else 200
    contact, rsl = grid.sandbox.gram_contact, "&(executable=/bin/true)"
    command = [program("globusrun"), "-q", "-b", "-r", contact, rsl]
    job = {
        "do": "submit-many", "rm": contact, "rsl": rsl, "count": count, "width": WIDTH,
        "first_state": True,
    }  # fmt: skip
    facts: dict[str, Any] = {"jobs": count}
    ours: list[float] = []
    theirs: list[float] = []

    def one_process() -> float:
        told = _ask(grid, job)
        if told["ends"] != {"DONE": count}:
            raise Cannot(f"not all of {count} jobs came to their end: {told['ends']}")
        ours.append(told["cpu_per_job"])
        facts["threads"] = max(facts.get("threads", 0), told["threads"])
        facts["peak_memory_mib"] = round(told["peak_kib"] / 1024, 1)
        return float(told["seconds"])

    def many_processes() -> float:
        before = _children_cpu()
        seconds = _at_once([command] * count, grid)
        theirs.append((_children_cpu() - before) / count)
        time.sleep(0 if grid.quick else 15)  # its jobs end, and their job manager rests
        return seconds

    samples = interleave({MANY_OURS: one_process, MANY_BATCH: many_processes}, grid.pace, grid.tell)
    facts["client_cpu_ms_per_job"] = {
        name: round(1000 * sorted(values)[len(values) // 2], 1)
        for name, values in ((MANY_OURS, ours), (MANY_BATCH, theirs))
    }
    return Measurement(
        "submit-many", f"submit {count} jobs, until each is in the batch system", samples,
        facts=facts, comparisons=[Comparison(MANY_OURS, MANY_BATCH, 1.0)],
    )  # fmt: skip


DONE_OURS, DONE_THEIRS = "pyGlobus, its DONE", "globusrun, its exit"


@benchmark("job-end", "hear of a job's end")
def job_end(grid: Grid) -> Measurement:
    contact, tool = grid.sandbox.gram_contact, program("globusrun")
    stamp = grid.directory / "stamp"
    rsl = f'&(executable=/bin/sh)(arguments="-c" "sleep 0.2; date +%s.%N > {stamp}")'
    job = {"do": "job-end", "rm": contact, "rsl": rsl, "stamp": str(stamp)}

    def theirs() -> float:
        _out_of_step()
        grid.time([tool, "-q", "-r", contact, rsl])
        return time.time() - float(stamp.read_text())

    def ours() -> float:
        _out_of_step()
        return client(job)

    # each sample lies anywhere within a poll: only many tell
    pace = Pace((1 if grid.quick else 6) * grid.pace.runs, grid.pace.warm)
    with grid.client() as client:
        samples = interleave({DONE_OURS: ours, DONE_THEIRS: theirs}, pace, grid.tell)
    return Measurement(
        "job-end", "from a job's last write to the news of its end", samples,
        facts={"job_manager_polls_fork_jobs_every_seconds": 1},
        comparisons=[Comparison(DONE_OURS, DONE_THEIRS, 1.05)],
    )  # fmt: skip


RUN_OURS, RUN_RSL, RUN_THEIRS = "cogkit run", "cogkit run --rsl", "globus-job-run"


@benchmark("first-output", "the first byte of a job's output")
def first_output(grid: Grid) -> Measurement:
    contact, tool = grid.sandbox.gram_contact, program("globus-job-run")
    cogkit: list[str | Path] = [
        sys.executable, "-P", "-c", "from cogkit.cli import main; main()", "run", "-r", contact,
    ]  # fmt: skip
    words = ["/bin/echo", "hello"]
    rsl = "&(executable=/bin/echo)(arguments=hello)"
    pace = Pace((1 if grid.quick else 3) * grid.pace.runs, grid.pace.warm)
    samples = interleave(
        {
            RUN_OURS: lambda: _first_byte(grid, [*cogkit, "--", *words]),
            RUN_RSL: lambda: _first_byte(grid, [*cogkit, "--rsl", rsl]),
            RUN_THEIRS: lambda: _first_byte(grid, [tool, contact, *words]),
        },
        pace, grid.tell,
    )  # fmt: skip
    return Measurement(
        "first-output", "from the start of a program to the first byte of its job's output",
        samples,
        comparisons=[Comparison(RUN_OURS, RUN_THEIRS, 1.2), Comparison(RUN_RSL, RUN_THEIRS)],
    )  # fmt: skip


BATCH_SYSTEM = "pyGlobus, one process, Slurm"
_NODES, _IN_FLIGHT = 4, 120


@benchmark("slurm-many", "many jobs through Slurm, to their ends")
def slurm_many(grid: Grid) -> Measurement:
    count = 8 if grid.quick else 1000
    slurm = grid.sandbox.with_slurm(_NODES)
    ran = grid.directory / "ran"
    ran.touch()
    job = {
        "do": "submit-many", "rm": grid.sandbox.gram_slurm,
        "rsl": f'&(executable=/bin/sh)(arguments="-c" "echo ran >> {ran}")',
        "count": count, "width": WIDTH, "in_flight": _IN_FLIGHT,
    }  # fmt: skip
    grid.tell(f"{count} jobs on {_NODES} nodes")
    told = _ask(grid, job)
    lines = ran.read_text().count("ran\n")
    if lines != count or told["ends"] != {"DONE": count}:
        raise Cannot(f"of {count} jobs {lines} ran, and their ends are {told['ends']}")
    queued = len(slurm.command("squeue", "--noheader").split())
    return Measurement(
        "slurm-many", f"{count} jobs through Slurm, to their ends",
        {BATCH_SYSTEM: [float(told["all_seconds"])]},
        facts={
            "jobs": count, "ends": told["ends"], "ran": lines, "still_queued": queued,
            "in_flight": _IN_FLIGHT, "nodes": _NODES, "threads": told["threads"],
            "peak_memory_mib": round(told["peak_kib"] / 1024, 1),
            "client_cpu_ms_per_job": round(1000 * told["cpu_per_job"], 1),
        },
        comparisons=[Comparison(BATCH_SYSTEM)],
    )  # fmt: skip


def _ask(grid: Grid, job: dict[str, Any]) -> dict[str, Any]:
    """Our own client as a new process; all that it tells."""
    described = grid.directory / "job"
    described.write_text(json.dumps(job))
    told: dict[str, Any] = json.loads(grid.time([sys.executable, "-P", CHILD, described])[1])
    return told


def _at_once(commands: Sequence[Sequence[str | Path]], grid: Grid) -> float:
    """Run programs, `WIDTH` of them at a time."""
    left: queue.SimpleQueue[Sequence[str | Path]] = queue.SimpleQueue()
    for command in commands:
        left.put(command)
    failures: list[Exception] = []

    def work() -> None:
        while not failures:
            try:
                grid.time(left.get_nowait())
            except queue.Empty:
                return
            except Cannot as problem:
                failures.append(problem)

    threads = [threading.Thread(target=work) for _ in range(WIDTH)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return time.perf_counter() - started


def _out_of_step() -> None:
    """The job manager polls every second: whoever starts always at the same moment of that, since
    the run before ended with a poll, is lucky or unlucky each time."""
    time.sleep(random.random())


def _first_byte(grid: Grid, command: Sequence[str | Path]) -> float:
    _out_of_step()
    started = time.perf_counter()
    with subprocess.Popen(
        command, env=grid.environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = os.read(process.stdout.fileno(), 1)
        seconds = time.perf_counter() - started
        _, errors = process.communicate()
    if not first or process.returncode:
        raise Cannot(f"{command[0]}: no output: {errors.decode(errors='replace')[-600:]}")
    return seconds


def _children_cpu() -> float:
    """Seconds of all programs that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
