"""The limit: one TCP connection over loopback between two Python processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

__all__ = ["stream"]

_BLOCK = 256 << 10

_SENDER = """
import socket, sys
block, left = bytes(int(sys.argv[2])), int(sys.argv[3])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    s.recv(1)
    while left > 0:
        s.sendall(block[:left])
        left -= len(block)
"""


def stream(size: int, target: str = os.devnull) -> float:
    """Seconds from the first to the last of `size` bytes, written to `target`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        sender = subprocess.Popen(
            [sys.executable, "-S", "-c", _SENDER, str(server.getsockname()[1]), str(_BLOCK),
             str(size)]
        )  # fmt: skip
        try:
            with server.accept()[0] as connection, Path(target).open("wb", buffering=0) as out:
                buffer = memoryview(bytearray(_BLOCK))
                left = size
                connection.sendall(b"!")
                started = time.perf_counter()
                while left and (got := connection.recv_into(buffer)):
                    out.write(buffer[:got])
                    left -= got
                return time.perf_counter() - started
        finally:
            sender.kill()
            sender.wait()
