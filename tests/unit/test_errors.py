"""Errors: from a chain of causes to the exception a Python programmer expects."""

from __future__ import annotations

import errno
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus._core.errors import (
    AuthenticationError,
    Cause,
    Concept,
    CredentialError,
    GlobusException,
    GlobusTimeoutError,
    concept_of,
    last_line,
    make_error,
)
from pyGlobus.ftpClient.errors import (
    CLASSES,
    FtpClientException,
    FtpClientFileNotFoundError,
    explain,
)
from pyGlobus.gramClient.constants import ADVICE, CONCEPTS, GramError
from pyGlobus.gramClient.errors import (
    GramClientAuthenticationError,
    GramClientConnectionError,
    gram_error,
)


def ftp(code: int, text: str) -> tuple[Cause, ...]:
    return (
        Cause("globus_ftp_client", "globus", 11, "the server responded with an error"),
        Cause("globus_ftp_client", "ftp", code, text),
    )


def said(code: int, *lines: str) -> tuple[Cause, ...]:
    """A reply as a GridFTP server makes it."""
    return ftp(code, "\r\n".join(f"{code}-{line}" for line in lines) + f"\r\n{code} End.")


def one(library: str, kind: str, code: int, message: str) -> tuple[Cause, ...]:
    return (Cause(library, kind, code, message),)


@pytest.mark.parametrize(
    ("causes", "builtin", "number"),
    [
        (said(500, "Command failed. : x", "A system call failed: No such file or directory"),
         FileNotFoundError, errno.ENOENT),
        (ftp(550, "550 foo: No such file or directory."), FileNotFoundError, errno.ENOENT),
        (said(500, "System error in open: Permission denied"), PermissionError, errno.EACCES),
        (said(500, "System error in mkdir: File exists"), FileExistsError, errno.EEXIST),
        (said(451, "GridFTP-Error-String: Directory not empty"), FileExistsError, errno.EEXIST),
        (said(500, "A system call failed: Is a directory"), IsADirectoryError, errno.EISDIR),
        (ftp(550, "550 /x: not a plain file."), IsADirectoryError, errno.EISDIR),
        (said(500, "A system call failed: Not a directory"), NotADirectoryError, errno.ENOTDIR),
        (ftp(550, "550 /x: Not a directory."), NotADirectoryError, errno.ENOTDIR),
        (said(500, "x", "GlobusError: v=1 c=PATH_NOT_FOUND"), FileNotFoundError, errno.ENOENT),
        (said(550, "GlobusError: v=1 c=PERMISSION_DENIED"), PermissionError, errno.EACCES),
        (said(553, "GlobusError: v=1 c=PATH_EXISTS"), FileExistsError, errno.EEXIST),
        (said(451, "GlobusError: v=1 c=QUOTA_EXCEEDED"), OSError, errno.ENOSPC),
        (said(451, "GlobusError: v=1 c=INTERNAL_ERROR", "GridFTP-Errno: 122"), OSError,
         errno.ENOSPC),
        (ftp(550, "550 Access denied"), PermissionError, errno.EACCES),
        (ftp(452, "452 Insufficient storage"), OSError, errno.ENOSPC),
        (said(500, "A system call failed: No space left on device"), OSError, errno.ENOSPC),
        (ftp(421, "421 Service not available"), ConnectionError, errno.ECONNREFUSED),
        (ftp(501, "501 Syntax error"), ValueError, None),
        (ftp(530, "530 Login incorrect."), AuthenticationError, None),
        (one("globus_xio", "errno", errno.ECONNRESET, "reset"), ConnectionError, 111),
        (one("globus_xio", "globus", 3, "An end of file occurred"), ConnectionError, 111),
        (one("globus_common", "globus", 1, "Name or service not known"), ConnectionError, 111),
        (one("globus_xio", "globus", 2, "Operation timed out"), TimeoutError, errno.ETIMEDOUT),
        (one("globus_sysconfig", "globus", 1, "no certificate"), CredentialError, None),
        (one("globus_gsi_gssapi", "gssapi", 1, "Valid credentials could not be found"),
         CredentialError, None),
        (one("globus_gsi_gssapi", "gssapi", 1, "verify failed"), AuthenticationError, None),
        (one("x", "globus", 1, "who knows"), FtpClientException, None),
    ],
)  # fmt: skip
def test_each_concept_has_its_class(
    causes: tuple[Cause, ...], builtin: type[BaseException], number: int | None
) -> None:
    error = make_error(causes, "get x", CLASSES)
    assert isinstance(error, builtin)
    assert isinstance(error, GlobusException)
    assert error.causes == causes
    assert str(error).startswith("get x: ")
    if number is not None:
        assert isinstance(error, OSError)
        assert error.errno == number


