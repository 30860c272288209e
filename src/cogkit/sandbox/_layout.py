"""Where everything of a sandbox is, below its one directory."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from cogkit.sandbox._errors import SandboxError

#: The job manager's Unix socket is ``DIR/jobs/localhost/fork.<hash>.sock``, and the
#: kernel allows 107 bytes for it.
MAX_PATH = 64

#: What a sandbox' own variables begin with, and with them all that lead GSI and
#: Globus: a server or a test must not find the ones of its surroundings.
#: Slurm's too: the sandbox may be started inside a job of a real cluster.
GRID_PREFIXES = (
    "X509_", "GLOBUS_", "GRID_", "MYPROXY_", "COGKIT_SANDBOX_", "SLURM", "SBATCH_", "SALLOC_",
)  # fmt: skip
GRID_NAMES = ("GRIDMAP", "GSI_AUTHZ_CONF", "GATEKEEPER_JM_ID")


def is_grid_variable(name: str) -> bool:
    """Whether an environment variable tells Globus programs what to do."""
    return name.startswith(GRID_PREFIXES) or name in GRID_NAMES


def account() -> str:
    """The name of the account that this process runs as."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise SandboxError(
            f"user id {os.getuid()} has no name in the password database, which GSI's "
            "grid-mapfile needs; add an entry for it to /etc/passwd"
        ) from None


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths inside a sandbox' directory."""

    root: Path

    @property
    def trusted(self) -> Path:
        """The trusted certificates, ``X509_CERT_DIR``."""
        return self.root / "certificates"

    @property
    def authority(self) -> Path:
        """The certificate authority, with all that it issued."""
        return self.root / "ca"

    @property
    def gridmap(self) -> Path:
        """The grid-mapfile: which name is which account."""
        return self.root / "grid-mapfile"

    @property
    def proxy(self) -> Path:
        """The user's proxy."""
        return self.root / "proxy.pem"

    @property
    def control(self) -> Path:
        """The supervisor's Unix socket."""
        return self.root / "control"

    @property
    def logs(self) -> Path:
        """The servers' logs."""
        return self.root / "log"

    @property
    def location(self) -> Path:
        """``GLOBUS_LOCATION`` of the gatekeeper and the job managers."""
        return self.root / "globus"

    @property
    def home(self) -> Path:
        """``HOME`` of jobs and transfers, so that they leave nothing in the real one."""
        return self.root / "home"

    @property
    def jobs(self) -> Path:
        """The job managers' files and the jobs' own directories."""
        return self.root / "jobs"

    @property
    def ssh(self) -> Path:
        """The SSH server's and its client's keys and configuration."""
        return self.root / "ssh"

    @property
    def slurm(self) -> Path:
        """Slurm's configuration, state and commands."""
        return self.root / "slurm"

    @property
    def scratch(self) -> Path:
        """``TMPDIR`` of the servers and of the jobs."""
        return self.root / "tmp"
