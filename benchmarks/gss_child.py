"""What gss_peer.c does, by pyGlobus: both sides in one process, tokens in memory."""

from __future__ import annotations

import sys
import time

from pyGlobus.security.gss import Credentials, SecurityContext


def establish(creds: Credentials) -> tuple[SecurityContext, SecurityContext]:
    client = SecurityContext(usage="initiate", creds=creds)
    server = SecurityContext(usage="accept", creds=creds)
    token = client.step()
    while token:
        token = server.step(token)
        if token:
            token = client.step(token)
    return client, server


def main() -> None:
    work, count = sys.argv[1], int(sys.argv[2])
    creds = Credentials()
    client, server = establish(creds)
    began = time.perf_counter()
    if work == "contexts":
        for _ in range(count):
            client.close()
            server.close()
            client, server = establish(creds)
    else:
        message = bytes(int(sys.argv[3]))
        for _ in range(count):
            server.unwrap(client.wrap(message).message)
    print(f"{time.perf_counter() - began:.6f}")


main()
