"""The exceptions of gass copy, one for each of Python's concepts."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence

from .._core.buffers import shown
from .._core.errors import (
    AuthenticationError,
    Cause,
    Concept,
    CredentialError,
    ErrorClasses,
    GlobusException,
    GlobusTimeoutError,
    make_error,
    take_error,
)
from .._core.ftpurls import plain_url, wire_url
from .._native import lib
from ..ftpClient.errors import FtpClientConnectionError, FtpClientDataAddressError
from ..security.diagnosis import told_by
from ..security.search import credential_search

__all__ = [
    "GassCopyAuthenticationError",
    "GassCopyChecksumError",
    "GassCopyConnectionError",
    "GassCopyCredentialError",
    "GassCopyDataAddressError",
    "GassCopyException",
    "GassCopyFileExistsError",
    "GassCopyFileNotFoundError",
    "GassCopyIsADirectoryError",
    "GassCopyNoSpaceError",
    "GassCopyNotADirectoryError",
    "GassCopyPermissionError",
    "GassCopyTimeoutError",
    "GassCopyValueError",
]


class GassCopyException(GlobusException):
    """What gass copy reports.

    Attributes:
        side: ``"source"`` or ``"destination"``, the side that failed, or ``""`` when the library
            does not tell.
        url: that side's URL, without a password; ``""`` for a handle, or when `side` is.
    """

    side: str = ""
    url: str = ""

    @property
    def reply_code(self) -> int | None:
        """The FTP reply code (RFC 959, 4.2) of the server, such as 550, when there was one."""
        return next((cause.code for cause in self.causes if cause.kind == "ftp"), None)

    @property
    def reply(self) -> str:
        """The whole text of the FTP server's reply."""
        return next((cause.message for cause in self.causes if cause.kind == "ftp"), "")


class GassCopyFileNotFoundError(GassCopyException, FileNotFoundError):
    """The file or directory does not exist."""


class GassCopyPermissionError(GassCopyException, PermissionError):
    """Access to the file is refused."""


class GassCopyFileExistsError(GassCopyException, FileExistsError):
    """The file or directory exists already."""


class GassCopyIsADirectoryError(GassCopyException, IsADirectoryError):
    """The path is a directory."""


class GassCopyNotADirectoryError(GassCopyException, NotADirectoryError):
    """A part of the path is not a directory."""


class GassCopyNoSpaceError(GassCopyException, OSError):
    """A disk or quota is full (`errno` is ENOSPC)."""


class GassCopyConnectionError(GassCopyException, ConnectionError):
    """A server cannot be reached, or the connection broke."""


class GassCopyTimeoutError(GassCopyException, GlobusTimeoutError):
    """A server did not answer in time."""


class GassCopyCredentialError(GassCopyException, CredentialError):
    """Our own credential is missing, unreadable or expired."""


class GassCopyAuthenticationError(GassCopyException, AuthenticationError):
    """A server and we do not accept each other."""


class GassCopyDataAddressError(GassCopyConnectionError):
    """A server says to have its data at another host, or where makes no sense.

    Nothing was connected to; see `pyGlobus.ftpClient.FtpClientDataAddressError`.

    Attributes:
        address: the host that it named, ``""`` when its reply could not be understood.
    """

    address: str = ""


class GassCopyValueError(GassCopyException, ValueError):
    """A malformed or unsupported URL, or an argument that cannot be obeyed."""


class GassCopyChecksumError(GassCopyException):
    """What has arrived has another checksum than it should have.

    Attributes:
        expected: the checksum that was set, or that the source has.
        actual: that of the destination.
    """

    expected: str = ""
    actual: str = ""


CLASSES: ErrorClasses = {
    Concept.OTHER: GassCopyException,
    Concept.NOT_FOUND: GassCopyFileNotFoundError,
    Concept.PERMISSION: GassCopyPermissionError,
    Concept.EXISTS: GassCopyFileExistsError,
    Concept.IS_A_DIRECTORY: GassCopyIsADirectoryError,
    Concept.NOT_A_DIRECTORY: GassCopyNotADirectoryError,
    Concept.NO_SPACE: GassCopyNoSpaceError,
    Concept.CONNECTION: GassCopyConnectionError,
    Concept.TIMEOUT: GassCopyTimeoutError,
    Concept.CREDENTIAL: GassCopyCredentialError,
    Concept.AUTHENTICATION: GassCopyAuthenticationError,
    Concept.INVALID: GassCopyValueError,
}

SOURCE, DESTINATION = "source", "destination"

