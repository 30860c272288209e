"""The exceptions of the GridFTP client, one for each of Python's concepts."""

from __future__ import annotations

import os

from .._core.errors import (
    AuthenticationError,
    Cause,
    Concept,
    CredentialError,
    ErrorClasses,
    GlobusException,
    GlobusTimeoutError,
    causes_of,
    make_error,
    take_error,
)
from .._native import ffi, lib
from ..security.credential import Credential
from ..security.diagnosis import fault_of, told_by
from ..security.search import credential_search
from .constants import FtpError

__all__ = [
    "FtpClientConnectionError",
    "FtpClientDataAddressError",
    "FtpClientException",
    "FtpClientFileExistsError",
    "FtpClientFileNotFoundError",
    "FtpClientIsADirectoryError",
    "FtpClientNoSpaceError",
    "FtpClientNotADirectoryError",
    "FtpClientPermissionError",
    "FtpClientTimeoutError",
    "FtpClientValueError",
]


class FtpClientException(GlobusException):
    """What the GridFTP client reports.

    `reply_code` and `reply` are the server's own reply, when there was one; `code` is it too.
    """

    @property
    def reply_code(self) -> int | None:
        """The FTP reply code (RFC 959, 4.2), such as 550."""
        return next((cause.code for cause in self.causes if cause.kind == "ftp"), None)

    @property
    def reply(self) -> str:
        """The whole text of the server's reply."""
        return next((cause.message for cause in self.causes if cause.kind == "ftp"), "")

    @property
    def unsupported(self) -> bool:
        """Whether the server does not know the command, or not like this.

        It then has said nothing about the file: what is to be known must be asked otherwise.  By
        its reply (500, 502, 504; RFC 959, 4.2.1), or because it has told beforehand (FEAT) that
        it lacks what the command needs.
        """
        if any(
            cause.library == "globus_ftp_client" and cause.code == FtpError.FEATURE
            for cause in self.causes
            if cause.kind == "globus"
        ):
            return True
        return self.reply_code in (500, 502, 504) and not _has_failed(self.reply)


def _has_failed(reply: str) -> bool:
    """Whether GCT's server, which says 500 of whatever went wrong, has understood the command."""
    return any(words in reply for words in ("Command failed", "GlobusError", "GridFTP-Errno"))


class FtpClientFileNotFoundError(FtpClientException, FileNotFoundError):
    """The remote file or directory does not exist."""


class FtpClientPermissionError(FtpClientException, PermissionError):
    """The server refuses access to the file."""


class FtpClientFileExistsError(FtpClientException, FileExistsError):
    """The remote file exists already, or the directory is not empty."""


class FtpClientIsADirectoryError(FtpClientException, IsADirectoryError):
    """The remote path is a directory."""


class FtpClientNotADirectoryError(FtpClientException, NotADirectoryError):
    """A part of the remote path is not a directory."""


class FtpClientNoSpaceError(FtpClientException, OSError):
    """The server's disk or quota is full (`errno` is ENOSPC)."""


class FtpClientConnectionError(FtpClientException, ConnectionError):
    """The server cannot be reached, or the connection broke."""


class FtpClientDataAddressError(FtpClientConnectionError):
    """The server says to have its data at another host, or where makes no sense.

    Nothing was connected to.  `FtpClientOperationAttr.data_hosts` allows other hosts.

    Attributes:
        address: the host that it named, ``""`` when its reply could not be understood.
    """

    address: str = ""


class FtpClientTimeoutError(FtpClientException, GlobusTimeoutError):
    """The server did not answer in time."""


class FtpClientValueError(FtpClientException, ValueError):
    """A malformed URL, or an argument that the library or the server rejects."""


CLASSES: ErrorClasses = {
    Concept.OTHER: FtpClientException,
    Concept.NOT_FOUND: FtpClientFileNotFoundError,
    Concept.PERMISSION: FtpClientPermissionError,
    Concept.EXISTS: FtpClientFileExistsError,
    Concept.IS_A_DIRECTORY: FtpClientIsADirectoryError,
    Concept.NOT_A_DIRECTORY: FtpClientNotADirectoryError,
    Concept.NO_SPACE: FtpClientNoSpaceError,
    Concept.CONNECTION: FtpClientConnectionError,
    Concept.TIMEOUT: FtpClientTimeoutError,
    Concept.INVALID: FtpClientValueError,
}


def explain(causes: tuple[Cause, ...], what: str, credential: Credential | None) -> GlobusException:
    """The exception for a chain, and what to do about it."""
    made = make_error(causes, what, CLASSES)
    if isinstance(made, (AuthenticationError, CredentialError)) and "gsiftp:" in what:
        made = _blaming_us(made, what, credential)
    if not made.hint:
        made.hint = _hint(made, credential)
    return made


def _blaming_us(made: GlobusException, what: str, credential: Credential | None) -> GlobusException:
    """The error about our own credential, where it is at fault."""
    replies = "\n".join(cause.message for cause in made.causes if cause.kind == "ftp")
    fault = told_by(replies, credential) or fault_of(credential)
    if fault is None:
        return made
    return type(fault)(
        f"{what}: {fault.msg}",
        code=made.code,
        library=made.library,
        causes=made.causes,
        hint=fault.hint,
    )


def ftp_error(error: object, what: str, credential: Credential | None) -> GlobusException:
    """The exception for a `globus_object_t *` that stays the caller's."""
    return explain(causes_of(ffi.cast("globus_object_t *", error)), what, credential)


def check_ftp(result: int, what: str, credential: Credential | None = None) -> None:
    """Raise for a `globus_result_t` that is not GLOBUS_SUCCESS."""
    if result != lib.GLOBUS_SUCCESS:
        raise explain(take_error(lib.globus_error_get(result)), what, credential)


def _hint(error: GlobusException, credential: Credential | None) -> str:
    if isinstance(error, CredentialError):
        if "CA certificates" in str(error.causes[-1:]):
            return f"trusting the CAs in {_trusted()}"
        if "expired" in error.msg:
            return "make a new proxy with 'cogkit proxy init'"
        if credential is not None:
            return f"as {credential.subject}, valid until {credential.not_after:%Y-%m-%d %H:%M} UTC"
        return f"{credential_search()}; make a proxy with 'cogkit proxy init'"
    if isinstance(error, AuthenticationError) and "gsiftp:" in error.msg:
        return f"as {_whom(credential)}, trusting the CAs in {_trusted()}"
    if _unknown_command(error):
        if error.msg.startswith("link "):
            return (
                "this server does not know SITE SYMLINK; GCT's own server does not either, only "
                "SITE SYMLINKFROM and SYMLINKTO, which the client library cannot send"
            )
        return "this server does not know the command, or not like this"
    if isinstance(error, FtpClientConnectionError) and "sshftp:" in error.msg:
        return "why, ssh tells: 'ssh -p PORT USER@HOST $GLOBUS_REMOTE_SSHFTP'"
    if isinstance(error, FtpClientConnectionError):
        return "is the server up, and the port right?"
    return ""


def _unknown_command(error: GlobusException) -> bool:
    """Whether the server has not understood a command (RFC 959, 4.2.1)."""
    if not isinstance(error, FtpClientException) or isinstance(error, OSError):
        return False
    return error.reply_code in (500, 501, 502, 504) and not _has_failed(error.reply)


def _whom(credential: Credential | None) -> str:
    try:
        used = credential or Credential.default()
    except GlobusException:
        return "nobody: no usable credential"
    return f"{used.identity}{' (expired)' if used.expired else ''}"


def _trusted() -> str:
    return os.environ.get("X509_CERT_DIR", "/etc/grid-security/certificates")
