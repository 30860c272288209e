"""The GSS-API of GSI: two sides that know each other, and messages between them.

Maps ``gssapi.h`` with the GGF extensions, and ``globus_gss_assist.h``.  The names are those of
python-gssapi.

>>> client = SecurityContext(usage="initiate")
>>> server = SecurityContext(usage="accept")
>>> token = client.step()
>>> while token:
...     token = server.step(token)
...     if token:
...         token = client.step(token)
>>> client.complete, server.complete
(True, True)
>>> sealed = client.encrypt(b"hello")
>>> server.decrypt(sealed)
b'hello'
>>> str(server.initiator_name)
'/O=Grid/OU=Sandbox/CN=Sandbox User'

Keys and credentials are in no `repr`, and nothing here can be pickled.
"""

from __future__ import annotations

from . import exceptions
from .assist import (
    NotMappedError,
    gridmap,
    lookup_all_globusid,
    map_and_authorize,
    map_and_authorize_sharing,
    map_local_user,
    userok,
)
from .contexts import SecurityContext
from .creds import (
    AcquireCredResult,
    Credentials,
    ExportForm,
    InquireCredResult,
    indicate_mechs,
)
from .delegation import Delegation
from .exceptions import GSSError
from .flags import RequirementFlag
from .messages import UnwrapResult, WrapResult
from .names import Name, authorization_host_name, inquire_names_for_mech
from .oids import OID, RESTRICTIONS, MechType, NameType, Option
from .transport import GSSSocket, GSSStream, PeerClosedError, TokenReader, frame_token

__all__ = [
    "OID",
    "RESTRICTIONS",
    "AcquireCredResult",
    "Credentials",
    "Delegation",
    "ExportForm",
    "GSSError",
    "GSSSocket",
    "GSSStream",
    "InquireCredResult",
    "MechType",
    "Name",
    "NameType",
    "NotMappedError",
    "Option",
    "PeerClosedError",
    "RequirementFlag",
    "SecurityContext",
    "TokenReader",
    "UnwrapResult",
    "WrapResult",
    "authorization_host_name",
    "exceptions",
    "frame_token",
    "gridmap",
    "indicate_mechs",
    "inquire_names_for_mech",
    "lookup_all_globusid",
    "map_and_authorize",
    "map_and_authorize_sharing",
    "map_local_user",
    "userok",
]
