"""Where GSI looks for credentials and trusted certificates (globus_gsi_system_config.h)."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from .._core.errors import CredentialError, take_error, text_of
from .._core.runtime import runtime
from .._native import ffi, lib
from .files import content_of, objection_to

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
    remedy: str = ""
    """What to do about the first that cannot be used, if there is one."""

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
    else ``~/.globus/usercred.p12`` for both (globus_gsi_sysconfig_get_user_cert_filename).  An
    ``X509_USER_CERT`` that is a PKCS #12 file needs no ``X509_USER_KEY``.

    Raises:
        CredentialError: there are none; the message says where it looked.
    """
    runtime.activate("GSI_SYSCONFIG")
    if (named := _named_pkcs12()) is not None:
        return named, named
    certificate, key = ffi.new("char **"), ffi.new("char **")
    result = lib.globus_gsi_sysconfig_get_user_cert_filename_unix(certificate, key)
    if result != lib.GLOBUS_SUCCESS:
        causes = take_error(lib.globus_error_get(result))
        search = _user_search()
        raise CredentialError(
            f"no usable user certificate and key: {search}",
            causes=causes,
            hint=search.remedy
            or "put them into ~/.globus/usercert.pem and ~/.globus/userkey.pem (mode 0400), "
            "or set X509_USER_CERT and X509_USER_KEY",
        )
    try:
        return Path(text_of(certificate[0])), Path(text_of(key[0]))
    finally:
        lib.free(certificate[0])
        lib.free(key[0])


def _named_pkcs12() -> Path | None:
    """The file that X509_USER_CERT names, where it holds the key too, and no other is named."""
    path = os.environ.get("X509_USER_CERT")
    if not path or (os.environ.get("X509_USER_KEY") or path) != path or not os.path.isfile(path):  # noqa: PTH113
        return None
    try:
        pkcs12 = content_of(Path(path), "certificate").form == "PKCS #12"
    except CredentialError:
        return None
    return Path(path) if pkcs12 else None


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
    host = _place("/etc/grid-security/hostcert.pem", certificate=True)
    proxy = _place(f"/tmp/x509up_u{os.getuid()}", "X509_USER_PROXY", certificate=True, key=True)
    return _search([*(pair if named else [host]), proxy, *([] if named else pair)])


def _user_search() -> Search:
    return _search(_user_places())


def _search(places: list[tuple[str, str]]) -> Search:
    return Search(
        tuple(text for text, _ in places), next((remedy for _, remedy in places if remedy), "")
    )


def _user_places() -> list[tuple[str, str]]:
    # GSI's home directory is not $HOME
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".globus"
    places = [
        _place(str(home / "usercert.pem"), "X509_USER_CERT", certificate=True),
        _place(str(home / "userkey.pem"), "X509_USER_KEY", key=True),
    ]
    if os.path.exists(home / "usercred.p12"):  # noqa: PTH110 - False where nothing may be read
        path = home / "usercred.p12"
        places.append(
            (f"{path} (only proxies are made of it)", "make a proxy of it: 'cogkit proxy init'")
        )
    return places


def _place(
    path: str, variable: str = "", *, certificate: bool = False, key: bool = False
) -> tuple[str, str]:
    """The path, or what the variable names instead, what is there, and what to do about it."""
    named = os.environ.get(variable)
    state, remedy = _state(Path(named or path), certificate=certificate, key=key)
    return (f"{variable}={named} ({state})" if named else f"{path} ({state})"), remedy


def _state(path: Path, *, certificate: bool, key: bool) -> tuple[str, str]:
    try:
        objection, remedy = objection_to(path, private=key)
        if objection:
            return objection, remedy
        lack, remedy = content_of(path, "credential").lacks(certificate=certificate, key=key)
    except FileNotFoundError:
        return "not there", ""
    except OSError as error:
        return error.strerror or str(error), ""
    except CredentialError:
        return "not readable", ""
    if lack:
        return lack, remedy.replace("FILE", str(path))
    return f"there, mode {path.stat().st_mode & 0o777:04o}", ""
