"""The GRAM client's own credential, which it wants when it comes up and when it is called back."""

from __future__ import annotations

import threading
from pathlib import Path

from .._core.errors import CredentialError, GlobusException
from .._core.runtime import runtime
from .._native import ffi, lib
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
        used = usable(credential)
        if used.expired:
            raise expired(used)
        if credential is not None:
            _activate_with(credential)
        try:
            runtime.activate("GRAM_CLIENT")
        except GlobusException as error:
            if error.code is None:
                raise
            raise gram_error(error.code, "GRAM client", credential=used) from error
        _brought_up = True


def _activate_with(credential: Credential) -> None:
    """Activate it with a credential that GSI would not find.

    The C library takes one from a file that the environment names, and in no other way.
    """
    # rarely needed, and slow to import
    import ctypes
    import tempfile

    runtime.activate("GSI_GSSAPI")
    with tempfile.TemporaryDirectory(prefix="pyglobus-") as directory:
        path = Path(directory) / "credential.pem"
        place = credential.path
        credential.write(path)
        credential._path = place
        # It keeps the interpreter's lock, which calls by cffi do not: no other thread can begin a
        # program meanwhile, which would inherit the environment.
        address = int(ffi.cast("uintptr_t", ffi.addressof(lib, "cog_activate_with_proxy")))
        activate = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(address)
        module = int(ffi.cast("uintptr_t", lib.GLOBUS_GRAM_CLIENT_MODULE))
        status = activate(module, bytes(path))
    if status != 0:
        raise gram_error(status, "GRAM client", credential=credential)


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
