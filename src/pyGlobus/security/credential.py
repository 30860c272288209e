"""`Credential`: a certificate, its private key and the chain behind it."""

from __future__ import annotations

import contextlib
import enum
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Self

from .._core.errors import (
    Cause,
    Concept,
    CredentialError,
    UntrustedCredentialError,
    check,
    last_line,
    take_error,
    text_of,
)
from .._core.handles import owned
from .._core.runtime import runtime
from .._native import ffi, lib
from .distrust import reason_for_distrust
from .files import content_of, require_private, require_readable
from .search import certificate_directory, credential_search, user_certificate_paths

__all__ = ["Credential", "CredentialType", "Passphrase"]

Passphrase = str | bytes | Callable[[], str | bytes]

_MODULES = ("GSI_CREDENTIAL", "GSI_PROXY", "GSI_GSSAPI")
_ERRORS = {Concept.OTHER: CredentialError}


class CredentialType(enum.IntFlag):
    """What a certificate is (globus_gsi_cert_utils_cert_type_t)."""

    EEC = lib.GLOBUS_GSI_CERT_UTILS_TYPE_EEC
    """End-entity certificate: a person's, host's or service's own."""
    CA = lib.GLOBUS_GSI_CERT_UTILS_TYPE_CA
    GSI_2 = lib.GLOBUS_GSI_CERT_UTILS_TYPE_GSI_2
    GSI_3 = lib.GLOBUS_GSI_CERT_UTILS_TYPE_GSI_3
    RFC = lib.GLOBUS_GSI_CERT_UTILS_TYPE_RFC
    IMPERSONATION_PROXY = lib.GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY
    LIMITED_PROXY = lib.GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY
    RESTRICTED_PROXY = lib.GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY
    INDEPENDENT_PROXY = lib.GLOBUS_GSI_CERT_UTILS_TYPE_INDEPENDENT_PROXY


_PROXY = (
    CredentialType.IMPERSONATION_PROXY
    | CredentialType.LIMITED_PROXY
    | CredentialType.RESTRICTED_PROXY
    | CredentialType.INDEPENDENT_PROXY
)
_FORMATS = {
    CredentialType.RFC: "RFC 3820 compliant",
    CredentialType.GSI_3: "Proxy draft (pre-RFC)",
    CredentialType.GSI_2: "legacy globus",
}
_KINDS = {
    CredentialType.IMPERSONATION_PROXY: "impersonation proxy",
    CredentialType.LIMITED_PROXY: "limited proxy",
    CredentialType.RESTRICTED_PROXY: "restricted proxy",
    CredentialType.INDEPENDENT_PROXY: "independent proxy",
}


