"""A Slurm cluster for the sandbox: munge, one controller, and nodes that are all this machine.

The daemons are the distribution's.  Everything that they read and write is in the
sandbox' ``slurm`` and ``log`` directories; ``/etc/slurm``, ``/etc/munge`` and
``/etc/globus`` are neither read nor written.  Slurm's commands find the cluster by
``SLURM_CONF``, which the scripts in ``slurm/bin`` set.

GRAM's part is the Perl module ``slurm.pm``, which takes the commands' paths from
``/etc/globus/globus-slurm.conf``.  GCT has that directory in a variable of Perl,
``$Globus::Core::Paths::sysconfdir``; so the sandbox has a job manager of a type of its own,
a Perl class that sets the variable and inherits all else from ``slurm.pm``.  Of the job
manager's environment Perl gets ``PATH`` and ``PERL5LIB``, and no ``SLURM_CONF``.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cogkit.sandbox import _processes
from cogkit.sandbox._errors import ProgramsMissing, SandboxError
from cogkit.sandbox._layout import Layout, account
from cogkit.sandbox._records import MARK
from cogkit.sandbox._servers import LOOPBACK, SYSTEM_PROGRAMS, Server, unpacked_libraries

#: What each node says of itself, whatever this machine has.
NODE_CPUS = 2
NODE_MEMORY = 1024  # MiB

#: The name of a node in the environment of what runs on it, ``slurmstepd`` included.
_NODE_MARK = "COGKIT_SANDBOX_NODE"

#: The job manager's type, GCT's word for a batch system.  Its socket's name begins with it,
#: so it is no longer than ``fork``; see ``_layout.MAX_PATH``.
JOB_MANAGER_TYPE = "lrms"

#: Slurm's commands that a sandbox has scripts for.
_COMMANDS = ("salloc", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")

#: Where distributions keep GCT's Perl modules.
_PERL = ("usr/share/perl5", "usr/share/perl5/vendor_perl")


@dataclass(frozen=True, slots=True)
class SlurmPrograms:
    """Where Slurm and munge are.

    Attributes:
        munged: The daemon of munge.
        slurmctld: The controller.
        slurmd: The daemon of a node.
        slurmstepd: What runs a job, for ``slurmd``.
        commands: The directory of ``sbatch`` and the others.
        plugins: Slurm's plugins.
        libraries: ``LD_LIBRARY_PATH`` of packages that were unpacked and not
            installed; else empty.
        perl: The directory of Perl modules that has GRAM's ``slurm.pm``.
        validation: The file of the RSL attributes that GRAM's Slurm manager has.
        version: Slurm's, such as ``(22, 5)``.
    """

    munged: str
    slurmctld: str
    slurmd: str
    slurmstepd: str
    commands: Path
    plugins: Path
    libraries: str
    perl: Path
    validation: Path
    version: tuple[int, int]


def find_slurm() -> SlurmPrograms:
    """Find Slurm, munge, and GRAM's manager for Slurm.

    Packages that were unpacked into a directory will do as well as installed ones,
    with that directory's ``usr/sbin`` and ``usr/bin`` on ``PATH``.

    Raises:
        ProgramsMissing: It says which packages bring them, for Debian and EPEL.
    """
    path = os.environ.get("PATH", os.defpath) + os.pathsep + SYSTEM_PROGRAMS

    def which(name: str) -> str | None:
        # Debian's own names end in -wlm, and links to them come by installing only
        return shutil.which(name, path=path) or shutil.which(f"{name}-wlm", path=path)

    found = {name: which(name) for name in ("munged", "slurmctld", "slurmd", "sbatch")}
    if missing := [name for name, program in found.items() if program is None]:
        raise _missing(missing)
    programs = {name: program for name, program in found.items() if program}
    slurmd = Path(programs["slurmd"])
    root = slurmd.parents[2]
    plugins = next(
        (
            plugin.parent
            for pattern in ("usr/lib/*/slurm*", "usr/lib64/slurm*", "usr/lib/slurm*")
            for plugin in root.glob(f"{pattern}/auth_munge.so")
        ),
        None,
    )
    stepds = [slurmd.with_name(name) for name in ("slurmstepd", "slurmstepd-wlm")]
    stepd = next((program for program in stepds if program.exists()), None)
    if plugins is None or stepd is None:
        raise _missing(["slurmstepd", "auth_munge.so"])
    # GRAM's part may be where these are, or installed, or unpacked elsewhere
    places = [root, Path("/")]
    places += [
        Path(each).parents[1] for each in path.split(os.pathsep) if each.endswith("/usr/bin")
    ]
    perl = next(
        (
            place / folder
            for place in places
            for folder in _PERL
            if (place / folder / "Globus/GRAM/JobManager/slurm.pm").exists()
        ),
        None,
    )
    if perl is None:
        raise _missing(["GRAM's slurm.pm"])
    validation = "share/globus/globus_gram_job_manager/slurm.rvf"
    above = next(parent for parent in perl.parents if parent.name == "usr")
    libraries = unpacked_libraries(str(slurmd))
    if libraries:
        libraries = os.pathsep.join((str(plugins), libraries))  # libslurmfull is there
    return SlurmPrograms(
        munged=programs["munged"],
        slurmctld=programs["slurmctld"],
        slurmd=programs["slurmd"],
        slurmstepd=str(stepd),
        commands=Path(programs["sbatch"]).parent,
        plugins=plugins,
        libraries=libraries,
        perl=perl,
        validation=above / validation,
        version=_version(programs["slurmctld"], libraries),
    )


def _missing(what: Sequence[str]) -> ProgramsMissing:
    return ProgramsMissing(
        f"Slurm cannot run without {', '.join(what)}; "
        "Debian, Ubuntu: apt-get install slurm-wlm munge globus-gram-job-manager-slurm; "
        "Fedora, EL with EPEL: dnf install slurm slurm-slurmctld slurm-slurmd munge "
        "globus-gram-job-manager-slurm"
    )


def _version(slurmctld: str, libraries: str) -> tuple[int, int]:
    """What ``slurmctld -V`` says: ``slurm-wlm 22.05.8``."""
    environ = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    done = subprocess.run(
        [slurmctld, "-V"], env=environ, capture_output=True, text=True, check=False
    )
    try:
        major, minor, *_ = done.stdout.split()[-1].split(".")
        return int(major), int(minor)
    except (IndexError, ValueError):
        words = " ".join((done.stdout + done.stderr).split())
        raise ProgramsMissing(f"{slurmctld} cannot run: {words[-500:]}") from None


class SlurmCluster:
    """The cluster's configuration and its servers.

    Args:
        layout: The sandbox' paths.
        environ: What the servers inherit.
        programs: Where Slurm is.
        nodes: How many nodes; they are called ``n1``, ``n2`` and so on.
    """

    def __init__(
        self, layout: Layout, environ: Mapping[str, str], programs: SlurmPrograms, nodes: int
    ) -> None:
        self.layout = layout
        self.programs = programs
        folder = layout.slurm
        inherited = {
            **{name: value for name, value in environ.items() if name != MARK},
            "SLURM_CONF": f"{folder}/slurm.conf",
            **({"LD_LIBRARY_PATH": programs.libraries} if programs.libraries else {}),
            # last, as slurmstepd writes its title over the beginning of the environment
            MARK: environ[MARK],
        }
        self.munge = Munge("munge", layout, inherited, program=programs.munged)
        self.controller = SlurmController("slurmctld", layout, inherited)
        self.nodes = [SlurmNode(f"n{number}", layout, inherited) for number in range(1, nodes + 1)]
        self._mark = environ[MARK]

    @property
    def stages(self) -> list[list[Server]]:
        """The servers, in the order in which they must be ready."""
        return [[self.munge], [self.controller], [*self.nodes]]

    @property
    def job_manager_environ(self) -> dict[str, str]:
        """What GRAM's job manager needs in its environment to find the cluster."""
        return {"PERL5LIB": f"{self.layout.slurm}/perl:{self.programs.perl}"}

    @property
    def client_environ(self) -> dict[str, str]:
        """What leads Slurm's commands, where they are installed, to this cluster."""
        return {"SLURM_CONF": f"{self.layout.slurm}/slurm.conf"}

    def describe(self) -> dict[str, object]:
        """What a client may know of it."""
        return {
            "nodes": [node.name for node in self.nodes],
            "commands": f"{self.layout.slurm}/bin",
            "conf": f"{self.layout.slurm}/slurm.conf",
        }

    def configure(self) -> None:
        """Write its directory, once the servers have their ports."""
        folder = self.layout.slurm
        for name in ("", "bin", "sbin", "state", "etc/globus"):
            (folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._place_daemons()
        for server in (self.controller, *self.nodes):
            server.reserve_port()
        for node in self.nodes:
            (folder / node.name).mkdir(mode=0o700)
        key = os.open(folder / "munge.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(key, "wb") as file:
            file.write(secrets.token_bytes(128))
        (folder / "slurm.conf").write_text("".join(f"{line}\n" for line in self._conf()))
        if self.programs.version >= (24, 5):
            # from then on slurmd asks for control groups, which a user has none of
            (folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        self._write_scripts()
        self._configure_gram()

    def _place_daemons(self) -> None:
        """Give Slurm's daemons their own names, and each node a slurmstepd that bears its marks.

        They know by the name they were started with which of them they are
        (``running_in_slurmctld()`` in ``slurm_protocol_defs.c``), and as ``slurmctld-wlm``, which
        Debian calls it, 24.11's ends with "certmgr plugin only allowed on slurmctld and slurmd".

        slurmstepd writes its title over its environment (``setproctitle.c``), in 24.11 over all
        of it.  So it is a copy, whose path, which the kernel knows, has the marks in it.
        """
        programs = self.programs
        for name, program in (("slurmctld", programs.slurmctld), ("slurmd", programs.slurmd)):
            (self.layout.slurm / "sbin" / name).symlink_to(program)
        for node in self.nodes:
            node.slurmstepd.parent.mkdir(mode=0o700, parents=True)
            shutil.copy(programs.slurmstepd, node.slurmstepd)

    def _conf(self) -> list[str]:
        folder, logs, owner = self.layout.slurm, self.layout.logs, account()
        lines = [
            "ClusterName=sandbox",
            f"SlurmctldHost=localhost({LOOPBACK})",
            f"SlurmctldPort={self.controller.port}",
            f"SlurmUser={owner}",
            f"SlurmdUser={owner}",
            "AuthType=auth/munge",
            "CredType=cred/munge",
            f"AuthInfo=socket={self.munge.socket}",
            f"PluginDir={self.programs.plugins}",
            f"StateSaveLocation={folder}/state",
            f"SlurmdSpoolDir={folder}/%n",
            f"SlurmctldPidFile={folder}/slurmctld.pid",
            f"SlurmdPidFile={folder}/%n.pid",
            f"SlurmctldLogFile={logs}/slurmctld.log",
            f"SlurmdLogFile={logs}/%n.log",
            # bind to the address of NodeAddr and SlurmctldHost, and not to every one
            "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
            # control groups are root's
            "ProctrackType=proctrack/linuxproc",
            "TaskPlugin=task/none",
            f"TaskProlog={folder}/task-prolog",
            "SelectType=select/cons_tres",
            "SelectTypeParameters=CR_CPU",
            "MpiDefault=none",
            # look for work each second; by default a batch job waits up to three for company
            "SchedulerParameters=batch_sched_delay=0,sched_interval=1",
            # a job whose node dies is over, and not run a second time in two minutes
            "JobRequeue=0",
            # a node that was silent works again when it is back; with 2, one that was powered off
            # would do so at an answer from before, which slurmctld reads up to a second later
            "ReturnToService=1",
            # seconds until a silent node is given up, and from SIGTERM to SIGKILL
            "SlurmdTimeout=10",
            "KillWait=2",
            # the nodes are as large as they say here
            "SlurmdParameters=config_overrides",
        ]
        names = [node.name for node in self.nodes]
        lines += [
            f"NodeName={node.name} NodeHostname=localhost NodeAddr={LOOPBACK} "
            f"Port={node.port} CPUs={NODE_CPUS} RealMemory={NODE_MEMORY}"
            for node in self.nodes
        ]
        lines.append(f"PartitionName=batch Nodes={','.join(names)} Default=YES")
        lines.append(f"PartitionName=small Nodes={names[0]} MaxTime=60")
        return lines

    def _write_scripts(self) -> None:
        folder = self.layout.slurm
        exports = {"SLURM_CONF": f"{folder}/slurm.conf"}
        if self.programs.libraries:
            exports["LD_LIBRARY_PATH"] = self.programs.libraries
        prefix = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in exports.items())
        for name in _COMMANDS:
            program = shlex.quote(str(self.programs.commands / name))
            _write_script(folder / "bin" / name, f'{prefix}exec {program} "$@"\n')
        # Slurm runs this before each task and takes what it prints into its environment.
        # A job that was submitted by hand bears the sandbox' mark only by this.
        _write_script(
            folder / "task-prolog",
            f"echo export {MARK}={self._mark}\n"
            f"echo export {_NODE_MARK}=$SLURMD_NODENAME\n"
            f'echo "export PATH={folder}/bin:$PATH"\n',
        )

    def _configure_gram(self) -> None:
        folder, location = self.layout.slurm, self.layout.location
        commands = f"{folder}/bin"
        (folder / "etc/globus/globus-slurm.conf").write_text(
            "".join(
                f'{name}="{commands}/{name}"\n'
                for name in ("srun", "sbatch", "salloc", "scancel", "scontrol")
            )
            # srun starts the processes of an MPI program as mpirun would.  Without
            # openmpi_path slurm.pm gives the job the PATH "no/bin".
            + f'mpirun="{commands}/srun"\nmpi_types="openmpi"\nopenmpi_path="/usr"\n'
        )
        package = f"Globus::GRAM::JobManager::{JOB_MANAGER_TYPE}"
        module = folder / "perl" / f"{package.replace('::', '/')}.pm"
        module.parent.mkdir(parents=True)
        module.write_text(
            "BEGIN {\n"
            "    require Globus::Core::Paths;\n"
            f"    $Globus::Core::Paths::sysconfdir = '{folder}/etc';\n"
            "    delete $ENV{PERL5LIB};  # not for the jobs\n"
            "}\n"
            # before the package: what GCT's modules export would go there, and hide methods
            "use Globus::GRAM::JobManager::slurm;\n"
            f"package {package};\n"
            "our @ISA = qw(Globus::GRAM::JobManager::slurm);\n"
            "1;\n"
        )
        # the RSL attributes that Slurm has and others have not
        attributes = location / "share/globus/globus_gram_job_manager"
        attributes.mkdir(parents=True, exist_ok=True)
        (attributes / f"{JOB_MANAGER_TYPE}.rvf").unlink(missing_ok=True)
        (attributes / f"{JOB_MANAGER_TYPE}.rvf").symlink_to(self.programs.validation)


class Munge(Server):
    """``munged``, by which Slurm's programs know who speaks; it has a Unix socket and no port."""

    kind = "munge"

    def __init__(
        self, name: str, layout: Layout, environ: Mapping[str, str], *, program: str
    ) -> None:
        super().__init__(name, layout, environ)
        self._program = program
        self.socket = layout.slurm / "munge"

    def start(self) -> None:
        """Start it; ``--force``, as it distrusts directories below ``/tmp``."""
        folder = self.layout.slurm
        self._spawn(
            [
                self._program,
                *("--foreground", "--force"),
                f"--key-file={folder}/munge.key",
                f"--socket={self.socket}",
                f"--pid-file={folder}/munged.pid",
                f"--log-file={self.log}",
                f"--seed-file={folder}/munge.seed",
            ]
        )

    def is_ready(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.socket))
            except OSError:
                return False
        return self.alive


class _SlurmDaemon(Server):
    """One of Slurm's daemons, which take a port by number only."""

    def __init__(
        self, name: str, layout: Layout, environ: Mapping[str, str], port: int = 0
    ) -> None:
        super().__init__(name, layout, environ, port)
        self._reservation: socket.socket | None = None

    def reserve_port(self) -> None:
        """Take a free port, and keep it from others for good.

        The socket is bound and does not listen: then the kernel gives the port to nobody
        who asks for any, and yet lets a program bind it that sets ``SO_REUSEADDR``, as
        Slurm's do.
        """
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reservation.bind((LOOPBACK, 0))
        self.port = self._reservation.getsockname()[1]

    def _command(self, name: str, *arguments: str) -> str:
        """The output of one of Slurm's commands; empty if it fails."""
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [f"{self.layout.slurm}/bin/{name}", *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=5,
                check=True,
            )
            return done.stdout
        return ""

    def _accepts(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, self.port), 1):
            return self.alive
        return False


