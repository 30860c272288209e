"""`Name`: who somebody is (gss_name_t)."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

from ..._core.errors import check
from ..._core.handles import owned
from ..._core.runtime import runtime
from ..._native import ffi, lib
from .buffers import input_buffer, output_buffer, take, take_oids
from .exceptions import BadNameError, check_status
from .oids import OID, MechType, NameType

__all__ = ["DisplayNameResult", "Name", "authorization_host_name", "inquire_names_for_mech"]

_LONGEST = 0x7FFF
"""GSI reads the length of an exported name with a sign in each octet."""


class DisplayNameResult(NamedTuple):
    """What gss_display_name gives."""

    name: bytes
    name_type: OID | None


def _static(name_type: OID | None) -> Any:
    """The library's own pointer: a name keeps the one that it was made with."""
    known = {
        NameType.user: lib.GSS_C_NT_USER_NAME,
        NameType.hostbased_service: lib.GSS_C_NT_HOSTBASED_SERVICE,
        NameType.anonymous: lib.GSS_C_NT_ANONYMOUS,
        NameType.machine_uid: lib.GSS_C_NT_MACHINE_UID_NAME,
        NameType.string_uid: lib.GSS_C_NT_STRING_UID_NAME,
        NameType.hostbased_service_x: lib.GSS_C_NT_HOSTBASED_SERVICE_X,
    }
    if name_type is None:
        return ffi.NULL
    if name_type == NameType.host_ip:
        return lib.cog_gss_nt_host_ip()
    return known.get(name_type)


class Name:
    """A name.  Immutable; safe to use from several threads.

    >>> Name("/O=Grid/CN=Ann Other") == Name("/O=Grid/CN=Ann Other", NameType.user)
    True
    >>> str(Name("host@grid.example.org", NameType.hostbased_service))
    '/CN=host/grid.example.org'

    Names are compared as GSI compares them (gss_compare_name): that of a host's certificate is
    equal to the ``host@...`` that it stands for.  So equal names may have different texts, and a
    `Name` has no hash.
    """

    __slots__ = ("__weakref__", "_handle")

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        base: str | bytes | Name | None = None,
        name_type: OID | None = None,
        token: bytes | None = None,
    ) -> None:
        """Import a name (gss_import_name).

        Args:
            base: the name as text, or another `Name`.
            name_type: what kind of text; None: a distinguished name with slashes.
            token: instead of `base`: what `export` gave.

        Raises:
            BadNameError: the text is no name of that type.
            BadNameTypeError: GSI has no such type.
        """
        runtime.activate("GSI_GSSAPI")
        minor, name = ffi.new("OM_uint32 *"), ffi.new("gss_name_t *")
        if isinstance(base, Name):
            check_status(
                lib.gss_duplicate_name(minor, base._handle[0], name), minor, "cannot copy a name"
            )
        else:
            if token is not None:
                # GSI's own reader of these tokens trusts the lengths in them
                base, name_type = _exported_name(token), None
            if base is None:
                if name_type != NameType.anonymous:
                    raise TypeError("a name is made of base or token")
                base = b""
            text = base.encode() if isinstance(base, str) else bytes(base)
            if b"\0" in text:
                raise BadNameError(f"a name cannot hold NUL: {text!r}")
            pointer = _static(name_type)
            if pointer is None:
                assert name_type is not None
                # not known: GSI says so, and keeps nothing
                pointer, kept = name_type.to_c()
                del kept
            buffer, pinned = input_buffer(text)
            check_status(
                lib.gss_import_name(minor, buffer, pointer, name),
                minor,
                f"not a name: {text.decode('utf-8', 'replace')!r}",
            )
            del pinned
        self._take(name)

    def _take(self, name: Any) -> None:
        self._handle = name
        owned(self, lambda: lib.gss_release_name(ffi.new("OM_uint32 *"), name))

    @classmethod
    def from_c(cls, name: Any) -> Self | None:
        """For this package: takes a `gss_name_t *` over; None for GSS_C_NO_NAME."""
        if name[0] == ffi.NULL:
            return None
        self = cls.__new__(cls)
        self._take(name)
        return self

    def display(self) -> DisplayNameResult:
        """The text and its type (gss_display_name)."""
        minor, text, kind = ffi.new("OM_uint32 *"), output_buffer(), ffi.new("gss_OID *")
        check_status(
            lib.gss_display_name(minor, self._handle[0], text, kind), minor, "cannot show a name"
        )
        return DisplayNameResult(take(text), OID.from_c(kind[0]))

    @property
    def name_type(self) -> OID | None:
        """What kind of name it is, one of `NameType`."""
        return self.display().name_type

    @property
    def is_anonymous(self) -> bool:
        """Whether it is nobody's in particular."""
        return self.name_type == NameType.anonymous

    def export(self) -> bytes:
        """The name as octets that can be compared, and made into a name again.

        (gss_export_name, RFC 2743 3.2)  It holds the distinguished name alone.
        """
        minor, out = ffi.new("OM_uint32 *"), output_buffer()
        check_status(
            lib.gss_export_name(minor, self._handle[0], out), minor, "cannot export a name"
        )
        return take(out)

    def canonicalize(self, mech: OID = MechType.gsi) -> Name:
        """The name as the mechanism knows it: the distinguished name alone.

        (GSI's own gss_canonicalize_name is empty: this is what RFC 2743 2.4.14 promises, that the
        result is what exporting and importing gives.)

        Raises:
            BadMechanismError: GSI is not that mechanism.
        """
        require_mech(mech)
        return Name(token=self.export())

    def handle(self) -> Any:
        """For this package: the `gss_name_t`."""
        return self._handle[0]

    def __str__(self) -> str:
        return self.display().name.decode("utf-8", "replace")

    def __bytes__(self) -> bytes:
        return self.display().name

    def __repr__(self) -> str:
        shown = self.display()
        return f"Name({shown.name!r}, {shown.name_type})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Name):
            return NotImplemented
        minor, equal = ffi.new("OM_uint32 *"), ffi.new("int *")
        check_status(
            lib.gss_compare_name(minor, self._handle[0], other._handle[0], equal),
            minor,
            "cannot compare two names",
        )
        return bool(equal[0])

    def __copy__(self) -> Name:
        return Name(self)

    def __deepcopy__(self, _: object) -> Name:
        return Name(self)