class Credential:
    """A GSI credential in memory.  Immutable; safe to use from several threads.

    Make one with `load()`, `load_pair()`, `default()` or `create_proxy()`.
    """

    def __init__(self, handle: Any, path: Path | None = None) -> None:
        """For this package: takes a `globus_gsi_cred_handle_t` over."""
        self._handle = handle
        self._path = path
        self._gss: Any = None
        self._lock = threading.Lock()
        self._details = ffi.new("cog_cred_details *")
        owned(self, lambda: lib.globus_gsi_cred_handle_destroy(handle))
        if not lib.cog_cred_get_details(handle, self._details):
            raise CredentialError(f"{path or 'the credential'} holds no certificate")
        if self._details.key_belongs == 0:
            raise CredentialError(
                f"the private key does not belong to the certificate {self.subject}"
                + (f" in {path}" if path else ""),
                hint="take the key with which that certificate was asked for",
            )

    # --- making one ------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read certificate, key and chain from one PEM file, such as a proxy.

        Raises:
            CredentialError: missing, unreadable, open to others, or not a credential.
                (globus_gsi_cred_read_proxy)
        """
        runtime.activate(*_MODULES)
        file = Path(path)
        require_private(file, "credential")
        _require_content(file, "credential", certificate=True, key=True)
        handle = _new_handle()
        try:
            _check_read(
                lib.globus_gsi_cred_read_proxy(handle, os.fsencode(file)), "credential", file
            )
        except CredentialError:
            lib.globus_gsi_cred_handle_destroy(handle)
            raise
        return cls(handle, file)

    @classmethod
    def load_pair(
        cls,
        certificate: str | os.PathLike[str] | None = None,
        key: str | os.PathLike[str] | None = None,
        *,
        passphrase: Passphrase | None = None,
    ) -> Self:
        """Read a certificate and its key from two PEM files, or both from one PKCS #12 file.

        Args:
            certificate: the certificate file; the one GSI finds by default.
            key: the key file; the one that goes with it by default, which for a PKCS #12 file is
                itself.
            passphrase: for an encrypted key: the passphrase, or a function that returns it and is
                called only when the key is encrypted.

        Raises:
            CredentialError: a file is missing, unreadable or open to others, the passphrase is
                missing or wrong, or the two do not belong together.
                (globus_gsi_cred_read_cert, globus_gsi_cred_read_key)
        """
        runtime.activate(*_MODULES)
        if certificate is None:
            found = user_certificate_paths()
            certificate, key = found[0], key or found[1]
        certificate = Path(certificate)
        require_readable(certificate, "certificate")
        if content_of(certificate, "certificate").form == "PKCS #12":
            return cls._load_pkcs12(certificate, Path(key or certificate), passphrase)
        key = Path(key or user_certificate_paths()[1])
        require_private(key, "key")
        _require_content(certificate, "certificate", certificate=True)
        _require_content(key, "key", key=True)
        secret = _passphrase_for(key, passphrase)
        handle = _new_handle()
        try:
            _check_read(
                lib.globus_gsi_cred_read_cert(handle, os.fsencode(certificate)),
                "certificate",
                certificate,
            )
            result = lib.cog_cred_read_key(
                handle, os.fsencode(key), secret if secret is not None else ffi.NULL,
                len(secret) - 1 if secret is not None else 0,
            )  # fmt: skip
            if result != lib.GLOBUS_SUCCESS:
                raise _key_error(key, take_error(lib.globus_error_get(result)), secret is not None)
        except CredentialError:
            lib.globus_gsi_cred_handle_destroy(handle)
            raise
        finally:
            _wipe(secret)
        return cls(handle, certificate)

    @classmethod
    def _load_pkcs12(cls, file: Path, key: Path, passphrase: Passphrase | None) -> Self:
        if key != file:
            raise CredentialError(
                f"{file} is a PKCS #12 file, which holds a certificate and its key: there is no "
                f"use for the key {key}",
                hint="give it alone",
            )
        require_private(file, "certificate and key")
        data = file.read_bytes()
        handle = _new_handle()
        secret = None
        try:
            status = lib.cog_cred_read_pkcs12(handle, data, len(data), ffi.NULL)
            if status == lib.COG_PKCS12_WRONG_PASSPHRASE:
                secret = _secret(file, passphrase)
                status = lib.cog_cred_read_pkcs12(handle, data, len(data), secret)
            if status != lib.COG_PKCS12_READ:
                raise _pkcs12_error(file, status)
        except CredentialError:
            lib.globus_gsi_cred_handle_destroy(handle)
            raise
        finally:
            _wipe(secret)
        return cls(handle, file)

    @classmethod
    def default(cls) -> Self:
        """The credential that GSI finds (globus_gsi_cred_read).

        In its order: ``X509_USER_CERT`` with ``X509_USER_KEY`` or else a host certificate in
        ``/etc/grid-security``, where the key can be read and is not encrypted; the proxy; the
        user's own pair.

        Raises:
            CredentialError: there is none, or it is not usable; says where it looked.
        """
        runtime.activate(*_MODULES)
        handle = _new_handle()
        result = lib.globus_gsi_cred_read(handle, ffi.NULL)
        if result != lib.GLOBUS_SUCCESS:
            lib.globus_gsi_cred_handle_destroy(handle)
            causes = take_error(lib.globus_error_get(result))
            told = last_line("\n".join(cause.message for cause in causes))
            if "expired" in told:
                raise CredentialError(
                    told, causes=causes, hint="make a new proxy with 'cogkit proxy init'"
                )
            search = credential_search()
            raise CredentialError(
                f"no credential found: {search}",
                causes=causes,
                hint=search.remedy or "make a proxy with 'cogkit proxy init' or grid-proxy-init",
            )
        return cls(handle)

    # --- looking at it -----------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """The file it was read from or written to."""
        return self._path

    @property
    def subject(self) -> str:
        """Distinguished name of this certificate (globus_gsi_cred_get_subject_name)."""
        return self._name(lib.globus_gsi_cred_get_subject_name)

    @property
    def issuer(self) -> str:
        """Distinguished name of who signed it (globus_gsi_cred_get_issuer_name)."""
        return self._name(lib.globus_gsi_cred_get_issuer_name)

    @property
    def identity(self) -> str:
        """Distinguished name of the person or host behind all proxies: what servers map.

        (globus_gsi_cred_get_identity_name)
        """
        return self._name(lib.globus_gsi_cred_get_identity_name)

    @property
    def type(self) -> CredentialType:
        """What the certificate is (globus_gsi_cred_get_cert_type)."""
        value = ffi.new("globus_gsi_cert_utils_cert_type_t *")
        check(lib.globus_gsi_cred_get_cert_type(self._handle, value), "credential type", _ERRORS)
        return CredentialType(value[0])

    @property
    def type_name(self) -> str:
        """`type` in words, as grid-proxy-info says it."""
        kind = self.type
        for form, words in _FORMATS.items():
            if form in kind:
                return f"{words} " + next((w for k, w in _KINDS.items() if k in kind), "proxy")
        return "end entity credential"

    @property
    def is_proxy(self) -> bool:
        """Whether it is a proxy of any format."""
        return bool(self.type & _PROXY)

    @property
    def is_limited(self) -> bool:
        """Whether it is a limited proxy, which job managers refuse."""
        return CredentialType.LIMITED_PROXY in self.type

    @property
    def path_length(self) -> int | None:
        """How many more proxies may be made from it (RFC 3820, 3.8.1); None: no limit."""
        length: int = self._details.path_length
        return None if length < 0 else length

    @property
    def policy_language(self) -> str:
        """OID of the proxy's policy language (RFC 3820, 3.8.2); ``""`` when it is not one."""
        return text_of(self._details.policy_language)

    @property
    def key_bits(self) -> int:
        """Size of the key in bits (globus_gsi_cred_get_key_bits)."""
        value = ffi.new("int *")
        check(lib.globus_gsi_cred_get_key_bits(self._handle, value), "key size", _ERRORS)
        bits: int = value[0]
        return bits

    @property
    def key_type(self) -> str:
        """``RSA``, ``EC``, ..."""
        return text_of(self._details.key_type)

    @property
    def signature_algorithm(self) -> str:
        """How its certificate is signed, such as ``sha256WithRSAEncryption``."""
        return text_of(self._details.signature)

    @property
    def not_before(self) -> datetime:
        """When the certificate begins to be valid (UTC)."""
        return datetime.fromtimestamp(self._details.not_before, UTC)

    @property
    def not_after(self) -> datetime:
        """When it, or the first certificate of its chain to do so, expires (UTC).

        (globus_gsi_cred_get_goodtill)
        """
        value = ffi.new("time_t *")
        check(lib.globus_gsi_cred_get_goodtill(self._handle, value), "expiry", _ERRORS)
        return datetime.fromtimestamp(value[0], UTC)

    @property
    def time_left(self) -> timedelta:
        """Until `not_after`; negative when expired."""
        return self.not_after - datetime.now(UTC)

    @property
    def expired(self) -> bool:
        """Whether it, or anything in its chain, has expired."""
        return self.time_left <= timedelta(0)

    @property
    def valid(self) -> bool:
        """Whether it is valid by this machine's clock: begun, and not expired."""
        return not self.expired and self.not_before <= datetime.now(UTC)

    @property
    def certificates(self) -> str:
        """The certificates as PEM, its own first; the key is not among them."""
        text = lib.cog_cred_certificates(self._handle)
        try:
            return text_of(text)
        finally:
            lib.free(text)

    def require_usable(self) -> None:
        """Check what can be told without any CA: its dates, its strength.

        Raises:
            CredentialError: it is of no use to GSI; says why, and what to do.
        """
        if self.expired:
            raise CredentialError(
                f"{self.subject} expired at {self.not_after:%Y-%m-%d %H:%M:%S} UTC",
                hint="make a new proxy with 'cogkit proxy init'"
                if self.is_proxy
                else "a proxy of it would be refused everywhere; renew the certificate",
            )
        if not self.valid:
            now = datetime.now(UTC)
            raise CredentialError(
                f"{self.subject} is not valid before {self.not_before:%Y-%m-%d %H:%M:%S} UTC; here "
                f"it is {now:%Y-%m-%d %H:%M:%S} UTC",
                hint="check this machine's clock, or wait",
            )
        place = ffi.new("int *")
        reason = text_of(lib.cog_cred_tls_refusal(self._handle, place))
        if reason:
            raise self._refused(reason, own=place[0] <= 0)

    def _refused(self, reason: str, *, own: bool) -> CredentialError:
        """The error for what OpenSSL has against this certificate, or one behind it."""
        hint = ""
        if "too small" in reason:
            size = f" ({self.key_bits} bits)" if own else ", the one of a certificate behind it"
            reason = f"its key is too short{size}"
            hint = "get a certificate with an RSA key of 2048 bits or more"
        elif "md too weak" in reason:
            which = self.signature_algorithm if own else "of a certificate behind it"
            reason = f"its signature is too weak ({which})"
            hint = "ask your CA for a certificate that is signed with SHA-256"
        return CredentialError(f"OpenSSL does not take {self.subject}: {reason}", hint=hint)

    def verify(self) -> None:
        """Check the chain against the trusted CAs, as the other side would.

        Raises:
            UntrustedCredentialError: an unknown CA, a signing policy that does not allow it, ...
            CredentialError: no CA at all is trusted here.
                (globus_gsi_cred_verify_cert_chain)
        """
        directory = certificate_directory()
        result = lib.cog_cred_verify(self._handle, os.fsencode(directory))
        if result != lib.GLOBUS_SUCCESS:
            causes = take_error(lib.globus_error_get(result))
            reason, hint = reason_for_distrust("\n".join(cause.message for cause in causes))
            raise UntrustedCredentialError(
                f"{self.subject} is not trusted by the CAs in {directory}: {reason}",
                causes=causes,
                hint=hint,
            )

    # --- keeping it ----------------------------------------------------------------------------

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write certificate, key and chain to a file of mode 0600, in one step.

        An existing file is replaced only when the new one is complete.

        Raises:
            OSError: the file cannot be written.
        """
        file = Path(path)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident():x}")
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600
            )
            try:
                if not lib.cog_cred_write_fd(self._handle, descriptor):
                    raise OSError(f"cannot write the credential to {file}: is the disk full?")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(file)
        except BaseException as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is not None:
                # the name that the caller knows
                raise type(error)(error.errno, error.strerror, str(file)) from error
            raise
        self._path = file

    # --- for the map -----------------------------------------------------------------------

    def gss(self) -> Any:
        """The `gss_cred_id_t` of this credential, which lives as long as it does."""
        with self._lock:
            if self._gss is None:
                credential = self.new_gss()
                owned(self, lambda: lib.gss_release_cred(ffi.new("OM_uint32 *"), credential))
                self._gss = credential
            return self._gss[0]

    def new_gss(self) -> Any:
        """A `gss_cred_id_t *` of its own, for a C function that takes it over."""
        minor = ffi.new("OM_uint32 *")
        credential = ffi.new("gss_cred_id_t *")
        major = lib.cog_cred_to_gss(self._handle, minor, credential)
        if major != lib.GSS_S_COMPLETE:
            causes = take_error(lib.globus_error_get(minor[0]))
            self.require_usable()  # says more
            reason = (
                causes[-1].message
                if causes
                else "its key is not its own, or the certificates behind the proxy are missing"
            )
            raise CredentialError(
                f"{self.subject} cannot be used: {reason}",
                code=major,
                library="globus_gsi_gssapi",
                causes=causes,
            )
        return credential

    def handle(self) -> Any:
        """The `globus_gsi_cred_handle_t`."""
        return self._handle

    def _name(self, getter: Callable[[Any, Any], int]) -> str:
        name = ffi.new("char **")
        check(getter(self._handle, name), "name of the credential", _ERRORS)
        try:
            return text_of(name[0])
        finally:
            lib.free(name[0])

    def __repr__(self) -> str:
        return f"<Credential {self.subject} until {self.not_after:%Y-%m-%d %H:%M:%S} UTC>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Credential cannot be pickled: it holds a private key")


def _new_handle() -> Any:
    handle = ffi.new("globus_gsi_cred_handle_t *")
    check(lib.globus_gsi_cred_handle_init(handle, ffi.NULL), "credential handle", _ERRORS)
    return handle[0]


def _require_content(
    path: Path, what: str, *, certificate: bool = False, key: bool = False
) -> None:
    reason, hint = content_of(path, what).lacks(certificate=certificate, key=key)
    if reason:
        raise CredentialError(
            f"cannot read the {what} {path}: {reason}", hint=hint.replace("FILE", str(path))
        )


def _check_read(result: int, what: str, path: Path) -> None:
    """What a file holds has the right names; so what GSI cannot read of it is damaged."""
    if result != lib.GLOBUS_SUCCESS:
        causes = take_error(lib.globus_error_get(result))
        raise CredentialError(
            f"cannot read the {what} {path}: what it holds is damaged", causes=causes
        )


def _passphrase_for(key: Path, passphrase: Passphrase | None) -> Any:
    """The passphrase in memory that can be wiped, or None when the key is not encrypted."""
    return _secret(key, passphrase) if content_of(key, "key").encrypted else None


def _secret(key: Path, passphrase: Passphrase | None) -> Any:
    if callable(passphrase):
        passphrase = passphrase()
    if passphrase is None:
        raise CredentialError(
            f"the key {key} is encrypted and no passphrase was given",
            hint="pass passphrase=..., or a function that asks for it",
        )
    data = passphrase.encode() if isinstance(passphrase, str) else passphrase
    # with a NUL behind it, for those who want one
    secret = ffi.new("char[]", len(data) + 1)
    ffi.memmove(secret, data, len(data))
    return secret


def _wipe(secret: Any) -> None:
    if secret is not None:
        ffi.memmove(secret, b"\0" * len(secret), len(secret))


def _pkcs12_error(file: Path, status: int) -> CredentialError:
    if status == lib.COG_PKCS12_WRONG_PASSPHRASE:
        return _wrong_passphrase(file)
    if status == lib.COG_PKCS12_INCOMPLETE:
        return CredentialError(f"{file} holds no certificate with its key")
    if status == lib.COG_PKCS12_UNSUPPORTED:
        return CredentialError(
            f"{file} is encrypted in a way that OpenSSL does not take any more",
            hint=f"make PEM files of it: 'openssl pkcs12 -legacy -in {file} -clcerts -nokeys -out "
            f"usercert.pem' and 'openssl pkcs12 -legacy -in {file} -nocerts -out userkey.pem'",
        )
    return CredentialError(f"{file} is a damaged PKCS #12 file")


def _wrong_passphrase(file: Path, causes: tuple[Cause, ...] = ()) -> CredentialError:
    return CredentialError(
        f"the key {file} does not open with that passphrase",
        causes=causes,
        hint="check the passphrase",
    )


def _key_error(key: Path, causes: tuple[Cause, ...], had_passphrase: bool) -> CredentialError:
    if had_passphrase:
        return _wrong_passphrase(key, causes)
    return CredentialError(f"cannot read the key {key}: what it holds is damaged", causes=causes)
