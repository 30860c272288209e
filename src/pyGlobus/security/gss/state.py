"""What a context is, and what is known about it (gss_inquire_context)."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

from ..._core.handles import owned
from ..._native import ffi, lib
from .buffers import take_set
from .creds import Credentials
from .exceptions import ExpiredContextError, MissingContextError, check_status
from .flags import RequirementFlag, Usage
from .keys import not_after
from .names import Name
from .oids import CERT_CHAIN, OID, TLS_CIPHER, TLS_VERSION, MechType

__all__ = ["ContextState"]


class ContextState:
    """The C context, its lock, and questions to it: the base of `SecurityContext`."""

    def __init__(self, usage: Usage) -> None:
        self.usage: Usage = usage
        self._lock = threading.RLock()
        self._started = False
        self._complete = False
        self._failure: str | None = None
        self._actual = RequirementFlag(0)
        self._delegated: Credentials | None = None
        self._creds: Credentials | None = None
        self._kept: list[Any] = []
        self._message = ffi.new("cog_message *")
        self._ends: float | None = None
        self._ends_with_certificates = False
        self._own()

    def _own(self) -> None:
        handle = ffi.new("gss_ctx_id_t *")
        # what C goes on pointing to: the credential, the OIDs of extensions
        kept = self._kept
        self._handle = handle

        def free() -> None:
            lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), handle, ffi.NULL)
            kept.clear()

        self._disown = owned(self, free)

    def _fail(self, why: str) -> None:
        """Nothing can be done with the context any more."""
        self._failure = why
        self._complete = False
        self._delete(ffi.NULL)

    def _delete(self, token: Any) -> None:
        lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), self._handle, token)
        if self._handle[0] == ffi.NULL:
            # nothing is left for the callback thread, which need not be woken
            self._disown()
            self._kept.clear()

    def _require_usable(self) -> None:
        if self._failure is not None:
            raise MissingContextError(f"the context is no more: {self._failure}")

    def _require_complete(self) -> None:
        self._require_usable()
        if not self._complete:
            raise MissingContextError("the context is not complete yet")

    # --- what is known about it ------------------------------------------------------------

    @property
    def complete(self) -> bool:
        """Whether this side is done; `step` may still have given something to send."""
        return self._complete

    @property
    def actual_flags(self) -> RequirementFlag:
        """What the context offers."""
        self._require_complete()
        return self._actual

    @property
    def locally_initiated(self) -> bool:
        """Whether this is the initiator's side."""
        return self.usage == "initiate"

    @property
    def delegated_creds(self) -> Credentials | None:
        """The proxy that the initiator has delegated, at an acceptor."""
        return self._delegated

    @property
    def lifetime(self) -> int:
        """Seconds until the first of the certificates on both sides expires; 0: one has.

        (GSI's own gss_context_time tells of the last one.)
        """
        with self._lock:
            self._require_complete()
            return max(0, int(self._good_until() - time.time()))

    def _good_until(self) -> float:
        if self._ends is None:
            ends = [float(not_after(one)) for one in self._inquire(CERT_CHAIN)]
            if self._creds is not None:
                ends.append(self._creds.credential.not_after.timestamp())
            self._ends = min(ends, default=math.inf)
        return self._ends

    def _require_time(self) -> None:
        """For a context that was asked to end with its certificates."""
        if self._ends_with_certificates and self._good_until() <= time.time():
            raise ExpiredContextError("a certificate of the context has expired")

    def _names(self) -> tuple[Name | None, Name | None, OID]:
        with self._lock:
            self._require_complete()
            minor = ffi.new("OM_uint32 *")
            source, target = ffi.new("gss_name_t *"), ffi.new("gss_name_t *")
            mech = ffi.new("gss_OID *")
            check_status(
                lib.gss_inquire_context(
                    minor, self._handle[0], source, target, ffi.NULL, mech, ffi.NULL, ffi.NULL,
                    ffi.NULL,
                ),
                minor,
                "cannot inquire the context",
            )  # fmt: skip
            return Name.from_c(source), Name.from_c(target), OID.from_c(mech[0]) or MechType.gsi

    @property
    def initiator_name(self) -> Name | None:
        """Who has initiated it: the person behind a proxy (gss_inquire_context)."""
        return self._names()[0]

    @property
    def target_name(self) -> Name | None:
        """Who has accepted it."""
        return self._names()[1]

    @property
    def peer_name(self) -> Name | None:
        """The other side: `target_name` for an initiator, `initiator_name` for an acceptor."""
        initiator, target, _ = self._names()
        return target if self.locally_initiated else initiator

    @property
    def mech(self) -> OID:
        """The mechanism, one of `MechType`."""
        return self._names()[2]

    def inquire_by_oid(self, oid: OID) -> list[bytes]:
        """What is known by an OID: for an X.509 extension, the peer's, DER.

        (gss_inquire_sec_context_by_oid)
        """
        with self._lock:
            self._require_complete()
            return self._inquire(oid)

    def _inquire(self, oid: OID) -> list[bytes]:
        pointer, kept = oid.to_c()
        minor, out = ffi.new("OM_uint32 *"), ffi.new("gss_buffer_set_t *")
        check_status(
            lib.gss_inquire_sec_context_by_oid(minor, self._handle[0], pointer, out),
            minor,
            f"cannot inquire {oid}",
        )
        del kept
        return take_set(out)

    @property
    def peer_certificates(self) -> list[bytes]:
        """The peer's chain, DER, from its own certificate to the CA's; empty for nobody's."""
        return self.inquire_by_oid(CERT_CHAIN)

    @property
    def tls_version(self) -> str:
        """``TLSv1.3``, ..."""
        return self._text(TLS_VERSION)

    @property
    def cipher(self) -> str:
        """The cipher suite, as OpenSSL calls it."""
        return self._text(TLS_CIPHER)

    def _text(self, oid: OID) -> str:
        return b"".join(self.inquire_by_oid(oid)).rstrip(b"\0").decode()
