"""Plugins of the GridFTP client: they follow what happens on its handles.

Maps ``globus_ftp_client_plugin.h``.  A plugin is given to `FtpClientHandleAttr` or `FtpClient`::

    with FtpClient(FtpClientHandleAttr(plugins=[DebugPlugin(), RestartPlugin()])) as client: ...

`FtpClientPlugin` is the base class of plugins written in Python; the others are those that come
with the C library, made again on the same interface (why: ``docs/plugins.md``).
"""

from __future__ import annotations

from .base import FtpClientPlugin
from .debug import DebugPlugin
from .markers import (
    PerfMarker,
    PerfPlugin,
    RestartMarkerPlugin,
    StripeThroughput,
    Throughput,
    ThroughputPlugin,
)
from .restart import RestartPlugin

__all__ = [
    "DebugPlugin",
    "FtpClientPlugin",
    "PerfMarker",
    "PerfPlugin",
    "RestartMarkerPlugin",
    "RestartPlugin",
    "StripeThroughput",
    "Throughput",
    "ThroughputPlugin",
]
