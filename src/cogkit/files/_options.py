"""How data is moved, and how far it has got."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyGlobus.ftpClient import FtpClientOperationAttr


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How to move data, and how long to wait; times in seconds, ``None`` for ever."""

    parallel: int = 1
    """TCP streams for one file; more than 1 uses extended block mode."""
    private: bool = False
    """Encrypt the data channel, or fail: there is no fall-back to clear text."""
    authenticate: bool = True
    """Authenticate the data channel (DCAU); an ``ftp:`` server cannot."""
    data_hosts: tuple[str, ...] = ()
    """Hosts besides the server's own that data may come from or go to: names, addresses, networks,
    or ``*``.  Servers with data nodes, such as dCache, need them."""
    stream: bool = False
    """Stream mode always.  Several files otherwise go in extended block mode over one data
    connection that is kept; when files come from the server, it is the server that opens it."""
    sessions: int = 2
    """Sessions at once, for many files or the parts of a large one; each has a handshake."""
    in_place: bool = False
    """Write straight into the target, and not into a temporary file that gets its name at the end:
    for directories in which nothing may be made or renamed.  A copy that fails then leaves what
    it has written so far."""
    require_atomic: bool = False
    """Replace a file in one step or not at all: an error, before anything is touched, where the
    server can only be written to straight."""
    stall: float | None = 60.0
    """A transfer that moves nothing for so long is aborted."""
    timeout: float | None = 60.0
    """How long a server may take to answer a command, the handshake included."""

    def __post_init__(self) -> None:
        if self.parallel < 1:
            raise ValueError(f"a file needs at least one stream, not {self.parallel}")
        if self.sessions < 1:
            raise ValueError(f"it takes at least one session, not {self.sessions}")
        if self.parallel > 1 and self.stream:
            raise ValueError("stream mode has one stream: leave out parallel, or stream")
        if self.in_place and self.require_atomic:
            raise ValueError("what is written in place is not replaced in one step")
        if self.private and not self.authenticate:
            raise ValueError("a private data channel must be authenticated")

    def attributes(self, *, extended: bool = False) -> FtpClientOperationAttr:
        """The attributes of pyGlobus for it.

        Args:
            extended: In extended block mode, and not in stream mode.
        """
        from pyGlobus.ftpClient import DcauMode, FtpClientOperationAttr, Mode, Protection

        attributes = FtpClientOperationAttr()
        if extended:
            attributes.mode = Mode.EXTENDED_BLOCK
            attributes.parallelism = self.parallel
        if self.private:
            attributes.data_protection = Protection.PRIVATE
        if not self.authenticate:
            attributes.dcau = DcauMode.NONE
        if self.data_hosts:
            attributes.data_hosts = self.data_hosts
        return attributes


@dataclass(slots=True)
class Progress:
    """How far a copy has got; given to the caller's function some ten times a second."""

    files: int = 0
    """How many there are."""
    files_done: int = 0
    bytes: int | None = 0
    """How many there are; ``None`` when a source does not tell."""
    bytes_done: int = 0
    current: str = ""
    """What is copied now."""
    at_file: int = field(default=0, repr=False)
    """`bytes_done` when the current file began."""
