"""Help for the tests of the GSS-API."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from cogkit.sandbox import Sandbox
from pyGlobus.security import Credential
from pyGlobus.security.gss import Name, NameType, SecurityContext

HERE = Path(__file__).parent
LOCALHOST = Name("host@localhost", NameType.hostbased_service)


def host(grid: Sandbox) -> Credential:
    """The server's credential."""
    return Credential.load_pair(grid.host.cert_path, grid.host.key_path)


def user(grid: Sandbox) -> Credential:
    """The user's own credential, no proxy."""
    return Credential.load_pair(grid.user.cert_path, grid.user.key_path)


def establish(
    client: SecurityContext, server: SecurityContext
) -> tuple[SecurityContext, SecurityContext]:
    """Carry the tokens from one to the other until both are done."""
    token = client.step()
    while token:
        token = server.step(token)
        if token:
            token = client.step(token)
    assert client.complete
    assert server.complete
    return client, server


def pair(grid: Sandbox, **arguments: object) -> tuple[SecurityContext, SecurityContext]:
    """A context of the user with the host; `arguments` are the client's."""
    given = {"name": LOCALHOST, "creds": user(grid), **arguments}
    return establish(
        SecurityContext(**given),  # type: ignore[arg-type]
        SecurityContext(creds=host(grid), usage="accept"),
    )


def delegate(giver: SecurityContext, taker: SecurityContext, **arguments: object) -> Credential:
    """Delegate over a context that is up."""
    gives = giver.init_delegation(**arguments)  # type: ignore[arg-type]
    takes = taker.accept_delegation()
    token = gives.step()
    while token:
        token = takes.step(token)
        if token:
            token = gives.step(token)
    assert takes.creds is not None
    return takes.creds.credential


def compile_c(source: Path, target: Path, *options: str, packages: str) -> Path:
    """Compile a C program against GCT."""
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *packages.split()],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    subprocess.run(
        ["cc", "-O2", "-Werror=implicit-function-declaration", *options, "-o", target, source,
         *shlex.split(flags)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return target
