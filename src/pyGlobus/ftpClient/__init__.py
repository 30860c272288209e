"""GridFTP client: files and directories on GridFTP and FTP servers.

Maps ``globus_ftp_client.h``.

>>> with FtpClient() as client, open("copy", "wb") as file:
...     client.get(url, into=file).result()
6

Transfers whose data Python handles itself register buffers, as in C::

    operation = client.get(url)
    buffer = bytearray(65536)
    while not (block := client.register_read(buffer).result()).eof: ...
    operation.result()
"""

from __future__ import annotations

from .._core.operation import Operation
from .._gridftp import constants as _constants
from .._gridftp.constants import (
    CommandMask,
    DcauMode,
    Feature,
    FtpError,
    Mode,
    Protection,
    Striping,
    Type,
)
from .._gridftp.errors import (
    FtpClientConnectionError,
    FtpClientDataAddressError,
    FtpClientException,
    FtpClientFileExistsError,
    FtpClientFileNotFoundError,
    FtpClientIsADirectoryError,
    FtpClientNoSpaceError,
    FtpClientNotADirectoryError,
    FtpClientPermissionError,
    FtpClientTimeoutError,
    FtpClientValueError,
)
from .._gridftp.listing import FtpEntry, check_name, parse_fact_line
from .._gridftp.listlines import parse_list_line
from .._gridftp.reading import Listing, ListingForm, RejectedLine, read_listing
from .attributes import FtpClientOperationAttr
from .calls import Block
from .client import FtpClient
from .files import FtpFeatures
from .handleattr import FtpClientHandleAttr
from .listings import FtpScan
from .marker import FtpClientRestartMarker
from .plugins import (
    DebugPlugin,
    FtpClientPlugin,
    PerfMarker,
    PerfPlugin,
    RestartMarkerPlugin,
    RestartPlugin,
    StripeThroughput,
    Throughput,
    ThroughputPlugin,
)
from .settings import Dcau, Layout, TcpBuffer

__all__ = [
    "Block",
    "CommandMask",
    "Dcau",
    "DcauMode",
    "DebugPlugin",
    "Feature",
    "FtpClient",
    "FtpClientConnectionError",
    "FtpClientDataAddressError",
    "FtpClientException",
    "FtpClientFileExistsError",
    "FtpClientFileNotFoundError",
    "FtpClientHandleAttr",
    "FtpClientIsADirectoryError",
    "FtpClientNoSpaceError",
    "FtpClientNotADirectoryError",
    "FtpClientOperationAttr",
    "FtpClientPermissionError",
    "FtpClientPlugin",
    "FtpClientRestartMarker",
    "FtpClientTimeoutError",
    "FtpClientValueError",
    "FtpEntry",
    "FtpError",
    "FtpFeatures",
    "FtpScan",
    "Layout",
    "Listing",
    "ListingForm",
    "Mode",
    "Operation",
    "PerfMarker",
    "PerfPlugin",
    "Protection",
    "RejectedLine",
    "RestartMarkerPlugin",
    "RestartPlugin",
    "StripeThroughput",
    "Striping",
    "TcpBuffer",
    "Throughput",
    "ThroughputPlugin",
    "Type",
    "check_name",
    "parse_fact_line",
    "parse_list_line",
    "read_listing",
]

# the enumerations under their C names
for _name in dir(_constants):
    if _name.startswith("GLOBUS_"):
        globals()[_name] = getattr(_constants, _name)
del _name
