"""Why a chain of certificates does not verify, in words."""

from __future__ import annotations

import re

from .._core.errors import last_line

__all__ = ["reason_for_distrust"]

_DISTRUST = (
    (
        re.compile(r"has been revoked"),
        "its CA has revoked it",
        "ask your CA for a new certificate; proxies of this one are of no use",
    ),
    (
        re.compile(r"(?:certificate with hash|in chain with hash) ([0-9a-f]{8})"),
        "the CA that issued it is not among them ({0}.0 is missing)",
        "install that CA's certificate and signing policy there, or set X509_CERT_DIR",
    ),
    (
        re.compile(r"(\S+\.signing_policy) is not a valid file"),
        "the signing policy of its CA is missing ({0})",
        "install it: your CA publishes it with its certificate",
    ),
    (
        re.compile(r"does not match the signing policies defined in (\S+)"),
        "the signing policy of its CA, {0}, does not allow this name",
        "update that file; if it is up to date, the CA may not issue such a name",
    ),
    (
        re.compile(r"CRL.*expired", re.IGNORECASE),
        "the list of revoked certificates of its CA has expired",
        "update it, with fetch-crl for instance",
    ),
)


def reason_for_distrust(text: str) -> tuple[str, str]:
    """Why a chain does not verify, and what to do about it, from GSI's text.

    (globus_gsi_callback.c, oldgaa)
    """
    for pattern, words, hint in _DISTRUST:
        if found := pattern.search(text):
            return words.format(*found.groups()), hint
    return last_line(text) or "no reason given", ""
