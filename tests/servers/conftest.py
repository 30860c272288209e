"""The fixtures of servers that GCT did not write."""

from foreign import (  # noqa: F401
    _arc,
    arc,
    foreign_directory,
    gct_without_mlst,
    gct_without_mlst_port,
    odd_server,
    vsftpd,
)
