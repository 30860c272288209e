"""``cogkit proxy``: make, look at and destroy proxy credentials."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cogkit.cli._common import ExitCode, bad_usage, local_time, print_json
from cogkit.cli._parameters import Group, Output, argument, command, flag, option

if TYPE_CHECKING:
    from pyGlobus.security import Credential

# No check by click: that a file cannot be read is no wrong usage, and pyGlobus says more about it.
_PATH: click.Path = click.Path(readable=False, path_type=Path)


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """How long a new proxy is valid."""

    hours: float | None = option(
        "--hours", metavar="N", type=click.FLOAT, help="How long it shall be valid.  Default: 12."
    )
    lifetime: str | None = option(
        "--lifetime", metavar="H:M", help="The same as hours and minutes."
    )


@dataclass(frozen=True, kw_only=True)
class Needed:
    """How long a proxy must be valid."""

    hours: float | None = option(
        "--hours",
        metavar="N",
        type=click.FLOAT,
        help="It must be valid for so long from now on.",
    )
    lifetime: str | None = option(
        "--lifetime", metavar="H:M", help="The same as hours and minutes."
    )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What proxy is made, of what, and where."""

    bits: int = option(
        "--bits", metavar="N", type=click.INT, default=2048, help="Size of its RSA key."
    )
    limited: bool = flag("--limited", help="For data only: job managers refuse it.")
    path_length: int | None = option(
        "--path-length",
        metavar="N",
        type=click.IntRange(min=0),
        help="How many more proxies may be made of it.  Default: no limit.",
    )
    cert: Path | None = option(
        "--cert",
        metavar="FILE",
        type=_PATH,
        help="Your certificate.  Default: the one that GSI finds.",
    )
    key: Path | None = option(
        "--key",
        metavar="FILE",
        type=_PATH,
        help="Its private key.  Default: the one that GSI finds.",
    )
    out: Path | None = option(
        "--out",
        metavar="FILE",
        type=_PATH,
        help="Where to write it.  Default: $X509_USER_PROXY, or /tmp/x509up_uUID.",
    )
    passphrase_stdin: bool = flag(
        "--passphrase-stdin", help="Read the key's passphrase from standard input."
    )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Which proxy is looked at, and how."""

    file: Path | None = option(
        "--file",
        "-f",
        metavar="FILE",
        type=_PATH,
        help="Default: $X509_USER_PROXY, or /tmp/x509up_uUID.",
    )
    exists: bool = flag("--exists", help="Print nothing: the exit code says it.")


@dataclass(frozen=True, kw_only=True)
class Proxies:
    """Which proxies."""

    files: tuple[str, ...] = argument(
        "FILE...",
        several=True,
        required=False,
        files=True,
        help="Default: $X509_USER_PROXY, or /tmp/x509up_uUID.",
    )


@command(
    Lifetime,
    Wanted,
    Output,
    examples=["cogkit proxy init --hours 24", "cogkit proxy init --passphrase-stdin < secret"],
    codes=[ExitCode.CREDENTIAL],
    credential="no certificate or key, expired, or a wrong passphrase",
)
def init(lifetime: Lifetime, how: Wanted, output: Output) -> None:
    """Make a proxy from your certificate and key.

    The passphrase is asked for only when the key is encrypted.
    """
    given = _duration(lifetime)
    wanted = timedelta(hours=12) if given is None else given
    from pyGlobus import security

    ask = _read_passphrase if how.passphrase_stdin else _ask_passphrase
    issuer = security.Credential.load_pair(how.cert, how.key, passphrase=ask)
    with bad_usage():
        proxy = security.create_proxy(
            issuer,
            lifetime=wanted,
            bits=how.bits,
            limited=how.limited,
            path_length=how.path_length,
        )
    proxy.write(how.out or security.proxy_path())
    if doubt := security.fault_of(proxy):
        print(f"cogkit: the proxy is made, but: {doubt.msg}", file=sys.stderr)
    if output.json:
        print_json(_about(proxy))
        return
    print(f"Proxy of   {proxy.identity}")
    print(f"Until      {local_time(proxy.not_after, zone=True)}")
    print(f"File       {proxy.path}")
    if proxy.time_left < wanted - timedelta(minutes=2):
        print("Your certificate ends then: renew it soon.", file=sys.stderr)


@command(
    Shown,
    Needed,
    Output,
    examples=["cogkit proxy info", "cogkit proxy info --exists --hours 2 || cogkit proxy init"],
    codes=[ExitCode.CREDENTIAL],
    ok="a valid proxy",
    credential="no proxy, or expired, or (--hours, --lifetime) not valid for so long",
)
def info(shown: Shown, lifetime: Needed, output: Output) -> int | None:
    """Show a proxy, and whether it is still valid."""
    needed = _duration(lifetime) or timedelta(0)
    from pyGlobus import security
    from pyGlobus.globusException import CredentialError

    try:
        proxy = security.Credential.load(shown.file or security.proxy_path())
    except CredentialError:
        if shown.exists:
            return ExitCode.CREDENTIAL
        raise
    if not shown.exists:
        about = _about(proxy)
        if output.json:
            print_json(about)
        else:
            _print_about(about, proxy)
    return None if proxy.valid and proxy.time_left > needed else ExitCode.CREDENTIAL


@command(
    Proxies,
    Output,
    examples=["cogkit proxy destroy"],
    codes=[ExitCode.NOT_FOUND, ExitCode.DENIED, ExitCode.CREDENTIAL],
    not_found="there is no such proxy",
    credential="not a plain file; left alone",
)
def destroy(which: Proxies, output: Output) -> None:
    """Overwrite proxies and remove them."""
    from pyGlobus import security

    gone = [str(security.destroy_proxy(file)) for file in which.files or [security.proxy_path()]]
    if output.json:
        print_json({"destroyed": gone})


proxy = Group(
    "proxy",
    {"init": init, "info": info, "destroy": destroy},
    help="Proxy credentials: short-lived stand-ins for your certificate.",
    epilog="Example: cogkit proxy init && cogkit proxy info",
)


def _duration(given: Lifetime | Needed) -> timedelta | None:
    hours, lifetime = given.hours, given.lifetime
    with bad_usage():
        if hours is not None and lifetime is not None:
            raise ValueError("give --hours or --lifetime, not both")
        try:
            if lifetime is None:
                return None if hours is None else timedelta(hours=hours)
            whole, colon, minutes = lifetime.partition(":")
            if not whole.isdecimal() or (colon and not minutes.isdecimal()):
                raise ValueError(f"--lifetime is H:M, such as 12:30, not {lifetime!r}")
            return timedelta(hours=int(whole), minutes=int(minutes or 0))
        except OverflowError as error:
            raise ValueError(f"{lifetime or hours} hours are too long") from error


def _read_passphrase() -> str:
    from pyGlobus.globusException import CredentialError

    try:
        return sys.stdin.readline().rstrip("\n")
    except OSError as error:
        raise CredentialError(
            f"cannot read the passphrase from standard input: {error.strerror}"
        ) from error


def _ask_passphrase() -> str:
    import getpass

    from pyGlobus.globusException import CredentialError

    try:
        # without a terminal, getpass would read, and echo, whatever standard input is
        with open("/dev/tty", "rb"):  # noqa: PTH123 - a device
            pass
    except OSError:
        raise CredentialError(
            "the key is encrypted, and there is no terminal to ask for its passphrase",
            hint="Use --passphrase-stdin.",
        ) from None
    return getpass.getpass("Passphrase of your private key: ")


def _about(proxy: Credential) -> dict[str, Any]:
    return {
        "subject": proxy.subject,
        "issuer": proxy.issuer,
        "identity": proxy.identity,
        "type": proxy.type_name,
        "strength": proxy.key_bits,
        "key_type": proxy.key_type,
        "path": str(proxy.path),
        "path_length": proxy.path_length,
        "not_after": proxy.not_after.isoformat(),
        "seconds_left": max(0, int(proxy.time_left.total_seconds())),
        "valid": proxy.valid,
    }


def _print_about(about: dict[str, Any], proxy: Credential) -> None:
    left = about["seconds_left"]
    minutes, seconds = divmod(left, 60)
    length = about["path_length"]
    begin = local_time(proxy.not_before, zone=True)
    for label, value in (
        ("subject", about["subject"]),
        ("issuer", about["issuer"]),
        ("identity", about["identity"]),
        ("type", about["type"]),
        ("strength", f"{about['strength']} bits, {about['key_type']}"),
        ("path", about["path"]),
        ("path length", "no limit" if length is None else length),
        ("until", local_time(proxy.not_after, zone=True)),
        *([] if proxy.valid or proxy.expired else [("from", begin)]),
        ("time left", f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if left else "expired"),
    ):
        print(f"{label:<12} {value}")
