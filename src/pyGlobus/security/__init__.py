"""GSI credentials: find, load, inspect, make and destroy them.

Maps ``globus_gsi_credential.h``, ``globus_gsi_proxy.h`` and ``globus_gsi_system_config.h``.

>>> from pyGlobus import security
>>> proxy = security.create_proxy(lifetime=timedelta(hours=1))
>>> proxy.is_proxy, proxy.path_length
(True, None)
>>> proxy.write(security.proxy_path())

`pyGlobus.security.gss` is the GSS-API, `pyGlobus.security.gridmap` the grid-mapfile.

A key never leaves C: it is not in `repr`, cannot be pickled, and is written to files of mode 0600
only.
"""

from __future__ import annotations

from .credential import Credential, CredentialType
from .diagnosis import fault_of, told_by
from .gridmap import GridMap, NotMappedError, edit_gridmap, gridmap_path
from .proxy import Policy, create_proxy, destroy_proxy
from .search import (
    Search,
    certificate_directory,
    credential_search,
    proxy_path,
    user_certificate_paths,
)

__all__ = [
    "Credential",
    "CredentialType",
    "GridMap",
    "NotMappedError",
    "Policy",
    "Search",
    "certificate_directory",
    "create_proxy",
    "credential_search",
    "destroy_proxy",
    "edit_gridmap",
    "fault_of",
    "gridmap_path",
    "proxy_path",
    "told_by",
    "user_certificate_paths",
]
