"""``cogkit ls``, ``cp``, ``cat``, ``mkdir`` and ``rm``: files here and on servers."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cogkit.cli._common import ExitCode, JsonOption, bad_usage, epilog, print_json

if TYPE_CHECKING:
    from cogkit.files import Entry, TransferOptions

_CODES = [
    ExitCode.CREDENTIAL,
    ExitCode.NOT_FOUND,
    ExitCode.DENIED,
    ExitCode.UNREACHABLE,
]

Places = Annotated[
    list[str],
    typer.Argument(
        metavar="PLACE...",
        help="A path, or a URL: gsiftp://host:port/path, ftp://…, file:///path.  "
        "/~/ is your home directory there.",
        show_default=False,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="How long a server may take to answer a command; 0: for ever.",
    ),
]
Stall = Annotated[
    float,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Give up a transfer that moves nothing for so long; 0: never.",
    ),
]
Private = Annotated[
    bool,
    typer.Option(
        "--private", "--dcpriv", help="Encrypt the data, or fail: never fall back to clear text."
    ),
]
NoDcau = Annotated[bool, typer.Option("--no-dcau", help="Do not authenticate the data connection.")]

DataHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--data-host",
        metavar="HOST",
        help="Data may come from or go to this host too: a name, an address, a network, or '*'.  "
        "Servers with data nodes, such as dCache, need it.  May be given several times.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.command(
        epilog=epilog(
            ["cogkit ls -l gsiftp://host:2811/~/"], _CODES, not_found="no such file or directory"
        )
    )(ls)
    app.command(
        epilog=epilog(
            [
                "cogkit cp data.bin gsiftp://host:2811/~/",
                "cogkit cp -r gsiftp://one/data gsiftp://two/data",
            ],
            _CODES,
            failed="failed, such as a full disk or a size that is wrong",
        )
    )(cp)
    app.command(epilog=epilog(["cogkit cat gsiftp://host:2811/~/log.txt | less"], _CODES))(cat)
    app.command(epilog=epilog(["cogkit mkdir -p gsiftp://host:2811/~/a/b"], _CODES))(mkdir)
    app.command(epilog=epilog(["cogkit rm -r gsiftp://host:2811/~/old"], _CODES))(rm)


def ls(
    places: Places,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="Show type, mode, size and time too.")
    ] = False,
    timeout: Timeout = 60,
    stall: Stall = 60,
    private: Private = False,
    no_dcau: NoDcau = False,
    data_hosts: DataHosts = None,
    json: JsonOption = False,
) -> None:
    """List directories; a file lists itself."""
    options = _options(
        timeout=timeout, stall=stall, private=private, no_dcau=no_dcau, data_hosts=data_hosts
    )
    from cogkit.files import Files

    listings: list[dict[str, Any]] = []
    with Files(options) as session:
        for number, place in enumerate(places):
            entries = session.listdir(place)
            if json:
                listings.append(
                    {"place": place, "entries": [_entry_as_json(entry) for entry in entries]}
                )
                continue
            if len(places) > 1:
                print(f"{'' if number == 0 else chr(10)}{_shown(place)}:")
            width = max((len(str(entry.size)) for entry in entries if entry.size), default=1)
            for entry in entries:
                print(_long(entry, width) if long else _shown(entry.name))
    if json:
        print_json({"listings": listings})


def cp(
    places: Places,
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", "-R", help="Copy directories too.")
    ] = False,
    no_clobber: Annotated[
        bool,
        typer.Option(
            "--no-clobber/--force", "-n/-f", help="Leave files alone that exist, or replace them."
        ),
    ] = False,
    parallel: Annotated[
        int, typer.Option("--parallel", "-p", min=1, help="TCP streams for one file.")
    ] = 1,
    sessions: Annotated[
        int,
        typer.Option(
            "--sessions",
            "-s",
            min=1,
            help="Sessions at once, for many files or the parts of a large one.",
        ),
    ] = 2,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Stream mode for several files too: slower, but no server connects to us.",
        ),
    ] = False,
    private: Private = False,
    no_dcau: NoDcau = False,
    data_hosts: DataHosts = None,
    stall: Stall = 60,
    timeout: Timeout = 60,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")] = False,
    json: JsonOption = False,
) -> None:
    """Copy files: the last PLACE is where to, a directory or a new name.

    A file that exists is replaced only when its new content is complete and of the right
    size.  Between two servers the data goes from one to the other, not through here.
    """
    if len(places) < 2:
        raise typer.BadParameter("cp needs a source and a target")
    options = _options(
        timeout=timeout,
        stall=stall,
        private=private,
        no_dcau=no_dcau,
        data_hosts=data_hosts,
        parallel=parallel,
        sessions=sessions,
        stream=stream,
    )
    from cogkit.files import Files
    from cogkit.progress import bar

    with Files(options) as session, bar(quiet=quiet or json) as progress:
        done = session.copy(
            places[:-1],
            places[-1],
            recursive=recursive,
            clobber=not no_clobber,
            progress=progress,
        )
    if json:
        print_json(
            {
                "bytes": done.bytes,
                "seconds": round(done.seconds, 3),
                "rate": round(done.rate),
                "copied": [
                    {"source": one.source, "target": one.target, "bytes": one.bytes}
                    for one in done.copied
                ],
                "skipped": done.skipped,
            }
        )


def cat(
    places: Places,
    timeout: Timeout = 60,
    stall: Stall = 60,
    private: Private = False,
    no_dcau: NoDcau = False,
    data_hosts: DataHosts = None,
) -> None:
    """Write files to standard output."""
    options = _options(
        timeout=timeout, stall=stall, private=private, no_dcau=no_dcau, data_hosts=data_hosts
    )
    from cogkit.files import Files

    sys.stdout.flush()
    with Files(options) as session:
        for place in places:
            session.cat(place, sys.stdout.fileno())


def mkdir(
    places: Places,
    parents: Annotated[
        bool,
        typer.Option(
            "--parents", "-p", help="Make parents too, and do not mind what exists already."
        ),
    ] = False,
    timeout: Timeout = 60,
    json: JsonOption = False,
) -> None:
    """Make directories."""
    from cogkit.files import Files

    with Files(_options(timeout=timeout)) as session:
        for place in places:
            session.mkdir(place, parents=parents)
    if json:
        print_json({"made": places})


def rm(
    places: Places,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", "-R", help="Remove directories, and all in them."),
    ] = False,
    timeout: Timeout = 60,
    json: JsonOption = False,
) -> None:
    """Remove files; symbolic links are not followed."""
    from cogkit.files import Files

    with Files(_options(timeout=timeout)) as session:
        for place in places:
            session.remove(place, recursive=recursive)
    if json:
        print_json({"removed": places})


def _options(
    *,
    timeout: float = 60,
    stall: float = 60,
    private: bool = False,
    no_dcau: bool = False,
    data_hosts: list[str] | None = None,
    parallel: int = 1,
    sessions: int = 2,
    stream: bool = False,
) -> TransferOptions:
    from cogkit.files import TransferOptions

    with bad_usage():
        return TransferOptions(
            parallel=parallel,
            sessions=sessions,
            private=private,
            authenticate=not no_dcau,
            data_hosts=tuple(data_hosts or ()),
            stream=stream,
            stall=stall or None,
            timeout=timeout or None,
        )


def _long(entry: Entry, width: int) -> str:
    letter = {"file": "-", "dir": "d"}.get(entry.kind, "?")
    mode = "?????????"
    if entry.mode is not None:
        mode = "".join(
            flag if entry.mode >> (8 - place) & 1 else "-" for place, flag in enumerate("rwxrwxrwx")
        )
    size = "?" if entry.size is None else str(entry.size)
    when = (
        entry.modified.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        if entry.modified
        else f"{'?':<19}"
    )
    link = f" -> {_shown(entry.link_target)}" if entry.link_target else ""
    return f"{letter}{mode} {size:>{width}} {when} {_shown(entry.name)}{link}"


def _entry_as_json(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "type": str(entry.kind),
        "size": entry.size,
        "modified": entry.modified.isoformat() if entry.modified else None,
        "mode": None if entry.mode is None else f"{entry.mode:04o}",
        "link_target": entry.link_target,
    }


def _shown(name: str) -> str:
    """A name for standard output: on a terminal, what a server named so must do no harm."""
    if not sys.stdout.isatty():
        return name
    from cogkit.progress import printable

    return printable(name)
