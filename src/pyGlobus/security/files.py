"""What a file of a certificate or a key holds, and why GSI takes it or not.

GSI tells of most files that it cannot use no more than an OpenSSL reason that has nothing to do
with them ("random number generator: Cannot open file").
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import CredentialError

__all__ = ["Content", "content_of", "objection_to", "require_private", "require_readable"]

_LARGEST = 1 << 20
"""Bytes; more is no certificate and no key."""

_LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")


@dataclass(frozen=True, slots=True)
class Content:
    """What is in a file."""

    labels: tuple[str, ...]
    """What PEM calls it: ``CERTIFICATE``, ``RSA PRIVATE KEY``, ..."""
    encrypted: bool
    """Whether a key in it is encrypted."""
    form: str
    """``PEM``, ``PKCS #12``, ``DER``; ``""`` for none of them, or when it is empty."""
    empty: bool

    def lacks(self, *, certificate: bool = False, key: bool = False) -> tuple[str, str]:
        """What is missing, and what to do about it; two empty texts when nothing is."""
        if self.empty:
            return "it is empty", ""
        if self.form == "PKCS #12":
            return "it is a PKCS #12 file", "make a proxy of it: 'cogkit proxy init --cert FILE'"
        if self.form == "DER":
            return "it is in DER form, not PEM", (
                "convert it with 'openssl x509 -inform DER -in FILE -out NEW.pem', or a key with "
                "'openssl pkey'"
            )
        if not self.form:
            return "it is no PEM file", ""
        has_certificate = "CERTIFICATE" in self.labels
        has_key = any(label.endswith("PRIVATE KEY") for label in self.labels)
        if certificate and not has_certificate:
            if any(label.endswith("CERTIFICATE REQUEST") for label in self.labels):
                return "it holds a request for a certificate", (
                    "the CA makes the certificate of it, and sends that to you"
                )
            return f"it holds {_words(self.labels)} and no certificate", ""
        if key and not has_key:
            return f"it holds {_words(self.labels)} and no private key", ""
        if key and "OPENSSH PRIVATE KEY" in self.labels:
            return "its key is in OpenSSH's form", (
                "convert it with 'ssh-keygen -p -m PEM -f FILE'"
            )
        return "", ""


def content_of(path: Path, what: str) -> Content:
    """What is in a file; nothing of a key stays in Python's memory.

    Raises:
        CredentialError: it cannot be read.
    """
    data = bytearray()
    try:
        data = bytearray(min(path.stat().st_size, _LARGEST))
        with path.open("rb", buffering=0) as file:
            file.readinto(data)
        labels = tuple(label.decode() for label in _LABEL.findall(data))
        form = "PEM" if labels else _binary_form(data)
        return Content(labels, b"ENCRYPTED" in data, form, not data)
    except OSError as error:
        raise _unreadable(path, what, error) from error
    finally:
        data[:] = bytes(len(data))


def _binary_form(data: bytearray) -> str:
    """What BER is there: a SEQUENCE, which in PKCS #12 begins with its version, 3."""
    if len(data) < 6 or data[0] != 0x30:
        return ""
    # of 0x81 to 0x84, as many bytes of length follow; 0x80 is a length that is not told
    begin = 2 + (data[1] & 0x7F if data[1] > 0x80 else 0)
    if data[begin : begin + 3] == b"\x02\x01\x03":
        return "PKCS #12"
    return "DER" if begin > 2 else ""


def require_readable(path: Path, what: str) -> os.stat_result:
    """That it is a plain file and can be read.

    Raises:
        CredentialError: it is not, or cannot.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise CredentialError(f"cannot read the {what} {path}: it is a directory")
        if not stat.S_ISREG(status.st_mode):
            # a pipe would be waited for
            raise CredentialError(f"cannot read the {what} {path}: it is not a plain file")
        os.close(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise _unreadable(path, what, error) from error
    return status


def require_private(path: Path, what: str) -> None:
    """GSI's own rule: what holds a private key is nobody else's to read.

    Raises:
        CredentialError: it is, or cannot be read.
    """
    status = require_readable(path, what)
    if status.st_mode & 0o077:
        raise CredentialError(
            f"the {what} {path} is open to others (mode {status.st_mode & 0o777:04o})",
            hint=f"make it private: chmod go= {path}",
        )


def objection_to(path: Path, *, private: bool) -> tuple[str, str]:
    """Why GSI passes over a file that is there, and the remedy; two empty texts when it does not.

    (globus_gsi_sysconfig_check_keyfile_uid_unix, globus_gsi_sysconfig_check_certfile_uid_unix)
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return "a directory", ""
    if not stat.S_ISREG(status.st_mode):
        return "not a plain file", ""
    if status.st_uid != os.geteuid():
        return (
            f"belongs to {_owner(status.st_uid)}, not to you",
            f"make a copy of your own of {path}",
        )
    if not os.access(path, os.R_OK):
        return "not readable", f"make it readable: chmod u+r {path}"
    if status.st_mode & (0o177 if private else 0o133):
        most = "0600" if private else "0644"
        return (
            f"mode {status.st_mode & 0o777:04o}, more than the {most} that GSI takes",
            f"make it private: chmod {most} {path}",
        )
    return "", ""


def _unreadable(path: Path, what: str, error: OSError) -> CredentialError:
    hint = "make a proxy with 'cogkit proxy init'" if what == "credential" else ""
    if isinstance(error, PermissionError):
        try:
            owner = path.stat().st_uid
        except OSError:
            hint = ""
        else:
            hint = (
                f"it belongs to {_owner(owner)}"
                if owner != os.geteuid()
                else f"make it readable: chmod u+r {path}"
            )
    return CredentialError(
        f"cannot read the {what} {path}: {error.strerror}", code=error.errno, hint=hint
    )


def _owner(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _words(labels: tuple[str, ...]) -> str:
    return " and ".join(dict.fromkeys(f"a {label.lower()}" for label in labels))
