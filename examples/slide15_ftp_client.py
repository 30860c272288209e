"""Slide 15 of the 2001 tutorial: get a file by GridFTP, with buffers and callbacks of our own.

python examples/slide15_ftp_client.py gsiftp://HOST:PORT/PATH > copy
"""

from __future__ import annotations

import sys
import threading

from pyGlobus import globusException
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientRestartMarker,
)

url = sys.argv[1]


def done_func(condV: threading.Condition, client: FtpClient, error: Exception | None) -> None:
    """Called once, at the end."""
    with condV:
        outcome.append(error)
        condV.notify()


def data_func(
    arg: object, client: FtpClient, error: Exception | None, buf: bytearray, length: int,
    offset: int, eof: bool,
) -> None:  # fmt: skip
    """Called for each block; in stream mode they come in order."""
    sys.stdout.buffer.write(buf[:length])
    if not eof and error is None:
        client.register_read(buf, data_func, 0)


outcome: list[Exception | None] = []
condV = threading.Condition()
try:
    handleAttr = FtpClientHandleAttr()
    opAttr = FtpClientOperationAttr()
    marker = FtpClientRestartMarker()
    with condV, FtpClient(handleAttr) as ftpClient:
        ftpClient.get(url, opAttr, marker, done_func, condV)
        buf = bytearray(65536)
        handle = ftpClient.register_read(buf, data_func, 0)
        condV.wait_for(lambda: outcome, timeout=60)
    sys.stdout.flush()
    if outcome and outcome[0] is not None:
        raise outcome[0]
except globusException.GlobusException as ex:
    print(ex.msg, file=sys.stderr)
    sys.exit(1)
