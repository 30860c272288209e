"""Errors of the GSS-API: a class for each status, with both chains of statuses.

.. code-block:: text

    GSSError                              (GlobusException) maj_code, min_code, token
      BadMechanismError, BadNameError, BadNameTypeError, BadChannelBindingsError,
      BadStatusError, BadQoPError, BadMICError, MissingContextError,
      ExpiredContextError, OperationUnavailableError,
      DuplicateCredentialsElementError, MechanismNameRequiredError
      MissingCredentialsError             (CredentialError) none of our own
      ExpiredCredentialsError             (CredentialError) ours has expired
      InvalidTokenError                   a token that is damaged, cut off, or not one at all
        DuplicateTokenError, ExpiredTokenError, TokenTooLateError, TokenTooEarlyError
      EncryptionNotUsed                   asked for, and not there
      InvalidCredentialsError             (AuthenticationError) the peer's chain does not hold
        UntrustedPeerError                no trusted CA, or one that may not sign such a name
        ExpiredPeerError                  expired, or not valid yet
        RevokedPeerError                  on its CA's list of revoked certificates, or no valid list
        UnknownExtensionError             a critical extension, or a policy, that is not known
        RefusedByPeerError                the peer does not accept us, and says so
      UnauthorizedError                   (AuthenticationError) who it is, is not who it should be
        WrongNameError                    the peer has another name than the target
        LimitedProxyError                 a limited proxy where a full one is asked for

The names are python-gssapi's where it has them.
"""

from __future__ import annotations

import re
from typing import Any

from ..._core.errors import (
    AuthenticationError,
    Cause,
    CredentialError,
    GlobusException,
    last_line,
    take_error,
)
from ..._native import ffi, lib
from .buffers import output_buffer, take

__all__ = [
    "BadChannelBindingsError",
    "BadMICError",
    "BadMechanismError",
    "BadNameError",
    "BadNameTypeError",
    "BadQoPError",
    "BadStatusError",
    "DuplicateCredentialsElementError",
    "DuplicateTokenError",
    "EncryptionNotUsed",
    "ExpiredContextError",
    "ExpiredCredentialsError",
    "ExpiredPeerError",
    "ExpiredTokenError",
    "GSSError",
    "InvalidCredentialsError",
    "InvalidTokenError",
    "LimitedProxyError",
    "MechanismNameRequiredError",
    "MissingContextError",
    "MissingCredentialsError",
    "OperationUnavailableError",
    "RefusedByPeerError",
    "RevokedPeerError",
    "TokenTooEarlyError",
    "TokenTooLateError",
    "UnauthorizedError",
    "UnknownExtensionError",
    "UntrustedPeerError",
    "WrongNameError",
]


class GSSError(GlobusException):
    """A call of the GSS-API failed.

    Attributes:
        maj_code: the major status.
        min_code: the minor status, GSI's number of its error; 0 when the error is ours.
        token: what the peer should still get, a TLS alert that tells it why; ``b""`` when there
            is nothing to send.
    """

    def __init__(
        self,
        msg: str,
        *,
        maj_code: int = 0,
        min_code: int = 0,
        token: bytes = b"",
        **details: Any,
    ) -> None:
        details.setdefault("code", maj_code or None)
        details.setdefault("library", "globus_gsi_gssapi")
        super().__init__(msg, **details)
        self.maj_code = maj_code
        self.min_code = min_code
        self.token = token

    @property
    def calling_code(self) -> int:
        """The calling error in `maj_code`, 0 for none."""
        return self.maj_code & 0xFF000000

    @property
    def routine_code(self) -> int:
        """The routine error in `maj_code`, 0 for none."""
        return self.maj_code & 0x00FF0000

    @property
    def supplementary_code(self) -> int:
        """The supplementary bits in `maj_code`."""
        return self.maj_code & 0xFFFF

    def get_all_statuses(self, code: int, is_maj: bool) -> list[str]:
        """What a status says, in GSI's words (gss_display_status).

        Args:
            code: `maj_code` or `min_code`.
            is_maj: which of the two it is.
        """
        if not is_maj and code == self.min_code:
            # GSI keeps the chain behind a minor status until it is read: it is in causes now
            return [cause.message for cause in self.causes]
        return _display(code) if is_maj else []


class BadMechanismError(GSSError):
    """A mechanism that GSI has not."""


class BadNameError(GSSError):
    """A name that cannot be understood."""


class BadNameTypeError(GSSError):
    """A type of name that GSI has not."""


class BadChannelBindingsError(GSSError):
    """Channel bindings were given, which GSI would take and not look at."""


class BadStatusError(GSSError):
    """A status that is none."""


class BadQoPError(GSSError):
    """A quality of protection that is not there."""


class BadMICError(GSSError):
    """The signature does not belong to the message."""


class MissingContextError(GSSError):
    """The context is not up, or no more."""


class ExpiredContextError(GSSError):
    """The credentials of the context have expired."""


class OperationUnavailableError(GSSError):
    """GSI does not have this operation."""


class DuplicateCredentialsElementError(GSSError):
    """It is there already."""


class MechanismNameRequiredError(GSSError):
    """A name of a mechanism was wanted."""


class MissingCredentialsError(GSSError, CredentialError):
    """There is no usable credential of our own."""


class ExpiredCredentialsError(GSSError, CredentialError):
    """Our own credential has expired."""


class InvalidTokenError(GSSError):
    """The token is damaged, cut off, repeated, or not one at all."""


class DuplicateTokenError(InvalidTokenError):
    """The token was seen before."""


class ExpiredTokenError(InvalidTokenError):
    """The token is old: repeated, or overtaken by those that came before."""


