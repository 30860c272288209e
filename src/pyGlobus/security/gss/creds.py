"""`Credentials`: what a side of a context proves itself with (gss_cred_id_t)."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterable
from typing import Any, NamedTuple, NoReturn, Self

from ..._core.errors import Concept, check
from ..._core.handles import owned
from ..._core.runtime import runtime
from ..._native import ffi, lib
from ..credential import Credential
from .buffers import oid_set, output_buffer, take_oids, take_set
from .exceptions import MissingCredentialsError, check_status
from .flags import Usage
from .names import Name
from .oids import OID

__all__ = [
    "AcquireCredResult",
    "Credentials",
    "ExportForm",
    "InquireCredResult",
    "indicate_mechs",
]

_USAGES = {"both": lib.GSS_C_BOTH, "initiate": lib.GSS_C_INITIATE, "accept": lib.GSS_C_ACCEPT}
_USAGE_NAMES = {number: name for name, number in _USAGES.items()}


class ExportForm(enum.IntEnum):
    """What `Credentials.export` gives."""

    OPAQUE = 0
    """The credential itself, its private key included."""
    MECH_SPECIFIC = 1
    """``X509_USER_PROXY=`` and the path of a file that was written, for another program."""


class AcquireCredResult(NamedTuple):
    """What gss_acquire_cred gives."""

    creds: Credentials
    mechs: set[OID]
    lifetime: int | None


class InquireCredResult(NamedTuple):
    """What gss_inquire_cred gives; None for what was not asked."""

    name: Name | None
    lifetime: int | None
    usage: Usage | None
    mechs: set[OID] | None


class Credentials:
    """GSS credentials.  Immutable; safe to use from several threads.

    >>> creds = Credentials(usage="initiate")
    >>> creds.usage, creds.lifetime > 0
    ('initiate', True)

    They hold a private key: it is not in `repr`, and they cannot be pickled.
    """

    __slots__ = ("__weakref__", "_handle", "_kept")

    def __init__(
        self,
        base: Credential | Credentials | None = None,
        token: bytes | None = None,
        name: Name | None = None,
        lifetime: int | None = None,
        mechs: Iterable[OID] | None = None,
        usage: Usage = "both",
    ) -> None:
        """Acquire, import or convert.

        Args:
            base: a `pyGlobus.security.Credential`, or other `Credentials`, to be used here.
            token: what `export` gave (as gss_import_cred takes it).
            name: otherwise: whose; None: whoever GSI finds (gss_acquire_cred).
            lifetime: seconds that it should last; GSI does not look at it.
            mechs: at most one of `MechType`.
            usage: ``initiate``, ``accept`` or ``both``: where GSI looks depends on it.

        Raises:
            MissingCredentialsError: there are none; the message says where it looked.
            ExpiredCredentialsError: they have expired.
        """
        runtime.activate("GSI_GSSAPI")
        self._kept: Any = None
        self._handle: Any
        if isinstance(base, Credentials):
            self._handle, self._kept = base._handle, base
        elif base is not None:
            # the C credential lives as long as the one that it was made of
            self._handle, self._kept = ffi.new("gss_cred_id_t *", base.gss()), base
        elif token is not None:
            self._import(token)
        else:
            self._acquire(name, lifetime, mechs, usage)

    @classmethod
    def acquire(
        cls,
        name: Name | None = None,
        lifetime: int | None = None,
        mechs: Iterable[OID] | None = None,
        usage: Usage = "both",
    ) -> AcquireCredResult:
        """Acquire credentials, and tell what came (gss_acquire_cred).  Arguments as above."""
        creds = cls(name=name, lifetime=lifetime, mechs=mechs, usage=usage)
        told = creds.inquire(name=False, usage=False)
        return AcquireCredResult(creds, told.mechs or set(), told.lifetime)

    @classmethod
    def from_vhost_directory(cls, directory: str | os.PathLike[str]) -> list[Self]:
        """Those of a host with several names, a directory each.

        Each directory holds a pair ``...cert.pem`` and ``...key.pem``
        (globus_gss_assist_read_vhost_cred_dir).

        Raises:
            GSSError: the directory cannot be read, or a pair in it.
        """
        runtime.activate("GSI_GSS_ASSIST", "GSI_GSSAPI")
        minor = ffi.new("OM_uint32 *")
        array, size = ffi.new("gss_cred_id_t **"), ffi.new("size_t *")
        path = os.fsencode(directory)
        major = lib.globus_gss_assist_read_vhost_cred_dir(minor, path, array, size)
        check_status(major, minor, f"cannot read the credentials in {os.fsdecode(path)}")
        try:
            return [
                cls.from_c(ffi.new("gss_cred_id_t *", array[0][index])) for index in range(size[0])
            ]
        finally:
            lib.free(array[0])

    @classmethod
    def from_c(cls, handle: Any) -> Self:
        """For this package: takes a `gss_cred_id_t *` over."""
        self = cls.__new__(cls)
        self._kept = None
        self._own(handle)
        return self

    def _own(self, handle: Any) -> None:
        self._handle = handle
        owned(self, lambda: lib.gss_release_cred(ffi.new("OM_uint32 *"), handle))

    def _acquire(
        self, name: Name | None, lifetime: int | None, mechs: Iterable[OID] | None, usage: Usage
    ) -> None:
        if usage not in _USAGES:
            raise ValueError(f"usage is {usage!r}: 'initiate', 'accept' or 'both'")
        _require_whole_default()
        wanted, kept = oid_set(list(mechs)) if mechs is not None else (ffi.NULL, None)
        minor, handle = ffi.new("OM_uint32 *"), ffi.new("gss_cred_id_t *")
        major = lib.gss_acquire_cred(
            minor,
            ffi.NULL if name is None else name.handle(),
            _seconds(lifetime),
            wanted,
            _USAGES[usage],
            handle,
            ffi.NULL,
            ffi.NULL,
        )
        del kept
        check_status(major, minor, "no credentials" + (f" of {name}" if name is not None else ""))
        self._own(handle)

    def _import(self, token: bytes) -> None:
        # one form begins with the name of a variable, the other is PEM
        form = ExportForm.MECH_SPECIFIC if token[:16] == b"X509_USER_PROXY=" else ExportForm.OPAQUE
        if not token:
            raise ValueError("an empty token")
        if form is ExportForm.MECH_SPECIFIC:
            path = os.fsdecode(token.split(b"=", 1)[1])
            self._kept = Credential.load(path)
        else:
            # as gss_import_cred would; that one crashes at a proxy without its chain
            self._kept = _read(token)
        self._handle = ffi.new("gss_cred_id_t *", self._kept.gss())

    # --- looking at them -------------------------------------------------------------------

    def inquire(
        self, name: bool = True, lifetime: bool = True, usage: bool = True, mechs: bool = True
    ) -> InquireCredResult:
        """Name, seconds left, usage and mechanisms, those that are asked for (gss_inquire_cred)."""
        minor = ffi.new("OM_uint32 *")
        who, left = ffi.new("gss_name_t *"), ffi.new("OM_uint32 *")
        use = ffi.new("gss_cred_usage_t *")
        check_status(
            lib.gss_inquire_cred(minor, self._handle[0], who, left, use, ffi.NULL),
            minor,
            "cannot inquire credentials",
        )
        of = Name.from_c(who)
        return InquireCredResult(
            of if name else None,
            seconds_left(left[0]) if lifetime else None,
            _USAGE_NAMES[use[0]] if usage else None,
            # GSI itself leaves this out
            indicate_mechs() if mechs else None,
        )

    @property
    def name(self) -> Name | None:
        """Whose they are."""
        return self.inquire().name

    @property
    def lifetime(self) -> int:
        """Seconds that are left; 0 when expired."""
        return self.inquire().lifetime or 0

    @property
    def usage(self) -> Usage:
        """``initiate``, ``accept`` or ``both``."""
        return self.inquire().usage or "both"

    @property
    def mechs(self) -> set[OID]:
        """The mechanisms that they are for."""
        return indicate_mechs()

    def inquire_by_oid(self, oid: OID) -> list[bytes]:
        """The extension `oid` of the certificates, DER; its own certificate first.

        An empty entry for a certificate without it (gss_inquire_cred_by_oid).
        """
        pointer, kept = oid.to_c()
        minor, out = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_set_t *")
        check_status(
            lib.gss_inquire_cred_by_oid(minor, self._handle[0], pointer, out),
            minor,
            f"cannot inquire {oid}",
        )
        del kept
        return take_set(out)

    # --- taking them elsewhere ---------------------------------------------------------------

    def export(self, form: ExportForm = ExportForm.OPAQUE) -> bytes:
        """The credentials as octets, for another process (gss_export_cred).

        They hold the private key: whoever has them is you.
        """
        minor, out = ffi.new("OM_uint32 *"), output_buffer()
        check_status(
            lib.gss_export_cred(minor, self._handle[0], ffi.NULL, form, out),
            minor,
            "cannot export credentials",
        )
        try:
            return bytes(ffi.buffer(out.value, out.length)).rstrip(b"\0")
        finally:
            lib.cog_gss_release_secret(out)

    @property
    def credential(self) -> Credential:
        """The same as a `pyGlobus.security.Credential`, to be written, inspected, or used."""
        if isinstance(self._kept, Credential):
            return self._kept
        runtime.activate("GSI_CREDENTIAL", "GSI_PROXY", "GSI_GSSAPI")
        minor, handle = ffi.new("OM_uint32 *"), ffi.new("globus_gsi_cred_handle_t *")
        check_status(
            lib.cog_gss_to_cred(self._handle[0], minor, handle), minor, "cannot read credentials"
        )
        return Credential(handle[0])

    def handle(self) -> Any:
        """For this package: the `gss_cred_id_t`."""
        return self._handle[0]

    def __repr__(self) -> str:
        told = self.inquire(mechs=False)
        return f"<Credentials {told.name} for {told.usage}, {told.lifetime} s left>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("Credentials cannot be pickled: they hold a private key")


def _read(pem: bytes) -> Credential:
    handle = ffi.new("globus_gsi_cred_handle_t *")
    check(
        lib.cog_cred_read_pem(pem, len(pem), handle),
        "cannot import credentials",
        {Concept.OTHER: MissingCredentialsError, Concept.CREDENTIAL: MissingCredentialsError},
    )
    return Credential(handle[0])


def _require_whole_default() -> None:
    """Raise when what GSI finds is a proxy without its chain, at which gss_acquire_cred crashes."""
    runtime.activate("GSI_CREDENTIAL")
    handle = ffi.new("globus_gsi_cred_handle_t *")
    check(lib.globus_gsi_cred_handle_init(handle, ffi.NULL), "credential handle")
    try:
        result = lib.globus_gsi_cred_read(handle[0], ffi.NULL)
        if result != lib.GLOBUS_SUCCESS:
            lib.globus_object_free(lib.globus_error_get(result))  # gss_acquire_cred says it
        elif lib.cog_cred_holds(handle[0]) != 3:
            raise MissingCredentialsError(
                "the credential that GSI finds has a key that is not its own, or lacks the "
                "certificates behind the proxy",
                hint="make a new proxy with 'cogkit proxy init'",
            )
    finally:
        lib.globus_gsi_cred_handle_destroy(handle[0])


def indicate_mechs() -> set[OID]:
    """The mechanisms that there are: GSI's (gss_indicate_mechs)."""
    runtime.activate("GSI_GSSAPI")
    minor, out = ffi.new("OM_uint32 *"), ffi.new("gss_OID_set *")
    check_status(lib.gss_indicate_mechs(minor, out), minor, "no mechanisms")
    return take_oids(out)


def seconds_left(told: int) -> int:
    """GSI gives a negative time as a large one."""
    return 0 if told >= 1 << 31 else int(told)


def _seconds(lifetime: int | None) -> int:
    return int(lib.GSS_C_INDEFINITE) if lifetime is None else lifetime
