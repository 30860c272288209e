"""Slide 17 of the 2001 tutorial: a GASS server collects the output of a job.

python examples/slide17_gass_server_ez.py CONTACT
"""

from __future__ import annotations

import sys
import threading

from pyGlobus.gassServerEZ import (
    LINE_BUFFER,
    STDERR_ENABLE,
    STDOUT_ENABLE,
    GassServerEZ,
    GassServerEZException,
)
from pyGlobus.gramClient import GramClient, JobState

rm = sys.argv[1]
ended = threading.Event()


def func(arg: object, contact: str, state: JobState, error: int) -> None:
    """Called for each change of state."""
    if state.is_final:
        ended.set()


try:
    opts = LINE_BUFFER | STDOUT_ENABLE | STDERR_ENABLE
    server = GassServerEZ(opts)
    url = server.getURL()
    with GramClient() as gramClient:
        gramClient.set_callback(func)
        gramClient.submit_request(
            rm, f'&(executable=/bin/echo)(arguments="Hello, Grid!")(stdout={url}/dev/stdout)'
        )
        ended.wait(60)
    server.close()
    del server
except GassServerEZException as ex:
    print(ex.msg, file=sys.stderr)
    sys.exit(-1)
