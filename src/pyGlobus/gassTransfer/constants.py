"""The enumerations of GASS transfer, under their Python and their C names."""

from __future__ import annotations

import enum

from .._native import lib

__all__ = ["Authorization", "FileMode"]


class FileMode(enum.IntEnum):
    """Whether line ends may be translated (globus_gass_transfer_file_mode_t)."""

    BINARY = lib.GLOBUS_GASS_TRANSFER_FILE_MODE_BINARY
    TEXT = lib.GLOBUS_GASS_TRANSFER_FILE_MODE_TEXT


class Authorization(enum.IntEnum):
    """Who an https server must be (globus_gass_transfer_authorization_t)."""

    SELF = lib.GLOBUS_GASS_TRANSFER_AUTHORIZE_SELF
    """The same identity as ours: a GASS server that we run."""
    HOST = lib.GLOBUS_GASS_TRANSFER_AUTHORIZE_HOST
    """The host of its URL."""
    SUBJECT = lib.GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT
    """A subject that is named."""


GLOBUS_GASS_TRANSFER_FILE_MODE_BINARY = FileMode.BINARY
GLOBUS_GASS_TRANSFER_FILE_MODE_TEXT = FileMode.TEXT
GLOBUS_GASS_TRANSFER_AUTHORIZE_SELF = Authorization.SELF
GLOBUS_GASS_TRANSFER_AUTHORIZE_HOST = Authorization.HOST
GLOBUS_GASS_TRANSFER_AUTHORIZE_SUBJECT = Authorization.SUBJECT
