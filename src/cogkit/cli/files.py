"""``cogkit ls``, ``cp``, ``cat``, ``mkdir`` and ``rm``: files here and on servers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from cogkit.cli._common import ExitCode, bad_usage, local_time, print_json
from cogkit.cli._parameters import Output, argument, command, flag, option, seconds
from cogkit.cli._standard import passed_on
from pyGlobus.urls import shown

if TYPE_CHECKING:
    from cogkit.files import Entry, TransferOptions

_CODES = [
    ExitCode.CREDENTIAL,
    ExitCode.NOT_FOUND,
    ExitCode.DENIED,
    ExitCode.UNREACHABLE,
]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Which files."""

    places: tuple[str, ...] = argument(
        "PLACE...",
        several=True,
        files=True,
        help="A path, or a URL: gsiftp://host:port/path, ftp://…, file:///path.  "
        "/~/ is your home directory there.",
    )


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """How long to wait for a server."""

    timeout: float = seconds(
        "--timeout", help="How long a server may take to answer a command; 0: for ever."
    )


@dataclass(frozen=True, kw_only=True)
class Data:
    """How data is moved."""

    stall: float = seconds(
        "--stall", help="Give up a transfer that moves nothing for so long; 0: never."
    )
    private: bool = flag(
        "--private", "--dcpriv", help="Encrypt the data, or fail: never fall back to clear text."
    )
    no_dcau: bool = flag("--no-dcau", help="Do not authenticate the data connection.")
    data_hosts: tuple[str, ...] = option(
        "--data-host",
        metavar="HOST",
        multiple=True,
        help="Data may come from or go to this host too: a name, an address, a network, or '*'.  "
        "Servers with data nodes, such as dCache, need it.  May be given several times.",
    )


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What is listed."""

    long: bool = flag("--long", "-l", help="Show type, mode, size and time too.")


@dataclass(frozen=True, kw_only=True)
class Copying:
    """What is copied, and by how many."""

    recursive: bool = flag("--recursive", "-r", "-R", help="Copy directories too.")
    no_clobber: bool = flag(
        "--no-clobber/--force", "-n/-f", help="Leave files alone that exist, or replace them."
    )
    parallel: int = option(
        "--parallel",
        "-p",
        metavar="N",
        type=click.IntRange(min=1, max=1024),
        default=1,
        help="TCP streams for one file.",
    )
    sessions: int = option(
        "--sessions",
        "-s",
        metavar="N",
        type=click.IntRange(min=1, max=1024),
        default=2,
        help="Sessions at once, for many files or the parts of a large one.",
    )
    stream: bool = flag(
        "--stream",
        help="Stream mode for several files too: slower, but no server connects to us.",
    )
    in_place: bool = flag(
        "--in-place",
        help="Write straight into the target: for a directory in which nothing may be made.",
    )
    require_atomic: bool = flag(
        "--require-atomic", help="Fail where a file cannot be replaced in one step."
    )


@dataclass(frozen=True, kw_only=True)
class Showing:
    """What is seen of a copy."""

    quiet: bool = flag("--quiet", "-q", help="No progress bar.")


@dataclass(frozen=True, kw_only=True)
class Making:
    """How directories are made."""

    parents: bool = flag(
        "--parents", "-p", help="Make parents too, and do not mind what exists already."
    )


@dataclass(frozen=True, kw_only=True)
class Removing:
    """What is removed."""

    recursive: bool = flag("--recursive", "-r", "-R", help="Remove directories, and all in them.")


@command(
    Places,
    Listing,
    Waiting,
    Data,
    Output,
    examples=["cogkit ls -l gsiftp://host:2811/~/"],
    codes=_CODES,
    not_found="no such file or directory",
)
def ls(
    what: Places, listing: Listing, waiting: Waiting, data: Data, output: Output
) -> ExitCode | None:
    """List directories; a file lists itself."""
    options = _options(waiting, data)
    from cogkit.files import Files

    listings: list[dict[str, Any]] = []
    code = None
    with Files(options, tell=_tell) as session:
        for number, place in enumerate(what.places):
            entries = session.listdir(place)
            for line in entries.left_out:
                _tell(f"{shown(place)}: left out: {line.text}: {line.reason}")
                code = ExitCode.FAILED
            if output.json:
                listings.append(
                    {"place": shown(place), "entries": [_entry_as_json(entry) for entry in entries]}
                )
                continue
            if len(what.places) > 1:
                print(f"{'' if number == 0 else chr(10)}{_shown(shown(place))}:")
            width = max((len(str(entry.size)) for entry in entries if entry.size), default=1)
            for entry in entries:
                print(_long(entry, width) if listing.long else _shown(entry.name))
    if output.json:
        print_json({"listings": listings})
    return code


@command(
    Places,
    Copying,
    Data,
    Waiting,
    Showing,
    Output,
    examples=[
        "cogkit cp data.bin gsiftp://host:2811/~/",
        "cogkit cp -r gsiftp://one/data gsiftp://two/data",
    ],
    codes=_CODES,
    failed="failed, such as a full disk or a size that is wrong",
)
def cp(
    what: Places, copying: Copying, data: Data, waiting: Waiting, showing: Showing, output: Output
) -> ExitCode | None:
    """Copy files: the last PLACE is where to, a directory or a new name.

    A file that exists is replaced only when its new content is complete and of the right
    size; it keeps its mode.  Between two servers the data goes from one to the other, not
    through here.
    """
    *sources, target = what.places
    if not sources:
        raise click.UsageError("cp needs a source and a target", click.get_current_context())
    options = _options(waiting, data, copying)
    from cogkit.files import CopyIncomplete, Files
    from cogkit.progress import bar

    quiet = showing.quiet or output.json
    with Files(options, tell=_tell) as session, bar(quiet=quiet) as progress:
        try:
            done = session.copy(
                sources,
                target,
                recursive=copying.recursive,
                clobber=not copying.no_clobber,
                progress=progress,
            )
        except CopyIncomplete as error:
            done = error.summary
    for refused in done.refused:
        _tell(f"{refused.place}: {refused.reason}")
    if output.json:
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
                "refused": [
                    {"place": refused.place, "reason": refused.reason} for refused in done.refused
                ],
            }
        )
    return ExitCode.FAILED if done.refused else None


@command(
    Places,
    Waiting,
    Data,
    examples=["cogkit cat gsiftp://host:2811/~/log.txt | less"],
    codes=_CODES,
)
def cat(what: Places, waiting: Waiting, data: Data) -> None:
    """Write files to standard output."""
    options = _options(waiting, data)
    from cogkit.files import Files

    with Files(options, tell=_tell) as session, passed_on() as descriptor:
        for place in what.places:
            session.cat(place, descriptor)


@command(
    Places,
    Making,
    Waiting,
    Output,
    examples=["cogkit mkdir -p gsiftp://host:2811/~/a/b"],
    codes=_CODES,
)
def mkdir(what: Places, making: Making, waiting: Waiting, output: Output) -> None:
    """Make directories."""
    from cogkit.files import Files

    with Files(_options(waiting), tell=_tell) as session:
        for place in what.places:
            session.mkdir(place, parents=making.parents)
    if output.json:
        print_json({"made": [shown(place) for place in what.places]})


@command(
    Places,
    Removing,
    Waiting,
    Output,
    examples=["cogkit rm -r gsiftp://host:2811/~/old"],
    codes=_CODES,
)
def rm(what: Places, removing: Removing, waiting: Waiting, output: Output) -> None:
    """Remove files; symbolic links are not followed."""
    from cogkit.files import Files

    with Files(_options(waiting), tell=_tell) as session:
        for place in what.places:
            session.remove(place, recursive=removing.recursive)
    if output.json:
        print_json({"removed": [shown(place) for place in what.places]})


def _tell(text: str) -> None:
    """Something that the user should know beside what was done."""
    from cogkit.progress import printable

    print(f"cogkit: {printable(text)}", file=sys.stderr)


def _options(
    waiting: Waiting, data: Data | None = None, copying: Copying | None = None
) -> TransferOptions:
    from cogkit.files import TransferOptions

    data = data or Data()
    copying = copying or Copying()
    with bad_usage():
        return TransferOptions(
            parallel=copying.parallel,
            sessions=copying.sessions,
            private=data.private,
            authenticate=not data.no_dcau,
            data_hosts=data.data_hosts,
            stream=copying.stream,
            in_place=copying.in_place,
            require_atomic=copying.require_atomic,
            stall=data.stall or None,
            timeout=waiting.timeout or None,
        )


def _long(entry: Entry, width: int) -> str:
    letter = {"file": "-", "dir": "d"}.get(entry.kind, "?")
    mode = "?????????"
    if entry.mode is not None:
        mode = "".join(
            flag if entry.mode >> (8 - place) & 1 else "-" for place, flag in enumerate("rwxrwxrwx")
        )
    size = "?" if entry.size is None else str(entry.size)
    when = local_time(entry.modified)
    link = f" -> {_shown(entry.link_target)}" if entry.link_target else ""
    return f"{letter}{mode} {size:>{width}} {when:<19} {_shown(entry.name)}{link}"


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
