"""`FtpClient`: a GridFTP (or FTP) session, and what can be done in it."""

from __future__ import annotations

from .._core.buffers import shown, urls
from .._gridftp.errors import check_ftp
from .._native import lib
from .files import FtpFiles
from .listings import FtpListings
from .many import FtpMany
from .marker import FtpClientRestartMarker
from .pipelining import FtpPipelining

__all__ = ["FtpClient"]


class FtpClient(FtpMany, FtpPipelining, FtpListings, FtpFiles):
    """A GridFTP client handle (globus_ftp_client_handle_t).

    One operation at a time: use several clients for several transfers at once.  Methods return an
    `Operation`; the tutorial's form, with ``done_func`` and ``arg``, is the same call.

    >>> with FtpClient() as client:
    ...     client.size(url).result()
    6

    Timeouts are in seconds and None means for ever: ``timeout`` is the deadline of a command,
    ``stall_timeout`` how long a transfer may go without moving a byte.
    """

    def abort(self) -> None:
        """Abort what runs (globus_ftp_client_abort); its operation ends as cancelled."""
        operation = self._calls.session.operation
        if operation is not None:
            operation.cancel()

    def get_restart_marker(self) -> FtpClientRestartMarker:
        """What has arrived of the last transfer, or of the one that runs: where to go on.

        Of a get, what has been written here.  Of a transfer between servers that runs or has been
        cancelled, what the receiving one has confirmed.  Of a put nothing: what the library knows
        is what it has handed to the system (globus_ftp_client_handle_get_restart_marker).  For
        those, and for what fails by itself, `RestartMarkerPlugin` collects what servers confirm
        in extended block mode; in stream mode the size of the file tells.
        """
        self._require_open()
        return FtpClientRestartMarker(self._calls.session.last_marker())

    def cache_url_state(self, url: str) -> None:
        """Keep connections to the server of `url` (globus_ftp_client_handle_cache_url_state)."""
        self._require_open()
        c_url = urls(url)[0]
        with self._calls.session.lock:
            check_ftp(
                lib.globus_ftp_client_handle_cache_url_state(self._calls.session.pointer, c_url),
                f"cache of {shown(url)}",
            )

    def flush_url_state(self, url: str) -> None:
        """Close kept connections (globus_ftp_client_handle_flush_url_state)."""
        self._require_open()
        c_url = urls(url)[0]
        with self._calls.session.lock:
            check_ftp(
                lib.globus_ftp_client_handle_flush_url_state(self._calls.session.pointer, c_url),
                f"cache of {shown(url)}",
            )
