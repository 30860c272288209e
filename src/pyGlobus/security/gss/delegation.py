"""`Delegation`: a proxy for the peer over a context that is up (GFD.24).

On the wire this is what gss_init_delegation and gss_accept_delegation do, and each side works with
them at the other.  The steps are made here, since GCT's (6.2) drop the policy of a restricted
proxy, crash at an answer without a chain, and make the new key as long as the peer's, however long
or short that is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..._core.errors import Concept, check
from ..._core.handles import owned
from ..._native import ffi, lib
from ..credential import Credential
from ..proxy import Policy
from .buffers import output_buffer, take
from .creds import Credentials
from .exceptions import GSSError, InvalidTokenError
from .keys import key_bits

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Delegation"]

_ERRORS = {Concept.OTHER: GSSError, Concept.AUTHENTICATION: GSSError, Concept.CREDENTIAL: GSSError}
_LONGEST_ANSWER = 1 << 18
_BITS = 2048
_MOST_BITS = 4096


class Established(Protocol):
    """What a delegation needs of its `SecurityContext`, which makes it and so is above it."""

    @property
    def peer_certificates(self) -> Sequence[bytes]:
        """The peer's chain."""

    def own_creds(self) -> Credentials:
        """Our own."""

    def delegating(self) -> AbstractContextManager[Self]:
        """The context for one step, and its end if that fails."""

    def encrypt(self, message: ReadableBuffer) -> bytes:
        """A token that holds the message."""

    def decrypt(self, message: ReadableBuffer) -> bytes:
        """The message that a token holds."""


class Delegation:
    """One side of a delegation; tokens go back and forth as with the context itself.

    `SecurityContext.init_delegation` and `SecurityContext.accept_delegation` make them.  While
    one is under way nothing else goes over the context.
    """

    def __init__(
        self,
        context: Established,
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
            raise ValueError(f"path_length is {path_length}: GSI writes 1 or more, or no limit")
        if policy is not None and not lib.cog_register_oid(policy.language.encode()):
            raise ValueError(f"not a policy language: {policy.language!r}")
        self._context = context
        self._accept = accept
        self._giver = (
            creds if isinstance(creds, Credentials) or creds is None else Credentials(creds)
        )
        self._minutes = -(-(lifetime or 0) // 60)
        self._limited = limited
        self._policy = policy
        self._path_length = path_length
        self._started = False
        self._complete = False
        self._creds: Credentials | None = None
        self._request: Any = None
        self._answer = bytearray()

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
        with self._context.delegating() as context:
            message = b"" if token is None else context.decrypt(token)
            first, self._started = not self._started, True
            if self._accept:
                if first:
                    return self._ask(message)
                self._take_proxy(message)
                return None
            return self._begin() if first else self._sign(message)

    # --- the side that gives -----------------------------------------------------------------

    def _begin(self) -> bytes:
        return self._context.encrypt(b"D")

    def _sign(self, request: bytes) -> bytes:
        # kept until C is done with its handle
        credential = (self._giver or self._context.own_creds()).credential
        policy = self._policy
        answer = output_buffer()
        check(
            lib.cog_request_sign(
                credential.handle(),
                request,
                len(request),
                int(self._limited),
                ffi.NULL if policy is None else policy.language.encode(),
                ffi.NULL if policy is None else policy.text,
                0 if policy is None else len(policy.text),
                -1 if self._path_length is None else self._path_length,
                self._minutes,
                answer,
            ),
            "cannot delegate",
            _ERRORS,
        )
        self._complete = True
        # GSI's reader expects each certificate in a record of its own
        return b"".join(map(self._context.encrypt, _certificates(take(answer))))

    # --- the side that takes -------------------------------------------------------------------

    def _ask(self, message: bytes) -> bytes:
        if message != b"D":
            raise InvalidTokenError("the peer does not begin a delegation")
        chain = self._context.peer_certificates
        if not chain:
            raise GSSError("an anonymous peer has nothing to delegate")
        handle, request = ffi.new("globus_gsi_proxy_handle_t *"), output_buffer()
        bits = min(max(key_bits(chain[0]), _BITS), _MOST_BITS)
        check(lib.cog_request_new(bits, handle, request), "no request for a proxy", _ERRORS)
        self._request = handle
        owned(self, lambda: lib.globus_gsi_proxy_handle_destroy(handle[0]))
        return self._context.encrypt(take(request))

    def _take_proxy(self, answer: bytes) -> None:
        self._answer += answer
        if len(self._answer) > _LONGEST_ANSWER:
            raise InvalidTokenError(f"a chain of more than {_LONGEST_ANSWER} octets")
        handle = ffi.new("globus_gsi_cred_handle_t *")
        whole = bytes(self._answer)
        check(
            lib.cog_request_assemble(self._request[0], whole, len(whole), handle),
            "no delegated credential",
            _ERRORS,
        )
        holds = lib.cog_cred_holds(handle[0])
        if not holds & 1:
            lib.globus_gsi_cred_handle_destroy(handle[0])
            raise InvalidTokenError("the delegated proxy is not of the key that was made for it")
        credential = Credential(handle[0])
        if holds & 2:
            self._creds = Credentials(credential)
            self._complete = True
        # else: gss_assist carries each record as a token, and the rest of the chain is to come

    def __repr__(self) -> str:
        side = "accept" if self._accept else "initiate"
        return f"<Delegation {side}, {'complete' if self._complete else 'begun'}>"


def _certificates(der: bytes) -> Iterator[bytes]:
    """Each of several values in DER that follow one another."""
    offset = 0
    while offset < len(der):
        octets = der[offset + 1] & 0x7F if der[offset + 1] & 0x80 else 0
        size = (
            int.from_bytes(der[offset + 2 : offset + 2 + octets], "big")
            if octets
            else der[offset + 1]
        )
        end = offset + 2 + octets + size
        yield der[offset:end]
        offset = end
