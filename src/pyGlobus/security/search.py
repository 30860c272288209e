"""Where GSI looks for credentials and trusted certificates (globus_gsi_system_config.h)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import CredentialError, take_error, text_of
from .._core.runtime import runtime
from .._native import ffi, lib

__all__ = [
    "Search",
    "certificate_directory",
    "credential_search",
    "proxy_path",
    "user_certificate_paths",
]


@dataclass(frozen=True, slots=True)
class Search:
    """Where a credential was looked for, in GSI's order, and what is there."""

    places: tuple[str, ...]
    """One line for each place: what names it, the path, and what was found."""

    def __str__(self) -> str:
        return "looked at " + "; ".join(self.places)


def proxy_path() -> Path:
    """Where the user's proxy belongs: ``X509_USER_PROXY``, else ``/tmp/x509up_u<uid>``.

    The file need not exist (globus_gsi_sysconfig_get_proxy_filename, for output).
    """
    # GSI's own function for output, but for an X509_USER_PROXY that names a missing directory,
    # which it takes for unset
    return Path(os.environ.get("X509_USER_PROXY") or f"/tmp/x509up_u{os.getuid()}")


def user_certificate_paths() -> tuple[Path, Path]:
    """The user's certificate and key files, as GSI finds them.

    ``X509_USER_CERT`` and ``X509_USER_KEY``, else ``~/.globus/usercert.pem`` and ``userkey.pem``,
    else ``~/.globus/usercred.p12`` for both (globus_gsi_sysconfig_get_user_cert_filename).

    Raises:
        CredentialError: there are none; the message says where it looked.
    """
    runtime.activate("GSI_SYSCONFIG")
    certificate, key = ffi.new("char **"), ffi.new("char **")
    result = lib.globus_gsi_sysconfig_get_user_cert_filename_unix(certificate, key)
    if result != lib.GLOBUS_SUCCESS:
        causes = take_error(lib.globus_error_get(result))
        raise CredentialError(
            f"no usable user certificate and key: {_user_search()}",
            causes=causes,
            hint="put them into ~/.globus/usercert.pem and ~/.globus/userkey.pem (mode 0400), "
            "or set X509_USER_CERT and X509_USER_KEY",
        )
    try:
        return Path(text_of(certificate[0])), Path(text_of(key[0]))
    finally:
        lib.free(certificate[0])
        lib.free(key[0])


def certificate_directory() -> Path:
    """The directory of trusted CA certificates.

    ``X509_CERT_DIR``, ``~/.globus/certificates``, ``/etc/grid-security/certificates``,
    ``$GLOBUS_LOCATION/share/certificates``, the first that exists
    (globus_gsi_sysconfig_get_cert_dir).

    Raises:
        CredentialError: there is none.
    """
    runtime.activate("GSI_SYSCONFIG")
    directory = ffi.new("char **")
    result = lib.globus_gsi_sysconfig_get_cert_dir_unix(directory)
    if result != lib.GLOBUS_SUCCESS:
        causes = take_error(lib.globus_error_get(result))
        named = os.environ.get("X509_CERT_DIR")
        raise CredentialError(
            "no directory of trusted CA certificates"
            + (f": X509_CERT_DIR is {named}, which is not a directory" if named else ""),
            causes=causes,
            hint="set X509_CERT_DIR, or install your grid's CA certificates into "
            "/etc/grid-security/certificates",
        )
    try:
        return Path(text_of(directory[0]))
    finally:
        lib.free(directory[0])


def credential_search() -> Search:
    """Where a default credential would come from, in GSI's order (globus_gsi_cred_read)."""
    pair = _user_places()
    named = "X509_USER_CERT" in os.environ and "X509_USER_KEY" in os.environ
    first = pair if named else [_place("/etc/grid-security/hostcert.pem")]
    proxy = _place(f"/tmp/x509up_u{os.getuid()}", "X509_USER_PROXY")
    return Search((*first, proxy, *([] if named else pair)))


def _user_search() -> Search:
    return Search(tuple(_user_places()))


def _user_places() -> list[str]:
    home = Path.home() / ".globus"
    return [
        _place(str(home / "usercert.pem"), "X509_USER_CERT"),
        _place(str(home / "userkey.pem"), "X509_USER_KEY"),
    ]


def _place(path: str, variable: str = "") -> str:
    """The path, or what the variable names instead, and what is there."""
    named = os.environ.get(variable)
    return f"{variable}={named} ({_state(named)})" if named else f"{path} ({_state(path)})"


def _state(path: str) -> str:
    try:
        mode = Path(path).stat().st_mode
    except FileNotFoundError:
        return "not there"
    except OSError as error:
        return error.strerror or str(error)
    if not os.access(path, os.R_OK):
        return "not readable"
    return f"there, mode {mode & 0o777:04o}"
