"""Contact strings: of resource managers, to which jobs are submitted, and of jobs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .constants import GramError
from .errors import gram_error

__all__ = ["JobContact", "ResourceContact"]

_PORT = 2119


@dataclass(frozen=True, slots=True)
class ResourceContact:
    """Where to submit: ``host[:port][/service][:subject]``.

    >>> contact = ResourceContact.parse("localhost:2119/jobmanager-fork:/O=Grid/CN=host")
    >>> contact.service
    'jobmanager-fork'
    >>> str(ResourceContact("localhost", service="jobmanager-slurm"))
    'localhost/jobmanager-slurm'
    """

    host: str
    """Its name or address."""
    port: int | None = None
    """Where its gatekeeper listens; 2119 when None."""
    service: str | None = None
    """Which job manager, such as ``jobmanager-slurm``; the gatekeeper's default when None."""
    subject: str | None = None
    """The identity that the gatekeeper must have; that of its host when None."""

    @classmethod
    def parse(cls, text: str | ResourceContact) -> ResourceContact:
        """Read a contact (the forms of globus_gram_client's resource manager contacts).

        Raises:
            GramClientValueError: it is none.
        """
        if isinstance(text, ResourceContact):
            return text
        match = _RESOURCE.fullmatch(text)
        if match is None:
            raise _malformed(text)
        host, port, service, subject = match.groups()
        if subject is not None and port is None and service is None:
            raise _malformed(text)  # a port that is no number
        number = int(port) if port else None
        if number is not None and not 0 < number < 65536:
            raise _malformed(text)
        return cls(host, number, service or None, subject or None)

    def __str__(self) -> str:
        text = self.host
        if self.port is not None:
            text += f":{self.port}"
        if self.service is not None:
            text += f"/{self.service}"
        if self.subject is not None:
            # an empty port tells the subject from one
            text += ":" if self.port is not None or self.service is not None else "::"
            text += self.subject
        return text


@dataclass(frozen=True, slots=True, order=True)
class JobContact:
    """Names a job: ``https://host:port/id/id/``, where its job manager listens.

    It is all that another process needs to go on with the job: keep it in a file, print it, pickle
    it.

    >>> JobContact.parse("https://localhost:40001/16001/5295/").port
    40001
    """

    host: str
    port: int
    path: str
    """Which of the job manager's jobs."""

    @classmethod
    def parse(cls, text: str | JobContact) -> JobContact:
        """Read a job contact.

        Raises:
            GramClientValueError: it is none.
        """
        if isinstance(text, JobContact):
            return text
        match = _JOB.fullmatch(text.strip())
        if match is None or not 0 < int(match[2]) < 65536:
            raise gram_error(
                GramError.INVALID_JOB_CONTACT, f"job contact {text!r}",
                "a job contact looks like https://host:port/number/number/",
            )  # fmt: skip
        return cls(match[1], int(match[2]), match[3])

    def __str__(self) -> str:
        return f"https://{self.host}:{self.port}{self.path}"


# The C parser stumbles over the https:// that its documentation allows.
_RESOURCE = re.compile(r"(?:https://)?([^\s:/]+)(?::(\d*))?(?:/([^:]*))?(?::(.*))?", re.DOTALL)
_JOB = re.compile(r"https?://(\[[^\]\s]+\]|[^\s:/]+):(\d{1,5})(/\S+)")


def _malformed(text: str) -> Exception:
    return gram_error(GramError.BAD_GATEKEEPER_CONTACT, f"contact {text!r}")
