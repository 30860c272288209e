"""Object identifiers of the GSS-API: mechanisms, types of names, what can be asked by OID."""

from __future__ import annotations

import enum
from typing import Any

from ..._native import ffi, lib

__all__ = ["OID", "RESTRICTIONS", "MechType", "NameType", "Option"]


class OID:
    """An object identifier (gss_OID).

    >>> OID.from_int_seq("1.3.6.1.4.1.3536.1.1").dotted_form
    '1.3.6.1.4.1.3536.1.1'
    """

    __slots__ = ("_elements",)

    def __init__(self, *, elements: bytes) -> None:
        """`elements`: the content octets of its DER encoding."""
        self._elements = bytes(elements)

    @classmethod
    def from_int_seq(cls, integers: str | tuple[int, ...] | list[int]) -> OID:
        """From numbers, or from text with dots between them.

        Raises:
            ValueError: that is no object identifier.
        """
        parts = integers.split(".") if isinstance(integers, str) else integers
        numbers = [int(part) for part in parts]
        if len(numbers) < 2 or min(numbers) < 0 or numbers[0] > 2 or (
            numbers[0] < 2 and numbers[1] > 39
        ):  # fmt: skip
            raise ValueError(f"not an object identifier: {integers!r}")
        out = bytearray()
        for number in [numbers[0] * 40 + numbers[1], *numbers[2:]]:
            groups = [number & 0x7F]
            while number := number >> 7:
                groups.append(number & 0x7F | 0x80)
            out.extend(reversed(groups))
        return cls(elements=bytes(out))

    @classmethod
    def from_c(cls, pointer: Any) -> OID | None:
        """For this package: a copy of a `gss_OID`; None for GSS_C_NO_OID."""
        if pointer == ffi.NULL:
            return None
        return cls(elements=bytes(ffi.buffer(pointer.elements, pointer.length)))

    @property
    def elements(self) -> bytes:
        """The content octets of the DER encoding."""
        return self._elements

    @property
    def dotted_form(self) -> str:
        """The numbers with dots between them."""
        numbers: list[int] = []
        number = 0
        for octet in self._elements:
            number = number << 7 | octet & 0x7F
            if not octet & 0x80:
                numbers.append(number)
                number = 0
        if not numbers:
            return ""
        first = min(numbers[0] // 40, 2)
        return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))

    def to_c(self) -> Any:
        """For this package: a `gss_OID`, and what must be kept as long as it is used."""
        octets = ffi.new("char[]", self._elements)
        pointer = ffi.new("gss_OID_desc *", {"length": len(self._elements), "elements": octets})
        return pointer, octets

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OID) and self._elements == other._elements

    def __hash__(self) -> int:
        return hash(self._elements)

    def __bytes__(self) -> bytes:
        return self._elements

    def __repr__(self) -> str:
        return f"<OID {self.dotted_form}>"


class MechType:
    """Mechanisms."""

    gsi_old = OID.from_int_seq("1.3.6.1.4.1.3536.1.1")
    """GSI with the signatures of Globus before 6 (gss_mech_globus_gssapi_openssl)."""
    gsi = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.1")
    """GSI as it is today, TLS with proxies (gss_mech_globus_gssapi_openssl_micv2)."""


class NameType:
    """Types of names."""

    user = OID.from_int_seq("1.2.840.113554.1.2.1.1")
    """A distinguished name with slashes, ``/O=Grid/CN=me`` (GSS_C_NT_USER_NAME)."""
    machine_uid = OID.from_int_seq("1.2.840.113554.1.2.1.2")
    """GSI has none of these (GSS_C_NT_MACHINE_UID_NAME)."""
    string_uid = OID.from_int_seq("1.2.840.113554.1.2.1.3")
    """GSI has none of these (GSS_C_NT_STRING_UID_NAME)."""
    hostbased_service = OID.from_int_seq("1.2.840.113554.1.2.1.4")
    """``service@host``; ``host`` alone is ``host@host`` (GSS_C_NT_HOSTBASED_SERVICE)."""
    hostbased_service_x = OID.from_int_seq("1.3.6.1.5.6.2")
    """GSI has none of these (GSS_C_NT_HOSTBASED_SERVICE_X)."""
    anonymous = OID.from_int_seq("1.3.6.1.5.6.3")
    """Nobody in particular (GSS_C_NT_ANONYMOUS)."""
    export = OID.from_int_seq("1.3.6.1.5.6.4")
    """What `Name.export` gives (GSS_C_NT_EXPORT_NAME)."""
    host_ip = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.2")
    """``host/address``: the host that was asked for, and the one that answers
    (GLOBUS_GSS_C_NT_HOST_IP)."""
    x509 = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.3")
    """The subject and alternative names of a certificate; only C makes these
    (GLOBUS_GSS_C_NT_X509)."""


class Option(enum.Enum):
    """What `SecurityContext.set_option` sets, before the first `step`."""

    disallow_encryption = "1.3.6.1.4.1.3536.1.1.3.1"
    """GSI remembers this, and encrypts all the same (GSS_DISALLOW_ENCRYPTION)."""
    protection_fail_on_context_expiration = "1.3.6.1.4.1.3536.1.1.3.2"
    """Nothing is wrapped or unwrapped any more once a certificate of either side has expired
    (GSS_PROTECTION_FAIL_ON_CONTEXT_EXPIRATION)."""
    application_will_handle_extensions = "1.3.6.1.4.1.3536.1.1.3.3"
    """Critical extensions with these OIDs are accepted in a proxy: the program looks at them
    itself (GSS_APPLICATION_WILL_HANDLE_EXTENSIONS).  In other certificates GSI takes none, with
    OpenSSL 3."""

    @property
    def pointer(self) -> Any:
        """For this package: the library's own constant."""
        name = f"GSS_{self.name.upper()}"
        return ffi.cast("gss_OID", getattr(lib, name))


RESTRICTIONS = OID.from_int_seq("1.3.6.1.5.5.7.1.14")
"""The extension of a proxy that holds its policy (RFC 3820, 3.8)."""
CERT_CHAIN = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.1.8")
TLS_VERSION = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.1.11")
TLS_CIPHER = OID.from_int_seq("1.3.6.1.4.1.3536.1.1.1.12")
