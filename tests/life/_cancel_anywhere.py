"""A program that ends operations at random moments; run by test_cancel.py.

Arguments: a seed of random numbers, how often, the kinds of servers (comma separated: refusing,
hung, resetting, dying, plain, grid), the verbs (likewise), and the ways to end them.  Prints what
came of it as JSON.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import json
import os
import random
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyGlobus.ftpClient import FtpClient, FtpClientHandleAttr
from pyGlobus.gassCopy import GassCopy
from pyGlobus.globusException import GlobusTimeoutError

seed, rounds = int(sys.argv[1]), int(sys.argv[2])
kinds, verbs, ways = (argument.split(",") for argument in sys.argv[3:6])
chance = random.Random(seed)

# --- servers --------------------------------------------------------------------------------------


def serve(handler: Callable[[socket.socket], None]) -> str:
    listener = socket.create_server(("127.0.0.1", 0), backlog=500)

    def loop() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            handler(connection)

    threading.Thread(target=loop, daemon=True).start()
    return f"ftp://127.0.0.1:{listener.getsockname()[1]}"


def hung(connection: socket.socket) -> None:
    """Accepts, and says nothing, until it is told to quit: the library waits for ever for that."""
    while (heard := connection.recv(4096)) and b"QUIT" not in heard:
        pass


def resetting(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


ANSWERS = {
    "USER": "331 word?", "PASS": "230 in", "TYPE": "200 well", "MODE": "200 well", "SIZE": "213 4",
    "FEAT": "211-it can\r\n SIZE\r\n211 no more", "PASV": "227 (127,0,0,1,1,1)",
    "MKD": "257 made", "QUIT": "221 bye",
}  # fmt: skip


def dying(connection: socket.socket) -> None:
    """Is killed, or stopped, in the middle of a session."""
    left = random.randrange(12)
    lines = connection.makefile("rwb", buffering=0)
    lines.write(b"220 hello\r\n")
    while left and (line := lines.readline()):
        left -= 1
        verb = line.split()[0].decode().upper()
        if verb in ("RETR", "STOR", "NLST", "LIST"):
            reply = random.choice(["150 begins", "150 begins\r\n426 broken", "550 not you"])
        else:
            reply = ANSWERS.get(verb, "500 what?")
        lines.write(f"{reply}\r\n".encode())
        if verb == "QUIT":
            return
    how = random.choice(["kill", "stop", "end"])
    if how == "kill":
        resetting(connection)
    elif how == "stop":
        hung(connection)


servers = {
    "refusing": ["ftp://127.0.0.1:1", "ftp://localhost:1", "gsiftp://localhost:1"],
    "hung": [serve(hung)],
    "resetting": [serve(resetting)],
    "dying": [serve(dying)],
    "plain": [os.environ.get("PLAIN_URL", "")],
    "grid": [os.environ.get("COGKIT_SANDBOX_GRIDFTP", "")],
}
moments = {"plain": 0.03, "grid": 0.4}

# --- operations -----------------------------------------------------------------------------------

null = os.open("/dev/null", os.O_WRONLY)
hostname = os.open("/etc/hostname", os.O_RDONLY)


def url(kind: str) -> str:
    return chance.choice(servers[kind]) + "/etc/hostname"


def begin(verb: str, kind: str, other: str) -> tuple[Any, Any]:
    if verb == "copy":
        copy = GassCopy()
        near = "file:///dev/null", "file:///etc/hostname"
        ends = [(url(kind), near[0]), (near[1], url(kind)), (url(kind), url(other))]
        source, destination = chance.choice(ends)
        return copy, copy.register_url_to_url(source, None, destination, None)
    client = FtpClient(FtpClientHandleAttr(cache_all=chance.random() < 0.5))
    if verb == "get":
        return client, client.get(url(kind), into=null)
    if verb == "put":
        return client, client.put(url(kind), source=hostname)
    if verb == "many":
        return client, client.get_files([(url(kind), null)] * 3)
    if verb == "transfer":
        return client, client.third_party_transfer(url(kind), None, url(other), None)
    return client, getattr(client, verb)(url(kind))


# --- how they are ended ---------------------------------------------------------------------------


def end(way: str, moment: float, client: Any, operation: Any) -> float:
    """End it after so many seconds; how long that took."""
    if way == "interrupt":
        begun = time.monotonic()
        try:
            signal.setitimer(signal.ITIMER_REAL, max(moment, 1e-6))
            with contextlib.suppress(Exception):
                operation.result(20)
            time.sleep(1)  # it was quicker; or a finalizer had the exception, and nobody else
        except KeyboardInterrupt:
            pass
        return time.monotonic() - begun - moment
    if way == "task":

        async def wait() -> None:
            await asyncio.wait_for(operation, moment)

        begun = time.monotonic()
        with contextlib.suppress(Exception):
            asyncio.run(wait())
        return time.monotonic() - begun - moment
    time.sleep(moment)
    begun = time.monotonic()
    if way == "deadline":
        operation.limit(0)
    elif way == "close":
        client.close()
    else:
        operation.cancel()
    try:
        operation.result(20)
    except GlobusTimeoutError as error:
        if "no result within" in str(error):
            stuck.append(f"{operation!r} {way}")
    except Exception:
        pass
    return time.monotonic() - begun


def state() -> tuple[int, int, int]:
    own = Path("/proc/self")
    pages = int((own / "statm").read_text().split()[1])
    return pages * 4, len(list((own / "fd").iterdir())), len(list((own / "task").iterdir()))


signal.signal(signal.SIGALRM, signal.default_int_handler)
stuck: list[str] = []
slowest: tuple[float, str] = (0.0, "")
ended: collections.Counter[str] = collections.Counter()
before = state()
for number in range(rounds):
    if number == min(rounds // 10, 200):
        before = state()
    verb, way = chance.choice(verbs), chance.choice(ways)
    kind, other = chance.choice(kinds), chance.choice(kinds)
    moment = chance.random() * chance.choice([0.0005, 0.003, moments.get(kind, 0.01)])
    client, operation = begin(verb, kind, other)
    slowest = max(slowest, (end(way, moment, client, operation), f"{operation!r} {way}"))
    client.close()
    ended[type(operation.exception(10)).__name__] += 1
deadline = time.monotonic() + 20
while (after := state())[1] > before[1] and time.monotonic() < deadline:
    time.sleep(0.1)
print(json.dumps({
    "ended": ended, "stuck": stuck, "slowest": slowest[0], "which": slowest[1],
    "kilobytes": after[0] - before[0], "descriptors": after[1] - before[1],
    "threads": after[2] - before[2],
}))  # fmt: skip
