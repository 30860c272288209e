"""What a GASS server does for its clients (``globus_gass_server_ez.h``)."""

from __future__ import annotations

import enum

from .._native import lib

__all__ = ["Options"]


class Options(enum.IntFlag):
    """What the server does for its clients."""

    LINE_BUFFER = lib.GLOBUS_GASS_SERVER_EZ_LINE_BUFFER
    """Pass output on by whole lines; without it, bytes are passed on as they come."""
    TILDE_EXPAND = lib.GLOBUS_GASS_SERVER_EZ_TILDE_EXPAND
    """``~/`` in a path is our home directory."""
    TILDE_USER_EXPAND = lib.GLOBUS_GASS_SERVER_EZ_TILDE_USER_EXPAND
    """``~name/`` in a path is that user's home directory."""
    READ_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_READ_ENABLE
    """Clients may read every file that we may read."""
    WRITE_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_WRITE_ENABLE
    """Clients may write every file that we may write."""
    STDOUT_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_STDOUT_ENABLE
    """What is written to ``/dev/stdout`` goes to our standard output."""
    STDERR_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_STDERR_ENABLE
    """What is written to ``/dev/stderr`` goes to our standard error."""
    CLIENT_SHUTDOWN_ENABLE = lib.GLOBUS_GASS_SERVER_EZ_CLIENT_SHUTDOWN_ENABLE
    """Clients may ask us to shut down: see ``shutdown_func``."""
