"""The border: Globus' C libraries and the C shim, as cffi's `ffi` and `lib`.

No policy lives here.  Only `pyGlobus._core` and the modules of the map import it.
"""

from __future__ import annotations

from ._border import ffi, lib

__all__ = ["ffi", "lib"]
