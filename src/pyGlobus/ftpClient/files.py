"""Files and directories: what is told of them, and what can be done to them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from .._core.buffers import shown, urls
from .._core.errors import GlobusException, text_of
from .._core.ftpurls import path_of
from .._core.operation import Operation
from .._gridftp.constants import Feature, FtpError
from .._gridftp.errors import FtpClientException, FtpClientValueError, check_ftp
from .._gridftp.listing import FtpEntry, parse_fact_line
from .._gridftp.reading import ListingForm, read_listing
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .commands import COMMAND_TIMEOUT, DoneFunc, Work, command
from .life import FtpLife

__all__ = ["FtpFeatures", "FtpFiles"]

T = TypeVar("T")

CHECKSUM_TIMEOUT = 3600.0
"""Seconds that a server may take to read a file."""
_REPLY = 1 << 16
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class FtpFeatures(Mapping[Feature, bool | None]):
    """What a server can do: what the library makes of it, and what the server has said."""

    def __init__(
        self, known: Mapping[Feature, bool | None], words: Mapping[str, str] | None
    ) -> None:
        self._known = known
        self.words = words
        """The server's lines, such as ``{"MLST": "type*;size*;", "EPSV": ""}``: names in upper
        case, and what stands behind them.  None: the server does not know FEAT."""

    def __getitem__(self, feature: Feature) -> bool | None:
        return self._known[feature]

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __repr__(self) -> str:
        able = sorted(feature.name for feature, able in self.items() if able)
        return f"<{type(self).__name__} {' '.join(able)} words={self.words!r}>"


class FtpFiles(FtpLife):
    """Commands about one file or directory."""

    @command
    def mlst(self, url: str) -> Work[FtpEntry]:
        """The facts about one file or directory (MLST, RFC 3659, globus_ftp_client_mlst)."""
        return _text("stat", lib.globus_ftp_client_mlst, url, parse_fact_line)

    @command
    def stat(self, url: str) -> Work[tuple[FtpEntry, ...]]:
        """What STAT says of a file or directory (RFC 959; globus_ftp_client_stat).

        Returns:
            An operation with one entry for a file; for a directory, the directory itself (GCT's
            server) or what is in it (others).  Of what is not there some servers, such as vsftpd,
            tell no entry and no error.  Lines that are no entries are left out.  `mlst` tells
            more, and times with their zone.
        """
        path = path_of(url)
        return _text(
            "stat",
            lib.globus_ftp_client_stat,
            url,
            lambda text: read_listing(text.rstrip("\0"), ListingForm.LONG, path=path).entries,
            _no_entries,
        )

    @command
    def cwd(self, url: str) -> Work[str]:
        """Change the session's directory; gives the server's reply (CWD, globus_ftp_client_cwd).

        URLs name whole paths, so what follows does not depend on it (for a path in the login
        directory, ``/~/x``, a new session is begun); it tells whether the directory is there and
        open to us.
        """
        return _text("cwd", self._change_directory, url, str)

    @command
    def exists(self, url: str) -> Work[bool]:
        """Whether there is a file or directory (globus_ftp_client_exists).

        Asked by SIZE, MLST, STAT, CWD and a list, until one is sure.  What the server refuses
        for a reason that it does not name counts as absent, when all others refuse too.
        """
        moved = ffi.new("int *")

        def answer(there: bool) -> bool:
            self._calls.session.away |= bool(moved[0])
            return there

        return Work(
            "look for",
            lib.cog_ftp_exists,
            lambda event: answer(True),
            places=(moved,),
            on_error=lambda error: answer(_is_there(error)),
        )

    @command
    def size(self, url: str) -> Work[int]:
        """The size of a file in bytes (SIZE, globus_ftp_client_size)."""
        size = ffi.new("globus_off_t *")
        return Work(
            "size of", lib.globus_ftp_client_size, lambda event: int(size[0]), places=(size,)
        )

    @command
    def modification_time(self, url: str) -> Work[datetime]:
        """When a file was last changed, UTC (MDTM, globus_ftp_client_modification_time)."""
        when = ffi.new("globus_abstime_t *")
        return Work(
            "modification time of",
            lib.globus_ftp_client_modification_time,
            lambda event: _moment(when.tv_sec, url),
            places=(when,),
        )

    def cksm(
        self,
        url: str,
        algorithm: str = "MD5",
        offset: int = 0,
        length: int = -1,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = CHECKSUM_TIMEOUT,
    ) -> Operation[str]:
        """The checksum of a file or a part of it, in hexadecimal (CKSM; globus_ftp_client_cksm).

        Args:
            url: the file.
            algorithm: one that the server has: GCT's have MD5, ADLER32, SHA1, SHA256, SHA512.
            offset: first byte.
            length: bytes; -1: to the end of the file.
            op_attr: attributes of this operation.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            timeout: the server reads the whole file before it answers.
        """
        # the library copies the server's reply as long as it is
        place = ffi.new("char[]", _REPLY)
        name = _word(algorithm, "algorithm")
        work: Work[str] = Work(
            f"{algorithm} checksum of",
            lib.globus_ftp_client_cksm,
            lambda event: text_of(place),
            places=(place, offset, length, name),
        )
        return self._calls.run(work, url, op_attr, done_func, arg, timeout)

    @command
    def feat(self, url: str) -> Work[FtpFeatures]:
        """What the server can do (FEAT, RFC 2389; globus_ftp_client_feat).

        It is asked once in a session, when that begins: later calls cost nothing.

        Returns:
            An operation with True or False for each feature that the library knows of, None where
            the library has not looked, and the server's own words as `FtpFeatures.words`.
        """
        features = ffi.new("globus_ftp_client_features_t *")
        check_ftp(lib.globus_ftp_client_features_init(features), "features")
        features = ffi.gc(features, lib.globus_ftp_client_features_destroy)
        return Work(
            "features of",
            lib.globus_ftp_client_feat,
            lambda event: FtpFeatures(
                _supported(features), self._calls.session.guard.features(url)
            ),
            places=(features,),
        )

    # --- changing them --------------------------------------------------------------------------

    @command
    def mkdir(self, url: str) -> Work[None]:
        """Make a directory (globus_ftp_client_mkdir)."""
        return Work("mkdir", lib.globus_ftp_client_mkdir)

    @command
    def rmdir(self, url: str) -> Work[None]:
        """Remove an empty directory (globus_ftp_client_rmdir)."""
        return Work("rmdir", lib.globus_ftp_client_rmdir)

    @command
    def delete(self, url: str) -> Work[None]:
        """Remove a file (globus_ftp_client_delete)."""
        return Work("delete", lib.globus_ftp_client_delete)

    def move(
        self,
        source_url: str,
        dest_url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Rename a file on its server (RNFR, RNTO; globus_ftp_client_move)."""
        dest = urls(dest_url)[0]
        work: Work[None] = Work(
            f"move to {shown(dest_url)}:", lib.globus_ftp_client_move, before=(dest,)
        )
        return self._calls.run(work, source_url, op_attr, done_func, arg, timeout)

    def chmod(
        self,
        url: str,
        mode: int,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Set permissions, as in `os.chmod` (SITE CHMOD, globus_ftp_client_chmod)."""
        work: Work[None] = Work("chmod", lib.globus_ftp_client_chmod, before=(mode,))
        return self._calls.run(work, url, op_attr, done_func, arg, timeout)

    def chgrp(
        self,
        url: str,
        group: str | int,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Set the group, by name or number (SITE CHGRP, globus_ftp_client_chgrp)."""
        name = _word(str(group), "group")
        work: Work[None] = Work("chgrp", lib.globus_ftp_client_chgrp, before=(name,))
        return self._calls.run(work, url, op_attr, done_func, arg, timeout)

    def utime(
        self,
        url: str,
        when: datetime,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Set when a file was last changed (SITE UTIME, globus_ftp_client_utime).

        Args:
            url: the file.
            when: whole seconds; without a zone it is this machine's time, as in `datetime`.
            op_attr: attributes of this operation.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            timeout: deadline.
        """
        moment = when.astimezone(UTC)
        tm = ffi.new("struct tm *")
        tm.tm_year, tm.tm_mon, tm.tm_mday = moment.year - 1900, moment.month - 1, moment.day
        tm.tm_hour, tm.tm_min, tm.tm_sec = moment.hour, moment.minute, moment.second
        work: Work[None] = Work("utime", lib.globus_ftp_client_utime, before=(tm,))
        return self._calls.run(work, url, op_attr, done_func, arg, timeout)

    def symlink(
        self,
        url: str,
        link_url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Make `link_url` a symbolic link to `url` (SITE SYMLINK, globus_ftp_client_symlink)."""
        link = urls(link_url)[0]
        work: Work[None] = Work(
            f"link {shown(link_url)} to", lib.globus_ftp_client_symlink, before=(link,)
        )
        return self._calls.run(work, url, op_attr, done_func, arg, timeout)

    def _change_directory(self, *arguments: Any) -> int:
        self._calls.session.away = True
        return int(lib.globus_ftp_client_cwd(*arguments))


def _text(
    verb: str,
    function: Callable[..., int],
    url: str,
    convert: Callable[[str], T],
    on_error: Callable[[GlobusException], T] | None = None,
) -> Work[T]:
    """A command that is answered by some text, which the library hands over."""
    text, length = ffi.new("globus_byte_t **"), ffi.new("globus_size_t *")

    def take(event: Any) -> T:
        if text[0] == ffi.NULL:
            raise FtpClientException(
                f"{verb} {shown(url)}: the server says that it is done, and tells nothing",
                code=FtpError.PROTOCOL,
                library="globus_ftp_client",
            )
        raw = bytes(ffi.buffer(text[0], length[0]))
        lib.free(text[0])
        return convert(raw.decode("utf-8", "surrogateescape"))

    return Work(verb, function, take, places=(text, length), on_error=on_error)


def _moment(seconds: int, url: str) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise FtpClientException(
            f"modification time of {shown(url)}: a year that datetime does not have",
            code=FtpError.PROTOCOL,
            library="globus_ftp_client",
        ) from None


def _no_entries(error: GlobusException) -> tuple[FtpEntry, ...]:
    """None, where the server has agreed and told nothing: the library calls that an error."""
    if error.library == "globus_ftp_client" and error.code == FtpError.PROTOCOL:
        return ()
    raise error


def _is_there(error: GlobusException) -> bool:
    """What a no to `FtpFiles.exists` means."""
    if isinstance(error, IsADirectoryError):  # so much for its size
        return True
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return False
    if not isinstance(error, FtpClientException) or isinstance(error, (OSError, ValueError)):
        raise error
    if (error.reply_code or 0) < 500 or error.unsupported:
        raise error
    return False


def _word(text: str, what: str) -> bytes:
    """One word of a command line."""
    if not text.isprintable() or not text or " " in text:
        raise FtpClientValueError(f"not a name of a {what}: {text!r}")
    return text.encode()


def _supported(features: Any) -> Mapping[Feature, bool | None]:
    answer = ffi.new("globus_ftp_client_tristate_t *")
    known: dict[Feature, bool | None] = {}
    for feature in Feature:
        check_ftp(
            lib.globus_ftp_client_is_feature_supported(features, answer, feature), feature.name
        )
        known[feature] = None if answer[0] == lib.GLOBUS_FTP_CLIENT_MAYBE else bool(answer[0])
    return MappingProxyType(known)
