"""`GramClient`: submit jobs and control them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .._core.errors import CredentialError, GlobusException, text_of
from .._core.handles import Handle, owned
from .._core.operation import Operation
from .._core.runtime import log, runtime
from .._native import ffi, lib
from ..security.credential import Credential
from .constants import Delegation, GramError, JobSignal, JobState, gram_text
from .errors import GramClientCredentialError, GramClientException, check_gram, gram_error

__all__ = ["GramClient", "GramClientAttr", "JobStatus"]

T = TypeVar("T")

StateFunc = Callable[[Any, str, JobState, int], object]
"""``func(arg, job_contact, state, error_code)``, in the order of the C callback."""

_TIMEOUT = 60.0
_RECORD, _UNIT = "\x1e", "\x1f"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What a job manager tells of a job."""

    state: JobState
    failure_code: int
    """Why it failed (a `GramError`), 0 otherwise."""
    extensions: Mapping[str, str]
    """What else it tells (GRAM 5), such as ``exit-code``; names as in the protocol."""

    @property
    def exit_code(self) -> int | None:
        """The job's own exit code, where the job manager knows it."""
        text = self.extensions.get("exit-code", "")
        return int(text) if text.lstrip("-").isdecimal() else None

    @property
    def failure(self) -> str:
        """Why it failed, in words; ``""`` when it did not."""
        told = self.extensions.get("gt3-failure-message", "")
        if told or not self.failure_code:
            return told
        return gram_text(self.failure_code)


class GramClientAttr:
    """How a request is made (globus_gram_client_attr_t).

    Args:
        credential: ours; the one GSI finds when None.
        delegation_mode: which proxy the job gets.
    """

    def __init__(
        self,
        *,
        credential: Credential | None = None,
        delegation_mode: Delegation = Delegation.LIMITED,
    ) -> None:
        _bring_up(credential)
        pointer = ffi.new("globus_gram_client_attr_t *")
        check_gram(lib.globus_gram_client_attr_init(pointer), "request attributes")
        owned(self, lambda: lib.globus_gram_client_attr_destroy(pointer))
        self._pointer = pointer
        self._credential: Credential | None = None
        if credential is not None:
            self.set_credential(credential)
        self.set_delegation_mode(delegation_mode)

    def pointer(self) -> Any:
        """The C attributes."""
        return self._pointer[0]

    def set_credential(self, credential: Credential) -> None:
        """C: globus_gram_client_attr_set_credential."""
        check_gram(
            lib.globus_gram_client_attr_set_credential(self._pointer[0], credential.gss()),
            "request attributes",
        )
        self._credential = credential

    def get_credential(self) -> Credential | None:
        """The credential that was set."""
        return self._credential

    def set_delegation_mode(self, mode: Delegation) -> None:
        """C: globus_gram_client_attr_set_delegation_mode."""
        check_gram(
            lib.globus_gram_client_attr_set_delegation_mode(self._pointer[0], mode),
            f"delegation mode {mode!r}",
        )

    def get_delegation_mode(self) -> Delegation:
        """C: globus_gram_client_attr_get_delegation_mode."""
        mode = ffi.new("globus_io_secure_delegation_mode_t *")
        check_gram(
            lib.globus_gram_client_attr_get_delegation_mode(self._pointer[0], mode),
            "delegation mode",
        )
        return Delegation(mode[0])

    credential = property(get_credential, set_credential, doc="Our credential.")
    delegation_mode = property(
        get_delegation_mode, set_delegation_mode, doc="Which proxy the job gets."
    )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GramClientAttr):
            return NotImplemented
        return (self._credential, self.delegation_mode) == (
            other._credential,
            other.delegation_mode,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"GramClientAttr(credential={self._credential!r}, "
            f"delegation_mode={self.delegation_mode!r})"
        )


