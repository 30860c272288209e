"""`SecurityContext`: two sides that know each other, and messages between them (gss_ctx_id_t)."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Self

from ..._core.handles import owned
from ..._core.runtime import runtime
from ..._native import ffi, lib
from ..credential import Credential
from .buffers import input_buffer, oid_set, output_buffer, take, take_set
from .creds import Credentials, seconds_left
from .delegation import Delegation
from .errors import (
    BadChannelBindingsError,
    EncryptionNotUsed,
    GSSError,
    InvalidTokenError,
    MissingContextError,
    UnauthorizedError,
    check_status,
    gss_error,
)
from .flags import DEFAULT_FLAGS, RequirementFlag, Usage
from .keys import SMALLEST_KEY, require_bearable
from .names import Name, require_mech
from .oids import CERT_CHAIN, OID, RESTRICTIONS, TLS_CIPHER, TLS_VERSION, Option
from .records import LARGEST_MESSAGE, LARGEST_TOKEN, require_whole

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from ..proxy import Policy

__all__ = ["SecurityContext", "UnwrapResult", "WrapResult"]

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


class WrapResult(NamedTuple):
    """What `SecurityContext.wrap` gives."""

    message: bytes
    encrypted: bool


class UnwrapResult(NamedTuple):
    """What `SecurityContext.unwrap` gives."""

    message: bytes
    encrypted: bool
    qop: int


class SecurityContext:
    """One side of a security context.

    Tokens go back and forth until both sides are `complete`:

    >>> client = SecurityContext(name=None, usage="initiate")
    >>> server = SecurityContext(usage="accept")
    >>> token = client.step()
    >>> while token:
    ...     side = server if side_is_client(client, server) else client
    ...     token = side.step(token)

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
            lifetime: seconds that it should last; GSI gives what the credentials have.
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
        self._lock = threading.RLock()
        self._complete = False
        self._failure: str | None = None
        self._started = False
        self._token_due = False
        self._kept: list[Any] = []
        self._delegated: Credentials | None = None
        self._seen = False
        self._creds = creds if isinstance(creds, Credentials) or creds is None else Credentials(creds)
        if usage is None:
            if self._creds is not None and self._creds.usage != "both":
                usage = self._creds.usage
            else:
                usage = "initiate" if name is not None else "accept"
        if usage not in ("initiate", "accept"):
            raise ValueError(f"usage is {usage!r}: 'initiate' or 'accept'")
        if usage == "accept" and (name is not None or mech is not None or lifetime is not None):
            raise TypeError("name, mech and lifetime are for a context that initiates")
        self.usage: Usage = usage
        self._name = name
        self._lifetime = lifetime
        self._mech = mech
        self._flags = RequirementFlag(
            flags if flags is not None else DEFAULT_FLAGS if usage == "initiate" else 0
        )
        self._actual = RequirementFlag(0)
        self._own()
        if token is not None:
            self._import(token)

    def _own(self) -> None:
        handle = ffi.new("gss_ctx_id_t *")
        # what C goes on pointing to: the credential, the OIDs of extensions
        kept = self._kept
        self._handle = handle

        def free() -> None:
            lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), handle, ffi.NULL)
            kept.clear()

        owned(self, free)

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

    def _require_keys(self) -> None:
        """An acceptor makes a key as long as the peer's, when that delegates."""
        if self.usage == "initiate":
            return
        try:
            if not self._seen and (chain := self._inquire(CERT_CHAIN)):
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

    def _fail(self, why: str) -> None:
        """Nothing can be done with the context any more."""
        self._failure = why
        self._complete = False
        lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), self._handle, ffi.NULL)

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
        """Seconds until the first of the certificates on both sides expires (gss_context_time)."""
        with self._lock:
            self._require_complete()
            minor, left = ffi.new("OM_uint32 *"), ffi.new("OM_uint32 *")
            check_status(
                lib.gss_context_time(minor, self._handle[0], left), minor, "no lifetime"
            )
            return seconds_left(left[0])

    def _names(self) -> tuple[Name | None, Name | None, Any]:
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
            return Name.from_c(source), Name.from_c(target), OID.from_c(mech[0])

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
        return self._names()[1 if self.locally_initiated else 0]

    @property
    def mech(self) -> OID | None:
        """The mechanism, one of `MechType`."""
        mech: OID | None = self._names()[2]
        return mech

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
        """The peer's chain, DER, its own certificate first; empty for an anonymous peer."""
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

    # --- messages ------------------------------------------------------------------------------

    def wrap(self, message: ReadableBuffer, encrypt: bool = True) -> WrapResult:
        """Protect a message (gss_wrap).

        GSI encrypts whether that is asked for or not: a message is one or more TLS records.

        Args:
            message: at least one octet: TLS has no empty ones.
            encrypt: whether it has to be encrypted.

        Raises:
            ValueError: the message is empty, or longer than 1 GiB.
            MissingContextError, ExpiredContextError.
        """
        size = memoryview(message).nbytes
        if not 0 < size <= LARGEST_MESSAGE:
            raise ValueError(f"a message has 1 to {LARGEST_MESSAGE} octets, not {size}")
        with self._lock:
            self._require_complete()
            minor, out, state = ffi.new("OM_uint32 *"), output_buffer(), ffi.new("int *")
            buffer, pinned = input_buffer(message)
            major = lib.gss_wrap(
                minor, self._handle[0], int(encrypt), lib.GSS_C_QOP_DEFAULT, buffer, state, out
            )
            del pinned
            check_status(major, minor, "cannot wrap a message")
            return WrapResult(take(out), bool(state[0]))

    def unwrap(self, message: ReadableBuffer) -> UnwrapResult:
        """Check what the peer has wrapped, and take it out (gss_unwrap).

        Returns:
            The message; it is empty where the peer has closed its side of the context.

        Raises:
            InvalidTokenError: damaged, cut off, repeated, or out of its order.  The context is of
                no use then.
            BadMICError: the signature of a message that is only signed is wrong.
            MissingContextError, ExpiredContextError.
        """
        signed = require_whole(message)
        with self._lock:
            self._require_complete()
            minor, out = ffi.new("OM_uint32 *"), output_buffer()
            state, qop = ffi.new("int *"), ffi.new("gss_qop_t *")
            buffer, pinned = input_buffer(message)
            major = lib.gss_unwrap(minor, self._handle[0], buffer, out, state, qop)
            del pinned
            if major == lib.GSS_S_COMPLETE:
                return UnwrapResult(take(out), bool(state[0]), int(qop[0]))
            if signed:
                take(out)
                raise gss_error(major, minor[0], "cannot unwrap a message")
            # what C leaves in `out` it has freed already
            error = gss_error(major, minor[0], "cannot unwrap a message")
            if error.routine_code == 12 << 16:
                raise error
            self._fail("a message of the peer was damaged, or out of its order")
            raise InvalidTokenError(
                error.msg, maj_code=major, min_code=minor[0], causes=error.causes,
                hint="damaged, repeated, or out of its order",
            )  # fmt: skip

    def encrypt(self, message: ReadableBuffer) -> bytes:
        """As `wrap`, and the message alone.

        Raises:
            EncryptionNotUsed: the context does not encrypt.
        """
        wrapped = self.wrap(message, encrypt=True)
        if not wrapped.encrypted:
            raise EncryptionNotUsed("the context does not encrypt")
        return wrapped.message

    def decrypt(self, message: ReadableBuffer) -> bytes:
        """As `unwrap`, and the message alone.

        Raises:
            EncryptionNotUsed: the peer has signed the message, and not encrypted it.
        """
        told = self.unwrap(message)
        if not told.encrypted and self._actual & RequirementFlag.confidentiality:
            raise EncryptionNotUsed(
                "the message was not encrypted", unwrapped_message=told.message
            )
        return told.message

    def get_signature(self, message: ReadableBuffer) -> bytes:
        """A signature of a message that goes its own way (gss_get_mic).

        Both sides of a GSI context sign with one key, and number their signatures from 0: what
        this side has signed would, sent back to it, pass as the peer's.  Where that matters, the
        message has to say who speaks; `wrap` is not concerned.

        Raises:
            ValueError: the message is longer than 1 GiB.
            MissingContextError, ExpiredContextError.
        """
        if memoryview(message).nbytes > LARGEST_MESSAGE:
            raise ValueError(f"a message has at most {LARGEST_MESSAGE} octets")
        with self._lock:
            self._require_complete()
            minor, out = ffi.new("OM_uint32 *"), output_buffer()
            buffer, pinned = input_buffer(message)
            major = lib.gss_get_mic(
                minor, self._handle[0], lib.GSS_C_QOP_DEFAULT, buffer, out
            )
            del pinned
            check_status(major, minor, "cannot sign a message")
            return take(out)

    def verify_signature(self, message: ReadableBuffer, mic: ReadableBuffer) -> int:
        """Check a signature of the peer (gss_verify_mic).

        Returns:
            The quality of protection: 0, GSI has one.

        Raises:
            BadMICError: the signature does not belong to the message.
            ExpiredTokenError: it was checked before, or is older than one that was.
            TokenTooEarlyError: one before it is missing.
            InvalidTokenError: it is not a signature.
        """
        with self._lock:
            self._require_complete()
            minor, qop = ffi.new("OM_uint32 *"), ffi.new("gss_qop_t *")
            buffer, pinned = input_buffer(message)
            signature, pinned_too = input_buffer(mic)
            major = lib.gss_verify_mic(minor, self._handle[0], buffer, signature, qop)
            del pinned, pinned_too
            check_status(major, minor, "the signature does not hold")
            return int(qop[0])

    def get_wrap_size_limit(self, desired_output_size: int, encrypted: bool = True) -> int:
        """The longest message whose wrapped form has at most so many octets.

        (gss_wrap_size_limit)
        """
        if not 0 <= desired_output_size < 1 << 31:
            raise ValueError(f"a size of {desired_output_size}")
        with self._lock:
            self._require_complete()
            minor, size = ffi.new("OM_uint32 *"), ffi.new("OM_uint32 *")
            check_status(
                lib.gss_wrap_size_limit(
                    minor, self._handle[0], int(encrypted), lib.GSS_C_QOP_DEFAULT,
                    desired_output_size, size,
                ),
                minor,
                "no size limit",
            )  # fmt: skip
            return seconds_left(size[0])

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
            except GSSError as error:
                if self._failure is None:
                    self._fail(str(error))
                raise

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
        from .errors import OperationUnavailableError

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
            lib.gss_delete_sec_context(ffi.new("OM_uint32 *"), self._handle, out)
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
