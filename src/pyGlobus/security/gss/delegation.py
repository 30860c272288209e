"""`Delegation`: a proxy for the peer over a context that is up (GFD.24, gss_init_delegation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._native import ffi, lib
from ..credential import Credential
from ..proxy import Policy, create_proxy
from .buffers import input_buffer, oid_set, output_buffer, take
from .creds import Credentials
from .errors import GSSError, gss_error
from .flags import RequirementFlag
from .keys import require_delegable
from .oids import PROXY_CERT_INFO
from .records import require_whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from .contexts import SecurityContext

__all__ = ["Delegation"]

_CONTINUE = 1
_INHERIT_ALL = b"1.3.6.1.5.5.7.21.1"
_BITS = 2048


class Delegation:
    """One side of a delegation; tokens go back and forth as with the context itself.

    `SecurityContext.init_delegation` and `SecurityContext.accept_delegation` make them.  While
    one is under way nothing else goes over the context.
    """

    def __init__(
        self,
        context: SecurityContext,
        *,
        accept: bool = False,
        creds: Credentials | Credential | None = None,
        lifetime: int | None = None,
        limited: bool = False,
        policy: Policy | None = None,
        path_length: int | None = None,
    ) -> None:
        """For this package: see `SecurityContext.init_delegation`."""
        if lifetime is not None and not 0 < lifetime < 1 << 31:
            raise ValueError(f"a proxy must be valid for a while: lifetime is {lifetime} s")
        if limited and (policy is not None or path_length is not None):
            raise ValueError("a limited proxy has no policy and no path length of its own")
        if path_length is not None and path_length < 1:
            raise ValueError(
                f"path_length is {path_length}: GSI knows no other limit than 1 or more"
            )
        self._context = context
        self._accept = accept
        self._given = creds if isinstance(creds, Credentials) or creds is None else Credentials(creds)
        self._lifetime = lifetime or 0
        self._flags = int(RequirementFlag.limited_delegation) if limited else 0
        self._policy = policy
        self._path_length = path_length
        self._started = False
        self._complete = False
        self._creds: Credentials | None = None

    @property
    def complete(self) -> bool:
        """Whether this side is done; `step` may still have given something to send."""
        return self._complete

    @property
    def creds(self) -> Credentials | None:
        """At the accepting side, when it is complete: the proxy that came."""
        return self._creds

    def step(self, token: ReadableBuffer | None = None) -> bytes | None:
        """Take what the peer sent, and give what it should get; None: nothing.

        Args:
            token: from the peer; None for the first step of the side that gives.

        Raises:
            InvalidTokenError: damaged, cut off, or not one at all.
            GSSError: anything else; the context is of no use then.
        """
        if self._complete:
            raise GSSError("the delegation is complete: there is no further step")
        if (token is None) != (not self._accept and not self._started):
            raise TypeError("only the first step of the side that gives takes no token")
        if token is not None:
            require_whole(token)
        with self._context.delegating() as handle:
            if self._accept and not self._started:
                require_delegable(self._context.peer_certificates)
            if self._policy is not None and not self._started:
                self._restrict(self._policy)
            self._started = True
            return self._accept_step(handle, token) if self._accept else self._init(handle, token)

    def _init(self, handle: Any, token: ReadableBuffer | None) -> bytes | None:
        minor, out = ffi.new("OM_uint32 *"), output_buffer()
        given, pinned = (ffi.NULL, None) if token is None else input_buffer(token)
        info = self._info()
        try:
            oids, kept = (ffi.NULL, None) if info == ffi.NULL else oid_set([PROXY_CERT_INFO])
            # C looks for a pointer where the octets of the extension would be
            element = ffi.new("gss_buffer_desc *", {"length": 1, "value": info})
            members = ffi.new("gss_buffer_set_desc *", {"count": 1, "elements": element})
            major = lib.gss_init_delegation(
                minor,
                handle,
                ffi.NULL if self._given is None else self._given.handle(),
                ffi.NULL,
                oids,
                ffi.NULL if info == ffi.NULL else members,
                given,
                self._flags,
                self._lifetime,
                out,
            )
            del kept
        finally:
            if info != ffi.NULL:
                lib.cog_proxy_cert_info_free(info)
        del pinned
        return self._outcome(major, minor, take(out), "cannot delegate")

    def _info(self) -> Any:
        if self._path_length is None:
            return ffi.NULL
        return lib.cog_proxy_cert_info_new(_INHERIT_ALL, ffi.NULL, 0, self._path_length)

    def _restrict(self, policy: Policy) -> None:
        """GSI drops a policy that it is given for the proxy: so what signs that has the policy."""
        giver = self._given or self._context.own_creds()
        issuer = giver.credential
        restricted = create_proxy(
            issuer,
            policy=policy,
            lifetime=issuer.time_left,
            bits=max(issuer.key_bits, _BITS) if issuer.key_type == "RSA" else _BITS,
        )
        self._given = Credentials(restricted)

    def _accept_step(self, handle: Any, token: ReadableBuffer | None) -> bytes | None:
        minor, out = ffi.new("OM_uint32 *"), output_buffer()
        assert token is not None
        given, pinned = input_buffer(token)
        creds = ffi.new("gss_cred_id_t *")
        major = lib.gss_accept_delegation(
            minor, handle, ffi.NULL, ffi.NULL, given, 0, 0, ffi.NULL, creds, ffi.NULL, out
        )
        del pinned
        if creds[0] != ffi.NULL:
            self._creds = Credentials.from_c(creds)
        return self._outcome(major, minor, take(out), "no delegated credential")

    def _outcome(self, major: int, minor: Any, token: bytes, what: str) -> bytes | None:
        if major & ~_CONTINUE:
            raise gss_error(major, minor[0], what, token=token)
        # C says that it is to go on with a proxy that is complete
        self._complete = self._creds is not None if self._accept else not major & _CONTINUE
        return token or None

    def __repr__(self) -> str:
        side = "accept" if self._accept else "initiate"
        return f"<Delegation {side}, {'complete' if self._complete else 'begun'}>"
