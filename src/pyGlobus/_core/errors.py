"""Globus' errors as Python exceptions.

A Globus error is a chain of objects, each from another library, down to the errno, the OpenSSL
reason or the server's reply that began it.  `causes_of` reads the whole chain; `concept_of` tells
which of Python's concepts it stands for (a file not found, a refused permission, a dead
connection); each library's module then raises its own class for that concept.

The classes are in `pyGlobus._core.exceptions`.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from typing import Any

from .._native import ffi, lib
from .environment import blamed
from .exceptions import (
    AuthenticationError,
    Cause,
    Concept,
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
from .passwords import shown_in

__all__ = [
    "AuthenticationError",
    "Cause",
    "Concept",
    "CredentialError",
    "ErrorClasses",
    "GlobusDeadlockError",
    "GlobusEnvironmentError",
    "GlobusException",
    "GlobusForkError",
    "GlobusTimeoutError",
    "HandleClosedError",
    "OperationCancelledError",
    "UntrustedCredentialError",
    "causes_of",
    "check",
    "concept_of",
    "text_of",
]


ErrorClasses = Mapping[Concept, type[GlobusException]]
"""A library's registry: its class for each concept; `Concept.OTHER` is its base class."""

TRANSIENT = {Concept.CONNECTION, Concept.TIMEOUT}

_ERRNO_CONCEPTS = {
    errno.ENOENT: Concept.NOT_FOUND,
    errno.EACCES: Concept.PERMISSION,
    errno.EPERM: Concept.PERMISSION,
    errno.EROFS: Concept.PERMISSION,
    errno.EEXIST: Concept.EXISTS,
    errno.ENOTEMPTY: Concept.EXISTS,
    errno.EISDIR: Concept.IS_A_DIRECTORY,
    errno.ENOTDIR: Concept.NOT_A_DIRECTORY,
    errno.ENOSPC: Concept.NO_SPACE,
    errno.EDQUOT: Concept.NO_SPACE,
    errno.ETIMEDOUT: Concept.TIMEOUT,
    errno.ECONNREFUSED: Concept.CONNECTION,
    errno.ECONNRESET: Concept.CONNECTION,
    errno.ECONNABORTED: Concept.CONNECTION,
    errno.EPIPE: Concept.CONNECTION,
    errno.EHOSTUNREACH: Concept.CONNECTION,
    errno.ENETUNREACH: Concept.CONNECTION,
    errno.EADDRNOTAVAIL: Concept.CONNECTION,
}

ERRNO_OF_CONCEPT = {
    Concept.NOT_FOUND: errno.ENOENT,
    Concept.PERMISSION: errno.EACCES,
    Concept.EXISTS: errno.EEXIST,
    Concept.IS_A_DIRECTORY: errno.EISDIR,
    Concept.NOT_A_DIRECTORY: errno.ENOTDIR,
    Concept.NO_SPACE: errno.ENOSPC,
    Concept.TIMEOUT: errno.ETIMEDOUT,
    Concept.CONNECTION: errno.ECONNREFUSED,
}

# GridFTP servers put strerror() of what failed at the end of a reply line.
_ERRNO_BY_TEXT = {os.strerror(number): number for number in errno.errorcode}
_SERVER_CAUSE = re.compile(
    r"(?:A system call failed|System error in \w+|GridFTP-Error-String)\s*: ([^\r\n]+)"
)


# ... or, since GridFTP Server 13, a name of their own (globus_gridftp_server.h, GlobusGFSError*)
_SERVER_NAME = re.compile(r"GlobusError: v=\d+ c=(\w+)")
_SERVER_ERRNO = re.compile(r"GridFTP-Errno: (\d{1,4})\b")


def text_of(pointer: Any) -> str:
    """A C string as str; NULL is the empty string."""
    if pointer == ffi.NULL:
        return ""
    raw = ffi.string(pointer)
    return raw.decode("utf-8", "replace")  # type: ignore[no-any-return]


def _take_text(pointer: Any) -> str:
    """A C string that GCT allocated for us: decoded, and given back."""
    text = text_of(pointer)
    if pointer != ffi.NULL:
        lib.free(pointer)
    return text


