"""Slide 20 of the 2001 tutorial: the GSS-API and delegation, over a socket.

python examples/slide20_gss.py accept            prints its port, and serves one client
python examples/slide20_gss.py PORT              the client

The server's credential is that of X509_USER_CERT and X509_USER_KEY.
"""

from __future__ import annotations

import socket
import sys

from pyGlobus.globusException import GlobusException
from pyGlobus.security.gss import GSSSocket, Name, NameType

try:
    if sys.argv[1] == "accept":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(60)
            print(listener.getsockname()[1], flush=True)
            connection, _ = listener.accept()
        with GSSSocket.accept(connection) as peer:
            print(f"this is {peer.context.peer_name}")
            proxy = peer.accept_delegation()
            print(f"a proxy of {proxy.credential.identity}")
            peer.send(peer.receive().upper())
    else:
        host = Name("host@localhost", NameType.hostbased_service)
        with GSSSocket.initiate(
            socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60), name=host
        ) as peer:
            peer.init_delegation(lifetime=600)
            peer.send(b"hello")
            print(peer.receive().decode())
except GlobusException as ex:
    print(ex.msg, file=sys.stderr)
    sys.exit(1)
