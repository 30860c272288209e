"""Jobs on GRAM gatekeepers: run a command there as if it ran here.

::

    from cogkit import jobs

    outcome = jobs.run("localhost:2119/jobmanager-fork", jobs.rsl(["/bin/echo", "hello"]))
    print(outcome.state, outcome.exit_code)

`run` passes the job's output on to standard output and error through a GASS server in this process.
A GRAM 5 job manager sends it when the job has ended; with `live` the job sends it as it comes.
`submit`, `status` and `cancel`
leave a job to itself.
"""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cogkit._output import Channel, Output, live
from pyGlobus.globusException import CredentialError, GlobusException
from pyGlobus.gramClient import GramClient, GramError, JobInfo, JobState
from pyGlobus.security import Credential

__all__ = [
    "Channel",
    "JobError",
    "JobFailed",
    "JobLost",
    "NoContact",
    "Outcome",
    "cancel",
    "default_contact",
    "live",
    "quote",
    "rsl",
    "run",
    "status",
    "submit",
    "with_attributes",
]

StateFunc = Callable[[str, JobState], object]
"""``func(job_contact, state)``, on the caller's thread."""

# How long without news until the job manager is asked, at first and at most.  Asking costs a GSI
# handshake there: a job of a day is not asked for ten thousand times.
_FIRST_POLL, _SLOWEST_POLL = 2.0, 60.0
_STATUS_TIMEOUT = 15.0
# News of the end may be on its way when the job manager has left already.
_LAST_NEWS = 2.0
# Questions that a job manager may leave unanswered before it is given up.
_PATIENCE = 3
_CANCEL_GRACE = 10.0


class NoContact(LookupError):
    """No gatekeeper was named."""


class JobError(Exception):
    """A job did not do what it should; `contact` names it."""

    def __init__(self, message: str, contact: str) -> None:
        super().__init__(message)
        self.contact = contact


class JobFailed(JobError):
    """The job has failed; `code` is GRAM's reason, a number of `GramError`."""

    def __init__(self, message: str, contact: str, code: int) -> None:
        super().__init__(message, contact)
        self.code = code


class JobLost(JobError):
    """Nothing more can be learned of the job: it may go on, or have ended."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job went that is done."""

    contact: str
    state: JobState
    exit_code: int | None
    """The job's own exit code, where it is known: a `live` job tells it, and some job managers."""
    seconds: float
    stdout: bytes | None = None
    """What it printed, when that was captured."""
    stderr: bytes | None = None


def default_contact() -> str:
    """The contact to use when none is given: that of a sandbox, else ``$COGKIT_GRAM``.

    A shell that was led to a sandbox shall reach no other grid.

    Raises:
        NoContact: There is none.
    """
    for variable in ("COGKIT_SANDBOX_GRAM", "COGKIT_GRAM"):
        if contact := os.environ.get(variable):
            return contact
    raise NoContact("no gatekeeper is named: give --resource CONTACT, or set COGKIT_GRAM to one")


# ---- RSL --------------------------------------------------------------------------------------


def quote(text: str) -> str:
    """A string as RSL writes it, whatever is in it.

    >>> quote('say "hi" $(NOW)')
    '"say ""hi"" $(NOW)"'

    Raises:
        ValueError: It holds NUL, which no argument of a program can.
    """
    if "\0" in text:
        raise ValueError(f"an argument cannot hold NUL: {text!r}")
    return '"' + text.replace('"', '""') + '"'


