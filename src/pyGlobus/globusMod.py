"""Globus as a whole: modules, versions, threads.

Maps the parts of ``globus_common.h`` that a Python program can use.  Nothing here is needed for
everyday work: every object brings up what it needs.

>>> versions()["globus_common"].major >= 18
True
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from ._core.errors import text_of
from ._core.runtime import runtime
from ._native import ffi, lib

__all__ = [
    "Figures",
    "Module",
    "Version",
    "activate",
    "active_modules",
    "deactivate",
    "figures",
    "thread_model",
    "versions",
]


class Module(enum.Enum):
    """The Globus modules that pyGlobus maps; values are their names in C."""

    COMMON = "COMMON"
    GSI_SYSCONFIG = "GSI_SYSCONFIG"
    GSI_CERT_UTILS = "GSI_CERT_UTILS"
    GSI_CREDENTIAL = "GSI_CREDENTIAL"
    GSI_PROXY = "GSI_PROXY"
    GSI_GSSAPI = "GSI_GSSAPI"
    GSI_GSS_ASSIST = "GSI_GSS_ASSIST"
    RSL = "RSL"
    GRAM_PROTOCOL = "GRAM_PROTOCOL"
    GRAM_CLIENT = "GRAM_CLIENT"
    FTP_CLIENT = "FTP_CLIENT"
    GASS_TRANSFER = "GASS_TRANSFER"
    GASS_SERVER_EZ = "GASS_SERVER_EZ"
    GASS_COPY = "GASS_COPY"

    @property
    def descriptor(self) -> Any:
        """The C module descriptor."""
        return getattr(lib, f"GLOBUS_{self.value}_MODULE")


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Version of a Globus library."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What goes on at the border, for tests and for those who hunt a leak."""

    awaited: int
    """Callbacks that somebody waits for."""
    slots: int
    """Records of the completion queue in use."""
    posted: int
    """Events that Globus has posted so far."""
    dropped: int
    """Events that came when nobody wanted them any more."""
    lost: int
    """Events that were lost to want of memory; 0 in a healthy process."""


def activate(*modules: Module) -> None:
    """Bring modules up, counted (globus_module_activate).

    Raises:
        GlobusException: the thread plugin is missing, ...
        GlobusForkError: in a forked child.
    """
    runtime.activate(*(module.value for module in modules))


def deactivate(*modules: Module) -> None:
    """Give `activate` back.

    The C module stays up until the process ends: its threads may still be closing connections.
    """
    runtime.deactivate(*(module.value for module in modules))


def active_modules() -> dict[Module, int]:
    """The modules that are up, and how often each was activated."""
    return {Module(name): count for name, count in runtime.counts().items() if count}


def versions() -> dict[str, Version]:
    """Version of every Globus library that pyGlobus maps (globus_module_get_version)."""
    found = {}
    for module in Module:
        version = ffi.new("globus_version_t *")
        if lib.globus_module_get_version(module.descriptor, version) == 0:
            name = text_of(module.descriptor.module_name)
            found[name] = Version(version.major, version.minor)
    return found


def thread_model() -> str:
    """How Globus runs: ``pthread`` once it is up, ``none`` before."""
    return "pthread" if runtime.started else "none"


def figures() -> Figures:
    """What goes on at the border."""
    place = ffi.new("cog_figures *")
    lib.cog_get_figures(place)
    return Figures(runtime.pending(), place.slots_in_use, place.posted, place.dropped, place.lost)
