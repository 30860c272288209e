"""`SecurityContext`: two sides that know each other, and messages between them (gss_ctx_id_t)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn, Self

from ..._core.errors import GlobusException, text_of
from ..._core.runtime import runtime
from ..._native import ffi, lib
from ..credential import Credential
from .buffers import input_buffer, oid_set, output_buffer, take
from .creds import Credentials
from .delegation import Delegation
from .exceptions import (
    BadChannelBindingsError,
    EncryptionNotUsed,
    GSSError,
    InvalidTokenError,
    OperationUnavailableError,
    RefusedByPeerError,
    UnauthorizedError,
    check_status,
    gss_error,
)
from .flags import DEFAULT_FLAGS, RequirementFlag, Usage
from .keys import SMALLEST_KEY, require_bearable
from .messages import Messages
from .names import Name, require_mech
from .oids import CERT_CHAIN, OID, RESTRICTIONS, Option
from .records import LARGEST_TOKEN, is_alert, require_whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from ..proxy import Policy

__all__ = ["SecurityContext"]

_GIVEN_BY_REQUEST = (
    RequirementFlag.delegate_to_peer
    | RequirementFlag.anonymity
    | RequirementFlag.limited_delegation
)
"""GSI's initiator tells the first two of these whether they were asked for or not."""


def _as_gsi_compares(oid: OID) -> OID:
    """An OID of an extension as GSI reads it.

    It takes the octets for a whole DER value, and compares OpenSSL's numbers: all OIDs that
    OpenSSL does not know have one, and so would be accepted together.
    """
    if not lib.cog_register_oid(oid.dotted_form.encode()):
        raise ValueError(f"not an object identifier: {oid}")
    return OID(elements=bytes([6, len(oid.elements)]) + oid.elements)


