"""GASS server EZ: a ready-made server for a job's files and output.

After ``globus_gass_server_ez.h``.

>>> with GassServerEZ(STDOUT_ENABLE | STDERR_ENABLE) as server:
...     server.getURL().startswith("https://")
True

A job whose RSL says ``(stdout=$URL/dev/stdout)`` prints on this process's standard output as the
bytes come.  Clients must be the same user as the server: they are checked by GSI.

The server is made again here.  That of the C library ends the process when a client asks for a
file that is there and cannot be opened; it waits for ever in a pipe; a file that grows meanwhile
never ends, and one in ``/proc`` is empty; it serves every file or none; and it writes by C's
`stdout`, of which a process has one (GCT 6.2).
"""

from __future__ import annotations

from .options import Options
from .server import GassServerEZ, GassServerEZException

__all__ = [
    "CLIENT_SHUTDOWN_ENABLE",
    "LINE_BUFFER",
    "READ_ENABLE",
    "STDERR_ENABLE",
    "STDOUT_ENABLE",
    "TILDE_EXPAND",
    "TILDE_USER_EXPAND",
    "WRITE_ENABLE",
    "GassServerEZ",
    "GassServerEZException",
    "Options",
]

LINE_BUFFER = Options.LINE_BUFFER
TILDE_EXPAND = Options.TILDE_EXPAND
TILDE_USER_EXPAND = Options.TILDE_USER_EXPAND
READ_ENABLE = Options.READ_ENABLE
WRITE_ENABLE = Options.WRITE_ENABLE
STDOUT_ENABLE = Options.STDOUT_ENABLE
STDERR_ENABLE = Options.STDERR_ENABLE
CLIENT_SHUTDOWN_ENABLE = Options.CLIENT_SHUTDOWN_ENABLE

# under their C names
for _option, _value in Options.__members__.items():
    globals()[f"GLOBUS_GASS_SERVER_EZ_{_option}"] = _value
del _option, _value