class TokenTooLateError(InvalidTokenError):
    """A later token was seen before."""


class TokenTooEarlyError(InvalidTokenError):
    """A token before this one is missing."""


class EncryptionNotUsed(GSSError):
    """Encryption was asked for, and is not there.

    Attributes:
        unwrapped_message: the message that was not encrypted, if there is one.
    """

    def __init__(self, msg: str, *, unwrapped_message: bytes | None = None, **details: Any) -> None:
        super().__init__(msg, **details)
        self.unwrapped_message = unwrapped_message


class InvalidCredentialsError(GSSError, AuthenticationError):
    """The peer's credential, or ours in the peer's eyes, does not hold."""


class UntrustedPeerError(InvalidCredentialsError):
    """No trusted CA has signed the peer's certificate, or it may not sign such a name."""


class ExpiredPeerError(InvalidCredentialsError):
    """A certificate of the peer has expired, or is not valid yet."""


class RevokedPeerError(InvalidCredentialsError):
    """A certificate of the peer is revoked, or its CA's list of revoked ones is not valid."""


class UnknownExtensionError(InvalidCredentialsError):
    """A certificate of the peer has a critical extension, or a proxy's policy, unknown to GSI.

    `SecurityContext.set_option` can say that the program looks at it itself.
    """


class RefusedByPeerError(InvalidCredentialsError):
    """The peer does not accept us: its alert says so."""


class UnauthorizedError(GSSError, AuthenticationError):
    """The peer is who it says, but may not do this."""


class WrongNameError(UnauthorizedError):
    """The peer has another name than the target."""


class LimitedProxyError(UnauthorizedError):
    """The peer has a limited proxy, and a full one is asked for."""


_ROUTINE: dict[int, type[GSSError]] = {
    1: BadMechanismError,
    2: BadNameError,
    3: BadNameTypeError,
    4: BadChannelBindingsError,
    5: BadStatusError,
    6: BadMICError,
    7: MissingCredentialsError,
    8: MissingContextError,
    9: InvalidTokenError,
    10: InvalidCredentialsError,
    11: ExpiredCredentialsError,
    12: ExpiredContextError,
    14: BadQoPError,
    15: UnauthorizedError,
    16: OperationUnavailableError,
    17: DuplicateCredentialsElementError,
    18: MechanismNameRequiredError,
}
_SUPPLEMENTARY: tuple[tuple[int, type[GSSError]], ...] = (
    (2, DuplicateTokenError),
    (4, ExpiredTokenError),
    (8, TokenTooLateError),
    (16, TokenTooEarlyError),
)
# GSI has one major status for most of what can happen; what it was is in the words of its chain.
_WORDS: tuple[tuple[str, type[GSSError]], ...] = (
    (r"SSL routines: \S+ alert ", RefusedByPeerError),
    (r"not accept limited prox", LimitedProxyError),
    (r"signing polic|OLD GAA", UntrustedPeerError),
    (r"Authorization denied", WrongNameError),
    (r"Valid credentials could not be found|Error with credential", MissingCredentialsError),
    (r"revoked|CRL|certificate revocation", RevokedPeerError),
    (r"has expired|not yet valid|certificate expired|is not valid yet", ExpiredPeerError),
    (r"[Cc]an(?:no|')t (?:get|find) the local (?:trusted CA|issuer)", UntrustedPeerError),
    (r"self.signed certificate|unable to get (?:local )?issuer|Untrusted", UntrustedPeerError),
    (r"unknown critical extension", UnknownExtensionError),
    (r"wrong version number|unsupported protocol|unknown protocol|http request", InvalidTokenError),
    (r"bad record|decryption failed|record layer|record type|packet length", InvalidTokenError),
    (r"unexpected message|unexpected eof|decode error|excessive message", InvalidTokenError),
    (r"length mismatch|invalid length|bad length|bad extension", InvalidTokenError),
    (r"bad signature|digest check failed", InvalidTokenError),
)  # fmt: skip


def _display(major: int) -> list[str]:
    text, context, minor = output_buffer(), ffi.new("OM_uint32 *"), ffi.new("OM_uint32 *")
    lib.gss_display_status(minor, major, lib.GSS_C_GSS_CODE, ffi.NULL, context, text)
    words = take(text).decode("utf-8", "replace").strip()
    return [words.removeprefix("GSS Major Status: ")]


def _class_for(major: int, text: str) -> type[GSSError]:
    for bit, kind in _SUPPLEMENTARY:
        if major & bit:
            return kind
    routine = major >> 16 & 0xFF
    if routine in (7, 10, 13, 15):
        for pattern, kind in _WORDS:
            if re.search(pattern, text):
                return kind
    return _ROUTINE.get(routine, GSSError)


def gss_error(major: int, minor: int, what: str, *, token: bytes = b"", hint: str = "") -> GSSError:
    """The exception for a status: `what` was tried."""
    causes: tuple[Cause, ...] = take_error(lib.globus_error_get(minor)) if minor else ()
    text = "\n".join(cause.message for cause in causes)
    kind = _class_for(major, text)
    reason = next(filter(None, (last_line(one.message) for one in reversed(causes))), "")
    return kind(
        f"{what}: {reason or _display(major)[0]}",
        maj_code=major,
        min_code=minor,
        token=token,
        causes=causes,
        library=causes[0].library if causes else "globus_gsi_gssapi",
        hint=hint,
    )


def check_status(major: int, minor: Any, what: str) -> None:
    """Raise for a major status that is not GSS_S_COMPLETE or GSS_S_CONTINUE_NEEDED."""
    if major & ~1:
        raise gss_error(major, minor[0], what)
