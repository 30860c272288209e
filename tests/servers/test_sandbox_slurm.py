"""A real Slurm in the sandbox, and GRAM's jobs on it.

The job manager asks Slurm about a job ten seconds after it was submitted, and then every ten
seconds: so most jobs here are submitted together, and each test looks at one of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import ProgramsMissing, Sandbox, SandboxError, _processes, _records
from cogkit.sandbox._slurm import find_slurm
from pyGlobus.gramClient import GramClient, GramClientException, GramError, JobState
from waiting import until

pytestmark = pytest.mark.timeout(60)

RANK = "'echo $SLURM_PROCID $SLURMD_NODENAME'"


class Job:
    """What a client heard of a job."""

    def __init__(self, contact: str) -> None:
        self.contact = contact
        self.states: list[tuple[JobState, int]] = []
        self.ended = threading.Event()

    def wait(self, timeout: float = 50.0) -> tuple[JobState, int]:
        """The last state, and the error with it."""
        assert self.ended.wait(timeout), self.states
        return self.states[-1]


class Queue:
    """Submits jobs, and keeps what their job manager tells of them."""

    def __init__(self, rm: str, client: GramClient, directory: Path) -> None:
        self.directory = directory
        self.together: dict[str, Job] = {}
        self.job_run: subprocess.Popen[str] | None = None
        self.rm = rm
        self._client = client
        self._early: dict[str, list[tuple[JobState, int]]] = {}
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()
        client.set_callback(self._told)

    def submit(self, rsl: str) -> Job:
        job = Job(self._client.submit_request(self.rm, rsl, GramClient.JOB_STATE_ALL))
        with self._lock:
            self._jobs[job.contact] = job
            early = self._early.pop(job.contact, [])
        for state, error in early:
            self._told(None, job.contact, state, error)
        return job

    def cancel(self, job: Job) -> None:
        self._client.cancel(job.contact)

    def _told(self, arg: object, contact: str, state: JobState, error: int) -> None:
        with self._lock:
            job = self._jobs.get(contact)
            if job is None:
                self._early.setdefault(contact, []).append((state, error))
                return
        job.states.append((state, error))
        if state.is_final:
            job.ended.set()


@pytest.fixture(scope="module")
def everything(slurm_grid: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Queue]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in slurm_grid.environ.items():
            patch.setenv(name, value)
        client = GramClient()
        queue = Queue(slurm_grid.gram_slurm, client, tmp_path_factory.mktemp("out"))
    with client:
        yield queue
    if queue.job_run is not None:
        queue.job_run.kill()
        queue.job_run.communicate()


@pytest.fixture
def queue(everything: Queue, slurm_rm: str) -> Queue:
    """With the grid's variables in the environment."""
    return everything


@pytest.fixture
def together(queue: Queue) -> dict[str, Job]:
    """Jobs of every kind, submitted together by the first test that asks."""
    if not queue.together:
        queue.together = submit_together(queue)
    return queue.together


