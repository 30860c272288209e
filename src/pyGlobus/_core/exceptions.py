"""The exceptions of this package, and what they stand for; nothing of Globus is loaded for them.

The tree (public names are in `pyGlobus.globusException`)::

    GlobusException                     msg, code, library, causes, transient, hint
      CredentialError                   no credential, unreadable, expired, wrong passphrase
      AuthenticationError               the two sides do not accept each other's credential
      UntrustedCredentialError          (both) ours is not trusted: unknown CA, revoked, ...
      OperationCancelledError
      HandleClosedError                 (also ValueError, as for a closed file)
      GlobusEnvironmentError            (also ValueError)
      GlobusForkError, GlobusDeadlockError (also RuntimeError)
      FtpClientException, GramClientException, GassServerEZException, ...
        each with subclasses that are also FileNotFoundError, PermissionError, ...
"""

from __future__ import annotations

import enum
import errno
from dataclasses import dataclass
from typing import Any

from .passwords import shown_in

__all__ = [
    "AuthenticationError",
    "Cause",
    "Concept",
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


@dataclass(frozen=True, slots=True)
class Cause:
    """One link of a Globus error chain, outermost first in `GlobusException.causes`."""

    library: str
    """The Globus module that reports it, such as ``globus_ftp_client``."""
    kind: str
    """``globus``, ``errno``, ``gssapi``, ``openssl`` or ``ftp``."""
    code: int
    """The number that goes with `kind`: error type, errno, major status, FTP reply code."""
    message: str


class GlobusException(Exception):
    """Root of every error that this package raises about Globus.

    Attributes:
        msg: what was tried, where, and what went wrong.
        code: the reply code when an FTP server has refused, else the library's error number, or
            None.
        library: the Globus library that reports it, ``""`` when it is ours.
        causes: the whole chain behind it, outermost first.
        transient: whether trying again later can help.
        hint: what to do about it, ``""`` when there is nothing to say.
        side: of what goes on between two places, at which it failed: ``source`` or
            ``destination``; ``""`` when that cannot be told.
        url: the URL at that side, without a password.
    """

    side: str = ""
    url: str = ""

    def __init__(
        self,
        msg: str,
        *,
        code: int | None = None,
        library: str = "",
        causes: tuple[Cause, ...] = (),
        transient: bool = False,
        hint: str = "",
    ) -> None:
        # whatever Globus and callers put into it: a password is in no message
        msg = shown_in(msg)
        super().__init__(msg)
        self.msg = msg
        self.code = code
        self.library = library
        self.causes = causes
        self.transient = transient
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.msg} ({self.hint})" if self.hint else self.msg

    def __reduce__(self) -> tuple[Any, ...]:
        # keyword arguments and an OSError base defeat the default
        state = dict(self.__dict__)
        if isinstance(self, OSError):
            state.update(errno=self.errno, strerror=self.strerror)
        return _rebuild, (type(self), state)


def _rebuild(cls: type[GlobusException], state: dict[str, Any]) -> GlobusException:
    error = cls(state["msg"])
    for name, value in state.items():
        setattr(error, name, value)
    return error


class CredentialError(GlobusException):
    """Our own credential is missing, unreadable, expired, or its passphrase is wrong."""


class AuthenticationError(GlobusException):
    """The two sides do not accept each other: unknown CA, wrong name, not in the grid-mapfile."""


class UntrustedCredentialError(CredentialError, AuthenticationError):
    """Our own credential is whole and valid, and not trusted: its CA is not known, its signing
    policy does not allow the name, or it is revoked."""


class OperationCancelledError(GlobusException):
    """The operation was cancelled by its caller."""


class GlobusTimeoutError(GlobusException, TimeoutError):
    """The operation did not finish within its deadline, and was aborted."""

    def __init__(self, msg: str, **details: Any) -> None:
        details.setdefault("transient", True)
        GlobusException.__init__(self, msg, **details)
        self.errno = errno.ETIMEDOUT


class HandleClosedError(GlobusException, ValueError):
    """A handle was used after `close()`."""


class GlobusEnvironmentError(GlobusException, ValueError):
    """A variable that Globus reads, such as ``GLOBUS_TCP_PORT_RANGE``, is malformed."""


class GlobusForkError(GlobusException, RuntimeError):
    """Globus was used in a forked child: its threads exist in the parent only."""


class GlobusDeadlockError(GlobusException, RuntimeError):
    """A callback waited for an operation whose own callbacks could then never run."""


class Concept(enum.Enum):
    """What an error means to a Python programmer."""

    NOT_FOUND = enum.auto()
    PERMISSION = enum.auto()
    EXISTS = enum.auto()
    IS_A_DIRECTORY = enum.auto()
    NOT_A_DIRECTORY = enum.auto()
    NO_SPACE = enum.auto()
    CONNECTION = enum.auto()
    TIMEOUT = enum.auto()
    CREDENTIAL = enum.auto()
    AUTHENTICATION = enum.auto()
    INVALID = enum.auto()
    OTHER = enum.auto()
