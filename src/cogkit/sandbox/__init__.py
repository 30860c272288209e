"""A whole grid on one machine: as an ordinary user, on loopback, in one directory.

A sandbox has a certificate authority, a host and a user certificate, a proxy, a
GridFTP server and a GRAM gatekeeper with the fork job manager, all real.  It is
gone without a trace when the block is left or the process dies.

::

    from cogkit.sandbox import Sandbox

    with Sandbox() as grid:
        print(grid.gridftp_url, grid.gram_contact)
        subprocess.run(["grid-proxy-info"], env=os.environ | grid.environ)

The same from the shell is ``cogkit sandbox up``, ``env``, ``status`` and ``down``;
in tests, the fixtures of :mod:`cogkit.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cogkit.sandbox._cluster import Slurm
from cogkit.sandbox._errors import NoSandbox, ProgramsMissing, SandboxError
from cogkit.sandbox._sandbox import Sandbox, ServerHandle, find

if TYPE_CHECKING:
    from cogkit.sandbox._ca import CertificateAuthority, IssuedCredential

__all__ = [
    "CertificateAuthority",
    "IssuedCredential",
    "NoSandbox",
    "ProgramsMissing",
    "Sandbox",
    "SandboxError",
    "ServerHandle",
    "Slurm",
    "find",
]


def __getattr__(name: str) -> Any:
    # ``cryptography`` takes 0.1 s to import, and ``cogkit sandbox env`` has no use for it.
    if name in ("CertificateAuthority", "IssuedCredential"):
        from cogkit.sandbox import _ca

        return getattr(_ca, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
