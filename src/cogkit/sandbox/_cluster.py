"""The client's side of a sandbox' Slurm cluster: give commands, and let bad days begin."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cogkit.sandbox._errors import SandboxError
from cogkit.sandbox._layout import is_grid_variable
from cogkit.sandbox._wire import Connection, Message

Handle = TypeVar("Handle")


class Slurm:
    """The Slurm cluster of a running sandbox.

    ::

        with Sandbox(slurm_nodes=3) as grid:
            print(grid.slurm.command("sinfo"))
            grid.slurm.node_down("n2")

    There are two partitions: ``batch``, the default, with all nodes, and ``small``, with
    ``n1`` alone and at most an hour a job.  A node has two processors and 1024 MiB, whatever
    the machine has; Slurm counts them and enforces nothing.

    Attributes:
        nodes: The nodes' names: ``n1``, ``n2`` and so on.
    """

    def __init__(
        self, connection: Connection, about: Message, server: Callable[[str], Handle]
    ) -> None:
        self._connection = connection
        self._server: Callable[[str], Any] = server
        self._commands = Path(about["commands"])
        self.nodes: list[str] = about["nodes"]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} nodes={','.join(self.nodes)}>"

    def command(self, name: str, *arguments: str, timeout: float = 30.0) -> str:
        """Run one of Slurm's commands on this cluster and return what it prints.

        ::

            grid.slurm.command("squeue", "--noheader", "--format", "%i %T")

        Args:
            name: ``salloc``, ``sbatch``, ``scancel``, ``scontrol``, ``sinfo``, ``squeue`` or
                ``srun``.
            arguments: Its arguments.
            timeout: Seconds that it has.

        Raises:
            SandboxError: It failed, with what it said, or took too long.
        """
        # No other cluster's variables; and not this process' job, if it is one of Slurm's.
        environ = {key: value for key, value in os.environ.items() if not is_grid_variable(key)}
        try:
            done = subprocess.run(
                [self._commands / name, *arguments],
                env=environ,
                cwd="/",
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except FileNotFoundError:
            raise SandboxError(f"a sandbox has no command {name}") from None
        except subprocess.TimeoutExpired:
            raise SandboxError(f"{name} did not end in {timeout:g} s") from None
        if done.returncode != 0:
            words = " ".join((done.stderr or done.stdout).split())
            raise SandboxError(f"{name} failed: {words}")
        return done.stdout

    def node(self, name: str) -> Any:
        """A node's ``slurmd``, a :class:`ServerHandle`.

        Its ``kill`` is a crash of that daemon alone: jobs go on, and it finds them again when it
        is restarted.  A node that stays silent, killed or stopped, is given up in about half a
        minute (``SlurmdTimeout=10``).
        """
        return self._server(name)

    @property
    def controller(self) -> Any:
        """``slurmctld``, a :class:`ServerHandle`.

        A ``restart`` keeps the queue, but for the last seconds before a ``kill``, which it
        had not yet written.
        """
        return self._server("slurmctld")

    def node_down(self, name: str) -> None:
        """Power a node off: ``slurmd`` and every process of every job there is killed at once.

        The controller is told, as a watchful administrator would, so that it need not wait
        for ``SlurmdTimeout``.  Slurm then ends the jobs that had a part there as ``NODE_FAIL``.
        ``scontrol update JobId=N Requeue=1`` has a job run again, as on many a real cluster:
        two minutes later, with GRAM telling nothing of it.

        Raises:
            SandboxError: There is no such node.
        """
        self._connection.request("power_off", name=name)

    def node_up(self, name: str) -> None:
        """Power a node on; returns when it takes jobs.

        Raises:
            SandboxError: There is no such node, or it does not come up.
        """
        self._connection.request("restart", name=name)
