"""What is asked of a context, and what it offers (gssapi.h, RFC 2743 1.2)."""

from __future__ import annotations

import enum

__all__ = ["DEFAULT_FLAGS", "RequirementFlag", "Usage"]

Usage = str
"""``initiate``, ``accept`` or ``both``"""


class RequirementFlag(enum.IntFlag):
    """Flags of a context: the names are those of python-gssapi, then GSI's own."""

    delegate_to_peer = 1
    """Give the peer a proxy of our credential (GSS_C_DELEG_FLAG)."""
    mutual_authentication = 2
    replay_detection = 4
    out_of_sequence_detection = 8
    confidentiality = 16
    integrity = 32
    anonymity = 64
    """Do not tell the peer who we are; the acceptor sees that it was so (GSS_C_ANON_FLAG)."""
    protection_ready = 128
    transferable = 256
    limited_delegation = 4096
    """Of delegation: a limited proxy (GSS_C_GLOBUS_DELEGATE_LIMITED_PROXY_FLAG)."""
    refuse_limited_proxy = 8192
    """Asked: take no peer with a limited proxy (GSS_C_GLOBUS_DONT_ACCEPT_LIMITED_PROXY_FLAG)."""
    received_limited_proxy = 8192
    """Told: the peer has a limited proxy (GSS_C_GLOBUS_RECEIVED_LIMITED_PROXY_FLAG)."""
    ssl_compatible = 16384
    """Plain TLS, for a peer that is not GSI; no delegation (GSS_C_GLOBUS_SSL_COMPATIBLE)."""
    accept_proxy_signed_by_limited = 32768
    """GSS_C_GLOBUS_ACCEPT_PROXY_SIGNED_BY_LIMITED_PROXY_FLAG"""
    allow_missing_signing_policy = 65536
    """Trust CAs without a signing policy (GSS_C_GLOBUS_ALLOW_MISSING_SIGNING_POLICY)."""


DEFAULT_FLAGS = (
    RequirementFlag.mutual_authentication
    | RequirementFlag.replay_detection
    | RequirementFlag.out_of_sequence_detection
    | RequirementFlag.confidentiality
    | RequirementFlag.integrity
)
