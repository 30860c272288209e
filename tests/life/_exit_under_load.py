"""A program that leaves while everything is under way; run by test_life.py, many times.

Arguments: what is under way (transfer, many, job, waiting, callbacks, all), seconds to wait, how to
leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Mode,
    ThroughputPlugin,
)
from pyGlobus.gassCopy import GassCopy
from pyGlobus.gassServerEZ import STDOUT_ENABLE, GassServerEZ
from pyGlobus.globusException import GlobusException
from pyGlobus.gramClient import GramClient

what, wait, leave = sys.argv[1], float(sys.argv[2]), sys.argv[3]
gridftp = os.environ["COGKIT_SANDBOX_GRIDFTP"]
big = os.environ["BIG_FILE"]
alive: list[object] = []

if what in ("transfer", "all"):
    for _ in range(2):
        client = FtpClient(FtpClientHandleAttr(cache_all=True))
        sink = os.open("/dev/null", os.O_WRONLY)

        def again(
            _: object, client: FtpClient, error: BaseException | None, sink: int = sink
        ) -> None:
            if error is None and not client.closed:
                client.get(gridftp + big, None, None, again, into=sink)

        alive.append((client, client.get(gridftp + big, None, None, again, into=sink)))
    raw = FtpClient()
    operation = raw.get(gridftp + big)
    buffers = [bytearray(65536) for _ in range(4)]

    def refill(arg: object, client: FtpClient, error: object, buf: object, *rest: object) -> None:
        if error is None and not rest[-1] and not client.closed:
            client.register_read(buf, refill, arg)  # type: ignore[arg-type]

    for buffer in buffers:
        raw.register_read(buffer, refill)
    alive.append((raw, operation, buffers))

if what in ("many", "all"):
    null = os.open("/dev/null", os.O_WRONLY)
    extended = FtpClientOperationAttr(mode=Mode.EXTENDED_BLOCK)

    def endless() -> Iterator[tuple[str, int]]:
        while True:
            yield f"{gridftp}/etc/hostname", null

    def pairs() -> Iterator[tuple[str, str]]:
        while True:
            yield f"{gridftp}/etc/hostname", f"{gridftp}/dev/null"

    files = FtpClient(FtpClientHandleAttr(cache_all=True))
    alive.append((files, files.get_files(endless(), extended)))
    pipelined = FtpClient(FtpClientHandleAttr(cache_all=True, pipeline=4))
    alive.append((pipelined, pipelined.third_party_transfers(pairs(), extended, extended)))
    watched = FtpClient(FtpClientHandleAttr(plugins=[ThroughputPlugin(lambda *told: None)]))
    alive.append((watched, watched.get(gridftp + big, into=null)))
    copy = GassCopy()
    copying = copy.register_url_to_url(gridftp + big, None, "file:///dev/null", None)
    alive.append((copy, copying))

if what in ("callbacks", "all"):
    small = FtpClient(FtpClientHandleAttr(cache_all=True))

    def next_one(arg: object, client: FtpClient, error: BaseException | None) -> None:
        if not client.closed:
            client.exists(gridftp + big, None, next_one)

    alive.append((small, small.exists(gridftp + big, None, next_one)))

if what in ("job", "all"):
    gram = GramClient()
    gram.set_callback(lambda *args: None)
    server = GassServerEZ(STDOUT_ENABLE)
    alive.append((
        gram, server,
        gram.register_submit_request(
            os.environ["COGKIT_SANDBOX_GRAM"],
            f"&(executable=/bin/echo)(arguments=hi)(stdout={server.getURL()}/dev/stdout)",
        ),
    ))  # fmt: skip

if what in ("waiting", "all"):
    follower = GramClient()
    job = follower.submit(
        os.environ["COGKIT_SANDBOX_GRAM"], "&(executable=/bin/sleep)(arguments=3)"
    )

    def hold() -> None:
        with contextlib.suppress(GlobusException):  # the client is closed at exit
            job.wait()

    async def follow() -> None:
        with contextlib.suppress(GlobusException):
            await asyncio.gather(*(follower.job(job.contact).wait_async() for _ in range(3)))

    for work in (hold, hold, lambda: asyncio.run(follow())):
        threading.Thread(target=work, daemon=True).start()
    alive.append((follower, job, iter(follower.job(job.contact).states())))

time.sleep(wait)
print("leaving", flush=True)
if leave == "return":
    pass
elif leave == "sys.exit":
    sys.exit(7)
elif leave == "raise":
    raise RuntimeError("on purpose")
elif leave == "interrupt":
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)
elif leave == "thread":
    # the main thread ends first, with another one still at work
    threading.Thread(target=time.sleep, args=(0.05,)).start()
elif leave == "close":
    for handles in alive:
        handles[0].close()  # type: ignore[index]
