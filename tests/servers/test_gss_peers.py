"""Contexts with a C program at the other end, over sockets and asyncio streams."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from gss import HERE, LOCALHOST, compile_c, host, pair, user
from pyGlobus.globusException import GlobusTimeoutError
from pyGlobus.security import Policy
from pyGlobus.security.gss import (
    GSSSocket,
    GSSStream,
    PeerClosedError,
    RequirementFlag,
    SecurityContext,
    TokenReader,
    frame_token,
)
from pyGlobus.security.gss.exceptions import (
    GSSError,
    InvalidTokenError,
    MissingContextError,
    RefusedByPeerError,
    UntrustedPeerError,
)

MESSAGE = bytes(range(256)) * 300


@pytest.fixture(scope="session")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C program."""
    return compile_c(
        HERE / "gss_peer.c", tmp_path_factory.mktemp("gss") / "gss_peer",
        packages="globus-gss-assist globus-gssapi-gsi globus-common",
    )  # fmt: skip


@contextmanager
def running(program: subprocess.Popen[str]) -> Iterator[None]:
    try:
        yield
    finally:
        program.kill()
        program.communicate()


@contextmanager
def acceptor(
    peer: Path, grid: Sandbox, **more: str
) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:
    """The C program waits; a socket that is connected to it."""
    environ = {**grid.environ, "X509_USER_CERT": str(grid.host.cert_path),
               "X509_USER_KEY": str(grid.host.key_path), **more}  # fmt: skip
    program = subprocess.Popen(
        [peer, "accept"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with running(program):
        assert program.stdout is not None
        port = int(program.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            yield program, connection


@contextmanager
def initiator(
    peer: Path, grid: Sandbox, *messages: str, flags: int = 18,
    **more: str,
) -> Iterator[tuple[subprocess.Popen[str], socket.socket]]:  # fmt: skip
    """The C program connects; the socket of this end."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        command = [
            str(peer),
            "init",
            str(server.getsockname()[1]),
            host(grid).subject,
            str(flags),
            *messages,
        ]
        program = subprocess.Popen(
            command, env={**grid.environ, **more}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        with running(program), server.accept()[0] as connection:
            yield program, connection


def ended(program: subprocess.Popen[str]) -> list[str]:
    """What it printed."""
    said, errors = program.communicate(timeout=20)
    assert program.returncode == 0, errors
    return said.splitlines()


def receive(connection: GSSSocket, size: int) -> bytes:
    whole = b""
    while len(whole) < size:
        whole += connection.receive()
    return whole


VERSIONS = [("TLS1_2_VERSION", "TLSv1.2"), ("TLS1_3_VERSION", "TLSv1.3")]


@pytest.mark.parametrize(("setting", "version"), VERSIONS)
def test_a_python_client_and_a_c_server_understand_each_other(
    grid: Sandbox, grid_env: object, peer: Path, setting: str, version: str
) -> None:
    limits = {"GLOBUS_GSSAPI_MIN_TLS_PROTOCOL": setting, "GLOBUS_GSSAPI_MAX_TLS_PROTOCOL": setting}
    with acceptor(peer, grid, **limits) as (program, connection):
        with GSSSocket.initiate(connection, name=LOCALHOST, creds=user(grid), timeout=20) as talk:
            assert talk.context.tls_version == version
            talk.send(b"hello")
            assert talk.receive() == b"hello"
            talk.send(MESSAGE)
            assert receive(talk, len(MESSAGE)) == MESSAGE
        assert ended(program) == [user(grid).subject]


@pytest.mark.parametrize(("setting", "version"), VERSIONS)
def test_a_c_client_and_a_python_server_understand_each_other(
    grid: Sandbox, grid_env: object, peer: Path, setting: str, version: str
) -> None:
    limits = {"GLOBUS_GSSAPI_MIN_TLS_PROTOCOL": setting, "GLOBUS_GSSAPI_MAX_TLS_PROTOCOL": setting}
    with initiator(peer, grid, "hello", "world", **limits) as (program, connection):  # noqa: SIM117
        with GSSSocket.accept(connection, creds=host(grid), timeout=20) as talk:
            assert talk.context.tls_version == version
            assert str(talk.context.peer_name) == user(grid).subject
            for message in (b"hello", b"world"):
                assert talk.receive() == message
                talk.send(message.upper())
            assert ended(program) == ["HELLO", "WORLD"]
            with pytest.raises(PeerClosedError, match="has closed the connection"):
                talk.receive()


def test_a_proxy_is_delegated_with_the_context_to_c_and_from_c(
    grid: Sandbox, grid_env: object, peer: Path
) -> None:
    flags = RequirementFlag.delegate_to_peer | RequirementFlag.confidentiality
    with acceptor(peer, grid) as (program, connection):
        with GSSSocket.initiate(
            connection, name=LOCALHOST, creds=user(grid), flags=flags, timeout=20
        ):
            pass
        assert ended(program) == [f"{user(grid).subject} with a proxy"]
    with initiator(peer, grid, flags=19) as (program, connection):
        with GSSSocket.accept(connection, creds=host(grid), timeout=20) as talk:
            proxy = talk.context.delegated_creds
            assert proxy is not None
            proxy.credential.verify()
            assert proxy.credential.identity == user(grid).subject
        assert ended(program) == []


def test_a_proxy_is_delegated_later_in_all_four_directions_with_c(
    grid: Sandbox, grid_env: object, peer: Path
) -> None:
    with acceptor(peer, grid) as (program, connection):
        with GSSSocket.initiate(connection, name=LOCALHOST, creds=user(grid), timeout=20) as talk:
            for arguments in ({}, {"limited": True}, {"policy": Policy("1.3.6.1.4.1.99999.1")}):
                talk.send(b"delegate!")
                talk.init_delegation(**arguments)
            talk.send(b"give!")
            proxy = talk.accept_delegation().credential
            proxy.verify()
            assert proxy.identity == host(grid).subject
            assert proxy.key_bits == 2048
            talk.send(b"still in step")
            assert talk.receive() == b"still in step"
        assert ended(program) == [user(grid).subject, *[f"proxy of {user(grid).subject}"] * 3]
    with initiator(peer, grid, "delegate!", "give!", "still in step") as (program, connection):
        with GSSSocket.accept(connection, creds=host(grid), timeout=20) as talk:
            assert talk.receive() == b"delegate!"
            proxy = talk.accept_delegation().credential
            proxy.verify()
            assert proxy.identity == user(grid).subject
            assert talk.receive() == b"give!"
            talk.init_delegation(lifetime=600)
            talk.send(talk.receive())
        assert ended(program) == [f"proxy of {host(grid).subject}", "still in step"]


def test_a_c_client_of_an_unknown_ca_is_refused(
    grid: Sandbox, grid_env: object, peer: Path
) -> None:
    stranger = grid.foreign_credential().environ
    environ = {**stranger, "X509_CERT_DIR": grid.environ["X509_CERT_DIR"]}
    with initiator(peer, grid, **environ) as (_, connection), pytest.raises(UntrustedPeerError):
        GSSSocket.accept(connection, creds=host(grid), timeout=20)


def test_asyncio_streams_carry_contexts_both_ways(grid: Sandbox, grid_env: object) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        context = SecurityContext(creds=host(grid), usage="accept")
        async with GSSStream(reader, writer, context, timeout=20) as talk:
            await talk.handshake()
            proxy = await talk.accept_delegation()
            await talk.send(str(proxy.name).encode())
            while message := await talk.receive():
                await talk.send(message)

    async def converse() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        context = SecurityContext(name=LOCALHOST, creds=user(grid))
        async with GSSStream(reader, writer, context, timeout=20) as talk:
            await talk.handshake()
            await talk.init_delegation(lifetime=600)
            assert (await talk.receive()).decode().startswith(user(grid).subject)
            await talk.send(MESSAGE)
            whole = b""
            while len(whole) < len(MESSAGE):
                whole += await talk.receive()
            assert whole == MESSAGE
        server.close()
        await server.wait_closed()

    asyncio.run(asyncio.wait_for(converse(), 40))


def test_asyncio_and_c_understand_each_other(grid: Sandbox, grid_env: object, peer: Path) -> None:
    async def converse(connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        context = SecurityContext(name=LOCALHOST, creds=user(grid))
        async with GSSStream(reader, writer, context, timeout=20) as talk:
            await talk.handshake()
            await talk.send(b"hello")
            assert await talk.receive() == b"hello"

    with acceptor(peer, grid) as (program, connection):
        asyncio.run(asyncio.wait_for(converse(connection.dup()), 40))
        connection.close()
        assert ended(program) == [user(grid).subject]


def test_a_peer_that_says_nothing_is_given_up_in_time(grid: Sandbox, grid_env: object) -> None:
    here, there = socket.socketpair()
    with there, pytest.raises(GlobusTimeoutError, match=r"not answered within 0.2 s"):
        GSSSocket.initiate(here, name=LOCALHOST, creds=user(grid), timeout=0.2)
    assert here.fileno() == -1

    async def wait() -> None:
        here, there = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=here)
        with there:
            context = SecurityContext(name=LOCALHOST, creds=user(grid))
            async with GSSStream(reader, writer, context, timeout=0.2) as talk:
                with pytest.raises(GlobusTimeoutError, match=r"not answered within 0.2 s"):
                    await talk.handshake()
                with pytest.raises(MissingContextError, match="of no use"):
                    await talk.receive()

    asyncio.run(asyncio.wait_for(wait(), 30))


def sockets(grid: Sandbox) -> tuple[GSSSocket, GSSSocket]:
    client, server = pair(grid)
    here, there = socket.socketpair()
    return GSSSocket(here, client, timeout=10), GSSSocket(there, server, timeout=10)


def test_one_may_go_on_after_nothing_came_in_time(grid: Sandbox, grid_env: object) -> None:
    client, server = sockets(grid)
    with client, server:
        token = client.context.encrypt(b"late")
        client._sock.sendall(token[:7])
        server.timeout = 0.1
        with pytest.raises(GlobusTimeoutError):
            server.receive()
        client._sock.sendall(token[7:])
        assert server.receive() == b"late"


def test_the_end_of_a_context_is_not_the_end_of_a_connection(
    grid: Sandbox, grid_env: object
) -> None:
    client, server = sockets(grid)
    with server:
        client.close()
        assert server.receive() == b""
        assert server.receive() == b""
    client, server = sockets(grid)
    with server:
        client._sock.close()
        with pytest.raises(PeerClosedError, match="has closed the connection"):
            server.receive()
        client.context.close()
    client, server = sockets(grid)
    with server:
        client._sock.sendall(client.context.encrypt(b"cut")[:9])
        client._sock.close()
        with pytest.raises(PeerClosedError, match="within a token, after 9 octets"):
            server.receive()
        client.context.close()


def test_a_client_hears_at_once_that_it_is_refused(grid: Sandbox, grid_env: object) -> None:
    from pyGlobus.security import Credential

    stranger = Credential.load(grid.foreign_credential().environ["X509_USER_PROXY"])
    here, there = socket.socketpair()
    server = GSSSocket(there, SecurityContext(creds=host(grid), usage="accept"), timeout=10)
    client = GSSSocket(here, SecurityContext(name=LOCALHOST, creds=stranger), timeout=10)
    outcome: list[BaseException] = []

    def connect() -> None:
        try:
            client.handshake()
        except GSSError as error:
            outcome.append(error)

    import threading

    thread = threading.Thread(target=connect)
    thread.start()
    with pytest.raises(UntrustedPeerError):
        server.handshake()
    thread.join(20)
    assert isinstance(outcome[0], RefusedByPeerError)
    assert "unknown ca" in str(outcome[0])
    client.close()
    server.close()


# --- framing ---------------------------------------------------------------------------------


def test_tokens_are_framed_as_gss_assist_does() -> None:
    record = b"\x16\x03\x03\x00\x02ab"
    assert frame_token(record) == record
    assert frame_token(b"ab") == b"\0\0\0\2ab"
    assert frame_token(record, length=True) == b"\0\0\0\7" + record
    reader = TokenReader()
    reader.feed(record + b"\0\0\0\2cd" + record[:6])
    assert [reader.next(), reader.next(), reader.next()] == [record, b"cd", None]
    reader.feed(record[6:])
    assert reader.next() == record


@pytest.mark.parametrize(
    "data", [b"\x01\0\0\1", b"\0\0\0\0", b"\x17\x03\x03\xff\xff", b"GET / HTTP/1.0"]
)
def test_a_token_that_is_too_long_is_refused_before_it_is_read(data: bytes) -> None:
    reader = TokenReader()
    reader.feed(data)
    with pytest.raises(InvalidTokenError):
        reader.next()
