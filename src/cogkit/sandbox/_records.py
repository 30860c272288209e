"""Which sandboxes run: one small file each, in a directory only this user can write.

``cogkit sandbox status`` finds a sandbox by them, and what a supervisor left
behind that was killed with SIGKILL is swept by them.

The directory may be seen by others than this machine's processes: by containers
that share ``/tmp``, by the hosts of a cluster that share ``$TMPDIR``.  Process ids
say nothing there.  So a supervisor holds a lock (``flock(2)``) for as long as it
lives, which every process of the same kernel can test; and nobody sweeps what was
started under another kernel or in another PID namespace, whose processes he cannot
see.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from cogkit.sandbox._errors import SandboxError
from cogkit.sandbox._processes import kill_marked

T = TypeVar("T")

#: Marks the sandbox' processes; its value is the sandbox' id.
MARK = "COGKIT_SANDBOX_ID"


class State(enum.Enum):
    """What can be told of a sandbox from here."""

    RUNS = "runs"
    #: Its supervisor was killed.
    DEAD = "dead"
    #: It is another machine's, or nothing can be told: nobody here may touch it.
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Record:
    """A sandbox that runs, or whose supervisor was killed.

    Attributes:
        id: A random name.
        directory: Where all its files are.
        supervisor: The supervisor's process id, in its own PID namespace.
        detached: Whether it outlives its creator (``cogkit sandbox up``).
        keep_directory: Whether the (then empty) directory was there before.
        boot: Which start of which machine it belongs to.
        pid_namespace: The PID namespace of its processes.
        host: The machine's name, for messages.
    """

    id: str
    directory: str
    supervisor: int
    detached: bool = False
    keep_directory: bool = False
    boot: str = ""
    pid_namespace: int = 0
    host: str = ""

    @classmethod
    def here(cls, sandbox_id: str, directory: str, *, keep_directory: bool = False) -> Record:
        """The record of a sandbox whose supervisor is this process."""
        return cls(
            sandbox_id,
            directory,
            os.getpid(),
            keep_directory=keep_directory,
            boot=_boot(),
            pid_namespace=_pid_namespace(),
            host=os.uname().nodename,
        )

    @property
    def state(self) -> State:
        """Whether it runs, as far as that can be told from here."""
        if not self.boot or self.boot != _boot():
            return State.FOREIGN
        try:
            with _opened(_lock_path(self.id), os.O_RDWR) as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return State.RUNS
        except FileNotFoundError:
            pass  # it has just ended in good order, or was swept
        except OSError:
            return State.FOREIGN
        ours = self.pid_namespace and self.pid_namespace == _pid_namespace()
        return State.DEAD if ours else State.FOREIGN


def directory() -> Path:
    """Where the records are: ``$XDG_RUNTIME_DIR`` if it is there, else ``$TMPDIR``."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime, "cogkit-sandboxes")
    return Path(tempfile.gettempdir(), f"cogkit-sandboxes-{os.getuid()}")


def take_lock(sandbox_id: str) -> int:
    """The lock that shows others that this supervisor lives: a descriptor that stays open."""

    def take(folder: Path) -> int:
        descriptor = os.open(_lock_path(sandbox_id), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise SandboxError(
                f"files in {folder} cannot be locked ({error.strerror}); "
                "have TMPDIR name a directory of this machine"
            ) from error
        return descriptor

    return _in_own_folder(take)


def write_record(record: Record) -> Path:
    """Write or replace a sandbox' record and return its path."""

    def put(folder: Path) -> Path:
        path = folder / f"{record.id}.json"
        scratch = path.with_suffix(f".{os.getpid()}")
        scratch.write_text(json.dumps(asdict(record)))
        scratch.replace(path)
        return path

    return _in_own_folder(put)


def remove_record(record: Record) -> None:
    """Remove a sandbox' record, and the directory of records when it is empty."""
    folder = directory()
    # Without its lock a record says that the supervisor is dead: so it goes first.
    (folder / f"{record.id}.json").unlink(missing_ok=True)
    _lock_path(record.id).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


def running(*, detached_only: bool = True) -> list[Record]:
    """The sandboxes of this user that run; sweeps what is left of others."""
    found = []
    for record in _read_all():
        state = record.state
        if state is State.DEAD:
            sweep(record)
        elif state is State.RUNS and (record.detached or not detached_only):
            found.append(record)
    return sorted(found, key=lambda record: record.directory)


def foreign() -> list[Record]:
    """The sandboxes that are left alone, as they belong to another machine or container."""
    return [record for record in _read_all() if record.state is State.FOREIGN]


def sweep(record: Record) -> None:
    """Remove what a killed supervisor left: processes, the directory, the record."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(FileNotFoundError):
            held = stack.enter_context(_opened(_lock_path(record.id), os.O_RDWR))
            # Nobody but another sweeper has it.
            fcntl.flock(held, fcntl.LOCK_EX)
        kill_marked({MARK: record.id})
        remove_directory(Path(record.directory), record.id, keep=record.keep_directory)
        remove_record(record)


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


def _in_own_folder(use: Callable[[Path], T]) -> T:
    """Do something in the directory of records, which must be this user's own."""
    for _ in range(10):
        folder = directory()
        folder.mkdir(mode=0o700, exist_ok=True)
        about = folder.lstat()
        # In a shared /tmp somebody else could have made it first, to lead us on.
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o022:
            raise SandboxError(f"{folder} is not this user's own directory; remove it")
        try:
            return use(folder)
        except FileNotFoundError:
            continue  # the last other sandbox ended just now, and took the directory
    raise SandboxError(f"cannot write a record to {folder}")


def _lock_path(sandbox_id: str) -> Path:
    return directory() / f"{sandbox_id}.lock"


@contextlib.contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Names this start of this machine; ``""`` where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _pid_namespace() -> int:
    """The number of this process' PID namespace; 0 where nothing tells."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0
