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
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .constants import Feature, FtpError
from .errors import FtpClientException, FtpClientValueError, check_ftp
from .listing import FtpEntry, parse_fact_line
from .reading import ListingForm, read_listing
from .session import COMMAND_TIMEOUT, ON_COMPLETE, DoneFunc, FtpSession

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


class FtpFiles(FtpSession):
    """Commands about one file or directory."""

    def mlst(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[FtpEntry]:
        """The facts about one file or directory (MLST, RFC 3659, globus_ftp_client_mlst)."""
        function = lib.globus_ftp_client_mlst
        return self._text("stat", function, url, op_attr, done_func, arg, timeout, parse_fact_line)

    def stat(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[tuple[FtpEntry, ...]]:
        """What STAT says of a file or directory (RFC 959; globus_ftp_client_stat).

        Returns:
            An operation with one entry for a file; for a directory, the directory itself (GCT's
            server) or what is in it (others).  Of what is not there some servers, such as vsftpd,
            tell no entry and no error.  Lines that are no entries are left out.  `mlst` tells
            more, and times with their zone.
        """
        path = path_of(url)
        return self._text(
            "stat", lib.globus_ftp_client_stat, url, op_attr, done_func, arg, timeout,
            lambda text: read_listing(text.rstrip("\0"), ListingForm.LONG, path=path).entries,
            _no_entries,
        )  # fmt: skip

    def cwd(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[str]:
        """Change the session's directory; gives the server's reply (CWD, globus_ftp_client_cwd).

        URLs name whole paths, so what follows does not depend on it (for a path in the login
        directory, ``/~/x``, a new session is begun); it tells whether the directory is there and
        open to us.
        """
        function = lib.globus_ftp_client_cwd
        operation: Operation[str] = self._text(
            "cwd", function, url, op_attr, done_func, arg, timeout
        )
        self._session.away = True
        return operation

    def exists(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[bool]:
        """Whether there is a file or directory (globus_ftp_client_exists).

        Asked by SIZE, MLST, STAT, CWD and a list, until one is sure.  What the server refuses
        for a reason that it does not name counts as absent, when all others refuse too.
        """
        moved = ffi.new("int *")

        def answer(there: bool) -> bool:
            self._session.away |= bool(moved[0])
            return there

        return self._command(
            "look for", url, op_attr, lambda event: answer(True), done_func, arg, timeout,
            lambda c_url, attr, token: lib.cog_ftp_exists(
                self._session.pointer, c_url, attr, moved, ON_COMPLETE, token
            ),
            on_error=lambda error: answer(_is_there(error)),
        )  # fmt: skip

    def size(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[int]:
        """The size of a file in bytes (SIZE, globus_ftp_client_size)."""
        size = ffi.new("globus_off_t *")
        return self._command(
            "size of", url, op_attr, lambda event: int(size[0]), done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_size(
                self._session.pointer, c_url, attr, size, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def modification_time(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[datetime]:
        """When a file was last changed, UTC (MDTM, globus_ftp_client_modification_time)."""
        when = ffi.new("globus_abstime_t *")
        return self._command(
            "modification time of", url, op_attr,
            lambda event: _moment(when.tv_sec, url), done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_modification_time(
                self._session.pointer, c_url, attr, when, ON_COMPLETE, token
            ),
        )  # fmt: skip

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
        return self._command(
            f"{algorithm} checksum of", url, op_attr, lambda event: text_of(place), done_func, arg,
            timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_cksm(
                self._session.pointer, c_url, attr, place, offset, length, name, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def feat(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[FtpFeatures]:
        """What the server can do (FEAT, RFC 2389; globus_ftp_client_feat).

        It is asked once in a session, when that begins: later calls cost nothing.

        Returns:
            An operation with True or False for each feature that the library knows of, None where
            the library has not looked, and the server's own words as `FtpFeatures.words`.
        """
        features = ffi.new("globus_ftp_client_features_t *")
        check_ftp(lib.globus_ftp_client_features_init(features), "features")
        features = ffi.gc(features, lib.globus_ftp_client_features_destroy)
        return self._command(
            "features of", url, op_attr,
            lambda event: FtpFeatures(_supported(features), self._session.guard.features(url)),
            done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_feat(
                self._session.pointer, c_url, attr, features, ON_COMPLETE, token
            ),
        )  # fmt: skip

    # --- changing them --------------------------------------------------------------------------

    def mkdir(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Make a directory (globus_ftp_client_mkdir)."""
        function = lib.globus_ftp_client_mkdir
        return self._simple("mkdir", function, url, op_attr, done_func, arg, timeout)

    def rmdir(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Remove an empty directory (globus_ftp_client_rmdir)."""
        function = lib.globus_ftp_client_rmdir
        return self._simple("rmdir", function, url, op_attr, done_func, arg, timeout)

    def delete(
        self,
        url: str,
        op_attr: FtpClientOperationAttr | None = None,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        timeout: float | None = COMMAND_TIMEOUT,
    ) -> Operation[None]:
        """Remove a file (globus_ftp_client_delete)."""
        function = lib.globus_ftp_client_delete
        return self._simple("delete", function, url, op_attr, done_func, arg, timeout)

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
        return self._command(
            f"move to {shown(dest_url)}:", source_url, op_attr, lambda event: None, done_func, arg,
            timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_move(
                self._session.pointer, c_url, dest, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

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
        return self._command(
            "chmod", url, op_attr, lambda event: None, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_chmod(
                self._session.pointer, c_url, mode, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

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
        return self._command(
            "chgrp", url, op_attr, lambda event: None, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_chgrp(
                self._session.pointer, c_url, name, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

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
        return self._command(
            "utime", url, op_attr, lambda event: None, done_func, arg, timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_utime(
                self._session.pointer, c_url, tm, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

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
        return self._command(
            f"link {shown(link_url)} to", url, op_attr, lambda event: None, done_func, arg,
            timeout,
            lambda c_url, attr, token: lib.globus_ftp_client_symlink(
                self._session.pointer, c_url, link, attr, ON_COMPLETE, token
            ),
        )  # fmt: skip

    def _text(
        self,
        verb: str,
        function: Callable[..., int],
        url: str,
        op_attr: FtpClientOperationAttr | None,
        done_func: DoneFunc | None,
        arg: Any,
        timeout: float | None,
        convert: Callable[[str], T] = str,  # type: ignore[assignment]
        on_error: Callable[[GlobusException], T] | None = None,
    ) -> Operation[T]:
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

        return self._command(
            verb, url, op_attr, take, done_func, arg, timeout,
            lambda c_url, attr, token: function(
                self._session.pointer, c_url, attr, text, length, ON_COMPLETE, token
            ),
            on_error,
        )  # fmt: skip


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
