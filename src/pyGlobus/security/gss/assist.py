"""Who may do what here: the grid-mapfile and the authorization callouts as GCT's servers use them.

Maps the rest of ``globus_gss_assist.h``.  The functions look where GCT looks: ``GRIDMAP``, else
``/etc/grid-security/grid-mapfile`` for root and ``~/.gridmap`` for others; ``GSI_AUTHZ_CONF`` for
callouts.  `pyGlobus.security.gridmap` reads and edits such files itself.

>>> import os, pathlib
>>> os.environ["GRIDMAP"] = str(pathlib.Path("mapfile").absolute())
>>> _ = pathlib.Path("mapfile").write_text('"/O=Grid/CN=Ann Other" ann,guest\\n')
>>> gridmap("/O=Grid/CN=Ann Other")
'ann'
>>> userok("/O=Grid/CN=Ann Other", "guest"), userok("/O=Grid/CN=Ann Other", "root")
(True, False)
>>> lookup_all_globusid("guest")
['/O=Grid/CN=Ann Other']
"""

from __future__ import annotations

from ..._core.errors import Concept, check, text_of
from ..._core.runtime import runtime
from ..._core.workers import run_interruptibly
from ..._native import ffi, lib
from ..gridmap import NotMappedError
from .contexts import SecurityContext

__all__ = [
    "NotMappedError",
    "gridmap",
    "lookup_all_globusid",
    "map_and_authorize",
    "map_and_authorize_sharing",
    "map_local_user",
    "userok",
]

_LONGEST_USER = 256


_DENIED = {Concept.OTHER: NotMappedError, Concept.AUTHENTICATION: NotMappedError}


def _text(value: str) -> bytes:
    if "\0" in value:
        raise ValueError(f"NUL in {value!r}")
    return value.encode()


def gridmap(subject: str) -> str:
    """The user that a subject is mapped to, the first of several (globus_gss_assist_gridmap).

    With ``GRIDMAPDIR``, a user that begins with a dot stands for a pool of accounts, of which one
    is leased.

    Raises:
        NotMappedError: none, or the file cannot be read.
    """
    runtime.activate("GSI_GSS_ASSIST")
    user = ffi.new("char **")
    if lib.globus_gss_assist_gridmap(ffi.new("char[]", _text(subject)), user):
        raise NotMappedError(f"{subject} is not mapped to a user")
    try:
        return text_of(user[0])
    finally:
        lib.free(user[0])


def userok(subject: str, user: str) -> bool:
    """Whether a subject may be this user (globus_gss_assist_userok)."""
    runtime.activate("GSI_GSS_ASSIST")
    return not lib.globus_gss_assist_userok(
        ffi.new("char[]", _text(subject)), ffi.new("char[]", _text(user))
    )


def map_local_user(user: str) -> str:
    """A subject that is mapped to a user (globus_gss_assist_map_local_user).

    Where there are several: one that has the user as its first.

    Raises:
        NotMappedError: none, or the file cannot be read.
    """
    runtime.activate("GSI_GSS_ASSIST")
    subject = ffi.new("char **")
    if lib.globus_gss_assist_map_local_user(ffi.new("char[]", _text(user)), subject):
        raise NotMappedError(f"nobody is mapped to {user}")
    try:
        return text_of(subject[0])
    finally:
        lib.free(subject[0])


def lookup_all_globusid(user: str) -> list[str]:
    """All subjects that are mapped to a user (globus_gss_assist_lookup_all_globusid).

    Raises:
        GlobusException: the file cannot be read.
    """
    runtime.activate("GSI_GSS_ASSIST")
    subjects, count = ffi.new("char ***"), ffi.new("int *")
    result = lib.globus_gss_assist_lookup_all_globusid(
        ffi.new("char[]", _text(user)), subjects, count
    )
    if subjects[0] == ffi.NULL:
        check(result, f"cannot look {user} up", _DENIED)
    elif result != lib.GLOBUS_SUCCESS:
        # the last line cannot be read, and all others were
        lib.globus_object_free(lib.globus_error_get(result))
    try:
        return [text_of(subjects[0][index]) for index in range(count[0])]
    finally:
        for index in range(count[0]):
            lib.free(subjects[0][index])
        lib.free(subjects[0])


def map_and_authorize(
    context: SecurityContext, service: str, desired_identity: str | None = None
) -> str:
    """The user that the peer of a context is here, if it may use a service.

    Callouts decide where they are configured, else the grid-mapfile.  A callout may ask another
    host: this waits for it (globus_gss_assist_map_and_authorize).

    Args:
        context: complete.
        service: what it wants, such as ``file``.
        desired_identity: the user that it wants to be; None: the first that it may be.

    Raises:
        NotMappedError: it may not.
    """
    return _map(context, desired_identity, service, None)


def map_and_authorize_sharing(
    context: SecurityContext, shared_user_certificate: str, desired_identity: str | None = None
) -> str:
    """The user whose files are shared, by his certificate, in PEM.

    (globus_gss_assist_map_and_authorize_sharing)  Arguments as for `map_and_authorize`.

    Raises:
        NotMappedError: there is none.
    """
    return _map(context, desired_identity, "sharing", shared_user_certificate)


def _map(
    context: SecurityContext, desired: str | None, service: str, certificate: str | None
) -> str:
    runtime.activate("GSI_GSS_ASSIST")
    user = ffi.new("char[]", _LONGEST_USER)
    wanted = ffi.NULL if desired is None else ffi.new("char[]", _text(desired))
    what = "the service " + service if desired is None else f"the user {desired}"
    with context.inquired() as handle:

        def ask() -> int:
            if certificate is None:
                result = lib.globus_gss_assist_map_and_authorize(
                    handle, ffi.new("char[]", _text(service)), wanted, user, _LONGEST_USER
                )
            else:
                result = lib.globus_gss_assist_map_and_authorize_sharing(
                    ffi.new("char[]", _text(certificate)), handle, wanted, user, _LONGEST_USER
                )
            return int(result)

        check(run_interruptibly(ask), f"{context.peer_name} may not have {what}", _DENIED)
    return text_of(user)
