"""How a supervisor is spoken to: one JSON object a line, over a Unix socket.

A request is ``{"op": NAME, "serial": NUMBER, …}``; its answer is an object with the
same ``"serial"``, and with ``"error"`` in it if it failed.  An answer that comes when
nobody waits for it any more is known by its number, and passed over.  A message
without one is not an answer: the first, which describes the sandbox, and the last.
The supervisor removes everything before it answers ``stop``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from cogkit.sandbox._errors import NoSandbox, ProgramsMissing, SandboxError

Message = dict[str, Any]

KINDS = {kind.__name__: kind for kind in (SandboxError, NoSandbox, ProgramsMissing)}


def send(connection: socket.socket, message: Message) -> None:
    """Send one message."""
    connection.sendall(json.dumps(message).encode() + b"\n")


class Connection:
    """A client's end of the conversation; threads may share it."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = b""
        self._lock = threading.Lock()
        self._number = 0

    @classmethod
    def open(cls, path: Path) -> Connection:
        """Connect to the supervisor that listens at ``path``.

        Raises:
            NoSandbox: None does.
        """
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(5)
            # By way of the directory's descriptor, as a Unix socket's path must be short.
            folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
            try:
                connection.connect(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.close(folder)
        except OSError as error:
            connection.close()
            raise NoSandbox(f"no sandbox runs in {path.parent}") from error
        return cls(connection)

    def request(self, op: str, *, timeout: float = 30.0, **arguments: object) -> Message:
        """Ask for something and wait for the answer.

        Args:
            op: What is asked for.
            timeout: Seconds until the answer must be there.
            arguments: What goes with it.

        Raises:
            SandboxError: The supervisor refused, failed, or took too long.
            NoSandbox: It is gone.
        """
        with self._lock:
            self._number += 1
            try:
                send(self._socket, {"op": op, "serial": self._number, **arguments})
            except OSError as error:
                raise NoSandbox("the sandbox is gone") from error
            return self._receive(timeout, self._number)

    def receive(self, timeout: float) -> Message:
        """Wait for a message that was not asked for: the first one."""
        with self._lock:
            return self._receive(timeout, None)

    def wait_closed(self, timeout: float) -> bool:
        """Wait until the supervisor has ended; false if it did not in time."""
        with self._lock:
            self._socket.settimeout(timeout)
            try:
                while self._socket.recv(4096):
                    pass
            except TimeoutError:
                return False
            except OSError:
                pass
            return True

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def _receive(self, timeout: float, number: int | None) -> Message:
        """The answer to request `number`, or a message that is none."""
        deadline = time.monotonic() + timeout
        while True:
            answer = self._next(deadline, timeout)
            told = answer.pop("serial", None)
            if told is not None and told != number:
                continue  # to a request that nobody waits for any more
            if "error" in answer:
                raise KINDS.get(str(answer.get("type")), SandboxError)(answer["error"])
            if told is None and number is not None:
                raise NoSandbox("the sandbox has ended")
            return answer

    def _next(self, deadline: float, timeout: float) -> Message:
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError  # to the socket, 0 would mean not to wait at all
                self._socket.settimeout(left)
                data = self._socket.recv(65536)
            except TimeoutError:
                raise SandboxError(f"the sandbox did not answer in {timeout:g} s") from None
            except OSError:
                data = b""
            if not data:
                raise NoSandbox("the sandbox is gone")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer: Message = json.loads(line)
        return answer
