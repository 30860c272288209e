"""Why a gatekeeper broke off: the C library tells no more than that the connection failed.

With TLS 1.3 a client has finished its handshake before the server looks at its certificate; what
the server then says, an alert such as ``certificate_revoked``, the library does not pass on.  So
the handshake is done once more, by Python's `ssl`, and the alert is read.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator

from .._core.errors import CredentialError, GlobusException
from .._native import lib
from ..security.credential import Credential
from ..security.diagnosis import fault_of, told_by
from .activation import usable
from .constants import GramError
from .contacts import ResourceContact
from .errors import (
    GramClientAuthenticationError,
    GramClientConnectionError,
    GramClientCredentialError,
    GramClientException,
    class_of,
)

__all__ = ["explained"]

_PORT = 2119
_TIMEOUT = 5.0
"""Seconds for each step of the handshake; and for an alert, when all seems well."""


@contextlib.contextmanager
def explained(rm: str | ResourceContact, credential: Credential | None) -> Iterator[None]:
    """A request to a gatekeeper, which waits; a connection that failed is looked into.

    Not for the callback thread: it connects.
    """
    try:
        yield
    except (GramClientConnectionError, GramClientAuthenticationError) as error:
        if error.code not in (GramError.CONNECTION_FAILED, GramError.PROTOCOL_FAILED):
            raise
        better = _reason(error, ResourceContact.parse(rm), credential)
        if better is None:
            raise
        raise better from error


def _reason(
    error: GramClientException, contact: ResourceContact, credential: Credential | None
) -> GramClientException | None:
    """The error that says more; None when nobody listens there, or nothing more is known."""
    try:
        ours = usable(credential)
        alert = _alert(contact.host, contact.port or _PORT, ours)
    except (OSError, GlobusException):
        return None
    what = error.msg.partition(": ")[0]
    fault = told_by(alert, ours) or fault_of(ours)
    if fault is not None:
        return _as_ours(error, f"{what}: {fault.msg}", fault)
    if not alert:
        return None
    return GramClientAuthenticationError(
        f"{what}: the gatekeeper answers, and broke off after the handshake: {_words(alert)}",
        code=error.code,
        library=error.library,
        causes=error.causes,
        hint=f"as {ours.identity}; {GramError.AUTHORIZATION.advice}",
    )


def _as_ours(
    error: GramClientException, message: str, fault: CredentialError
) -> GramClientCredentialError:
    return class_of(fault)(
        message, code=error.code, library=error.library, causes=error.causes, hint=fault.hint
    )


def _words(alert: str) -> str:
    """``TLSV1_ALERT_UNKNOWN_CA`` as ``unknown ca``."""
    name = alert.partition("ALERT_")[2] or alert
    return f"it does not accept our credential ({name.replace('_', ' ').lower()})"


def _alert(host: str, port: int, credential: Credential) -> str:
    """What the server says of our credential: the name of a TLS alert, ``EOF`` when it hangs up,
    ``""`` when it waits for more.

    Raises:
        OSError: nobody listens there.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # who the server is was not the question, and nothing is sent to it
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    descriptor = os.memfd_create("credential", os.MFD_CLOEXEC)
    try:
        if not lib.cog_cred_write_fd(credential.handle(), descriptor):
            return ""
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError:
        return ""
    finally:
        os.close(descriptor)
    with socket.create_connection((host, port), _TIMEOUT) as connection:
        try:
            with context.wrap_socket(connection) as secured:
                return "" if secured.recv(1) else "EOF"
        except TimeoutError:
            return ""
        except ssl.SSLError as error:
            return error.reason or ""
        except ConnectionError:
            return "EOF"
