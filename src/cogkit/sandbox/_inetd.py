"""A loopback-only ``inetd`` for ``globus-gatekeeper`` and ``sshd``.

The gatekeeper has no option for an address: by itself it listens on all of them
(``net_setup_listener`` in ``globus_gatekeeper.c`` binds ``in6addr_any``).  Under
inetd it takes a connection that somebody else accepted, so this program listens
on 127.0.0.1 and starts a gatekeeper on each connection.  ``sshd`` takes no port of the
system's choice: so it is served in the same way.

It is run as a script, with the standard library only, so that it starts in a few
milliseconds: ``python _inetd.py SOCKET_FD PIDS_FILE PROGRAM ARGUMENT…``
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from pathlib import Path


def serve(listener: socket.socket, pids: str, command: list[str]) -> None:
    """Accept for ever; each connection is ``command``'s standard input and output."""
    # The kernel then collects the children: nobody needs their exit status.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # A job manager that outlives us must not keep the port.
    listener.set_inheritable(False)
    with Path(pids).open("a", buffering=1) as record:
        while True:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    number = connection.fileno()
                    pid = os.posix_spawn(
                        command[0],
                        command,
                        os.environ,
                        file_actions=[
                            (os.POSIX_SPAWN_DUP2, number, 0),
                            (os.POSIX_SPAWN_DUP2, number, 1),
                        ],
                        # The gatekeeper waits for children of its own.
                        setsigdef=[signal.SIGCHLD],
                    )
                # It names the delegated proxy after itself; see the supervisor.
                record.write(f"{pid}\n")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2], sys.argv[3:])
