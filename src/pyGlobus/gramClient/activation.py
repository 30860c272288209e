"""The GRAM client's own credential, which it wants when it comes up and when it is called back."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from .._core.errors import CredentialError, GlobusException
from .._core.runtime import runtime
from .._native import lib
from ..security.credential import Credential
from .constants import GramError
from .errors import GramClientCredentialError, GramClientException, check_gram, gram_error

__all__ = ["bring_up", "expired", "set_default_credential", "usable"]

_lock = threading.Lock()
_brought_up = False
_default_credential: Credential | None = None


def usable(credential: Credential | None) -> Credential:
    """`credential`, or the one that GSI finds now.

    Raises:
        GramClientCredentialError: there is none.
    """
    if credential is not None:
        return credential
    try:
        return Credential.default()
    except CredentialError as error:
        raise GramClientCredentialError(
            error.msg, code=GramError.USER_PROXY_NOT_FOUND, library="globus_gram_client",
            causes=error.causes, hint=error.hint,
        ) from error  # fmt: skip


def expired(credential: Credential) -> GramClientException:
    """The error that says so."""
    return gram_error(
        GramError.USER_PROXY_EXPIRED,
        "GRAM client",
        f"{credential.subject} expired at {credential.not_after:%Y-%m-%d %H:%M:%S} UTC",
    )


def bring_up(credential: Credential | None) -> None:
    """Activate the GRAM client, which wants a usable default credential at that moment."""
    global _brought_up
    with _lock:
        runtime.require()
        if _brought_up:
            return
        found = contextlib.nullcontext() if credential is None else _as_default(credential)
        credential = usable(credential)
        if credential.expired:
            raise expired(credential)
        with found:
            try:
                runtime.activate("GRAM_CLIENT")
            except GlobusException as error:
                if error.code is None:
                    raise
                raise gram_error(error.code, "GRAM client", credential=credential) from error
        _brought_up = True


@contextlib.contextmanager
def _as_default(credential: Credential) -> Iterator[None]:
    """Make it what GSI finds, for a moment, unless it comes from there.

    The C library offers no other way to bring it up with a credential that is in memory only.
    """
    import tempfile  # rarely needed, and slow to import

    before = os.environ.get("X509_USER_PROXY")
    with tempfile.TemporaryDirectory(prefix="pyglobus-") as directory:
        path = Path(directory) / "credential.pem"
        held = credential.path
        credential.write(path)
        credential._path = held
        os.environ["X509_USER_PROXY"] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["X509_USER_PROXY"]
            else:
                os.environ["X509_USER_PROXY"] = before


def set_default_credential(credential: Credential) -> None:
    """The credential with which callback listeners accept (globus_gram_client_set_credentials)."""
    global _default_credential
    with _lock:
        if _default_credential is not None and (
            _default_credential.certificates == credential.certificates
        ):
            return
        # the library takes it over, and releases it when another one comes
        check_gram(
            lib.globus_gram_client_set_credentials(credential.new_gss()[0]), "set credentials"
        )
        _default_credential = credential
