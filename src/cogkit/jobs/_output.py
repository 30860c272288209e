"""What a job prints: sent by the job as it comes, and received here.

A GRAM 5 job manager sends a job's output when the job has ended, and does not tell its exit code.
`live` puts a small shell script around a command that does both meanwhile; `Output` is the end of
it here.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pyGlobus.gassServerEZ import (
    READ_ENABLE,
    STDERR_ENABLE,
    STDOUT_ENABLE,
    WRITE_ENABLE,
    GassServerEZ,
)

__all__ = ["Channel", "Output", "Sink", "live", "to_descriptor"]

# Runs "$@" and sends what it prints to the GASS server $1 as it comes, by the program that job
# managers themselves send output with; last, on standard error, the mark $2 and the exit code.
# Where the program is missing the output comes at the end, as with any job.  What could not be sent
# goes to our own output, which the job manager sends at the end.  Who forwards ends with this shell
# ($$), however that ends.
_LIVE = """\
url=$1; mark=$2; shift 2
exec 3<&0
PATH=$PATH:${GLOBUS_LOCATION:+$GLOBUS_LOCATION/bin:}/usr/bin:/bin
command -v globus-url-copy >/dev/null 2>&1 && dir=$(mktemp -d) || {
  "$@" <&3 3<&- & job=$!
  trap 'kill $job 2>/dev/null; exit 143' HUP INT TERM
  wait $job; code=$?
  printf '%s %d\\n' "$mark" "$code" >&2
  exit $code
}
forward() {
  sent=0
  while :; do
    last=; [ ! -e "$dir/ended" ] && kill -0 $$ 2>/dev/null || last=1
    size=$(wc -c <"$dir/$1")
    if [ "$size" -gt "$sent" ]; then
      if tail -c +$((sent + 1)) "$dir/$1" 2>/dev/null | head -c $((size - sent)) |
          globus-url-copy - "$url/dev/$1" >/dev/null 2>&1; then
        sent=$size
      elif [ "$last" ]; then
        tail -c +$((sent + 1)) "$dir/$1"; break
      fi
    fi
    [ "$last" ] && [ "$size" -le "$sent" ] && break
    [ "$last" ] || sleep 0.2
  done
  [ -e "$dir/ended" ] || { rm -f "$dir/$1"; rmdir "$dir" 2>/dev/null; }
}
: >"$dir/stdout"; : >"$dir/stderr"
"$@" <&3 3<&- >>"$dir/stdout" 2>>"$dir/stderr" & job=$!
forward stdout & out=$!
forward stderr >&2 & err=$!
trap 'kill $job $out $err 2>/dev/null; rm -rf "$dir"; exit 143' HUP INT TERM
wait $job; code=$?
printf '%s %d\\n' "$mark" "$code" >>"$dir/stderr"
: >"$dir/ended"
wait $out; wait $err
rm -rf "$dir"
exit $code
"""

_JOIN_TIMEOUT = 10.0
_LONGEST_CODE = 8

# The C library has one pair of output streams for all GASS servers of a process.
_streams = threading.Lock()


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a job of ours sends its output to."""

    url: str
    """Base URL of a GASS server that takes ``/dev/stdout`` and ``/dev/stderr``."""
    mark: str
    """Announces the exit code at the end of standard error."""


def live(command: Sequence[str], channel: Channel) -> list[str]:
    """A command line that runs another one and sends its output as it comes.

    Args:
        command: Program and arguments.
        channel: Where to.
    """
    return ["/bin/sh", "-c", _LIVE, "cogkit-live", channel.url, channel.mark, *command]


Sink = Callable[[bytes], object]
"""Takes what a job prints, as it comes; on a thread of its own."""


def to_descriptor(number: int) -> Sink:
    """A sink that writes to a descriptor."""

    def write(data: bytes) -> None:
        while data:
            try:
                data = data[os.write(number, data) :]
            except BrokenPipeError:
                return  # nobody listens any more; go on taking, so that the job can end

    return write


class Output:
    """A GASS server, and what comes by it, on its way to sinks; one at a time in a process."""

    def __init__(self, stdout: Sink, stderr: Sink, *, serve_files: bool = False) -> None:
        """To two sinks.

        Args:
            stdout: Gets the job's standard output.
            stderr: Gets its standard error.
            serve_files: Whether the job may fetch and leave files here, too.
        """
        self.exit_code: int | None = None
        """The job's own, when it told it."""
        self.failed: Exception | None = None
        """Why a sink took no more."""
        self._sinks = (stdout, stderr)
        self._options = STDOUT_ENABLE | STDERR_ENABLE
        if serve_files:
            self._options |= READ_ENABLE | WRITE_ENABLE
        self._mark = secrets.token_hex(16)
        self._held = b""
        self._writers: list[int] = []
        self._threads: list[threading.Thread] = []
        self._server: GassServerEZ | None = None

    @property
    def channel(self) -> Channel:
        """For the job."""
        assert self._server is not None
        return Channel(self._server.url, self._mark)

    def __enter__(self) -> Self:
        if not _streams.acquire(blocking=False):
            raise RuntimeError(
                "another job's output is being received in this process, which can be done for one "
                "job at a time: run this one in another process, or submit() it"
            )
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()  # what was printed before the job comes before its output
        try:
            for number in (0, 1):
                reader, writer = os.pipe()
                self._writers.append(writer)
                thread = threading.Thread(target=self._receive, args=(reader, number), daemon=True)
                thread.start()
                self._threads.append(thread)
            self._server = GassServerEZ(
                self._options, stdout=self._writers[0], stderr=self._writers[1]
            )
        except BaseException:
            self._end(_JOIN_TIMEOUT)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Whoever reads in his own time gets all of it; Ctrl-C ends that wait, too.
        self._end(None if error is None else _JOIN_TIMEOUT)

    def _end(self, patience: float | None) -> None:
        """Pass on what has come; after an error, for so many seconds at each step."""
        # closing waits for a request under way, which waits for its sink
        closer = threading.Thread(target=self._close, daemon=True)
        closer.start()
        for thread in (closer, *self._threads):
            thread.join(patience)

    def _close(self) -> None:
        try:
            if self._server is not None:
                self._server.close()
            for writer in self._writers:
                os.close(writer)
        finally:
            _streams.release()

    def _receive(self, reader: int, number: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while data := pipe.read(1 << 16):
                self._pass_on(data if number == 0 else self._without_mark(data), number)
            if number == 1:
                self._pass_on(self._held, number)

    def _without_mark(self, data: bytes) -> bytes:
        """Standard error up to the mark; what may be the beginning of the mark is held back."""
        data = self._held + data
        mark = self._mark.encode()
        before, found, after = data.partition(mark)
        if found:
            # what the job has left running may print behind it
            code, end, rest = after.partition(b"\n")
            if not end and len(code) <= _LONGEST_CODE:
                self._held = found + after
                return before
            self._held = b""
            if not code.strip().isdigit():
                return data  # the job has seen its own command line
            self.exit_code = int(code)
            return before + rest
        held = next((n for n in range(len(mark) - 1, 0, -1) if data.endswith(mark[:n])), 0)
        self._held = data[len(data) - held :]
        return data[: len(data) - held]

    def _pass_on(self, data: bytes, number: int) -> None:
        if data and self.failed is None:
            try:
                self._sinks[number](data)
            except Exception as error:
                # a disk that is full, a callback that raises: the job can end all the same
                self.failed = error