class GramClient(Handle):
    """Submits jobs to gatekeepers and controls them (``globus_gram_client.h``).

    >>> with GramClient() as client:
    ...     contact = client.submit_request(rm, "&(executable=/bin/sleep)(arguments=60)")
    ...     client.status(contact).state in JobState.ALL
    ...     client.cancel(contact)
    True

    Methods block until the answer is there, at most ``timeout`` seconds (None: for ever); each has
    a ``register_`` form that returns an `Operation` at once.  GRAM cannot call a request back: one
    whose deadline has passed, or that is cancelled, may still take effect at the server.
    """

    JOB_STATE_PENDING = JobState.PENDING
    JOB_STATE_ACTIVE = JobState.ACTIVE
    JOB_STATE_FAILED = JobState.FAILED
    JOB_STATE_DONE = JobState.DONE
    JOB_STATE_SUSPENDED = JobState.SUSPENDED
    JOB_STATE_UNSUBMITTED = JobState.UNSUBMITTED
    JOB_STATE_STAGE_IN = JobState.STAGE_IN
    JOB_STATE_STAGE_OUT = JobState.STAGE_OUT
    JOB_STATE_ALL = JobState.ALL

    def __init__(self, *, credential: Credential | None = None) -> None:
        """`credential`: ours for every request; the one GSI finds, each time, when None.

        Raises:
            GramClientCredentialError: there is none.
        """
        _bring_up(credential)
        self._credential = credential
        # token by contact; shared with the finalizer, so it must not be this object
        self._contacts: dict[str, int] = {}
        contacts = self._contacts
        super().__init__(lambda: _disallow_all(contacts))

    # --- callbacks -----------------------------------------------------------------------------

    def set_callback(self, func: StateFunc, arg: Any = None) -> str:
        """Listen for changes of job states (globus_gram_client_callback_allow).

        Args:
            func: called with ``(arg, job_contact, state, error_code)`` for each change, in order,
                on the thread that runs all callbacks: it must not block.
            arg: for `func`.

        Returns:
            The callback contact; `submit_request` uses the last one by itself.
        """
        self._require_open()
        _set_default_credential(self._credential_now())

        def tell(event: Any) -> None:
            func(arg, text_of(event.text), JobState(event.a), event.code)

        token = runtime.enrol(tell, once=False)
        place = ffi.new("char **")
        code = lib.globus_gram_client_callback_allow(_ON_STATE, ffi.cast("void *", token), place)
        if code != 0:
            runtime.withdraw(token)
            raise gram_error(code, "cannot listen for job states")
        contact = text_of(place[0])
        lib.free(place[0])
        self._contacts[contact] = token
        return contact

    def remove_callback(self, callback_contact: str) -> None:
        """Stop listening (globus_gram_client_callback_disallow)."""
        token = self._contacts.pop(callback_contact, None)
        if token is None:
            raise ValueError(f"not a callback contact of this client: {callback_contact}")
        _disallow(callback_contact, token)

    # --- jobs ------------------------------------------------------------------------------------

    def submit_request(
        self,
        rm: str,
        rsl: str,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> str:
        """Submit a job (globus_gram_client_job_request).

        Args:
            rm: contact of the resource manager: ``host[:port][/service][:subject]``.
            rsl: the job, in RSL.
            job_state_mask: which changes of state to be told of.
            callback_contact: where to be told; that of the last `set_callback` when None, nowhere
                when there was none.
            attr: credential and delegation for this request.
            timeout: seconds.

        Returns:
            The job contact, which names the job to `status`, `cancel` and `signal`.

        Raises:
            GramClientException: one of its subclasses.
        """
        return self.register_submit_request(
            rm, rsl, job_state_mask, callback_contact, attr=attr, timeout=timeout
        ).result()

    def register_submit_request(
        self,
        rm: str,
        rsl: str,
        job_state_mask: int = JobState.ALL,
        callback_contact: str | None = None,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> Operation[str]:
        """`submit_request` as an operation (globus_gram_client_register_job_request)."""
        if callback_contact is None:
            callback_contact = next(reversed(self._contacts), None)

        def convert(event: Any, contact: str) -> str:
            # the job is there and waits for the commit that its RSL asked for
            if event.code not in (0, GramError.WAITING_FOR_COMMIT):
                raise LookupError
            return contact

        return self._request(
            f"submit to {rm}", convert, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_request(
                rm.encode(), rsl.encode(), int(job_state_mask),
                ffi.NULL if callback_contact is None else callback_contact.encode(),
                attributes, _ON_REPLY, token,
            ),
        )  # fmt: skip

    def status(
        self,
        job_contact: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> JobStatus:
        """Ask the job manager (globus_gram_client_job_status_with_info).

        Raises:
            GramClientConnectionError: no job manager answers: the job is long over, or its job
                manager has died.
        """
        return self.register_status(job_contact, attr=attr, timeout=timeout).result()

    def register_status(
        self,
        job_contact: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> Operation[JobStatus]:
        """`status` as an operation (globus_gram_client_register_job_status_with_info)."""
        what = f"status of {job_contact}"
        attr = self._attr(attr)

        def convert(event: Any) -> JobStatus:
            _, _, packed = text_of(event.text).partition(_RECORD)
            told = dict(pair.split(_UNIT, 1) for pair in packed.split(_RECORD) if _UNIT in pair)
            if event.a == 0 and event.code:
                raise gram_error(event.code, what, credential=attr.get_credential())
            return JobStatus(JobState(event.a), event.code, told)

        operation = Operation(what, convert, keep=attr)
        return self._enrolled(
            operation, timeout,
            lambda token: lib.globus_gram_client_register_job_status_with_info(
                job_contact.encode(), attr.pointer(), _ON_INFO, token
            ),
        )  # fmt: skip

    def cancel(
        self,
        job_contact: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> None:
        """Cancel a job (globus_gram_client_job_cancel); it then fails with USER_CANCELLED."""
        self.register_cancel(job_contact, attr=attr, timeout=timeout).result()

    def register_cancel(
        self,
        job_contact: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> Operation[None]:
        """`cancel` as an operation (globus_gram_client_register_job_cancel)."""
        return self._request(
            f"cancel {job_contact}", _nothing, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_cancel(
                job_contact.encode(), attributes, _ON_REPLY, token
            ),
        )  # fmt: skip

    def signal(
        self,
        job_contact: str,
        signal: JobSignal,
        argument: str = "",
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> JobState:
        """Send a signal to a job's manager (globus_gram_client_job_signal).

        Returns:
            The state that the job is in.
        """
        return self.register_signal(
            job_contact, signal, argument, attr=attr, timeout=timeout
        ).result()

    def register_signal(
        self,
        job_contact: str,
        signal: JobSignal,
        argument: str = "",
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> Operation[JobState]:
        """`signal` as an operation (globus_gram_client_register_job_signal)."""

        def convert(event: Any, _: str) -> JobState:
            if event.code:
                raise LookupError
            return JobState(event.a)

        return self._request(
            f"{signal.name} {job_contact}", convert, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_job_signal(
                job_contact.encode(), signal, argument.encode() if argument else ffi.NULL,
                attributes, _ON_REPLY, token,
            ),
        )  # fmt: skip

    def ping(
        self,
        rm: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> None:
        """Check that a gatekeeper lets us in and has the service (globus_gram_client_ping)."""
        self.register_ping(rm, attr=attr, timeout=timeout).result()

    def register_ping(
        self,
        rm: str,
        *,
        attr: GramClientAttr | None = None,
        timeout: float | None = _TIMEOUT,
    ) -> Operation[None]:
        """`ping` as an operation (globus_gram_client_register_ping)."""
        return self._request(
            f"ping {rm}", _nothing, attr, timeout,
            lambda attributes, token: lib.globus_gram_client_register_ping(
                rm.encode(), attributes, _ON_REPLY, token
            ),
        )  # fmt: skip

    @staticmethod
    def error_string(code: int) -> str:
        """GCT's text for an error code (globus_gram_client_error_string)."""
        gram_text(code)  # makes it safe to ask
        return text_of(lib.globus_gram_client_error_string(code))

    @staticmethod
    def version() -> int:
        """Version of the GRAM protocol (globus_gram_client_version)."""
        return int(lib.globus_gram_client_version())

    # --- how it is done ---------------------------------------------------------------------

    def _credential_now(self) -> Credential:
        if self._credential is not None:
            return self._credential
        try:
            return Credential.default()
        except CredentialError as error:
            raise _unusable(error) from error

    def _attr(self, attr: GramClientAttr | None) -> GramClientAttr:
        """Every request names its credential: the library's own default is the one that was
        there when it came up, and may have expired since."""
        self._require_open()
        if attr is not None and attr.get_credential() is not None:
            return attr
        mode = attr.get_delegation_mode() if attr is not None else Delegation.LIMITED
        credential = self._credential_now()
        if credential.expired:
            # the server would break off without a word
            raise _expired(credential)
        return GramClientAttr(credential=credential, delegation_mode=mode)

    def _request(
        self,
        what: str,
        convert: Callable[[Any, str], T],
        attr: GramClientAttr | None,
        timeout: float | None,
        call: Callable[[Any, Any], int],
    ) -> Operation[T]:
        attributes = self._attr(attr)

        def outcome(event: Any) -> T:
            contact, _, message = text_of(event.text).partition(_RECORD)
            try:
                return convert(event, contact)
            except LookupError:
                raise gram_error(event.code, what, message, attributes.get_credential()) from None

        operation = Operation(what, outcome, keep=attributes)
        return self._enrolled(
            operation, timeout, lambda token: call(attributes.pointer(), token),
            attributes.get_credential(),
        )  # fmt: skip

    def _enrolled(
        self,
        operation: Operation[T],
        timeout: float | None,
        call: Callable[[Any], int],
        credential: Credential | None = None,
    ) -> Operation[T]:
        token = runtime.enrol(operation.complete)
        code = call(ffi.cast("void *", token))
        if code != 0:
            runtime.withdraw(token)
            raise gram_error(code, operation.what, credential=credential)
        operation.limit(timeout)
        return operation


def _expired(credential: Credential) -> GramClientException:
    return gram_error(
        GramError.USER_PROXY_EXPIRED,
        "GRAM client",
        f"{credential.subject} expired at {credential.not_after:%Y-%m-%d %H:%M:%S} UTC",
    )


def _unusable(error: CredentialError) -> GramClientCredentialError:
    return GramClientCredentialError(
        error.msg, code=GramError.USER_PROXY_NOT_FOUND, library="globus_gram_client",
        causes=error.causes, hint=error.hint,
    )  # fmt: skip


def _nothing(event: Any, contact: str) -> None:
    if event.code:
        raise LookupError


def _disallow(contact: str, token: int) -> None:
    code = lib.globus_gram_client_callback_disallow(contact.encode())
    runtime.withdraw(token)
    if code != 0:
        log.debug("callback contact %s: GRAM error %d when it was closed", contact, code)


def _disallow_all(contacts: dict[str, int]) -> None:
    while contacts:
        _disallow(*contacts.popitem())


_bring_up_lock = threading.Lock()
_brought_up = False
_default_credential: Credential | None = None


def _bring_up(credential: Credential | None) -> None:
    """Activate the GRAM client, which wants a usable default credential at that moment."""
    global _brought_up
    with _bring_up_lock:
        runtime.require()
        if _brought_up:
            return
        found = contextlib.nullcontext() if credential is None else _as_default(credential)
        if credential is None:
            try:
                credential = Credential.default()
            except CredentialError as error:
                raise _unusable(error) from error
        if credential.expired:
            raise _expired(credential)
        with found:
            try:
                runtime.activate("GRAM_CLIENT")
            except GlobusException as error:
                if error.code is None:
                    raise
                raise gram_error(error.code, "GRAM client", credential=credential) from error
        _brought_up = True


@contextlib.contextmanager
def _as_default(credential: Credential) -> Iterator[None]:
    """Make it what GSI finds, for a moment, unless it comes from there.

    The C library offers no other way to bring it up with a credential that is in memory only.
    """
    import tempfile  # rarely needed, and slow to import

    before = os.environ.get("X509_USER_PROXY")
    with tempfile.TemporaryDirectory(prefix="pyglobus-") as directory:
        path = Path(directory) / "credential.pem"
        held = credential.path
        credential.write(path)
        credential._path = held
        os.environ["X509_USER_PROXY"] = str(path)
        try:
            yield
        finally:
            if before is None:
                del os.environ["X509_USER_PROXY"]
            else:
                os.environ["X509_USER_PROXY"] = before


def _set_default_credential(credential: Credential) -> None:
    """The credential with which callback listeners accept (globus_gram_client_set_credentials)."""
    global _default_credential
    with _bring_up_lock:
        if _default_credential is not None and (
            _default_credential.certificates == credential.certificates
        ):
            return
        # the library takes it over, and releases it when another one comes
        check_gram(
            lib.globus_gram_client_set_credentials(credential.new_gss()[0]), "set credentials"
        )
        _default_credential = credential


_ON_REPLY = ffi.addressof(lib, "cog_on_gram_reply")
_ON_STATE = ffi.addressof(lib, "cog_on_gram_state")
_ON_INFO = ffi.addressof(lib, "cog_on_gram_info")