def _cause(error: Any) -> Cause:
    source = lib.globus_error_get_source(error)
    library = "" if source == ffi.NULL else text_of(source.module_name)
    kind_of = lib.globus_object_get_type(error)

    def is_a(kind: Any) -> bool:
        return bool(lib.globus_object_type_match(kind_of, kind))

    if is_a(lib.GLOBUS_ERROR_TYPE_ERRNO):
        number = lib.globus_error_errno_get_errno(error)
        return Cause(library, "errno", number, os.strerror(number))
    if is_a(lib.GLOBUS_ERROR_TYPE_OPENSSL):
        where = text_of(lib.globus_error_openssl_error_get_library(error))
        reason = text_of(lib.globus_error_openssl_error_get_reason(error))
        return Cause(library, "openssl", 0, ": ".join(part for part in (where, reason) if part))
    text = shown_in(_take_text(lib.globus_object_printable_to_string(error)).strip())
    if is_a(lib.GLOBUS_ERROR_TYPE_FTP):
        return Cause(library, "ftp", lib.globus_error_ftp_error_get_code(error), text)
    if is_a(lib.GLOBUS_ERROR_TYPE_GSSAPI):
        return Cause(library, "gssapi", lib.globus_error_gssapi_get_major_status(error), text)
    if is_a(lib.GLOBUS_ERROR_TYPE_GLOBUS):
        return Cause(library, "globus", lib.globus_error_get_type(error), text)
    return Cause(library, "globus", 0, text)


def causes_of(error: Any) -> tuple[Cause, ...]:
    """The chain of a `globus_object_t *`, outermost first (globus_error_get_cause)."""
    causes: list[Cause] = []
    while error != ffi.NULL and len(causes) < 64:
        causes.append(_cause(error))
        error = lib.globus_error_get_cause(error)
    return tuple(causes)


def concept_of(causes: tuple[Cause, ...]) -> Concept:
    """Which of Python's concepts a chain stands for; the innermost certain cause decides."""
    for cause in reversed(causes):
        concept = _concept_of_one(cause)
        if concept is not None:
            return concept
    return Concept.OTHER


def _concept_of_one(cause: Cause) -> Concept | None:
    if cause.kind == "errno":
        return _ERRNO_CONCEPTS.get(cause.code)
    if cause.kind == "ftp":
        return _concept_of_reply(cause.code, cause.message)
    text = cause.message.lower()
    if cause.library == "globus_ftp_client" and "invalid value" in text:
        return Concept.INVALID
    if cause.library == "globus_xio":
        if "timed out" in text or "timeout" in text:
            return Concept.TIMEOUT
        if "end-of-file" in text or "end of file" in text:
            return Concept.CONNECTION
    if any(words in text for words in _NO_SUCH_HOST):
        return Concept.CONNECTION
    if "credential" in cause.library or "sysconfig" in cause.library:
        return Concept.CREDENTIAL
    if cause.kind == "gssapi" or "gsi_callback" in cause.library or "gssapi" in cause.library:
        return concept_of_gss(cause.message)
    return None


_NO_SUCH_HOST = (
    "name or service not known",
    "temporary failure in name resolution",
    "no address associated with hostname",
)

# GSI hands its own chain over as one text; these lines tell that our side is at fault.
_OUR_FAULT = (
    "Valid credentials could not be found",
    "globus_credential: Error with credential",
    "valid trusted CA certificates directory",
)


def concept_of_gss(text: str) -> Concept:
    """Whether a GSS-API failure lies with our own credential or between the two sides."""
    if any(words in text for words in _OUR_FAULT):
        return Concept.CREDENTIAL
    return Concept.AUTHENTICATION


_EXPIRED = re.compile(
    r"redential: (\S+)\s+with subject: (.+?)\s+(?:has )?(expired [^.\n]*)", re.DOTALL
)
_END_OF_REPLY = re.compile(r"(\d{3}[ -])?(End\.?)?")


def last_line(text: str) -> str:
    """The innermost reason in a chain that came as one text, without the name of its module."""
    if "Valid credentials could not be found" in text:
        return "no credential found"
    expired = _EXPIRED.search(text)
    if expired:
        return f"the credential {expired[1]} of {expired[2]} has {expired[3]}"
    lines = [re.sub(r"^(\d{3}[ -])+", "", line.strip()).strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not _END_OF_REPLY.fullmatch(line)]
    return re.sub(r"^globus_\w+: ", "", lines[-1]) if lines else ""


def _concept_of_reply(code: int, text: str) -> Concept | None:
    found = _SERVER_CAUSE.search(text)
    if found:
        number = _ERRNO_BY_TEXT.get(found.group(1).strip())
        if number is not None and number in _ERRNO_CONCEPTS:
            return _ERRNO_CONCEPTS[number]
    if (found := _SERVER_NAME.search(text)) and found[1] in _SERVER_NAMES:
        return _SERVER_NAMES[found[1]]
    if (found := _SERVER_ERRNO.search(text)) and int(found[1]) in _ERRNO_CONCEPTS:
        return _ERRNO_CONCEPTS[int(found[1])]
    if code in (530, 532, 535, 534, 431):
        return Concept.AUTHENTICATION
    if code in (421, 425, 426, 120):
        return Concept.CONNECTION
    if code in (452, 552):
        return Concept.NO_SPACE
    prose = _NAMES.sub(" ", text).lower()
    for words, concept in _REPLY_WORDS:
        if words in prose:
            return concept
    return Concept.INVALID if code in (501, 504) else None


