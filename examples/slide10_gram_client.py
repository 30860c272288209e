"""Slide 10 of the 2001 tutorial: submit a job and hear of its states.

python examples/slide10_gram_client.py CONTACT
"""

from __future__ import annotations

import sys
import threading

from pyGlobus import gramClient as GramClient

rm = sys.argv[1]
rsl = '&(executable=/bin/sh)(arguments="-c" "sleep 1")'


def func(
    condV: threading.Condition, job_contact: str, state: GramClient.JobState, error: int
) -> None:
    """Called for each change of state."""
    print(f"{state.name}", flush=True)
    with condV:
        if state.is_final:
            condV.notify()


condV = threading.Condition()
try:
    with condV, GramClient.GramClient() as gramClient:
        callbackContact = gramClient.set_callback(func, condV)
        jobContact = gramClient.submit_request(rm, rsl, GramClient.JOB_STATE_ALL)
        print(jobContact, flush=True)
        condV.wait(timeout=60)
except GramClient.GramClientException as ex:
    print(ex.msg, file=sys.stderr)
    sys.exit(1)
