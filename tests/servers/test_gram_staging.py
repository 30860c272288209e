"""Files and output of jobs: staged in and out, shared, cleaned up, sent to several places."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cogkit import jobs
from pyGlobus.gramClient import GramClient, JobState
from pyGlobus.rsl import RSL, Variable
from waiting import until


@pytest.fixture
def done(rm: str) -> object:
    """Runs an RSL to its end, which must be a good one."""

    def run(text: RSL) -> list[JobState]:
        with GramClient() as client:
            job = client.submit(rm, text)
            states = list(job.states(60))
            assert job.info is not None
            assert states[-1] is JobState.DONE, job.info.failure
        return states

    return run


def test_files_come_before_a_job_and_go_after_it(
    done: object, url: str, tmp_path: Path, remote: Path
) -> None:
    (tmp_path / "in").write_text("hello")
    script = f"tr a-z A-Z < {remote}/in > {remote}/out; echo told"
    states = done(  # type: ignore[operator]
        RSL(
            executable="/bin/sh", arguments=["-c", script], stdout=f"{url}{tmp_path}/told",
            file_stage_in=[(f"{url}{tmp_path}/in", f"{remote}/in")],
            file_stage_out=[(f"{remote}/out", f"{url}{tmp_path}/out")],
            file_clean_up=[f"{remote}/in", f"{remote}/out"],
        )
    )  # fmt: skip
    # the job manager stages out what it has of stdout, too
    assert JobState.STAGE_OUT in states
    assert (tmp_path / "out").read_text() == "HELLO"
    assert (tmp_path / "told").read_text() == "told\n"
    # it cleans up after it has told DONE
    until(lambda: not list(remote.iterdir()))


def test_a_shared_file_is_a_link_into_the_cache(
    done: object, url: str, tmp_path: Path, remote: Path
) -> None:
    (tmp_path / "data").write_text("shared")
    for name in ("first", "second"):
        done(  # type: ignore[operator]
            RSL(
                executable="/bin/sh",
                arguments=["-c", f"[ -L {remote}/{name} ] && cat {remote}/{name}"],
                file_stage_in_shared=[(f"{url}{tmp_path}/data", f"{remote}/{name}")],
                stdout=f"{tmp_path}/{name}",
            )
        )
        assert (tmp_path / name).read_text() == "shared"


def test_a_scratch_directory_lives_as_long_as_its_job(done: object, tmp_path: Path) -> None:
    done(  # type: ignore[operator]
        RSL(
            executable="/bin/sh", arguments=["-c", "touch here; pwd"], stdout=f"{tmp_path}/told",
            scratch_dir=Variable("HOME"), directory=Variable("SCRATCH_DIRECTORY"),
        )
    )  # fmt: skip
    scratch = Path((tmp_path / "told").read_text().strip())
    assert "gram_scratch" in scratch.name
    until(lambda: not scratch.exists())


def test_a_job_knows_where_its_user_s_files_are(done: object, tmp_path: Path) -> None:
    done(  # type: ignore[operator]
        RSL(
            executable="/bin/sh", arguments=["-c", "cat $GLOBUS_REMOTE_IO_URL"],
            remote_io_url="https://user.example.org:1234", stdout=f"{tmp_path}/told",
        )
    )  # fmt: skip
    assert (tmp_path / "told").read_text().strip() == "https://user.example.org:1234"


def test_output_goes_to_several_places_at_once(done: object, url: str, tmp_path: Path) -> None:
    places = [[f"{tmp_path}/one"], [f"{url}{tmp_path}/two"], [f"{url}{tmp_path}/three"]]
    done(RSL(executable="/bin/echo", arguments=["out"], stdout=places))  # type: ignore[operator]
    assert [(tmp_path / name).read_text() for name in ("one", "two", "three")] == ["out\n"] * 3


def test_output_comes_to_python_as_it_is_printed(rm: str) -> None:
    came: list[tuple[float, bytes]] = []
    errors = bytearray()
    outcome = jobs.run(
        rm,
        ["sh", "-c", "echo first; echo oops >&2; sleep 3; printf last"],
        stdout=lambda data: came.append((time.monotonic(), data)),
        stderr=errors.extend,
    )
    assert outcome.exit_code == 0
    assert b"".join(data for _, data in came) == b"first\nlast"
    assert came[-1][0] - came[0][0] > 2
    assert errors == b"oops\n"


SUBMIT = """
import sys
from cogkit import jobs
print(jobs.submit(sys.argv[1], ["sh", "-c", sys.argv[2]]), flush=True)
"""


def test_a_job_survives_its_client_and_its_output_is_collected_later(
    rm: str, tmp_path: Path
) -> None:
    script = f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done; echo ended"
    with subprocess.Popen(
        [sys.executable, "-c", SUBMIT, rm, script], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout is not None
        contact = client.stdout.readline().strip()
        client.kill()
    timer = threading.Timer(1, (tmp_path / "go").touch)
    timer.start()
    kept = bytearray()
    assert jobs.wait(contact, timeout=60).state is JobState.DONE
    assert jobs.logs(contact, rm, kept.extend) == len(kept)
    assert kept == b"begun\nended\n"
    jobs.clean(contact, rm)
    with pytest.raises(jobs.JobError, match="not kept"):
        jobs.logs(contact, rm, kept.extend)
