"""GRAM client: run jobs on gatekeepers.

Maps ``globus_gram_client.h`` and the constants of ``globus_gram_protocol.h``.

>>> with GramClient() as client:
...     job = client.submit(rm, "&(executable=/bin/true)")
...     job.wait(timeout=60).state.name
'DONE'

The tutorial writes ``GramClient.JOB_STATE_ALL``: the states are attributes of the class, and
names of this module too.
"""

from __future__ import annotations

from . import constants as _constants
from .attr import GramClientAttr
from .client import GramClient
from .constants import Delegation, GramError, JobSignal, JobState
from .contacts import JobContact, ResourceContact
from .errors import (
    GramClientAuthenticationError,
    GramClientConnectionError,
    GramClientCredentialError,
    GramClientException,
    GramClientFileNotFoundError,
    GramClientJobLostError,
    GramClientPermissionError,
    GramClientTimeoutError,
    GramClientUntrustedCredentialError,
    GramClientValueError,
)
from .info import JobInfo
from .job import GramJob, JobStates

__all__ = [
    "JOB_STATE_ACTIVE",
    "JOB_STATE_ALL",
    "JOB_STATE_DONE",
    "JOB_STATE_FAILED",
    "JOB_STATE_PENDING",
    "JOB_STATE_STAGE_IN",
    "JOB_STATE_STAGE_OUT",
    "JOB_STATE_SUSPENDED",
    "JOB_STATE_UNSUBMITTED",
    "Delegation",
    "GramClient",
    "GramClientAttr",
    "GramClientAuthenticationError",
    "GramClientConnectionError",
    "GramClientCredentialError",
    "GramClientException",
    "GramClientFileNotFoundError",
    "GramClientJobLostError",
    "GramClientPermissionError",
    "GramClientTimeoutError",
    "GramClientUntrustedCredentialError",
    "GramClientValueError",
    "GramError",
    "GramJob",
    "JobContact",
    "JobInfo",
    "JobSignal",
    "JobState",
    "JobStates",
    "ResourceContact",
]

JOB_STATE_PENDING = JobState.PENDING
JOB_STATE_ACTIVE = JobState.ACTIVE
JOB_STATE_FAILED = JobState.FAILED
JOB_STATE_DONE = JobState.DONE
JOB_STATE_SUSPENDED = JobState.SUSPENDED
JOB_STATE_UNSUBMITTED = JobState.UNSUBMITTED
JOB_STATE_STAGE_IN = JobState.STAGE_IN
JOB_STATE_STAGE_OUT = JobState.STAGE_OUT
JOB_STATE_ALL = JobState.ALL

# the enumerations under their C names
for _name in dir(_constants):
    if _name.startswith("GLOBUS_"):
        globals()[_name] = getattr(_constants, _name)
del _name
