"""Making proxies and destroying them (globus_gsi_proxy.h, RFC 3820)."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from .._core.errors import Cause, Concept, CredentialError, check, take_error
from .._core.runtime import runtime
from .._core.workers import run_interruptibly
from .._native import ffi, lib
from .credential import Credential, Passphrase
from .search import proxy_path

__all__ = ["Policy", "create_proxy", "destroy_proxy"]

_ERRORS = {Concept.OTHER: CredentialError}

_MINIMUM_BITS = 1024
_MAXIMUM_BITS = 16384
_LONGEST = 60 * 366 * 24 * 60
"""Minutes: GCT holds seconds in 32 bits.  What is longer ends with the issuer's certificate."""
_MAXIMUM_PATH_LENGTH = 0x7FFFFFFF
_RSA_PLEASE = "ask your CA for a certificate with an RSA key of 2048 bits or more, signed with RSA"


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy for a restricted proxy (RFC 3820, 3.8.2)."""

    language: str
    """The OID of the policy language, in dots."""
    text: bytes = b""
    """The policy, in that language."""


def create_proxy(
    issuer: Credential | None = None,
    *,
    lifetime: timedelta = timedelta(hours=12),
    bits: int = 2048,
    limited: bool = False,
    path_length: int | None = None,
    policy: Policy | None = None,
    passphrase: Passphrase | None = None,
) -> Credential:
    """Make an RFC 3820 proxy credential, with a new key, in memory.

    Args:
        issuer: who signs it; the user's own certificate and key by default.
        lifetime: how long it is valid, in whole minutes (rounded up); its chain may end it sooner.
        bits: size of the new RSA key, from 1024 to 16384.
        limited: a limited proxy, good for data but refused by job managers.
        path_length: how many more proxies may be made from it; None: no limit.
        policy: a policy that restricts it; not together with `limited`.
        passphrase: for the user's own key when it is encrypted: the passphrase, or a function
            that returns it.

    Returns:
        The proxy; `Credential.write` puts it into a file.

    Raises:
        CredentialError: no issuer, expired, wrong passphrase, ... (globus_gsi_proxy_create_signed)
        ValueError: an argument is out of range.
    """
    minutes = min(-(-int(lifetime.total_seconds()) // 60), _LONGEST)
    if minutes < 1:
        raise ValueError(f"a proxy must be valid for a while: lifetime is {lifetime}")
    if bits < _MINIMUM_BITS:
        raise ValueError(f"a key of {bits} bits is no protection: at least {_MINIMUM_BITS}")
    if bits > _MAXIMUM_BITS:
        raise ValueError(f"a key of {bits} bits takes too long: at most {_MAXIMUM_BITS}")
    if path_length is not None and not 0 <= path_length <= _MAXIMUM_PATH_LENGTH:
        raise ValueError(f"path_length is {path_length}: a count, or None for no limit")
    if limited and policy is not None:
        raise ValueError("a limited proxy has no policy of its own")
    runtime.activate("GSI_CREDENTIAL", "GSI_PROXY", "GSI_GSSAPI")
    if issuer is None:
        issuer = Credential.load_pair(passphrase=passphrase)
    issuer.require_usable()
    # A key of 4096 bits takes seconds: Ctrl-C must not wait for it.
    signer = issuer
    return run_interruptibly(
        lambda: _delegable(_create(signer, minutes, bits, limited, path_length, policy), signer)
    )


def _delegable(proxy: Credential, issuer: Credential) -> Credential:
    """The proxy, of which proxies can be made in turn, as GridFTP and GRAM do for each connection.

    GCT 6.2 makes them of certificates that are signed with RSA only, which this one is not where
    the issuer's key is of another kind.
    """
    if "RSA" in proxy.signature_algorithm:
        return proxy
    try:
        _create(proxy, 1, 2048, False, None, None)
    except CredentialError as error:
        raise _kind_of_key(issuer, error.causes) from error
    return proxy


def _kind_of_key(issuer: Credential, causes: tuple[Cause, ...]) -> CredentialError:
    return CredentialError(
        f"cannot make a proxy of {issuer.subject} that servers can use: its key is of type "
        f"{issuer.key_type}, and GCT makes no proxies of what such a key has signed",
        causes=causes,
        hint=_RSA_PLEASE,
    )


def _create(
    issuer: Credential,
    minutes: int,
    bits: int,
    limited: bool,
    path_length: int | None,
    policy: Policy | None,
) -> Credential:
    proxy = _new_proxy(bits)
    try:
        if policy is None:
            kind = (
                lib.GLOBUS_GSI_CERT_UTILS_TYPE_LIMITED_PROXY
                if limited
                else lib.GLOBUS_GSI_CERT_UTILS_TYPE_IMPERSONATION_PROXY
            )
        else:
            kind = lib.GLOBUS_GSI_CERT_UTILS_TYPE_RESTRICTED_PROXY
        check(
            lib.globus_gsi_proxy_handle_set_type(proxy, lib.GLOBUS_GSI_CERT_UTILS_TYPE_RFC | kind),
            "proxy type",
            _ERRORS,
        )
        check(lib.globus_gsi_proxy_handle_set_time_valid(proxy, minutes), "proxy lifetime", _ERRORS)
        if path_length is not None:
            check(
                lib.globus_gsi_proxy_handle_set_pathlen(proxy, path_length),
                "path length",
                _ERRORS,
            )
        if policy is not None:
            check(
                lib.cog_proxy_set_policy(
                    proxy, policy.language.encode(), policy.text, len(policy.text)
                ),
                f"policy language {policy.language}",
                _ERRORS,
            )
        created = ffi.new("globus_gsi_cred_handle_t *")
        result = lib.globus_gsi_proxy_create_signed(proxy, issuer.handle(), created)
        if result != lib.GLOBUS_SUCCESS and issuer.key_type != "RSA":
            raise _kind_of_key(issuer, take_error(lib.globus_error_get(result)))
        if result != lib.GLOBUS_SUCCESS and "RSA" not in issuer.signature_algorithm:
            raise CredentialError(
                f"cannot make a proxy of {issuer.subject}: it is signed with "
                f"{issuer.signature_algorithm}, and GCT makes proxies of certificates that are "
                "signed with RSA",
                causes=take_error(lib.globus_error_get(result)),
                hint=_RSA_PLEASE,
            )
        check(result, f"cannot make a proxy of {issuer.subject}", _ERRORS)
        return Credential(created[0])
    finally:
        lib.globus_gsi_proxy_handle_destroy(proxy)


def _new_proxy(bits: int) -> Any:
    attributes = ffi.new("globus_gsi_proxy_handle_attrs_t *")
    check(lib.globus_gsi_proxy_handle_attrs_init(attributes), "proxy attributes", _ERRORS)
    try:
        check(
            lib.globus_gsi_proxy_handle_attrs_set_keybits(attributes[0], bits),
            f"a key of {bits} bits",
            _ERRORS,
        )
        proxy = ffi.new("globus_gsi_proxy_handle_t *")
        check(lib.globus_gsi_proxy_handle_init(proxy, attributes[0]), "proxy handle", _ERRORS)
        return proxy[0]
    finally:
        lib.globus_gsi_proxy_handle_attrs_destroy(attributes[0])


def destroy_proxy(path: str | os.PathLike[str] | None = None) -> Path:
    """Overwrite a proxy file and remove it, as grid-proxy-destroy does.

    Args:
        path: the file; the user's own proxy (`proxy_path()`) by default.

    Returns:
        The path that is no more.

    Raises:
        FileNotFoundError: there is none.
        PermissionError: it is not ours.
        CredentialError: it is not a plain file, so it was left alone.
    """
    file = Path(path) if path is not None else proxy_path()
    kind = file.lstat().st_mode
    if not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
        raise CredentialError(f"{file} is not a plain file; left alone")
    descriptor = os.open(file, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise CredentialError(f"{file} is not a plain file; left alone")
        os.write(descriptor, bytes(status.st_size))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    file.unlink()
    return file
