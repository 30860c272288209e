"""What is wrong with a credential, in words, and what to do about it.

GSI's functions and servers tell in their own ways that a credential is of no use; some tell only
that a connection failed.  `fault_of` looks at our own credential as the other side would, and
`told_by` reads what the other side has said.
"""

from __future__ import annotations

import re

from .._core.errors import CredentialError, GlobusException, UntrustedCredentialError
from .credential import Credential
from .proxy import create_proxy

__all__ = ["fault_of", "told_by"]


def fault_of(credential: Credential | None) -> CredentialError | None:
    """Why a credential, or the one that GSI finds, is of no use; None when nothing is known.

    Reads files, and asks no server.
    """
    try:
        used = credential or Credential.default()
        used.require_usable()
        used.verify()
        if used.key_type != "RSA" or "RSA" not in used.signature_algorithm:
            create_proxy(used)  # what is done for each connection
    except CredentialError as error:
        return error
    except GlobusException:
        return None
    return None


_TOLD = (
    (
        re.compile(r"has been revoked|certificate[ _]revoked", re.IGNORECASE),
        "is revoked, says the server",
        "ask your CA for a new certificate; proxies of this one are of no use",
    ),
    (
        re.compile(r"alert certificate[ _]expired|ALERT_CERTIFICATE_EXPIRED", re.IGNORECASE),
        "has expired, says the server",
        "check this machine's clock, and make a new proxy with 'cogkit proxy init'",
    ),
)


def told_by(text: str, credential: Credential | None) -> CredentialError | None:
    """What a server's text says against our credential itself; None when it says no such thing.

    Args:
        text: an FTP reply, or the name of a TLS alert.
        credential: ours; the one that GSI finds when None.
    """
    for pattern, words, hint in _TOLD:
        if pattern.search(text):
            try:
                subject = (credential or Credential.default()).identity
            except GlobusException:
                subject = "your certificate"
            return UntrustedCredentialError(f"{subject} {words}", hint=hint)
    return None
