"""Writes the C source of `pyGlobus._native._border` from the declarations (run by meson)."""

from __future__ import annotations

import sys
from pathlib import Path

import cffi

HERE = Path(__file__).parent

# In the order of their dependencies: each file may use the types of those before it.
DECLARATIONS = (
    "common",
    "error",
    "gss",
    "gsi",
    "rsl",
    "gram_protocol",
    "gram_client",
    "ftp_client",
    "gass_transfer",
    "gass_server_ez",
    "io",
    "gass_copy",
    "shim",
    "ftp_plugins",
)


def main(output: str) -> None:
    """Write the generated C source to `output`."""
    ffi = cffi.FFI()
    for name in DECLARATIONS:
        ffi.cdef((HERE / "decl" / f"{name}.h").read_text(encoding="utf-8"))
    # The compiler checks every declaration against the installed headers.
    ffi.set_source("pyGlobus._native._border", '#include "shim.h"')
    ffi.emit_c_code(output)


if __name__ == "__main__":
    main(sys.argv[1])
