"""Our side of a comparison, in a process of its own.

With a job (JSON) as its argument it does that one and leaves; without, it does one job a line from
its standard input, keeping its session, and answers each with a line of JSON.
"""

import json
import os
import sys
import time
from pathlib import Path


def peak_kib():
    # not ru_maxrss: that counts what the parent had before the exec, too
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def transfer(job, sessions):
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
        sessions[key] = FtpClient(FtpClientHandleAttr(cache_all=True)), attr
    client, attr = sessions[key]
    if job["do"] == "put":
        for path, url in job["pairs"]:
            with Path(path).open("rb", buffering=0) as file:
                client.put(url, attr, source=file).result()
    else:
        for url, path in job["pairs"]:
            with Path(path).open("wb", buffering=0) as file:
                client.get(url, attr, into=file).result()


def submit(job, sessions):
    from pyGlobus.gramClient import GramClient

    if "gram" not in sessions:
        sessions["gram"] = GramClient(), None
    sessions["gram"][0].submit_request(job["rm"], job["rsl"], 0)


def dispatch(job, sessions):
    """Events through the border, with an empty handler: what Python adds to each."""
    import threading

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
    seconds = {"get": transfer, "put": transfer, "submit": submit, "dispatch": dispatch}[job["do"]](
        job, sessions
    )
    if seconds is None:
        seconds = time.perf_counter() - started
    return json.dumps({"seconds": seconds, "peak_kib": peak_kib()})


def main():
    sessions = {}
    if len(sys.argv) > 1:
        print(run(json.loads(sys.argv[1]), sessions))
    else:
        for line in sys.stdin:
            print(run(json.loads(line), sessions), flush=True)
    for client, _ in sessions.values():
        client.close()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main())
