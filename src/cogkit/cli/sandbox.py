"""``cogkit sandbox``: a whole grid on this machine, in the background."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cogkit.cli._common import ExitCode, print_json
from cogkit.cli._parameters import Group, Output, command, flag, option
from cogkit.cli._standard import noting


@dataclass(frozen=True, kw_only=True)
class Which:
    """Which sandbox."""

    directory: Path | None = option(
        "--dir",
        metavar="DIR",
        type=click.Path(readable=False, path_type=Path),
        help="The sandbox' directory. Default: $COGKIT_SANDBOX_DIR, else the only one running.",
    )


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """What is started, and where."""

    directory: Path | None = option(
        "--dir",
        metavar="DIR",
        type=click.Path(readable=False, path_type=Path),
        help="Keep its files here: a new or empty directory. Default: a new one in $TMPDIR.",
    )
    ssh: bool = flag("--ssh", help="With an OpenSSH server too, for sshftp:// URLs.")
    slurm: int = option(
        "--slurm",
        metavar="N",
        type=click.IntRange(min=0, max=64),
        default=0,
        help="With a Slurm cluster of N nodes too, and GRAM's job manager for it.",
    )


@command(
    Fresh,
    Output,
    examples=['cogkit sandbox up && eval "$(cogkit sandbox env)" && cogkit sandbox status'],
    failed="the grid could not be started; nothing of it is left",
)
def up(fresh: Fresh, output: Output) -> None:
    """Start a grid in the background.

    It has a certificate authority, a user with a proxy, a GridFTP server and a GRAM
    gatekeeper, all on 127.0.0.1.  It runs until "cogkit sandbox down".
    """
    from cogkit.sandbox import Sandbox

    with Sandbox(fresh.directory, ssh=fresh.ssh, slurm_nodes=fresh.slurm) as grid:
        try:
            grid.detach()
            # It is up.  A Ctrl-C while this is said would be told as a failure, and leave it.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            with noting("So nobody would know of the grid: it was ended again"):
                _announce(grid.describe(), json=output.json)
        except BaseException:
            grid.down()
            raise


def _announce(about: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json(about)
    else:
        print(f"A grid is running in {about['directory']}")
        print(f"  GridFTP  {about['gridftp_url']}")
        print(f"  GRAM     {about['gram_contact']}")
        if sshftp := about["environ"].get("COGKIT_SANDBOX_SSHFTP"):
            print(f"  SSH      {sshftp}")
        if about["slurm"]:
            print(f"  Slurm    {about['gram_slurm_contact']}")
            print(f"           squeue and others are in {about['slurm']['commands']}")
        print(f"  user     {about['user']['subject']}")
        print('Use it:    eval "$(cogkit sandbox env)"')
        print("End it:    cogkit sandbox down")


@command(
    Which,
    Output,
    examples=["cogkit sandbox status --json"],
    ok="running",
    failed="not running",
)
def status(which: Which, output: Output) -> int | None:
    """Say whether a grid is running, and where."""
    from cogkit.sandbox import NoSandbox, Sandbox

    try:
        with Sandbox.attach(which.directory) as grid:
            about = grid.describe()
    except NoSandbox as error:
        if output.json:
            print_json({"running": False, "reason": str(error)})
        else:
            print(str(error))
        return ExitCode.FAILED
    if output.json:
        print_json({"running": True, **about})
        return None
    print(f"A grid is running in {about['directory']}")
    for server in about["servers"]:
        state = f"pid {server['pid']}" if server["pid"] else "not running"
        place = f"127.0.0.1:{server['port']}" if server["port"] else "Unix socket"
        print(f"  {server['name']:<12} {place:<16} {state}")
    if about["slurm"]:
        print(f"  Slurm's commands are in {about['slurm']['commands']}")
    return None


@command(Which, Output, examples=['eval "$(cogkit sandbox env)"'], failed="not running")
def env(which: Which, output: Output) -> None:
    """Print the variables that lead Globus programs to the grid, for a POSIX shell."""
    import shlex

    from cogkit.sandbox import Sandbox

    with Sandbox.attach(which.directory) as grid:
        environ = grid.environ
    if output.json:
        print_json(environ)
        return
    for name, value in environ.items():
        print(f"export {name}={shlex.quote(value)}")


@command(
    Which, Output, examples=["cogkit sandbox down"], failed="not running, or something would not go"
)
def down(which: Which, output: Output) -> None:
    """End a grid: its servers, its jobs, and its files."""
    from cogkit.sandbox import Sandbox

    grid = Sandbox.attach(which.directory)
    path = grid.directory
    grid.down()
    if output.json:
        print_json({"down": str(path)})
    else:
        print(f"The grid in {path} is gone")


sandbox = Group(
    "sandbox",
    {"up": up, "status": status, "env": env, "down": down},
    help="A whole grid on this machine, for trials and tests: no root, no traces.",
    epilog='Example: cogkit sandbox up && eval "$(cogkit sandbox env)"',
)
