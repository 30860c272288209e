"""How a request to a gatekeeper or job manager is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .._core.environment import listening_trouble
from .._core.handles import Handle
from .._core.operation import Operation
from .._core.runtime import log, runtime
from .._core.workers import run_in_background
from .._native import ffi, lib
from ..security.credential import Credential
from .activation import bring_up, expired, set_default_credential, usable
from .attr import GramClientAttr
from .constants import Delegation
from .contacts import JobContact, ResourceContact
from .course import InOrder
from .errors import gram_error
from .info import JobInfo, info_of, reply_of
from .refusal import explained

__all__ = ["TIMEOUT", "GramRequests", "job_text"]

T = TypeVar("T")

TIMEOUT = 60.0
"""Seconds that a request may take."""

_DISALLOW_GRACE = 1.0
"""Seconds that the end of listening is waited for."""

REPLY = ffi.addressof(lib, "cog_on_gram_reply")
INFO = ffi.addressof(lib, "cog_on_gram_info")


class GramRequests(Handle):
    """The requests of one client, and the contacts at which it is called back."""

    def __init__(self, credential: Credential | None) -> None:
        bring_up(credential)
        self._credential = credential
        self._attributes: tuple[object, GramClientAttr] | None = None
        # by contact; shared with the finalizer, so it must not be this object
        self._contacts: dict[str, tuple[int, InOrder]] = {}
        contacts = self._contacts
        super().__init__(lambda: _disallow_all(contacts))

    def _attr(self, attr: GramClientAttr | None) -> GramClientAttr:
        """Every request names its credential: the library's own default is the one that was
        there when it came up, and may have expired since."""
        self._require_open()
        given = attr.get_credential() if attr is not None else None
        if attr is not None and given is not None:
            if given.expired:
                raise expired(given)
            return attr
        mode = attr.get_delegation_mode() if attr is not None else Delegation.LIMITED
        credential = usable(self._credential)
        if credential.expired:
            # the server would break off without a word
            raise expired(credential)
        # a credential for GSI is costly to make: a quarter of what a request takes here
        key = mode, credential.certificates
        if self._attributes is None or self._attributes[0] != key:
            fresh = GramClientAttr(credential=credential, delegation_mode=mode)
            self._attributes = key, fresh
            if self._contacts:
                # job managers are no longer told by who began to listen, if that has expired since
                set_default_credential(credential)
        return self._attributes[1]

    def _fresh(self, credential: Credential | None) -> Credential:
        """The credential of which a job is given a proxy.

        The C function takes only the mode of delegation from attributes, and connects with the
        library's own credential, which may be the very one that has expired.
        """
        self._require_open()
        fresh = usable(credential or self._credential)
        if fresh.expired:
            raise expired(fresh)
        set_default_credential(fresh)
        return fresh

    def _listen(self, tell: Callable[[JobInfo], object]) -> str:
        """Call `tell` on the drainer for each message of a job manager, in the order of sending;
        returns the contact."""
        self._require_open()
        set_default_credential(usable(self._credential))
        in_order = InOrder(tell)

        def heard(event: Any) -> None:
            in_order(info_of(event))

        token = runtime.enrol(heard, once=False)
        place = ffi.new("char **")
        code = lib.cog_gram_listen(token, place)
        if code != 0:
            runtime.withdraw(token)
            raise gram_error(code, "cannot listen for job states", listening_trouble())
        contact: str = ffi.string(place[0]).decode()
        lib.free(place[0])
        self._contacts[contact] = token, in_order
        return contact

    def _unlisten(self, contact: str) -> None:
        listener = self._contacts.pop(contact, None)
        if listener is None:
            raise ValueError(f"not a callback contact of this client: {contact}")
        _disallow(contact, *listener)

    def _request(
        self,
        what: str,
        convert: Callable[[Any], T],
        attr: GramClientAttr | None,
        timeout: float | None,
        call: Callable[[Any, Any], int],
        *,
        keep: object = None,
    ) -> Operation[T]:
        """A request that is answered by `REPLY`; `keep` is what else C points at."""
        attributes = self._attr(attr)
        credential = attributes.get_credential()

        def outcome(event: Any) -> T:
            if event.code:
                raise gram_error(event.code, what, reply_of(event)[1], credential)
            return convert(event)

        return self._started(what, outcome, attributes, timeout, call, keep)

    def _answer(
        self, rm: str | ResourceContact, attr: GramClientAttr | None, request: Operation[T]
    ) -> T:
        """Wait for a gatekeeper's answer; where it breaks off, the error says why."""
        with explained(rm, self._attr(attr).get_credential()):
            return request.result()

    def _question(
        self,
        what: str,
        is_answer: Callable[[JobInfo], bool],
        convert: Callable[[JobInfo], T],
        attr: GramClientAttr | None,
        timeout: float | None,
        call: Callable[[Any, Any], int],
    ) -> Operation[T]:
        """A request that is answered by `INFO`; by a failure unless `is_answer`."""
        attributes = self._attr(attr)
        credential = attributes.get_credential()

        def outcome(event: Any) -> T:
            info = info_of(event)
            if not is_answer(info):
                raise gram_error(info.failure_code, what, info.message, credential)
            return convert(info)

        return self._started(what, outcome, attributes, timeout, call)

    def _started(
        self,
        what: str,
        outcome: Callable[[Any], T],
        attributes: GramClientAttr,
        timeout: float | None,
        call: Callable[[Any, Any], int],
        keep: object = None,
    ) -> Operation[T]:
        # the credential by itself, too: the attributes may be given another one meanwhile
        kept = attributes, attributes.get_credential(), keep
        operation = Operation(what, outcome, keep=kept)
        token = runtime.enrol(operation.complete)
        code = call(attributes.pointer(), ffi.cast("void *", token))
        if code != 0:
            runtime.withdraw(token)
            raise gram_error(code, what, credential=attributes.get_credential())
        operation.limit(timeout)
        return operation


def job_text(contact: str | JobContact) -> bytes:
    """A job contact for C, which reads only some of what is no contact as an error."""
    return str(JobContact.parse(contact)).encode()


def _disallow(contact: str, token: int, in_order: InOrder) -> None:
    # nothing more is told from here on
    runtime.withdraw(token)
    in_order.forget()
    if runtime.stopping:
        return

    def work() -> None:
        code = lib.globus_gram_protocol_callback_disallow(contact.encode())
        if code != 0:
            log.debug("callback contact %s: GRAM error %d when it was closed", contact, code)

    # C waits until whoever has connected there is gone, and anybody may connect and stay
    thread = run_in_background(work)
    if not runtime.on_drainer():
        thread.join(_DISALLOW_GRACE)


def _disallow_all(contacts: dict[str, tuple[int, InOrder]]) -> None:
    while contacts:
        contact, listener = contacts.popitem()
        _disallow(contact, *listener)
