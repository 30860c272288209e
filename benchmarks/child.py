"""Our side of a comparison, in a process of its own.

With the name of a file that holds a job (JSON) as its argument it does that one and leaves.
Without, it does one job a line from its standard input, keeping its sessions, and answers each
with a line of JSON.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path


def peak_kib():
    # not ru_maxrss: that counts what the parent had before the exec, too
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def clients(job, sessions):
    """As many sessions as the job wants, with its options; those of earlier jobs are kept."""
    from pyGlobus.ftpClient import (
        FtpClient,
        FtpClientHandleAttr,
        FtpClientOperationAttr,
        Mode,
        Protection,
    )  # fmt: skip

    options = job.get("options", {})
    key = json.dumps(options, sort_keys=True)
    if key not in sessions:
        attr = FtpClientOperationAttr()
        if options.get("extended"):
            attr.mode = Mode.EXTENDED_BLOCK
        if "parallelism" in options:
            attr.parallelism = options["parallelism"]
        if options.get("private"):
            attr.data_protection = Protection.PRIVATE
        handle = FtpClientHandleAttr(cache_all=True, pipeline=options.get("pipeline", 0))
        sessions[key] = [FtpClient(handle) for _ in range(options.get("sessions", 1))], attr
    return sessions[key]


def transfer(job, sessions):
    """One file after another, each shared by all the sessions."""
    for source, target in job["pairs"]:
        own, attr = clients(job, sessions)
        put = job["do"] == "put"
        with Path(source if put else target).open("rb" if put else "wb", buffering=0) as file:
            if len(own) == 1:
                if put:
                    own[0].put(target, attr, source=file).result()
                else:
                    own[0].get(source, attr, into=file).result()
                continue
            size = os.fstat(file.fileno()).st_size if put else own[0].size(source, attr).result()
            length = -(-size // len(own))
            operations = []
            for number, client in enumerate(own):
                part = number * length, min(size, (number + 1) * length)
                operations.append(
                    client.partial_put(target, attr, None, *part, source=file)
                    if put
                    else client.partial_get(source, attr, None, *part, into=file)
                )
            for operation in operations:
                operation.result()


def many(job, sessions):
    """Many files, divided among the sessions; each goes from one to the next by itself."""
    own, attr = clients(job, sessions)
    pairs, lock = iter(job["pairs"]), threading.Lock()
    put = job["do"] == "put-many"

    def files():
        while True:
            with lock:
                pair = next(pairs, None)
            if pair is None:
                return
            source, target = pair
            if put:
                yield target, os.open(source, os.O_RDONLY)
            else:
                yield source, os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def close(file, moved):
        os.close(file[1])

    operations = [
        (client.put_files if put else client.get_files)(files(), attr, file_func=close)
        for client in own
    ]
    assert sum(operation.result() for operation in operations) == len(job["pairs"])


def third_party(job, sessions):
    (client, *_), attr = clients(job, sessions)
    if job.get("options", {}).get("pipeline"):
        done = client.third_party_transfers(map(tuple, job["pairs"]), attr, attr).result()
        assert done == len(job["pairs"])
    else:
        for source, target in job["pairs"]:
            client.third_party_transfer(source, attr, target, attr).result()


def listing(job, sessions):
    (client, *_), attr = clients(job, sessions)
    found = sum(1 for entry in client.scandir(job["url"], attr) if entry.name)
    assert found == job["entries"], f"{found} entries"


def submit(job, sessions):
    from pyGlobus.gramClient import GramClient

    if "gram" not in sessions:
        sessions["gram"] = [GramClient()], None
    sessions["gram"][0][0].submit_request(job["rm"], job["rsl"], 0)


def submit_many(job, sessions):
    """So many jobs, a number of requests at a time; their ends are awaited outside the time.

    What it finds out goes into `told`.
    """
    from pyGlobus.gramClient import GramClient

    told = job.setdefault("told", {})
    pending, jobs, ended = [], [], 0
    threads = set()
    with GramClient() as client:
        begin, cpu = time.perf_counter(), time.process_time()
        for _ in range(job["count"]):
            if len(pending) == job["width"]:
                jobs.append(pending.pop(0).result())
            if len(jobs) - ended == job.get("in_flight"):
                jobs[ended].wait(600)
                ended += 1
                threads.add(threading_count())
            pending.append(client.register_submit(job["rm"], job["rsl"], timeout=None))
        jobs += [one.result() for one in pending]
        if job.get("first_state"):
            for one in jobs:
                next(one.states())
        seconds = time.perf_counter() - begin
        told["cpu_per_job"] = (time.process_time() - cpu) / job["count"]
        told["threads"] = max(threads | {threading_count()})
        ends = [one.wait(600).state.name for one in jobs]
        told["ends"] = {name: ends.count(name) for name in set(ends)}
        told["all_seconds"] = time.perf_counter() - begin
    return seconds


def threading_count():
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("Threads"))


def job_end(job, sessions):
    """Seconds from what a job does last, which is to write the time into a file, to its DONE."""
    from pyGlobus.gramClient import GramClient

    if "gram" not in sessions:
        sessions["gram"] = [GramClient()], None
    followed = sessions["gram"][0][0].submit(job["rm"], job["rsl"])
    followed.wait(60)
    return time.time() - float(Path(job["stamp"]).read_text())


def dispatch(job, sessions):
    """Events through the border, with an empty handler: what Python adds to each."""
    from pyGlobus import globusMod
    from pyGlobus._core.runtime import runtime
    from pyGlobus._native import ffi, lib

    globusMod.activate(globusMod.Module.COMMON)
    count, done = job["events"], threading.Event()
    left = [count]

    def handle(event):
        left[0] -= 1
        if not left[0]:
            done.set()

    token = runtime.enrol(handle, once=False)
    event = ffi.new("cog_event *", {"token": token})
    started = time.perf_counter()
    for _ in range(count):
        lib.cog_post(event)
    done.wait()
    seconds = time.perf_counter() - started
    runtime.withdraw(token)
    # what the loop above costs by itself: posts to a token that nobody has
    started = time.perf_counter()
    for _ in range(count):
        lib.cog_post(event)
    return seconds - (time.perf_counter() - started)


def run(job, sessions):
    started = time.perf_counter()
    seconds = _JOBS[job["do"]](job, sessions)
    if seconds is None:
        seconds = time.perf_counter() - started
    return json.dumps({"seconds": seconds, "peak_kib": peak_kib(), **job.get("told", {})})


_JOBS = {
    "get": transfer,
    "put": transfer,
    "get-many": many,
    "put-many": many,
    "third-party": third_party,
    "list": listing,
    "submit": submit,
    "submit-many": submit_many,
    "job-end": job_end,
    "dispatch": dispatch,
}


def main():
    sessions = {}
    if len(sys.argv) > 1:
        print(run(json.loads(Path(sys.argv[1]).read_text()), sessions))
    else:
        for line in sys.stdin:
            print(run(json.loads(line), sessions), flush=True)
    for own, _ in sessions.values():
        for client in own:
            client.close()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
