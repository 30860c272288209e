"""Standard input, output and error: what is closed, and what cannot be written.

A program that starts with descriptor 0, 1 or 2 closed gets these numbers for its first files and
sockets; whatever then prints would write into them.  `prepare` opens ``/dev/null`` on them, such
that to read from or write to what was closed fails.

Output that cannot be written is an `OutputError`, whatever went well before.  Of messages that
cannot be written nobody can be told: they are dropped.
"""

from __future__ import annotations

import codecs
import errno
import fcntl
import io
import os
import select
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _typeshed import ReadableBuffer

__all__ = ["OutputError", "noting", "passed_on", "prepare", "write"]

# Errors of a descriptor that is written to, and never of what is read meanwhile.
_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputError(OSError):
    """What there was to print could not be written."""

    def __init__(self, number: int, descriptor: int = 1) -> None:
        where = "standard output" if descriptor == 1 else "standard error"
        super().__init__(number, f"cannot write to {where}: {os.strerror(number)}")


def prepare() -> None:
    """Make the three descriptors and Python's files on them safe to use; once, at the start."""
    # the wrong way round, so that its use fails; but for errors, of which nobody would be told
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - a descriptor
    codecs.register_error("cogkit", _printable)
    sys.stdout = _text(_Checked(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text(_Unchecked(2, "wb", closefd=False), sys.stderr, at_once=True)


def write(data: bytes, number: int = 1, *, needs_reader: bool = True) -> None:
    """Write bytes to standard output, or error, past what Python holds back.

    Args:
        data: What is written.
        number: The descriptor.
        needs_reader: Whether it matters that nobody reads a pipe any more.

    Raises:
        OutputError: They cannot be written.
    """
    try:
        while data:
            data = data[os.write(number, data) :]
    except OSError as error:
        if needs_reader or error.errno != errno.EPIPE:
            raise OutputError(error.errno or errno.EIO, number) from error


@contextmanager
def noting(text: str) -> Iterator[None]:
    """A block that prints; where that cannot be written, the user is told `text`, too."""
    try:
        yield
        sys.stdout.flush()
    except OutputError as error:
        error.add_note(text)
        raise


class passed_on:
    """A block in which something else writes to descriptor 1; its errors become `OutputError`."""

    def __enter__(self) -> int:
        """The descriptor; it can be written to."""
        sys.stdout.flush()
        if not _is_writable(1):
            raise OutputError(errno.EBADF)
        return 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError):
            if error.errno in _OF_WRITING:
                raise OutputError(error.errno) from error
            if _has_no_reader(1):
                raise OutputError(errno.EPIPE) from error


class _Checked(io.FileIO):
    """Standard output: the first failure is told, and what follows is dropped."""

    failed = False

    def write(self, data: ReadableBuffer, /) -> int:
        if self.failed:
            return memoryview(data).nbytes
        try:
            return super().write(data)
        except OSError as error:
            self.failed = True
            raise OutputError(error.errno or errno.EIO) from error


class _Unchecked(io.FileIO):
    """Standard error: what cannot be written is dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def _text(raw: io.FileIO, before: TextIO | None, *, at_once: bool = False) -> TextIO:
    """A text file as Python makes them, with the encoding of the one before."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else None,
        errors="cogkit",
        line_buffering=at_once or raw.isatty(),
    )


def _printable(error: UnicodeError) -> tuple[str | bytes, int]:
    """A file's name may be any bytes: they go out as they came in; \\u2026 what has no code."""
    assert isinstance(error, UnicodeEncodeError)
    return b"".join(_bytes(letter) for letter in error.object[error.start : error.end]), error.end


def _bytes(letter: str) -> bytes:
    number = ord(letter)
    if 0xDC80 <= number <= 0xDCFF:
        return bytes([number - 0xDC00])
    return letter.encode("ascii", "backslashreplace")


def _is_writable(number: int) -> bool:
    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def _has_no_reader(number: int) -> bool:
    poll = select.poll()
    poll.register(number, 0)  # errors are reported without asking
    return any(events & select.POLLERR for _, events in poll.poll(0))