def submit_together(queue: Queue) -> dict[str, Job]:
    if shutil.which("globus-job-run"):
        queue.job_run = subprocess.Popen(
            ["globus-job-run", queue.rm, "-np", "2", "/bin/sh", "-c", "echo $SLURM_NTASKS"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    out = queue.directory
    parallel = f"(executable=/bin/sh)(arguments=-c {RANK})"
    return {
        name: queue.submit("&" + rsl.format(out=f"(stdout={out}/{name})"))
        for name, rsl in {
            "one": "(executable=/bin/echo)(arguments=hello){out}",
            "multiple": parallel + "(count=3)(jobType=multiple){out}",
            "single": parallel + "(count=3)(jobType=single){out}",
            "mpi": parallel + "(count=3)(jobType=mpi)(mpi_type=openmpi){out}",
            "hosts": parallel + "(hostCount=2)(count=2){out}",
            "failing": "(executable=/bin/sh)(arguments=-c 'exit 3')",
            "queue": "(executable=/bin/echo)(arguments=q)(queue=small){out}",
            "project": "(executable=/bin/true)(project=physics)",
        }.items()
    }


def output(queue: Queue, name: str) -> str:
    return (queue.directory / name).read_text()


# ---- the cluster ------------------------------------------------------------------------


def test_every_node_is_idle_when_the_sandbox_is_up(slurm_grid: Sandbox) -> None:
    assert slurm_grid.slurm.nodes == ["n1", "n2", "n3"]
    states = slurm_grid.slurm.command("sinfo", "--noheader", "--Node", "--format", "%N %T")
    assert {"n1 idle", "n2 idle", "n3 idle"} <= set(states.splitlines())


def test_slurm_listens_on_the_loopback_interface_only(slurm_grid: Sandbox) -> None:
    daemons = [s for s in slurm_grid.describe()["servers"] if s["kind"] in ("slurmctld", "slurmd")]
    assert len({server["port"] for server in daemons}) == 4
    ours = {f"socket:[{inode}]" for s in daemons for inode in inodes(s["pid"])}
    listening = [
        (fields[1].partition(":")[0], int(fields[1].rpartition(":")[2], 16))
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and f"socket:[{fields[9]}]" in ours
    ]
    assert sorted(port for _, port in listening) == sorted(s["port"] for s in daemons)
    assert {address for address, _ in listening} == {"0100007F"}


def inodes(pid: int) -> list[str]:
    names = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return [name[8:-1] for name in names if name.startswith("socket:[")]


def test_a_command_that_fails_tells_why(slurm_grid: Sandbox) -> None:
    with pytest.raises(SandboxError, match=r"scontrol failed.*Invalid job id"):
        slurm_grid.slurm.command("scontrol", "show", "job", "4711")
    with pytest.raises(SandboxError, match="has no command reboot"):
        slurm_grid.slurm.command("reboot")


def test_a_job_finds_the_clusters_own_commands(slurm_grid: Sandbox) -> None:
    text = slurm_grid.slurm.command("srun", "-N", "3", "sh", "-c", "scontrol show config")
    assert text.count(f"{slurm_grid.directory}/slurm/slurm.conf") == 3


def test_other_sandboxes_have_no_slurm_and_can_have_one(slurm_grid: Sandbox) -> None:
    with Sandbox() as other:
        assert "COGKIT_SANDBOX_GRAM_SLURM" not in other.environ
        for ask in (lambda: other.slurm, lambda: other.gram_slurm):
            with pytest.raises(SandboxError, match=r"Sandbox\(slurm_nodes=3\)"):
                ask()
        cluster = other.with_slurm(1)
        assert other.environ["COGKIT_SANDBOX_GRAM_SLURM"] == other.gram_slurm
        assert cluster.command("srun", "hostname")
        assert other.with_slurm(1).nodes == ["n1"]
        with pytest.raises(SandboxError, match="has 1 nodes already"):
            other.with_slurm(2)
        assert slurm_grid.slurm.command("sinfo", "--noheader", "--Node").count("n") > 1


def test_the_command_line_starts_and_shows_a_cluster(slurm_grid: Sandbox) -> None:
    def cogkit(*arguments: str) -> str:
        command = [sys.executable, "-c", "from cogkit.cli import main; main()", "sandbox"]
        return subprocess.run(
            [*command, *arguments], capture_output=True, text=True, timeout=40, check=True
        ).stdout

    about = json.loads(cogkit("up", "--slurm", "2", "--json"))
    try:
        assert about["environ"]["COGKIT_SANDBOX_GRAM_SLURM"] == about["gram_slurm_contact"]
        shown = cogkit("status", "--dir", about["directory"])
        kinds = [line.split()[0] for line in shown.splitlines() if "pid" in line]
        assert kinds == ["gridftp", "gatekeeper", "munge", "slurmctld", "n1", "n2"]
        squeue = [f"{about['slurm']['commands']}/squeue", "--noheader"]
        assert subprocess.run(squeue, capture_output=True, timeout=20, check=True).stdout == b""
    finally:
        cogkit("down", "--dir", about["directory"])
    assert not Path(about["directory"]).exists()


def test_the_daemons_run_under_slurms_own_names(slurm_grid: Sandbox) -> None:
    # by which they know what they are; Debian's packages have slurmctld-wlm and slurmd-wlm
    programs = [
        Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode()
        for pid in _processes.descendants(slurm_grid.supervisor_pid)
        if comm(pid).startswith(("slurmctld", "slurmd"))
    ]
    assert sorted(Path(name).name for name in programs) == ["slurmctld", *["slurmd"] * 3]


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cogkit.sandbox._slurm.SYSTEM_PROGRAMS", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramsMissing, match="slurm-wlm munge globus-gram-job-manager-slurm"):
        find_slurm()


# ---- GRAM's jobs ------------------------------------------------------------------------


def test_a_job_is_done(together: dict[str, Job], queue: Queue) -> None:
    assert together["one"].wait() == (JobState.DONE, 0)
    assert together["one"].states[0] == (JobState.PENDING, 0)
    assert output(queue, "one") == "hello\n"


def test_multiple_runs_count_processes(together: dict[str, Job], queue: Queue) -> None:
    assert together["multiple"].wait()[0] is JobState.DONE
    assert {line.split()[0] for line in output(queue, "multiple").splitlines()} == {"0", "1", "2"}


def test_single_runs_one_process_on_what_count_reserves(
    together: dict[str, Job], queue: Queue
) -> None:
    assert together["single"].wait()[0] is JobState.DONE
    assert [line.split()[0] for line in output(queue, "single").splitlines()] == ["0"]


def test_mpi_runs_count_processes_by_srun(together: dict[str, Job], queue: Queue) -> None:
    assert together["mpi"].wait()[0] is JobState.DONE
    assert {line.split()[0] for line in output(queue, "mpi").splitlines()} == {"0", "1", "2"}


def test_with_a_host_count_the_count_is_each_hosts(together: dict[str, Job], queue: Queue) -> None:
    assert together["hosts"].wait()[0] is JobState.DONE
    ranks, nodes = zip(*map(str.split, output(queue, "hosts").splitlines()), strict=True)
    assert sorted(ranks) == ["0", "1", "2", "3"]
    assert len(set(nodes)) == 2


def test_a_job_that_exits_with_3_has_failed_and_gram_does_not_say_how(
    together: dict[str, Job],
) -> None:
    assert together["failing"].wait() == (JobState.FAILED, 0)


def test_queue_is_the_partition(
    together: dict[str, Job], queue: Queue, slurm_grid: Sandbox
) -> None:
    assert together["queue"].wait()[0] is JobState.DONE
    assert output(queue, "queue") == "q\n"
    ran = slurm_grid.slurm.command("squeue", "--noheader", "--states=CD", "--partition=small")
    assert "n1" in ran


def test_a_project_that_the_cluster_does_not_account_is_no_error(together: dict[str, Job]) -> None:
    assert together["project"].wait() == (JobState.DONE, 0)


@pytest.mark.parametrize(
    ("rsl", "error"),
    [
        ("(executable=/bin/true)(queue=nowhere)", GramError.JOB_EXECUTION_FAILED),
        ("(executable=/bin/true)(maxMemory=9999)", GramError.JOB_EXECUTION_FAILED),
        ("(executable=/bin/true)(jobType=mpi)", GramError.JOBTYPE_NOT_SUPPORTED),
        ("(executable=/no/such/program)", GramError.EXECUTABLE_NOT_FOUND),
    ],
)
def test_what_the_job_manager_refuses_fails_at_once(
    queue: Queue, rsl: str, error: GramError
) -> None:
    assert queue.submit(f"&{rsl}").wait(8) == (JobState.FAILED, error)


def test_the_wall_time_does_not_reach_slurm(queue: Queue, slurm_grid: Sandbox) -> None:
    job = queue.submit("&(executable=/bin/sleep)(arguments=60)(maxWallTime=1)(queue=batch)")
    assert "UNLIMITED" in squeue(slurm_grid, "%l")
    queue.cancel(job)
    assert job.wait() == (JobState.FAILED, GramError.USER_CANCELLED)
    with pytest.raises(GramClientException, match="not supported"):
        queue.submit("&(executable=/bin/true)(wall_time=1)")


def squeue(grid: Sandbox, form: str, *more: str) -> list[str]:
    """A line a job, once there is one."""
    lines: list[str] = []

    def look() -> bool:
        lines[:] = grid.slurm.command("squeue", "--noheader", "--format", form, *more).splitlines()
        return bool(lines)

    until(look, "there is a job")
    return [line.strip() for line in lines]


def test_queued_and_running_jobs_are_cancelled(queue: Queue, slurm_grid: Sandbox) -> None:
    sleep = "&(executable=/bin/sleep)(arguments=60)(queue=small)(count=2)(jobType=single)"
    running, queued = queue.submit(sleep), queue.submit(sleep)
    states = lambda: sorted(squeue(slurm_grid, "%T", "--partition=small"))  # noqa: E731
    until(lambda: states() == ["PENDING", "RUNNING"], "the second waits for the first")
    queue.cancel(queued)
    assert queued.wait() == (JobState.FAILED, GramError.USER_CANCELLED)
    assert JobState.ACTIVE not in [state for state, _ in queued.states]
    queue.cancel(running)
    assert running.wait() == (JobState.FAILED, GramError.USER_CANCELLED)
    until(lambda: not sleeping(slurm_grid), "the job's processes are gone")


def sleeping(grid: Sandbox) -> list[int]:
    return [pid for pid in _processes.descendants(grid.supervisor_pid) if comm(pid) == "sleep"]


def on_node(grid: Sandbox, node: str) -> list[str]:
    """The programs that run for a node, with ``slurmd`` and ``slurmstepd``."""
    mark = f"COGKIT_SANDBOX_NODE={node}".encode()
    return [
        comm(pid) for pid in _processes.descendants(grid.supervisor_pid) if mark in environ(pid)
    ]


def environ(pid: int) -> list[bytes]:
    """Its variables; none of a process that has just gone."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def test_a_job_whose_node_dies_has_failed(queue: Queue, slurm_rm: str, slurm_grid: Sandbox) -> None:
    sleep = "&(executable=/bin/sleep)(arguments=60)"
    here, there = queue.submit(f"{sleep}(queue=small)"), queue.submit(f"{sleep}(hostCount=3)")
    until(
        lambda: sorted(squeue(slurm_grid, "%T %N")) == ["RUNNING n1", "RUNNING n[1-3]"],
        "both run",
    )
    until(lambda: "sleep" in on_node(slurm_grid, "n2"), "it runs on n2")
    slurm_grid.slurm.node_down("n2")
    assert there.wait() == (JobState.FAILED, 0)
    states = slurm_grid.slurm.command("sinfo", "--noheader", "--Node", "--format", "%N %T")
    assert "n2 down" in states
    assert squeue(slurm_grid, "%T %N") == ["RUNNING n1"]
    assert on_node(slurm_grid, "n2") == []
    slurm_grid.slurm.node_up("n2")
    assert slurm_grid.slurm.command("srun", "--nodelist=n2", "echo", "again") == "again\n"
    queue.cancel(here)
    assert here.wait() == (JobState.FAILED, GramError.USER_CANCELLED)
    until(lambda: not sleeping(slurm_grid), "the job's processes are gone")


def test_a_job_lives_on_when_its_slurmd_crashes(queue: Queue, slurm_grid: Sandbox) -> None:
    out = queue.directory / "late"
    job = queue.submit(
        f"&(executable=/bin/sh)(arguments=-c 'sleep 2; echo late')(stdout={out})(queue=small)"
    )
    until(lambda: sleeping(slurm_grid), "it runs")
    slurm_grid.slurm.node("n1").kill()
    slurm_grid.slurm.node("n1").restart()
    assert job.wait() == (JobState.DONE, 0)
    assert out.read_text() == "late\n"


def test_globus_job_run_brings_the_output(together: dict[str, Job], queue: Queue) -> None:
    if queue.job_run is None:
        pytest.skip("needs globus-gram-client-tools")
    assert queue.job_run.communicate(timeout=30) == ("2\n2\n", "")
    assert queue.job_run.returncode == 0


# ---- how it ends ------------------------------------------------------------------------

HOLD = (
    "import json, time; from cogkit.sandbox import Sandbox\n"
    "with Sandbox(slurm_nodes=2) as grid:\n"
    "    grid.slurm.command('sbatch', '--nodes=2', '--output=/dev/null',\n"
    "        '--wrap', 'srun sh -c \"setsid sleep 71 & exec sleep 72\"')\n"
    "    while grid.slurm.command('squeue', '--noheader', '--format=%T').strip() != 'RUNNING':\n"
    "        time.sleep(0.05)\n"
    "    time.sleep(0.5)\n"
    "    print(json.dumps(grid.describe()), flush=True)\n"
    "    time.sleep(60)\n"
)


@pytest.mark.parametrize("victim", ["creator", "supervisor"])
def test_nothing_is_left_when_it_is_killed_in_mid_job(victim: str, slurm_grid: Sandbox) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as hold:
        assert hold.stdout is not None
        about = json.loads(hold.stdout.readline())
        processes = _processes.descendants(about["supervisor"])
        names = {comm(pid) for pid in processes}
        assert {"munged", "sleep", "srun"} <= names
        assert any(name.startswith("slurmstepd") for name in names)
        os.kill(hold.pid if victim == "creator" else about["supervisor"], signal.SIGKILL)
        if victim == "creator":
            until(lambda: not Path(about["directory"]).exists(), "the supervisor cleared up")
        else:
            until(lambda: _processes.start_time(about["supervisor"]) is None, "it is gone")
            _records.running()  # as the next sandbox does
            assert not Path(about["directory"]).exists()
        left = lambda: [pid for pid in processes if _processes.start_time(pid) is not None]  # noqa: E731
        until(lambda: not left(), "every process is gone", seconds=5)
        hold.kill()