def test_errors_survive_a_pickle() -> None:
    error = make_error(ftp(550, "550 x: No such file"), "get x", CLASSES)
    error.hint = "look again"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is FtpClientFileNotFoundError
    assert str(again) == str(error)
    assert (again.causes, again.errno, again.hint) == (error.causes, errno.ENOENT, "look again")
    assert pickle.loads(pickle.dumps(GlobusTimeoutError("x"))).transient


def test_only_what_may_pass_is_transient() -> None:
    assert make_error(ftp(421, "421 busy"), "x", CLASSES).transient
    assert not make_error(ftp(550, "550 No such file"), "x", CLASSES).transient


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("530 530-Login incorrect. : globus_gss_assist: Could not map /CN=bob\r\n530-\r\n530 End.",
         "Login incorrect. : globus_gss_assist: Could not map /CN=bob"),
        ("GSS failure:\nglobus_gsi_callback_module: Can't get the CA\n", "Can't get the CA"),
        ("The proxy credential: /tmp/x\n     with subject: /CN=a\n  has expired 60 minutes ago.",
         "the credential /tmp/x of /CN=a has expired 60 minutes ago"),
        ("", ""),
    ],
)  # fmt: skip
def test_the_innermost_reason_is_told(text: str, line: str) -> None:
    assert last_line(text) == line


def test_an_empty_chain_is_still_an_error() -> None:
    assert concept_of(()) is Concept.OTHER
    assert "no reason" in str(make_error((), "x", CLASSES))


@pytest.mark.parametrize("code", list(GramError))
def test_every_gram_code_has_gcts_text(code: GramError) -> None:
    assert code.message
    error = gram_error(code, "submit")
    assert error.code is code
    assert str(int(code)) in str(error)
    if CONCEPTS.get(code) not in (Concept.CREDENTIAL, Concept.AUTHENTICATION):
        assert error.hint == ADVICE.get(code, "")


def test_an_unknown_gram_code_is_told_as_it_is() -> None:
    assert gram_error(9999, "submit").code == 9999


def test_gram_tells_a_refused_handshake_from_a_dead_server() -> None:
    refused = gram_error(10, "ping", "gss_wrap failed: SSL failed wrapping entire message: x")
    assert isinstance(refused, GramClientAuthenticationError)
    dead = gram_error(7, "ping", "globus_xio: Connection refused")
    assert isinstance(dead, GramClientConnectionError)
    assert set(CONCEPTS) <= set(GramError)


@pytest.mark.parametrize("code", [500, 501, 502, 504])
def test_a_command_that_the_server_does_not_know_has_a_hint(code: int) -> None:
    error = explain(ftp(code, f"{code} Invalid command."), "chgrp ftp://x/f", None)
    assert "does not know" in error.hint
    error = explain(ftp(code, f"{code} Invalid command."), "link ftp://x/l to f", None)
    assert "SYMLINKFROM" in error.hint


def test_a_reply_is_kept_in_full_and_its_code_is_the_errors() -> None:
    error = explain(said(550, "GlobusError: v=1 c=PATH_NOT_FOUND"), "get ftp://x/f", None)
    assert isinstance(error, FtpClientException)
    assert error.code == error.reply_code == 550
    assert "c=PATH_NOT_FOUND" in error.reply
    assert not error.hint


@given(
    st.integers(min_value=-(2**31), max_value=2**31 - 1),
    st.text()
    | st.from_regex(r"(5\d\d[- ](GlobusError: v=1 c=\w*|GridFTP-Errno: \d*|.*)\r\n){1,5}"),
    st.text(max_size=20),
)
def test_whatever_a_server_says_becomes_an_error_of_ours(code: int, text: str, what: str) -> None:
    error = explain(ftp(code, text), what, None)
    assert isinstance(error, GlobusException)
    assert str(error).startswith(f"{what}: ")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.code) == (type(error), str(error), error.code)


@pytest.mark.parametrize(
    ("code", "text", "concept"),
    [
        (550, "550 No such file or directory.", Concept.NOT_FOUND),
        (550, "550 /a/permission/x: Datei nicht gefunden", None),
        (550, '550 "permission denied": Datei nicht gefunden', None),
        (550, "550 already-exists.not-found.txt: Zugriff verweigert", None),
        (550, "550 /not found/x: Permission denied", Concept.PERMISSION),
        (550, "550 Can't check for file existence", None),
        (550, "550 Failed to change directory.", None),
        (550, "550 Could not get file size.", None),
        (550, "550 Das System kann die angegebene Datei nicht finden.", None),
        (550, "550 x: not a plain file.", Concept.IS_A_DIRECTORY),
        (553, "553 Could not create file.", None),
        (501, "501 Not a directory.", Concept.NOT_A_DIRECTORY),
        (501, "501 Syntax error", Concept.INVALID),
        (504, "504 Bad MODE command.", Concept.INVALID),
    ],
)
def test_a_reply_is_taken_for_what_is_certain_alone(
    code: int, text: str, concept: Concept | None
) -> None:
    assert concept_of((Cause("", "ftp", code, text),)) is (concept or Concept.OTHER)
