"""Linux process lore: die with the parent, adopt orphans, leave nothing running.

Job managers and jobs detach themselves, as they must outlive a gatekeeper's
connection.  A *subreaper* (``prctl(2)``, ``PR_SET_CHILD_SUBREAPER``) becomes
their parent when they do, so that it can find and end them all.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Loaded now: between fork and exec is no place for dlopen.
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> Callable[[], None]:
    """A ``preexec_fn``: the kernel kills the child when ``parent``'s thread ends."""

    def prepare() -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(127)

    return prepare


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; ``None`` if there is none.

    With the process id it names a process for ever, as ids are used again.
    """
    fields = _stat(pid)
    return None if fields is None or fields[0] in ("Z", "X") else int(fields[19])


def children() -> dict[int, list[int]]:
    """Every process' children, from ``/proc``."""
    tree: dict[int, list[int]] = {}
    for pid in _pids():
        if (fields := _stat(pid)) is not None:
            tree.setdefault(int(fields[1]), []).append(pid)
    return tree


def descendants(pid: int) -> list[int]:
    """All living processes below ``pid``, parents before their children."""
    tree = children()
    found: list[int] = []
    queue = list(tree.get(pid, ()))
    while queue:
        found.append(queue.pop(0))
        queue += tree.get(found[-1], ())
    return found


def signal_tree(pid: int, number: int) -> None:
    """Send a signal to a process and all that it started."""
    for each in (pid, *descendants(pid)):
        send_signal(each, number)


def send_signal(pid: int, number: int) -> None:
    """Send a signal; a process that is gone, or is not ours, is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_descendants(timeout: float = 10.0) -> list[int]:
    """Kill and reap everything below this process; it must :func:`adopt_orphans`.

    A process may fork between being listed and being killed, so this goes on
    until there is no child left.

    Returns:
        The processes that were still there after ``timeout`` seconds: none, if
        the kernel keeps its word.
    """
    deadline = time.monotonic() + timeout
    while True:
        for pid in descendants(os.getpid()):
            send_signal(pid, signal.SIGKILL)
        if not _reap_all():
            return []
        if time.monotonic() > deadline:
            return descendants(os.getpid())
        time.sleep(0.002)


def kill_marked(marks: Mapping[str, str]) -> None:
    """Kill this user's processes that bear all of these marks.

    A process bears a mark ``NAME=value`` that was in the environment it was started with, or
    that is a folder in the path of its program: some programs write over their environment.
    This is for what is left when a supervisor was itself killed with SIGKILL, and for
    what leaves its parent on purpose.
    """
    needles = {f"{variable}={value}".encode() for variable, value in marks.items()}
    for _ in range(100):
        found = False
        for pid in _pids():
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                program = os.fsencode(Path(f"/proc/{pid}/exe").readlink()).split(b"/")
            except OSError:
                continue
            if (
                needles.issubset(environ + program)
                and pid != os.getpid()
                and start_time(pid) is not None
            ):
                found = True
                send_signal(pid, signal.SIGKILL)
        if not found:
            return
        time.sleep(0.01)


def _reap_all() -> bool:
    """Collect ended children; false once there is no child, living or ended."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True


def _pids() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def _stat(pid: int) -> list[str] | None:
    """``/proc/PID/stat`` from the third field (state) on."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    # The second field is the program's name, which may hold blanks and brackets.
    return text.rpartition(")")[2].split()
