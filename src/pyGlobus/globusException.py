"""The exceptions of pyGlobus.

Every error about Globus is a `GlobusException`.  Where Python has the concept, the class derives
from Python's too, so that ``except FileNotFoundError`` works whatever the file lives on.

.. code-block:: text

    GlobusException
      CredentialError               no credential, unreadable, expired, wrong passphrase
      AuthenticationError           the two sides do not accept each other
      UntrustedCredentialError      (both) ours is not trusted: unknown CA, revoked, ...
      OperationCancelledError       the operation was cancelled
      GlobusTimeoutError            (TimeoutError) a deadline passed
      HandleClosedError             (ValueError) used after close()
      GlobusEnvironmentError        (ValueError) a variable that Globus reads is malformed
      GlobusForkError               (RuntimeError) used in a forked child
      GlobusDeadlockError           (RuntimeError) a callback waited for itself

and, in their modules, `FtpClientException`, `GramClientException`, `GassServerEZException` with
their own subclasses.
"""

from __future__ import annotations

from ._core.exceptions import (
    AuthenticationError,
    Cause,
    CredentialError,
    GlobusDeadlockError,
    GlobusEnvironmentError,
    GlobusException,
    GlobusForkError,
    GlobusTimeoutError,
    HandleClosedError,
    OperationCancelledError,
    UntrustedCredentialError,
)

__all__ = [
    "AuthenticationError",
    "Cause",
    "CredentialError",
    "GlobusDeadlockError",
    "GlobusEnvironmentError",
    "GlobusException",
    "GlobusForkError",
    "GlobusTimeoutError",
    "HandleClosedError",
    "OperationCancelledError",
    "UntrustedCredentialError",
]
