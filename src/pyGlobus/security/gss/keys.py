"""What must be known of a peer's certificate: how large its key is, and when it ends."""

from __future__ import annotations

from collections.abc import Sequence

from ..._native import lib
from .exceptions import InvalidCredentialsError

__all__ = ["LARGEST_KEY", "SMALLEST_KEY", "key_bits", "not_after", "require_bearable"]

SMALLEST_KEY = 1024
LARGEST_KEY = 8192
"""Bits.  At a context that delegates, GSI makes a key as long as the peer's, in any number of
minutes."""


def key_bits(certificate: bytes) -> int:
    """Bits of the key of a certificate in DER; negative when it is not an RSA key."""
    bits: int = lib.cog_certificate_key_bits(certificate, len(certificate))
    return bits


def not_after(certificate: bytes) -> int:
    """When a certificate in DER ends, in seconds since 1970; 0: it is none."""
    ends: int = lib.cog_certificate_not_after(certificate, len(certificate))
    return ends


def require_bearable(chain: Sequence[bytes]) -> None:
    """Raise for a peer whose delegation would keep us busy for minutes.

    Raises:
        InvalidCredentialsError: its key is longer than `LARGEST_KEY`.
    """
    if not chain or len(chain[0]) * 8 <= LARGEST_KEY:
        return  # no room for such a key
    bits = abs(key_bits(chain[0]))
    if bits > LARGEST_KEY:
        raise InvalidCredentialsError(f"the peer's key of {bits} bits is too large to go with")