# What the library says in its own words, and in no other way.
_MISMATCH = re.compile(r"checksum verification failure[^\n]*\n\s*got '(\w*)',\s*expected '(\w*)'")
_NOT_FOUND = re.compile(r"unable to access url path|file not found in dir|invalid symlink entry")
_BY_STATUS = {
    401: (GassCopyPermissionError, errno.EACCES),
    403: (GassCopyPermissionError, errno.EACCES),
    404: (GassCopyFileNotFoundError, errno.ENOENT),
    410: (GassCopyFileNotFoundError, errno.ENOENT),
    408: (GassCopyTimeoutError, errno.ETIMEDOUT),
    504: (GassCopyTimeoutError, errno.ETIMEDOUT),
    413: (GassCopyNoSpaceError, errno.ENOSPC),
    507: (GassCopyNoSpaceError, errno.ENOSPC),
    502: (GassCopyConnectionError, errno.ECONNREFUSED),
    503: (GassCopyConnectionError, errno.ECONNREFUSED),
}


def check_copy(result: int, what: str) -> None:
    """Raise for a `globus_result_t` that is not GLOBUS_SUCCESS."""
    if result != lib.GLOBUS_SUCCESS:
        raise make_error(take_error(lib.globus_error_get(result)), what, CLASSES)


def copy_error(
    causes: tuple[Cause, ...], what: str, sides: Sequence[tuple[str, str, str]], fault_url: str
) -> GlobusException:
    """The exception for a chain.

    Args:
        causes: the chain.
        what: what was tried.
        sides: name, URL and scheme of each side.
        fault_url: the URL at which the GridFTP client met a fault, or ``""``.
    """
    side = _side(causes, sides, fault_url)
    error = _text_error(causes, what) or make_error(causes, what, CLASSES)
    if isinstance(error, GassCopyAuthenticationError) and (
        fault := told_by(_replies(causes), None)
    ):
        error = _made(GassCopyCredentialError, 0, fault.msg, what, causes)
        error.hint = fault.hint
    if isinstance(error, GassCopyException):
        error.side = side
        error.url = next((shown(url) for name, url, _ in sides if name == side), "")
    if not error.hint:
        error.hint = _hint(error)
    return error


def refusal_error(
    refusal: FtpClientConnectionError, sides: Sequence[tuple[str, str, str]]
) -> GassCopyConnectionError:
    """The exception for a server that the guard has refused to go on with."""
    error = GassCopyConnectionError(refusal.msg, library="globus_gass_copy")
    if isinstance(refusal, FtpClientDataAddressError):
        hint = refusal.hint.replace("FtpClient", "GassCopyAttr(ftp=FtpClient", 1)
        hint = hint.replace(")", "))", 1)
        error = GassCopyDataAddressError(refusal.msg, library="globus_gass_copy", hint=hint)
        error.address = refusal.address
    error.url = refusal.url
    named = [name for name, url, _ in sides if shown(plain_url(wire_url(url))) == error.url]
    error.side = named[0] if len(named) == 1 else ""
    return error


def os_error(number: int, what: str, side: str, url: str) -> GassCopyException:
    """The exception for an errno of our own making, about one side."""
    reason = os.strerror(number)
    cause = Cause("", "errno", number, reason)
    error = make_error((cause,), what, CLASSES)
    assert isinstance(error, GassCopyException)
    error.side, error.url = side, shown(url)
    if isinstance(error, OSError):
        error.errno, error.strerror = number, reason
    return error


def _replies(causes: tuple[Cause, ...]) -> str:
    return "\n".join(cause.message for cause in causes if cause.kind == "ftp")


def _text_error(causes: tuple[Cause, ...], what: str) -> GassCopyException | None:
    """An error that the library tells in its own words, and in no other way."""
    text = "\n".join(cause.message for cause in causes)
    if found := _MISMATCH.search(text):
        mismatch = GassCopyChecksumError(
            f"{what}: the checksum is {found[1]}, and should be {found[2]}",
            library="globus_gass_copy", causes=causes,
        )  # fmt: skip
        mismatch.actual, mismatch.expected = found[1], found[2]
        return mismatch
    if "EOF has been reached" in text:
        return _made(
            GassCopyConnectionError, errno.ECONNRESET, "the server closed the connection", what,
            causes, transient=True,
        )  # fmt: skip
    if _NOT_FOUND.search(text):
        return _made(
            GassCopyFileNotFoundError, errno.ENOENT, os.strerror(errno.ENOENT), what, causes
        )
    if "path is not a dir" in text:
        return _made(
            GassCopyNotADirectoryError, errno.ENOTDIR, os.strerror(errno.ENOTDIR), what, causes
        )
    if "Unable to use checksum algorithm" in text:
        return _made(GassCopyValueError, 0, "OpenSSL has no such checksum algorithm", what, causes)
    return None


