"""The exceptions of the GRAM client."""

from __future__ import annotations

import errno

from .._core.environment import connecting_trouble
from .._core.errors import (
    ERRNO_OF_CONCEPT,
    TRANSIENT,
    AuthenticationError,
    Cause,
    Concept,
    CredentialError,
    ErrorClasses,
    GlobusException,
    GlobusTimeoutError,
    UntrustedCredentialError,
    last_line,
)
from ..security.credential import Credential
from ..security.diagnosis import fault_of, told_by
from .constants import CONCEPTS, GramError, gram_text

__all__ = [
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
    "gram_error",
]


class GramClientException(GlobusException):
    """What GRAM reports; `code` is a `GramError`."""


class GramClientFileNotFoundError(GramClientException, FileNotFoundError):
    """No such executable, directory, stdin, service or job."""


class GramClientPermissionError(GramClientException, PermissionError):
    """The site's policy forbids it."""


class GramClientConnectionError(GramClientException, ConnectionError):
    """The gatekeeper or job manager cannot be reached."""


class GramClientJobLostError(GramClientException):
    """Nothing more can be learned of a job: it may go on, or have ended."""


class GramClientTimeoutError(GramClientException, GlobusTimeoutError):
    """The gatekeeper or job manager did not answer in time."""


class GramClientValueError(GramClientException, ValueError):
    """A malformed contact or RSL."""


class GramClientCredentialError(GramClientException, CredentialError):
    """Our credential is missing or expired."""


class GramClientAuthenticationError(GramClientException, AuthenticationError):
    """The two sides do not accept each other."""


class GramClientUntrustedCredentialError(
    GramClientCredentialError, GramClientAuthenticationError, UntrustedCredentialError
):
    """Our own credential is not trusted: an unknown CA, a revoked certificate, ..."""


CLASSES: ErrorClasses = {
    Concept.OTHER: GramClientException,
    Concept.NOT_FOUND: GramClientFileNotFoundError,
    Concept.PERMISSION: GramClientPermissionError,
    Concept.CONNECTION: GramClientConnectionError,
    Concept.TIMEOUT: GramClientTimeoutError,
    Concept.INVALID: GramClientValueError,
    Concept.CREDENTIAL: GramClientCredentialError,
    Concept.AUTHENTICATION: GramClientAuthenticationError,
}


def class_of(fault: CredentialError) -> type[GramClientCredentialError]:
    """The class for what is wrong with our credential."""
    if isinstance(fault, UntrustedCredentialError):
        return GramClientUntrustedCredentialError
    return GramClientCredentialError


def gram_error(
    code: int, what: str, message: str = "", credential: Credential | None = None
) -> GramClientException:
    """The exception for a GRAM error code.

    Args:
        code: a `GramError`, or a number that this version does not know.
        what: what was tried.
        message: GRAM's own text, where the thread that met the error had more to say.
        credential: ours, to tell as whom.
    """
    known = GramError(code) if code in GramError._value2member_map_ else None
    text = message or gram_text(code)
    trouble = connecting_trouble() if known is GramError.CONNECTION_FAILED else ""
    if trouble:
        text = f"cannot connect: {trouble}"
    concept = CONCEPTS.get(known, Concept.OTHER) if known is not None else Concept.OTHER
    if concept is Concept.AUTHENTICATION and _never_connected(text):
        concept = Concept.CONNECTION
    reason = last_line(text) or "no reason given"
    if "SSL failed wrapping" in text:
        # with TLS 1.3 a client has finished its handshake before the server looks at it
        concept = Concept.AUTHENTICATION
        reason = "the server broke off after the handshake: it does not accept our credential"
    if known is GramError.DRYRUN:
        reason = "a dry run, as its RSL asks for: the job would be taken"  # GCT's text misleads
    fault = None
    if concept is Concept.AUTHENTICATION:
        fault = told_by(text, credential)
        if fault is None and credential is not None:
            fault = fault_of(credential)
    if fault is not None:
        concept, reason = Concept.CREDENTIAL, fault.msg
    cls = CLASSES[concept] if fault is None else class_of(fault)
    hint = known.advice if known is not None and not trouble else ""
    if concept is Concept.AUTHENTICATION:
        hint = GramError.AUTHORIZATION.advice
    if fault is not None:
        hint = fault.hint
    elif concept is Concept.CREDENTIAL:
        hint = "make a new proxy with 'cogkit proxy init'"
    elif concept in (Concept.AUTHENTICATION, Concept.PERMISSION) and credential is not None:
        hint = f"as {credential.identity}" + (f"; {hint}" if hint else "")
    error = cls(
        f"{what}: {reason} (GRAM error {code})",
        code=known if known is not None else code,
        library="globus_gram_client",
        causes=(Cause("globus_gram_client", "globus", code, text),),
        transient=concept in TRANSIENT,
        hint=hint,
    )
    assert isinstance(error, GramClientException)
    if isinstance(error, OSError):
        error.errno = ERRNO_OF_CONCEPT.get(concept, errno.EIO)
        error.strerror = reason
    return error


def _never_connected(text: str) -> bool:
    """GRAM reports a connection that broke in the handshake as one of authorization."""
    return "Connection refused" in text or "Connection reset" in text or "end-of-file" in text


def check_gram(code: int, what: str, credential: Credential | None = None) -> None:
    """Raise for a GRAM status that is not 0 (on the thread that got it)."""
    if code != 0:
        raise gram_error(code, what, credential=credential)
