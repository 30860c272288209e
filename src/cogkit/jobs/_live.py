"""What a job prints, sent by the job as it comes.

A GRAM 5 job manager sends a job's output when the job has ended, and does not tell its exit code.
`live` puts a small shell script around a command that does both meanwhile; `Output` is the end of
it here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Channel", "live"]

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