def denied_error(status: int, message: str, what: str, side: str, url: str) -> GassCopyException:
    """The exception for a request that an http server has refused."""
    cls, number = _BY_STATUS.get(status, (GassCopyException, 0))
    cause = Cause("globus_gass_transfer", "http", status, message)
    error = _made(cls, number, f"{message.strip()} (http status {status})", what, (cause,))
    error.side, error.url = side, shown(url)
    return error


def connection_error(number: int, reason: str, what: str, side: str, url: str) -> GassCopyException:
    """The exception for an http server that cannot be reached, or a connection that broke."""
    cause = Cause("", "errno", number, reason)
    error = _made(GassCopyConnectionError, number, reason, what, (cause,), transient=True)
    error.side, error.url = side, shown(url)
    error.hint = _hint(error)
    return error


def refused_error(
    reason: str, causes: tuple[Cause, ...], what: str, side: str, url: str
) -> GlobusException:
    """The exception for an https server and us that do not accept each other."""
    if causes:
        error = make_error(causes, what, CLASSES)
    else:
        error = _made(GassCopyAuthenticationError, 0, reason, what, ())
    if isinstance(error, GassCopyException):
        error.side, error.url = side, shown(url)
    error.hint = _hint(error)
    return error


def credential_error(problem: GlobusException, what: str, side: str, url: str) -> GassCopyException:
    """The exception for our own credential, which https needs."""
    error = _made(GassCopyCredentialError, 0, problem.msg, what, problem.causes)
    error.side, error.url = side, shown(url)
    error.hint = problem.hint or _hint(error)
    return error


def _made(
    cls: type[GassCopyException],
    number: int,
    reason: str,
    what: str,
    causes: tuple[Cause, ...],
    *,
    transient: bool = False,
) -> GassCopyException:
    error = cls(
        f"{what}: {reason}", code=number or None, library="globus_gass_copy", causes=causes,
        transient=transient,
    )  # fmt: skip
    if isinstance(error, OSError):
        error.errno, error.strerror = number, reason
    return error


_FILE_ERROR = re.compile(r"System error in (read|write)|Unable to convert file")
_CONNECTION = (errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EHOSTUNREACH)
_FTP = ("gsiftp", "ftp", "sshftp")


def _is_of_a_file(causes: tuple[Cause, ...], text: str) -> bool:
    """Whether a chain is about a file: nothing of GridFTP in it, nor of a connection."""
    if any(c.library.startswith("globus_ftp") or c.kind in ("ftp", "gssapi") for c in causes):
        return False
    return bool(_FILE_ERROR.search(text)) and not any(
        cause.kind == "errno" and cause.code in _CONNECTION for cause in causes
    )


def _side(causes: tuple[Cause, ...], sides: Sequence[tuple[str, str, str]], fault_url: str) -> str:
    """Which side a chain is about, as far as it tells."""
    if len(sides) == 1:
        return ""
    text = "\n".join(cause.message for cause in causes)
    if "checksum verification failure" in text:
        return DESTINATION
    if _is_of_a_file(causes, text):
        kinds: tuple[str, ...] = ("file", "")
    else:
        kinds = _FTP
        named = [name for name, url, _ in sides if fault_url and wire_url(url) == fault_url]
        if len(named) == 1:
            return named[0]
    fitting = [name for name, _, scheme in sides if scheme in kinds]
    return fitting[0] if len(fitting) == 1 else ""


_WHOSE_SERVER = "Is it run by us, or by whom GassRequestAttr names?"


def _hint(error: GlobusException) -> str:
    if isinstance(error, CredentialError):
        if "expired" in error.msg:
            return "make a new proxy with 'cogkit proxy init'"
        return f"{credential_search()}; make a proxy with 'cogkit proxy init'"
    if isinstance(error, AuthenticationError):
        if isinstance(error, GassCopyException) and error.url.startswith("https:"):
            return _WHOSE_SERVER
        trusted = os.environ.get("X509_CERT_DIR", "/etc/grid-security/certificates")
        return f"trusting the CAs in {trusted}"
    if isinstance(error, GassCopyConnectionError):
        if error.url.startswith("http"):
            asked = ["is the server up, and the port right?"]
            if error.side == DESTINATION:
                asked.append("May we write there?")
            if error.url.startswith("https:"):
                asked.append(_WHOSE_SERVER)
            return " ".join(asked)
        return "is the server up, and the port right?"
    return ""
