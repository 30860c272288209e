"""Messages over a context that is up (gss_wrap, gss_unwrap, gss_get_mic, gss_verify_mic)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..._native import ffi, lib
from .buffers import input_buffer, output_buffer, take
from .creds import seconds_left
from .exceptions import EncryptionNotUsed, InvalidTokenError, check_status, gss_error
from .flags import RequirementFlag
from .records import LARGEST_MESSAGE, require_whole
from .state import ContextState

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["Messages", "UnwrapResult", "WrapResult"]


class WrapResult(NamedTuple):
    """What `SecurityContext.wrap` gives."""

    message: bytes
    encrypted: bool


class UnwrapResult(NamedTuple):
    """What `SecurityContext.unwrap` gives."""

    message: bytes
    encrypted: bool
    qop: int


def _octets(message: ReadableBuffer) -> tuple[Any, int]:
    """What C takes for the octets of `message`, without a copy, and their number."""
    if type(message) is bytes:
        return message, len(message)
    view = ffi.from_buffer("char[]", message)
    return view, len(view)


def _take(told: Any) -> bytes:
    if told.out == ffi.NULL:
        return b""
    whole: bytes = ffi.buffer(told.out, told.length)[:]
    lib.free(told.out)
    return whole


class Messages(ContextState):
    """The messages of a `SecurityContext`."""

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
        data, size = _octets(message)
        if not 0 < size <= LARGEST_MESSAGE:
            raise ValueError(f"a message has 1 to {LARGEST_MESSAGE} octets, not {size}")
        with self._lock:
            self._require_complete()
            self._require_time()
            told = self._message
            major = lib.cog_gss_wrap(self._handle[0], encrypt, data, size, told)
            if major:
                raise gss_error(major, told.minor, "cannot wrap a message")
            return WrapResult(_take(told), told.encrypted != 0)

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
        data, size = _octets(message)
        with self._lock:
            self._require_complete()
            self._require_time()
            told = self._message
            major = lib.cog_gss_unwrap(self._handle[0], data, size, told)
            if major == 0:
                return UnwrapResult(_take(told), told.encrypted != 0, told.qop)
            error = gss_error(major, told.minor, "cannot unwrap a message")
            if signed:
                _take(told)
                raise error
            # what C leaves in `out` it has freed already
            if error.routine_code == 12 << 16:
                raise error
            self._fail("a message of the peer was damaged, or out of its order")
            raise InvalidTokenError(
                error.msg, maj_code=major, min_code=told.minor, causes=error.causes,
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
            raise EncryptionNotUsed("the message was not encrypted", unwrapped_message=told.message)
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
            self._require_time()
            minor, out = ffi.new("OM_uint32 *"), output_buffer()
            buffer, pinned = input_buffer(message)
            major = lib.gss_get_mic(minor, self._handle[0], lib.GSS_C_QOP_DEFAULT, buffer, out)
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
            self._require_time()
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
