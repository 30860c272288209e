"""Copies between any two URLs: file, http, https, ftp, gsiftp, sshftp.

Maps ``globus_gass_copy.h``; what it can do, and how it differs from C, is in ``docs/copy.md``.

>>> with GassCopy() as copy:
...     copy.copy_url_to_url(url, None, "file:///dev/null", None)
"""

from __future__ import annotations

from . import constants as _constants
from .attributes import GassCopyAttr, GassCopyHandleAttr
from .constants import GlobType, Status, UrlMode
from .copy import GassCopy
from .entries import Expansion, GlobEntry, GlobStat
from .errors import *  # noqa: F403
from .errors import __all__ as _errors

__all__ = [
    "Expansion",
    "GassCopy",
    "GassCopyAttr",
    "GassCopyHandleAttr",
    "GlobEntry",
    "GlobStat",
    "GlobType",
    "Status",
    "UrlMode",
]
__all__ += _errors

# the enumerations under their C names
for _name in dir(_constants):
    if _name.startswith("GLOBUS_"):
        globals()[_name] = getattr(_constants, _name)
del _name