def _exported_name(token: bytes) -> bytes:
    """The distinguished name in an exported name (RFC 2743 3.2)."""
    mech = MechType.gsi_old.elements
    head = b"\x04\x01" + (len(mech) + 2).to_bytes(2, "big") + bytes([6, len(mech)]) + mech
    body = bytes(token)
    size = int.from_bytes(body[len(head) : len(head) + 4], "big")
    name = body[len(head) + 4 :]
    if not body.startswith(head) or len(body) < len(head) + 4 or size != len(name):
        raise BadNameError("not an exported name of GSI")
    if not name or size > _LONGEST:
        raise BadNameError(f"an exported name of {size} octets")
    return name


def require_mech(mech: OID | None) -> None:
    """Raise for a mechanism that is not GSI's."""
    from .exceptions import BadMechanismError

    if mech not in (None, MechType.gsi, MechType.gsi_old):
        raise BadMechanismError(f"{mech} is not GSI's mechanism")


def authorization_host_name(host: str) -> Name:
    """The name that a server on `host` should have, after a look into the DNS.

    ``host@`` and the canonical name; this machine's own name for a loopback address
    (globus_gss_assist_authorization_host_name).

    Raises:
        GlobusException: the name does not resolve.
    """
    if "\0" in host:
        raise BadNameError(f"a name cannot hold NUL: {host!r}")
    runtime.activate("GSI_GSS_ASSIST", "GSI_GSSAPI")
    name = ffi.new("gss_name_t *")
    check(
        lib.globus_gss_assist_authorization_host_name(ffi.new("char[]", host.encode()), name),
        f"no name for a server on {host}",
    )
    made = Name.from_c(name)
    assert made is not None
    return made


def inquire_names_for_mech(mech: OID = MechType.gsi_old) -> set[OID]:
    """The types of names of a mechanism (gss_inquire_names_for_mech)."""
    runtime.activate("GSI_GSSAPI")
    pointer, kept = mech.to_c()
    minor, out = ffi.new("OM_uint32 *"), ffi.new("gss_OID_set *")
    check_status(lib.gss_inquire_names_for_mech(minor, pointer, out), minor, f"no names for {mech}")
    del kept
    return take_oids(out)
