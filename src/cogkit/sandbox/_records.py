"""Which sandboxes run: one small file each, in a directory only this user can write.

``cogkit sandbox status`` finds a sandbox by them, and what a supervisor left
behind that was killed with SIGKILL is swept by them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from cogkit.sandbox import _processes
from cogkit.sandbox._errors import SandboxError

#: Marks the sandbox' processes; its value is the sandbox' id.
MARK = "COGKIT_SANDBOX_ID"


@dataclass(frozen=True, slots=True)
class Record:
    """A sandbox that runs, or whose supervisor was killed.

    Attributes:
        id: A random name.
        directory: Where all its files are.
        supervisor: The supervisor's process id.
        started: When the supervisor started, as :func:`_processes.start_time` says.
        detached: Whether it outlives its creator (``cogkit sandbox up``).
        keep_directory: Whether the (then empty) directory was there before.
    """

    id: str
    directory: str
    supervisor: int
    started: int
    detached: bool = False
    keep_directory: bool = False

    @property
    def alive(self) -> bool:
        """Whether its supervisor still runs."""
        return _processes.start_time(self.supervisor) == self.started


def directory() -> Path:
    """Where the records are: ``$XDG_RUNTIME_DIR`` if it is there, else ``$TMPDIR``."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime, "cogkit-sandboxes")
    return Path(tempfile.gettempdir(), f"cogkit-sandboxes-{os.getuid()}")


def write(record: Record) -> Path:
    """Write or replace a sandbox' record and return its path."""
    for _ in range(10):
        folder = directory()
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        # In a shared /tmp somebody else could have made it first, to lead us on.
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o022:
            raise SandboxError(f"{folder} is not this user's own directory; remove it")
        path = folder / f"{record.id}.json"
        scratch = path.with_suffix(f".{os.getpid()}")
        try:
            scratch.write_text(json.dumps(asdict(record)))
            scratch.replace(path)
        except FileNotFoundError:
            continue  # the last other sandbox ended just now, and took the directory
        return path
    raise SandboxError(f"cannot write a record to {folder}")


def remove(record: Record) -> None:
    """Remove a sandbox' record, and the directory of records when it is empty."""
    folder = directory()
    (folder / f"{record.id}.json").unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def running(*, detached_only: bool = True) -> list[Record]:
    """The sandboxes of this user that run; sweeps what is left of others."""
    alive = []
    for record in _read_all():
        if not record.alive:
            sweep(record)
        elif record.detached or not detached_only:
            alive.append(record)
    return sorted(alive, key=lambda record: record.directory)


def sweep(record: Record) -> None:
    """Remove what a killed supervisor left: processes, the directory, the record."""
    _processes.kill_marked({MARK: record.id})
    remove_directory(Path(record.directory), record.id, keep=record.keep_directory)
    remove(record)


def remove_directory(path: Path, sandbox_id: str, *, keep: bool) -> None:
    """Remove a sandbox' directory, or all that is in it when ``keep`` is true.

    Nothing is removed unless the directory holds this sandbox' mark.
    """
    try:
        if (path / "id").read_text() != sandbox_id:
            return
    except OSError:
        return
    # The mark goes last, so that an interrupted removal can be taken up again.
    for entry in sorted(path.iterdir(), key=lambda entry: entry.name == "id"):
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
    if not keep:
        with contextlib.suppress(OSError):
            path.rmdir()


def _read_all() -> list[Record]:
    found = []
    with contextlib.suppress(OSError):
        for path in directory().glob("*.json"):
            # A record may vanish while we look: its sandbox just ended.
            with contextlib.suppress(OSError, ValueError, TypeError):
                if path.stat().st_uid == os.getuid():
                    found.append(Record(**json.loads(path.read_text())))
    return found