class SlurmController(_SlurmDaemon):
    """``slurmctld``, the head of the cluster."""

    kind = "slurmctld"

    def start(self) -> None:
        """Start it in the foreground, with the state that an earlier one left."""
        self._spawn([f"{self.layout.slurm}/sbin/slurmctld", "-D"])

    def is_ready(self) -> bool:
        """Whether it says so itself."""
        return self._accepts() and "is UP" in self._command("scontrol", "ping")


class SlurmNode(_SlurmDaemon):
    """``slurmd`` of one node."""

    kind = "slurmd"

    def __init__(self, name: str, layout: Layout, environ: Mapping[str, str]) -> None:
        # at the end, which slurmstepd does not write over; see SlurmCluster
        marks = {_NODE_MARK: name, MARK: environ[MARK]}
        super().__init__(name, layout, {k: v for k, v in environ.items() if k != MARK} | marks)
        folders = (f"{variable}={value}" for variable, value in marks.items())
        self.slurmstepd = layout.slurm.joinpath("sbin", *folders, "slurmstepd")
        self._powered_off = False

    def start(self) -> None:
        """Start it in the foreground."""
        slurmd = f"{self.layout.slurm}/sbin/slurmd"
        self._spawn([slurmd, "-D", "-N", self.name, "-d", str(self.slurmstepd)])

    def is_ready(self) -> bool:
        """Whether the controller would give it a job."""
        if not self._accepts():
            return False
        state = self._state()
        if self._powered_off and state.startswith("down"):
            self._command("scontrol", "update", f"NodeName={self.name}", "State=RESUME")
        return state in ("idle", "mixed", "allocated")

    def kill(self) -> None:
        """Kill the daemon alone, as a crash would: the jobs go on, and it finds them again."""
        if self.process is not None and self.alive:
            self.process.kill()
            self.process.wait(timeout=10)

    def power_off(self) -> None:
        """End it with all that runs on it, and have the controller note that it is down.

        Raises:
            SandboxError: The controller did not take the note.
        """
        self.kill()
        _processes.kill_marked({MARK: self.environ[MARK], _NODE_MARK: self.name})
        self._powered_off = True
        reason = ("State=DOWN", "Reason=powered off")
        self._command("scontrol", "update", f"NodeName={self.name}", *reason)
        state = self._state()
        if not state.startswith("down"):
            raise SandboxError(f"slurmctld was not to be told that {self.name} is down: {state}")

    def _state(self) -> str:
        """What the controller says of it, such as ``idle``."""
        return self._command("sinfo", "--noheader", "--nodes", self.name, "--format", "%T").strip()


def _write_script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o700)
