"""``cogkit proxy``: make, look at and destroy proxy credentials."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cogkit.cli._common import ExitCode, JsonOption, bad_usage, epilog, print_json

if TYPE_CHECKING:
    from pyGlobus.security import Credential

app = typer.Typer(
    no_args_is_help=True,
    help="Proxy credentials: short-lived stand-ins for your certificate.",
    epilog="Example: cogkit proxy init && cogkit proxy info",
)

# Files are readable=False below, which means: not for Typer to check.  That they cannot be read is
# no wrong usage, and pyGlobus says more about it.
LifetimeOption = Annotated[
    str | None, typer.Option("--lifetime", metavar="H:M", help="The same as hours and minutes.")
]


@app.command(
    epilog=epilog(
        ["cogkit proxy init --hours 24", "cogkit proxy init --passphrase-stdin < secret"],
        [ExitCode.CREDENTIAL],
        credential="no certificate or key, expired, or a wrong passphrase",
    )
)
def init(
    hours: Annotated[
        float | None, typer.Option(help="How long it shall be valid.  Default: 12.")
    ] = None,
    lifetime: LifetimeOption = None,
    bits: Annotated[int, typer.Option(help="Size of its RSA key.")] = 2048,
    limited: Annotated[
        bool, typer.Option("--limited", help="For data only: job managers refuse it.")
    ] = False,
    path_length: Annotated[
        int | None,
        typer.Option(min=0, help="How many more proxies may be made of it.  Default: no limit."),
    ] = None,
    cert: Annotated[
        Path | None,
        typer.Option(readable=False, help="Your certificate.  Default: the one that GSI finds."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(readable=False, help="Its private key.  Default: the one that GSI finds."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Where to write it.  Default: $X509_USER_PROXY, or /tmp/x509up_uUID.",
        ),
    ] = None,
    passphrase_stdin: Annotated[
        bool,
        typer.Option("--passphrase-stdin", help="Read the key's passphrase from standard input."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a proxy from your certificate and key.

    The passphrase is asked for only when the key is encrypted.
    """
    wanted = _duration(hours, lifetime) or timedelta(hours=12)
    from pyGlobus import security

    ask = _read_passphrase if passphrase_stdin else _ask_passphrase
    issuer = security.Credential.load_pair(cert, key, passphrase=ask)
    with bad_usage():
        proxy = security.create_proxy(
            issuer, lifetime=wanted, bits=bits, limited=limited, path_length=path_length
        )
    proxy.write(out or security.proxy_path())
    if json:
        print_json(_about(proxy))
        return
    print(f"Proxy of   {proxy.identity}")
    print(f"Until      {_local_time(proxy)}")
    print(f"File       {proxy.path}")
    if proxy.time_left < wanted - timedelta(minutes=2):
        print("Your certificate ends then: renew it soon.", file=sys.stderr)


@app.command(
    epilog=epilog(
        ["cogkit proxy info", "cogkit proxy info --exists --hours 2 || cogkit proxy init"],
        [ExitCode.CREDENTIAL],
        ok="a valid proxy",
        credential="no proxy, or expired, or (--hours, --lifetime) not valid for so long",
    )
)
def info(
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", readable=False, help="Default: $X509_USER_PROXY, or /tmp/x509up_uUID."
        ),
    ] = None,
    exists: Annotated[
        bool, typer.Option("--exists", help="Print nothing: the exit code says it.")
    ] = False,
    hours: Annotated[
        float | None, typer.Option(help="It must be valid for so long from now on.")
    ] = None,
    lifetime: LifetimeOption = None,
    json: JsonOption = False,
) -> None:
    """Show a proxy, and whether it is still valid."""
    needed = _duration(hours, lifetime) or timedelta(0)
    from pyGlobus import security
    from pyGlobus.globusException import CredentialError

    try:
        proxy = security.Credential.load(file or security.proxy_path())
    except CredentialError:
        if exists:
            raise typer.Exit(ExitCode.CREDENTIAL) from None
        raise
    valid = proxy.time_left > needed
    if not exists:
        about = _about(proxy)
        if json:
            print_json(about)
        else:
            _print_about(about, proxy)
    if not valid:
        raise typer.Exit(ExitCode.CREDENTIAL)


@app.command(
    epilog=epilog(
        ["cogkit proxy destroy"],
        [ExitCode.NOT_FOUND, ExitCode.DENIED, ExitCode.CREDENTIAL],
        not_found="there is no such proxy",
        credential="not a plain file; left alone",
    )
)
def destroy(
    files: Annotated[
        list[Path] | None,
        typer.Argument(readable=False, help="Default: $X509_USER_PROXY, or /tmp/x509up_uUID."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Overwrite proxies and remove them."""
    from pyGlobus import security

    gone = [str(security.destroy_proxy(file)) for file in files or [security.proxy_path()]]
    if json:
        print_json({"destroyed": gone})


def _duration(hours: float | None, lifetime: str | None) -> timedelta | None:
    with bad_usage():
        if hours is not None and lifetime is not None:
            raise ValueError("give --hours or --lifetime, not both")
        if lifetime is not None:
            whole, colon, minutes = lifetime.partition(":")
            if not whole.isdecimal() or (colon and not minutes.isdecimal()):
                raise ValueError(f"--lifetime is H:M, such as 12:30, not {lifetime!r}")
            return timedelta(hours=int(whole), minutes=int(minutes or 0))
        try:
            return None if hours is None else timedelta(hours=hours)
        except OverflowError as error:
            raise ValueError(f"--hours {hours:g} is longer than time itself") from error


def _read_passphrase() -> str:
    return sys.stdin.readline().rstrip("\n")


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
        "valid": not proxy.expired,
    }


def _print_about(about: dict[str, Any], proxy: Credential) -> None:
    left = about["seconds_left"]
    minutes, seconds = divmod(left, 60)
    length = about["path_length"]
    for label, value in (
        ("subject", about["subject"]),
        ("issuer", about["issuer"]),
        ("identity", about["identity"]),
        ("type", about["type"]),
        ("strength", f"{about['strength']} bits, {about['key_type']}"),
        ("path", about["path"]),
        ("path length", "no limit" if length is None else length),
        ("until", _local_time(proxy)),
        ("time left", f"{minutes // 60}:{minutes % 60:02}:{seconds:02}" if left else "expired"),
    ):
        print(f"{label:<12} {value}")


def _local_time(proxy: Credential) -> str:
    return proxy.not_after.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