def rsl(
    command: Sequence[str],
    *,
    directory: str | None = None,
    stdin: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """The RSL that runs one command line, with every argument as it is given.

    Args:
        command: Program and arguments.  A program without a slash is looked for in the remote
            ``PATH``, by ``/usr/bin/env``.
        directory: Where it runs, on the remote machine; the home directory there by default.
        stdin: A file on the remote machine, or a URL, that it reads.
        environ: Variables for it.

    >>> rsl(["/bin/echo", "a b"])
    '&(executable="/bin/echo")(arguments="a b")'
    """
    if not command or not command[0]:
        raise ValueError("there is no command to run")
    program, arguments = command[0], list(command[1:])
    if "/" not in program:
        if "=" in program:
            raise ValueError(f"{program!r} is no program that is looked for; give its whole path")
        program, arguments = "/usr/bin/env", ["--", program, *arguments]
    parts = [f"&(executable={quote(program)})"]
    if arguments:
        parts.append(f"(arguments={' '.join(map(quote, arguments))})")
    if directory is not None:
        parts.append(f"(directory={quote(directory)})")
    if stdin is not None:
        parts.append(f"(stdin={quote(stdin)})")
    if environ:
        pairs = "".join(f"({quote(name)} {quote(value)})" for name, value in environ.items())
        parts.append(f"(environment={pairs})")
    return "".join(parts)


def with_attributes(text: str, **attributes: str) -> str:
    """An RSL with more attributes, which must not be in it already.

    Raises:
        ValueError: It is a multi-request (``+``), which GRAM takes apart no more.
    """
    body = text.strip()
    if body.startswith("+"):
        raise ValueError("a multi-request (+) cannot be run as one job")
    if body.startswith("("):
        body = "&" + body
    return body + "".join(f"({name}={quote(value)})" for name, value in attributes.items())


# ---- jobs -------------------------------------------------------------------------------------


def submit(contact: str, text: str, *, timeout: float | None = 60.0) -> str:
    """Submit a job and leave it to itself; returns its job contact.

    Args:
        contact: The gatekeeper: ``host[:port][/service][:subject]``.
        text: The job, in RSL.
        timeout: Seconds.

    Raises:
        GramClientException: One of its subclasses.
    """
    with _client() as client:
        return client.submit_request(contact, text, timeout=timeout)


def status(job_contact: str, *, timeout: float | None = 60.0) -> JobInfo:
    """What the job manager tells of a job.

    Raises:
        GramClientException: One of its subclasses; of a job that is over, a job manager soon
            knows nothing any more.
    """
    with _client() as client:
        return client.status(job_contact, timeout=timeout)


def cancel(job_contact: str, *, timeout: float | None = 60.0) -> None:
    """Cancel a job."""
    with _client() as client:
        client.cancel(job_contact, timeout=timeout)


def run(
    contact: str,
    text: str | Callable[[Channel], str],
    *,
    timeout: float | None = None,
    submit_timeout: float | None = 60.0,
    capture: bool = False,
    on_state: StateFunc | None = None,
) -> Outcome:
    """Run a job and wait for its end; its output is passed on as the job manager sends it.

    Ctrl-C, and a `timeout` that passes, cancel the job.

    Args:
        contact: The gatekeeper: ``host[:port][/service][:subject]``.
        text: The job, in RSL, without stdout and stderr: these are ours.  Or a function that makes
            it of the channel that a live job sends its output by:
            ``lambda channel: rsl(live(command, channel))``.
        timeout: Seconds that the job may take; ``None``: as long as it wants.
        submit_timeout: Seconds until the gatekeeper must have taken it.
        capture: Keep what it prints for `Outcome`.
        on_state: Told each new state.

    Raises:
        JobFailed: The job has failed.
        JobLost: Its job manager no longer answers, or does not know it any more.
        TimeoutError: `timeout` has passed, and the job was cancelled.
        GramClientException: It could not be submitted: one of its subclasses.
    """
    begin = time.monotonic()
    with _client() as client, Output(keep=capture) as output:
        job = _Job(client, begin, timeout, on_state)
        made = text(output.channel) if callable(text) else text
        url = output.channel.url
        full = with_attributes(made, stdout=f"{url}/dev/stdout", stderr=f"{url}/dev/stderr")
        job.submit(contact, full, submit_timeout)
        exit_code = job.wait()
    if output.exit_code is not None:
        exit_code = output.exit_code
    stdout, stderr = (bytes(output.stdout), bytes(output.stderr)) if capture else (None, None)
    return Outcome(job.contact, JobState.DONE, exit_code, time.monotonic() - begin, stdout, stderr)


class _Job:
    """One job of ours, from submission to its end."""

    def __init__(
        self,
        client: GramClient,
        begin: float,
        timeout: float | None,
        on_state: StateFunc | None,
    ) -> None:
        self.contact = ""
        self._client = client
        self._timeout = timeout
        self._deadline = None if timeout is None else begin + timeout
        self._on_state = on_state
        self._state: JobState | None = None
        # Callbacks come on a thread of pyGlobus, which must not wait.
        self._news: queue.SimpleQueue[tuple[JobState, int]] = queue.SimpleQueue()
        client.set_callback(lambda _, contact, state, code: self._news.put((state, code)))

    def submit(self, resource: str, text: str, timeout: float | None) -> None:
        operation = self._client.register_submit_request(resource, text, timeout=timeout)
        answered: queue.SimpleQueue[object] = queue.SimpleQueue()
        operation.add_done_callback(answered.put)
        try:
            answered.get()  # the operation has a deadline of its own
        except KeyboardInterrupt:
            # A request cannot be called back: wait for the job, and cancel that.
            with suppress(queue.Empty):
                answered.get(timeout=_CANCEL_GRACE)
            if operation.done() and operation.exception(0) is None:
                self.contact = operation.result(0)
                self._cancel()
            raise
        self.contact = operation.result(0)

    def wait(self) -> int | None:
        """Wait for the end; returns the job's exit code where it is known."""
        try:
            return self._follow()
        except (KeyboardInterrupt, TimeoutError) as error:
            problem = self._cancel()
            if problem is not None:
                error.add_note(f"The job was not cancelled: {problem}")
            raise

    def _follow(self) -> int | None:
        pause = _FIRST_POLL
        unanswered = 0
        while True:
            news = self._next(pause)
            if news is not None:
                if self._take(*news):
                    return None
                pause = _FIRST_POLL
                continue
            try:
                told = self._client.status(self.contact, timeout=_STATUS_TIMEOUT)
            except GlobusException as error:
                news = self._next(_LAST_NEWS)
                if news is not None:
                    if self._take(*news):
                        return None
                    continue
                unanswered += 1
                if isinstance(error, FileNotFoundError) or unanswered >= _PATIENCE:
                    raise self._lost(error) from error
                pause = _FIRST_POLL
                continue
            unanswered = 0
            pause = min(pause * 2, _SLOWEST_POLL)
            if self._take(told.state, told.failure_code):
                return told.exit_code

    def _next(self, pause: float) -> tuple[JobState, int] | None:
        """The next news, or ``None`` when none came for `pause` seconds."""
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(
                    f"the job did not end within {self._timeout:g} s and was cancelled"
                )
            pause = min(pause, left)
        try:
            return self._news.get(timeout=pause)
        except queue.Empty:
            return None

    def _take(self, state: JobState, code: int) -> bool:
        """Note a state; tells whether the job is done."""
        if state is not self._state:
            self._state = state
            if self._on_state:
                self._on_state(self.contact, state)
        if state is JobState.FAILED:
            raise _failure(self.contact, code)
        return state is JobState.DONE

    def _lost(self, error: GlobusException) -> JobLost:
        if isinstance(error, FileNotFoundError):
            text = "its job manager does not know it any more"
        else:
            text = f"its job manager does not answer: {error.msg}"
        lost = JobLost(f"the job is lost: {text}", self.contact)
        state = self._state.name if self._state is not None else "unknown"
        lost.add_note(f"Its last state was {state}; it may go on. Job: {self.contact}")
        return lost

    def _cancel(self) -> GlobusException | None:
        """Cancel the job and wait a while for its end; returns what went wrong."""
        try:
            self._client.cancel(self.contact, timeout=_CANCEL_GRACE)
            deadline = time.monotonic() + _CANCEL_GRACE
            while (left := deadline - time.monotonic()) > 0:
                state, _ = self._news.get(timeout=left)
                if state.is_final:
                    break
        except queue.Empty:
            pass  # it is cancelled, and takes its time
        except GlobusException as error:
            return error
        return None


def _client() -> GramClient:
    credential = Credential.default()
    if credential.expired:
        # GRAM would say that the other side does not accept it
        raise CredentialError(
            f"the credential {credential.subject} expired at "
            f"{credential.not_after:%Y-%m-%d %H:%M:%S} UTC",
            hint="make a proxy with 'cogkit proxy init'",
        )
    return GramClient()


def _failure(contact: str, code: int) -> JobFailed:
    known = GramError(code) if code in list(GramError) else None
    words = GramClient.error_string(code) if code else "no reason given"
    error = JobFailed(f"the job failed: {words} (GRAM error {code})", contact, code)
    if known is not None and known.advice:
        error.add_note(known.advice[0].upper() + known.advice[1:] + ".")
    return error
