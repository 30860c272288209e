"""``cogkit sandbox``: a whole grid on this machine, in the background."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cogkit.cli._common import ExitCode, JsonOption, epilog, print_json

app = typer.Typer(
    no_args_is_help=True,
    help="A whole grid on this machine, for trials and tests: no root, no traces.",
    epilog='Example: cogkit sandbox up && eval "$(cogkit sandbox env)"',
)

DirectoryOption = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        metavar="DIR",
        help="The sandbox' directory. Default: $COGKIT_SANDBOX_DIR, else the only one running.",
    ),
]


@app.command(
    epilog=epilog(
        ['cogkit sandbox up && eval "$(cogkit sandbox env)" && cogkit sandbox status'],
        failed="the grid could not be started; nothing of it is left",
    )
)
def up(
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            metavar="DIR",
            help="Keep its files here: a new or empty directory. Default: a new one in $TMPDIR.",
        ),
    ] = None,
    ssh: Annotated[
        bool, typer.Option("--ssh", help="With an OpenSSH server too, for sshftp:// URLs.")
    ] = False,
    slurm: Annotated[
        int,
        typer.Option(
            "--slurm",
            metavar="N",
            min=0,
            max=64,
            help="With a Slurm cluster of N nodes too, and GRAM's job manager for it.",
        ),
    ] = 0,
    json: JsonOption = False,
) -> None:
    """Start a grid in the background.

    It has a certificate authority, a user with a proxy, a GridFTP server and a GRAM
    gatekeeper, all on 127.0.0.1.  It runs until "cogkit sandbox down".
    """
    from cogkit.sandbox import Sandbox

    with Sandbox(directory, ssh=ssh, slurm_nodes=slurm) as grid:
        try:
            grid.detach()
            # It is up.  A Ctrl-C while this is said would be told as a failure, and leave it.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            _announce(grid.describe(), json=json)
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
    sys.stdout.flush()


@app.command(
    epilog=epilog(
        ["cogkit sandbox status --json"],
        ok="running",
        failed="not running",
    )
)
def status(directory: DirectoryOption = None, json: JsonOption = False) -> None:
    """Say whether a grid is running, and where."""
    from cogkit.sandbox import NoSandbox, Sandbox

    try:
        with Sandbox.attach(directory) as grid:
            about = grid.describe()
    except NoSandbox as error:
        if json:
            print_json({"running": False, "reason": str(error)})
        else:
            print(str(error))
        raise typer.Exit(ExitCode.FAILED) from None
    if json:
        print_json({"running": True, **about})
        return
    print(f"A grid is running in {about['directory']}")
    for server in about["servers"]:
        state = f"pid {server['pid']}" if server["pid"] else "not running"
        place = f"127.0.0.1:{server['port']}" if server["port"] else "Unix socket"
        print(f"  {server['name']:<12} {place:<16} {state}")
    if about["slurm"]:
        print(f"  Slurm's commands are in {about['slurm']['commands']}")


@app.command(
    epilog=epilog(['eval "$(cogkit sandbox env)"'], failed="not running"),
)
def env(directory: DirectoryOption = None, json: JsonOption = False) -> None:
    """Print the variables that lead Globus programs to the grid, for a POSIX shell."""
    import shlex

    from cogkit.sandbox import Sandbox

    with Sandbox.attach(directory) as grid:
        environ = grid.environ
    if json:
        print_json(environ)
        return
    for name, value in environ.items():
        print(f"export {name}={shlex.quote(value)}")


@app.command(
    epilog=epilog(["cogkit sandbox down"], failed="not running, or something would not go"),
)
def down(directory: DirectoryOption = None, json: JsonOption = False) -> None:
    """End a grid: its servers, its jobs, and its files."""
    from cogkit.sandbox import Sandbox

    grid = Sandbox.attach(directory)
    path = grid.directory
    grid.down()
    if json:
        print_json({"down": str(path)})
    else:
        print(f"The grid in {path} is gone")
