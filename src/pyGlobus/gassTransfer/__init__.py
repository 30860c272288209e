"""GASS transfer: files by http and https.

So far the attributes of a request, which `pyGlobus.gassCopy` takes; maps those of
``globus_gass_transfer.h``.

>>> GassRequestAttr(block_size=65536, authorization=Authorization.HOST)
GassRequestAttr(block_size=65536, authorization=<Authorization.HOST: 1>)
"""

from __future__ import annotations

from . import constants as _constants
from .attributes import GassRequestAttr, GassTransferException, GassTransferValueError
from .constants import Authorization, FileMode

__all__ = [
    "Authorization",
    "FileMode",
    "GassRequestAttr",
    "GassTransferException",
    "GassTransferValueError",
]

# the enumerations under their C names
for _name in dir(_constants):
    if _name.startswith("GLOBUS_"):
        globals()[_name] = getattr(_constants, _name)
del _name