class SecurityContext(Messages):
    """One side of a security context.

    Tokens go back and forth until both sides are `complete`; the module's page shows it.

    A context is used by one thread at a time: its own lock sees to that.  It is closed by
    `close()`, or at the end of a ``with`` block, or when it is forgotten.
    """

    def __init__(
        self,
        base: SecurityContext | None = None,
        token: bytes | None = None,
        name: Name | None = None,
        creds: Credentials | Credential | None = None,
        lifetime: int | None = None,
        flags: int | None = None,
        mech: OID | None = None,
        channel_bindings: object = None,
        usage: Usage | None = None,
    ) -> None:
        """Prepare a context; `step` begins it.

        Args:
            base: not supported: a context belongs to one object.
            token: what `export` gave (gss_import_sec_context).
            name: who the peer has to be; with `flags` and the rest it makes an initiator.
                Delegation needs it.
            creds: our own; None: those that GSI finds.
            lifetime: seconds that it should last; GSI gives what the certificates have.
            flags: `RequirementFlag`; by default mutual authentication, integrity, confidentiality
                and the detection of replayed and reordered messages.  An acceptor takes GSI's own
                ones, such as `RequirementFlag.refuse_limited_proxy`.
            mech: one of `MechType`.
            channel_bindings: refused: GSI takes them and does not look at them.
            usage: ``initiate`` or ``accept``; by default it follows from `name` and `creds`.

        Raises:
            BadChannelBindingsError: channel bindings were given.
            OperationUnavailableError: a token was given, and GSI cannot import contexts.
        """
        if base is not None:
            raise TypeError("a SecurityContext belongs to one object; base is not supported")
        if channel_bindings is not None:
            raise BadChannelBindingsError(
                "GSI takes channel bindings and does not look at them: nothing would be bound"
            )
        require_mech(mech)
        runtime.activate("GSI_GSSAPI", "GSI_CREDENTIAL", "GSI_PROXY")
        self._steps = 0
        self._seen = False
        ours = creds if isinstance(creds, Credentials) or creds is None else Credentials(creds)
        if usage is None:
            if ours is not None and ours.usage != "both":
                usage = ours.usage
            else:
                usage = "initiate" if name is not None else "accept"
        if usage not in ("initiate", "accept"):
            raise ValueError(f"usage is {usage!r}: 'initiate' or 'accept'")
        if usage == "accept" and (name is not None or mech is not None or lifetime is not None):
            raise TypeError("name, mech and lifetime are for a context that initiates")
        super().__init__(usage)
        self._creds = ours
        self._name = name
        self._lifetime = lifetime
        self._mech = mech
        self._flags = RequirementFlag(
            flags if flags is not None else DEFAULT_FLAGS if usage == "initiate" else 0
        )
        if token is not None:
            self._import(token)

    # --- before it is up -----------------------------------------------------------------------

    def set_option(self, option: Option, oids: Iterable[OID] = ()) -> None:
        """Set an option, before the first `step` (gss_set_sec_context_option).

        Args:
            option: which one.
            oids: for `Option.application_will_handle_extensions`: those critical extensions that
                this program looks at itself, for instance by `inquire_by_oid`.

        Raises:
            GSSError: the context has begun.
        """
        oids = list(oids)
        handles = option is Option.application_will_handle_extensions
        if handles != bool(oids):
            raise ValueError(f"{option.name} takes {'the OIDs' if handles else 'no OIDs'}")
        with self._lock:
            self._require_usable()
            if self._started:
                raise GSSError("options are set before the first step")
            value = ffi.NULL
            if handles:
                wanted, kept = oid_set([_as_gsi_compares(oid) for oid in oids])
                value = ffi.new(
                    "gss_buffer_desc *",
                    {"length": ffi.sizeof("gss_OID_set_desc"), "value": wanted},
                )
                # C copies the set, and goes on pointing to its members
                self._kept.append((wanted, kept))
            minor = ffi.new("OM_uint32 *")
            check_status(
                lib.gss_set_sec_context_option(minor, self._handle, option.pointer, value),
                minor,
                f"cannot set the option {option.name}",
            )
            if option is Option.protection_fail_on_context_expiration:
                self._ends_with_certificates = True

    def will_handle_restrictions(self) -> None:
        """Accept proxies whose policy GSI does not know: this program looks at it itself.

        The policy is in `inquire_by_oid` of RFC 3820's proxyCertInfo, `RESTRICTIONS`.
        """
        self.set_option(Option.application_will_handle_extensions, [RESTRICTIONS])

    def step(self, token: ReadableBuffer | None = None) -> bytes | None:
        """Take what the peer sent, and give what it should get.

        (gss_init_sec_context, gss_accept_sec_context)

        Args:
            token: from the peer; None for the first step of an initiator.

        Returns:
            What to send, or None.  The context may be `complete` and have something to send.

        Raises:
            InvalidTokenError: the token is damaged, cut off, or not one at all.
            InvalidCredentialsError: a side does not accept the other's credential; the subclass
                says why.
            UnauthorizedError: the peer is not who it should be.
            MissingCredentialsError, ExpiredCredentialsError: our own.
            GSSError: anything else.  After an error the context is of no use; what is in the
                error's `token` tells the peer.
        """
        with self._lock:
            self._require_usable()
            if self._complete:
                raise GSSError("the context is complete: there is no further step")
            if self._started == (token is None) and self.usage == "initiate":
                raise TypeError("an initiator's first step takes no token, the others do")
            if token is None and self.usage == "accept":
                raise TypeError("an acceptor's step takes a token")
            if token is not None:
                try:
                    if memoryview(token).nbytes > LARGEST_TOKEN:
                        raise InvalidTokenError(f"a token of {memoryview(token).nbytes} octets")
                    require_whole(token)
                except InvalidTokenError as error:
                    self._fail(str(error))
                    raise
            if not self._started:
                self._started = True
                if self._creds is None and not self._flags & RequirementFlag.anonymity:
                    self._creds = Credentials(usage=self.usage)
                self._kept.append(self._creds)
            elif token is not None and self._steps > 1 and is_alert(token):
                self._refused(token)
            self._steps += 1
            return self._step(token)

    def _step(self, token: ReadableBuffer | None) -> bytes | None:
        minor, out, flags = ffi.new("OM_uint32 *"), output_buffer(), ffi.new("OM_uint32 *")
        buffer, pinned = input_buffer(b"" if token is None else token)
        creds = ffi.NULL if self._creds is None else self._creds.handle()
        delegated = ffi.new("gss_cred_id_t *")
        if self.usage == "initiate":
            target = ffi.NULL if self._name is None else self._name.handle()
            mech, kept = (ffi.NULL, None) if self._mech is None else self._mech.to_c()
            lifetime = 0 if self._lifetime is None else self._lifetime
            major = lib.gss_init_sec_context(
                minor, creds, self._handle, target, mech, int(self._flags), lifetime, ffi.NULL,
                buffer, ffi.NULL, out, flags, ffi.NULL,
            )  # fmt: skip
            del kept
        else:
            # what is asked of an acceptor goes in where its flags come out
            flags[0] = int(self._flags)
            major = lib.gss_accept_sec_context(
                minor, self._handle, creds, buffer, ffi.NULL, ffi.NULL, ffi.NULL, out, flags,
                ffi.NULL, delegated,
            )  # fmt: skip
        del pinned
        given = take(out)
        if delegated[0] != ffi.NULL:
            self._delegated = Credentials.from_c(delegated)
        if major & ~1:
            peer = "the peer" if self._name is None else str(self._name)
            what = f"no context with {peer}" if self.usage == "initiate" else "no context"
            error = gss_error(major, minor[0], what, token=given)
            if isinstance(error, UnauthorizedError) and self.usage == "initiate":
                # it is the end of a handshake that is good as such, with our certificate
                error.token = b""
            self._fail(str(error.msg))
            raise error
        self._require_keys()
        if not major & lib.GSS_S_CONTINUE_NEEDED:
            self._actual = self._settle_flags(RequirementFlag(flags[0]))
            self._require_confidentiality()
            self._complete = True
        return given or None

    def _settle_flags(self, told: RequirementFlag) -> RequirementFlag:
        if self.usage == "initiate":
            return told & ~_GIVEN_BY_REQUEST | self._flags & _GIVEN_BY_REQUEST
        return told

    def _refused(self, alert: ReadableBuffer) -> None:
        """An alert after our part of the handshake: GSI takes it for the octet that it awaits."""
        buffer, pinned = input_buffer(alert)
        reason = text_of(lib.cog_gss_alert(self._handle[0], buffer))
        del pinned
        self._fail("the peer has refused it")
        raise RefusedByPeerError(f"the peer has refused the context: {reason or 'an alert'}")

    def _require_keys(self) -> None:
        """An acceptor makes a key as long as the peer's, when that delegates."""
        if self.usage == "initiate":
            return
        try:
            if self._steps > 1 and not self._seen and (chain := self._inquire(CERT_CHAIN)):
                self._seen = True
                require_bearable(chain)
            if self._delegated is not None:
                bits = self._delegated.credential.key_bits
                if bits < SMALLEST_KEY:
                    raise GSSError(f"the delegated proxy has a key of {bits} bits")
        except GSSError as error:
            self._delegated = None
            self._fail(str(error))
            raise

    def _require_confidentiality(self) -> None:
        wanted = self._flags & RequirementFlag.confidentiality
        if wanted and not self._actual & RequirementFlag.confidentiality:
            self._fail("no encryption")
            raise EncryptionNotUsed("confidentiality was asked for, and the context has none")

    # --- delegation ----------------------------------------------------------------------------

    def init_delegation(
        self,
        creds: Credentials | Credential | None = None,
        *,
        lifetime: int | None = None,
        limited: bool = False,
        policy: Policy | None = None,
        path_length: int | None = None,
    ) -> Delegation:
        """Give the peer a proxy, now that the context is up (as gss_init_delegation does).

        Either side of the context may give one.

        Args:
            creds: what to make the proxy of; None: the context's own.
            lifetime: seconds, rounded up to minutes; None: as long as `creds`.
            limited: a limited proxy.
            policy: restrict the proxy by a policy (RFC 3820, 3.8.2).
            path_length: how many more proxies may be made from it, 1 or more; None: no limit.

        Returns:
            Whose `step` gives the first token.
        """
        self._require_complete()
        return Delegation(
            self, creds=creds, lifetime=lifetime, limited=limited, policy=policy,
            path_length=path_length,
        )  # fmt: skip

    def accept_delegation(self) -> Delegation:
        """Take a proxy that the peer gives, now that the context is up.

        The other side may be gss_init_delegation's, and this one does what gss_accept_delegation
        does.

        Returns:
            Whose `step` takes the peer's first token, and whose `creds` are the proxy at the end.
        """
        self._require_complete()
        return Delegation(self, accept=True)

    def own_creds(self) -> Credentials:
        """Our own, those that GSI finds if none were given."""
        return self._creds or Credentials(usage=self.usage)

    @contextlib.contextmanager
    def delegating(self) -> Iterator[Self]:
        """For this package: the context for a step of a delegation, and its end if that fails."""
        with self._lock:
            self._require_complete()
            try:
                yield self
            except GlobusException as error:
                if self._failure is None:
                    self._fail(str(error))
                raise

    @contextlib.contextmanager
    def inquired(self) -> Iterator[Any]:
        """For this package: the `gss_ctx_id_t`, complete, and nobody else's meanwhile."""
        with self._lock:
            self._require_complete()
            yield self._handle[0]

    # --- taking it elsewhere, and its end --------------------------------------------------

    def process_token(self, token: ReadableBuffer) -> None:
        """Take a token that came after the context was up (gss_process_context_token).

        Raises:
            OperationUnavailableError: always: GSI has none.
        """
        self._call_unavailable(token)

    def export(self) -> bytes:
        """The context as octets, for another process (gss_export_sec_context).

        Raises:
            OperationUnavailableError: GSI cannot, with OpenSSL 1.1 or later.  The context stays.
        """
        with self._lock:
            self._require_complete()
            minor, out = ffi.new("OM_uint32 *"), output_buffer()
            major = lib.gss_export_sec_context(minor, self._handle, out)
            check_status(major, ffi.new("OM_uint32 *"), "GSI cannot export a context")
            exported = take(out)
            self._fail("it was exported")
            return exported

    def _import(self, token: bytes) -> None:
        minor = ffi.new("OM_uint32 *")
        buffer, pinned = input_buffer(token)
        major = lib.gss_import_sec_context(minor, buffer, self._handle)
        del pinned
        check_status(major, ffi.new("OM_uint32 *"), "GSI cannot import a context")
        self._started = self._complete = True

    def _call_unavailable(self, token: ReadableBuffer) -> None:
        with self._lock:
            self._require_complete()
            buffer, pinned = input_buffer(token)
            lib.gss_process_context_token(ffi.new("OM_uint32 *"), self._handle[0], buffer)
            del pinned
        raise OperationUnavailableError("GSI has no tokens for a context that is up")

    def close(self) -> bytes:
        """End the context (gss_delete_sec_context); a second call does nothing.

        Returns:
            A token that tells the peer, for its `unwrap`; ``b""`` when there is none.
        """
        with self._lock:
            if self._failure is not None:
                return b""
            out = output_buffer() if self._complete else ffi.NULL
            self._failure = "closed"
            self._complete = False
            self._delete(out)
            return take(out) if out != ffi.NULL else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = (
            "of no use" if self._failure is not None else "complete" if self._complete else "begun"
            if self._started else "new"
        )  # fmt: skip
        return f"<SecurityContext {self.usage}, {state}>"

    def __copy__(self) -> NoReturn:
        raise TypeError("a SecurityContext cannot be copied: make another one")

    def __deepcopy__(self, _: object) -> NoReturn:
        self.__copy__()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a SecurityContext cannot be pickled: it holds keys")