# What may be the name of a file, whose words say nothing of what is wrong with it.
_NAMES = re.compile(r"\"[^\"\r\n]*\"|\S*/\S*|\w[\w-]*(?:\.[\w-]+)+")


_SERVER_NAMES = {
    "PATH_NOT_FOUND": Concept.NOT_FOUND,
    "MULTI_PART_UPLOAD_NOT_FOUND": Concept.NOT_FOUND,
    "PERMISSION_DENIED": Concept.PERMISSION,
    "PATH_EXISTS": Concept.EXISTS,
    "IS_A_DIRECTORY": Concept.IS_A_DIRECTORY,
    "NOT_A_DIRECTORY": Concept.NOT_A_DIRECTORY,
    "NO_SPACE_LEFT": Concept.NO_SPACE,
    "QUOTA_EXCEEDED": Concept.NO_SPACE,
    "INVALID_PATH_NAME": Concept.INVALID,
    "AMBIGUOUS_PATH": Concept.INVALID,
    "DATA_CHANNEL_COMMUNICATION_FAILURE": Concept.CONNECTION,
    "TOO_BUSY": Concept.CONNECTION,
    "DATA_CHANNEL_AUTHENTICATION_FAILURE": Concept.AUTHENTICATION,
    "LOGIN_DENIED": Concept.AUTHENTICATION,
    "CRL_ERROR": Concept.AUTHENTICATION,
}


# Other servers (dCache, StoRM, vsftpd) answer in prose.
_REPLY_WORDS = (
    ("no such file", Concept.NOT_FOUND),
    ("not found", Concept.NOT_FOUND),
    ("does not exist", Concept.NOT_FOUND),
    ("permission", Concept.PERMISSION),
    ("access denied", Concept.PERMISSION),
    ("file exists", Concept.EXISTS),
    ("already exists", Concept.EXISTS),
    ("is a directory", Concept.IS_A_DIRECTORY),
    ("not a plain file", Concept.IS_A_DIRECTORY),
    ("not a directory", Concept.NOT_A_DIRECTORY),
    ("no space left", Concept.NO_SPACE),
    ("quota", Concept.NO_SPACE),
    # GCT's server of its data connection, whose other end died
    ("an end of file occurred", Concept.CONNECTION),
    ("an end-of-file was reached", Concept.CONNECTION),
)


def make_error(
    causes: tuple[Cause, ...],
    what: str,
    classes: ErrorClasses,
    *,
    hints: dict[Concept, str] | None = None,
) -> GlobusException:
    """The exception for a chain: `what` was tried, `classes` is the library's registry."""
    concept = concept_of(causes)
    cls = classes.get(concept) or {
        Concept.CREDENTIAL: CredentialError,
        Concept.AUTHENTICATION: AuthenticationError,
    }.get(concept, classes[Concept.OTHER])
    reason = _reason(causes)
    if variable := _variable_behind(causes):
        reason += f": {variable}"
    replied = [cause for cause in causes if cause.kind == "ftp"]
    code = next((cause.code for cause in [*replied, *causes] if cause.code), None)
    error = cls(
        f"{what}: {reason}",
        code=code,
        library=causes[0].library if causes else "",
        causes=causes,
        transient=concept in TRANSIENT,
        hint=(hints or {}).get(concept, ""),
    )
    if isinstance(error, OSError):
        error.errno = ERRNO_OF_CONCEPT.get(concept)
        error.strerror = reason
    return error


def _variable_behind(causes: tuple[Cause, ...]) -> str:
    return blamed(
        "".join(cause.message for cause in causes),
        address_in_use=any(
            cause.kind == "errno" and cause.code in (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
            for cause in causes
        ),
    )


def _reason(causes: tuple[Cause, ...]) -> str:
    """The one line that says most: the server's cause, else the innermost message."""
    for cause in causes:
        if cause.kind == "ftp":
            found = _SERVER_CAUSE.findall(cause.message)
            if found:
                return f"{found[-1].strip()} (server's reply {cause.code})"
            return f"the server replied {cause.code}: {last_line(cause.message)}"
    for cause in reversed(causes):
        line = last_line(cause.message)
        if line:
            return line
    return "Globus gave no reason"


def take_error(error: Any) -> tuple[Cause, ...]:
    """The chain of an error object that is ours; the object is freed (globus_object_free)."""
    causes = causes_of(error)
    lib.globus_object_free(error)
    return causes


def check(
    result: int,
    what: str,
    classes: ErrorClasses | None = None,
    *,
    hints: dict[Concept, str] | None = None,
) -> None:
    """Raise for a `globus_result_t` that is not GLOBUS_SUCCESS (globus_error_get)."""
    if result != lib.GLOBUS_SUCCESS:
        causes = take_error(lib.globus_error_get(result))
        raise make_error(causes, what, classes or {Concept.OTHER: GlobusException}, hints=hints)
