"""The README's program: move a file and run a job.

eval "$(cogkit sandbox env)"; python examples/move_and_run.py
"""

from __future__ import annotations

import os

from pyGlobus.ftpClient import FtpClient
from pyGlobus.gramClient import GramClient
from pyGlobus.rsl import RSL

gridftp, gram = os.environ["COGKIT_SANDBOX_GRIDFTP"], os.environ["COGKIT_SANDBOX_GRAM"]

with FtpClient() as ftp, open("/etc/hostname", "rb") as file:  # noqa: PTH123 - as short as it gets
    ftp.put(f"{gridftp}/~/hostname", source=file).result()
    print(ftp.size(f"{gridftp}/~/hostname").result(), "bytes are there")

with GramClient() as client:
    job = client.submit(gram, RSL(executable="/bin/rm", arguments=["hostname"]))
    for state in job.states(timeout=60):
        print(job.contact, state.name)
