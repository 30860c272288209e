"""Copies by http and https: what servers answer, where they refer to, whose sockets are whose."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.gassCopy import (
    GassCopy,
    GassCopyAttr,
    GassCopyAuthenticationError,
    GassCopyConnectionError,
    GassCopyException,
    GassCopyFileNotFoundError,
    GassCopyValueError,
)
from pyGlobus.gassServerEZ import READ_ENABLE, GassServerEZ
from pyGlobus.gassTransfer import Authorization, FileMode, GassRequestAttr
from pyGlobus.globusException import OperationCancelledError
from waiting import until

PAGE = os.urandom(700_001)


class Web(BaseHTTPRequestHandler):
    """Gives PAGE, or refers to where the query says; keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.close_connection = True
        if "?" in self.path:
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def do_CONNECT(self) -> None:
        self.asked.append(self.path)
        self.close_connection = True
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port))) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=pass_on, args=(there, self.connection))
            back.start()
            pass_on(self.connection, there)
            back.join()

    def log_message(self, format: str, *args: object) -> None:
        pass


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def web(context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[str]]]:
    """The port of a web server, and what it is asked."""
    asked: list[str] = []
    handler = type("Handler", (Web,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.fixture
def http(grid_env: object) -> Iterator[tuple[str, list[str]]]:
    with web() as (port, asked):
        yield f"http://localhost:{port}", asked


@pytest.fixture
def https(grid: Sandbox, grid_env: object) -> Iterator[tuple[str, list[str]]]:
    """A server with our own proxy, as a GASS server has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(grid.proxy_path)
    with web(context) as (port, asked):
        yield f"https://localhost:{port}", asked


@contextlib.contextmanager
def answers(*pieces: bytes, wait_for: bytes = b"\r\n\r\n") -> Iterator[str]:
    """A server that reads so far, says just this, and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    heard = b""
                    while wait_for not in heard:
                        heard += connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/x"
        finally:
            server.close()
            thread.join(10)


def fetched(url: str, folder: Path, attr: GassRequestAttr | None = None) -> bytes:
    with GassCopy() as copy:
        given = None if attr is None else GassCopyAttr(gass=attr)
        copy.copy_url_to_url(url, given, f"file://{folder}/got", None, timeout=20)
    return (folder / "got").read_bytes()


# --- where servers refer to ----------------------------------------------------------------------


def test_a_server_is_followed_on_its_own_host(
    http: tuple[str, list[str]], https: tuple[str, list[str]], tmp_path: Path
) -> None:
    assert fetched(f"{http[0]}/a?/b", tmp_path) == PAGE
    assert fetched(f"{http[0]}/a?{https[0]}/c", tmp_path) == PAGE
    assert fetched(f"{https[0]}/a?{https[0]}/d", tmp_path) == PAGE
    assert http[1] == ["/a?/b", "/b", f"/a?{https[0]}/c"]
    assert https[1] == ["/c", f"/a?{https[0]}/d", "/d"]


def test_a_server_is_not_followed_from_https_to_http(
    http: tuple[str, list[str]], https: tuple[str, list[str]], tmp_path: Path
) -> None:
    for attr in (None, GassRequestAttr(referral_hosts="*")):
        with pytest.raises(GassCopyValueError, match="from https to http"):
            fetched(f"{https[0]}/a?{http[0]}/secret", tmp_path, attr)
    assert http[1] == []
    assert not (tmp_path / "got").exists()


def test_a_server_is_followed_to_another_host_only_where_that_is_allowed(
    http: tuple[str, list[str]], tmp_path: Path
) -> None:
    other = http[0].replace("localhost", "127.0.0.1")
    for attr in (None, GassRequestAttr(referral_hosts="example.org")):
        with pytest.raises(GassCopyValueError, match=r"another host, 127\.0\.0\.1"):
            fetched(f"{http[0]}/a?{other}/b", tmp_path, attr)
    assert len(http[1]) == 2
    for hosts in ("127.0.0.1", ("example.org", "*")):
        attr = GassRequestAttr(referral_hosts=hosts)
        assert fetched(f"{http[0]}/a?{other}/b", tmp_path, attr) == PAGE


def test_a_server_that_refers_to_itself_is_not_followed_for_ever(
    grid_env: object, http: tuple[str, list[str]], tmp_path: Path
) -> None:
    with (
        answers(b"HTTP/1.1 302 Found\r\nLocation: gopher://x/y\r\n\r\n") as url,
        pytest.raises(GassCopyValueError, match="no URL of http"),
    ):
        fetched(url, tmp_path)
    nested = "/a"
    for _ in range(8):
        nested = f"/a?{nested}"
    with pytest.raises(GassCopyValueError, match="more than 5 times"):
        fetched(f"{http[0]}{nested}", tmp_path)
    assert len(http[1]) == 6


def test_what_is_sent_is_not_sent_to_where_a_server_refers(
    grid_env: object, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(PAGE)
    reply = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/x\r\n\r\n"
    for wait_for in (b"\r\n\r\n", b"0\r\n\r\n"):  # at once, and in the end
        with answers(reply, wait_for=wait_for) as url, GassCopy() as copy:
            with pytest.raises(GassCopyException, match="refers to") as error:
                copy.copy_url_to_url(f"file://{tmp_path}/x", None, url, None, timeout=20)
            assert isinstance(error.value, GassCopyValueError)


# --- what servers answer -------------------------------------------------------------------------


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
    b"2\r\nab\r\n00a;x=y\r\n0123456789\r\n0\r\nA: b\r\n\r\n"
)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
        (b"HTTP/1.0 200\r\n\r\nto the end", b"to the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:  3 \r\n\r\nabc", b"abc"),
        (CHUNKED, b"ab0123456789"),
        (b"HTTP/1.1 204 Nothing\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab", b"ab"),
    ],
)
@pytest.mark.parametrize("way", ["whole", "bytes"])
def test_a_page_is_read_as_http_has_it(
    grid_env: object, tmp_path: Path, reply: bytes, expected: bytes, way: str
) -> None:
    pieces = [reply] if way == "whole" else [reply[n : n + 1] for n in range(len(reply))]
    with answers(*pieces) as url:
        assert fetched(url, tmp_path) == expected


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA B: c\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000,
    ],
)
def test_an_answer_that_is_none_is_an_error(grid_env: object, tmp_path: Path, reply: bytes) -> None:
    with answers(reply) as url, pytest.raises(GassCopyConnectionError) as error:
        fetched(url, tmp_path)
    assert (error.value.side, error.value.url) == ("source", url)


def test_a_refusal_is_heard_while_there_is_nothing_to_send(grid_env: object) -> None:
    read, write = os.pipe()
    try:
        with (
            answers(b"HTTP/1.1 404 Gone\r\nContent-Length: 0\r\n\r\n") as url,
            GassCopy() as copy,
            pytest.raises(GassCopyFileNotFoundError, match="Gone") as error,
        ):
            copy.copy_handle_to_url(read, url, None, timeout=20)
        assert error.value.side == "destination"
    finally:
        os.close(read)
        os.close(write)


def test_text_has_the_line_ends_of_this_machine(grid_env: object, tmp_path: Path) -> None:
    text = GassRequestAttr(file_mode=FileMode.TEXT)
    for page, expected in (
        (b"a\r\nb\rc\r\n", b"a\nb\rc\n"),
        (b"a\rb\nc\r", b"a\nb\nc\n"),
        (b"a\nb\r\n\xe1", b"a\nb\r\na"),
        (b"none", b"none"),
    ):
        for pieces in ([page], [page[n : n + 1] for n in range(len(page))]):
            with answers(b"HTTP/1.1 200 OK\r\n\r\n", *pieces) as url:
                assert fetched(url, tmp_path, text) == expected


def test_an_empty_file_comes_from_a_server_of_this_process(
    grid_env: object, tmp_path: Path
) -> None:
    (tmp_path / "empty").touch()
    with GassServerEZ(READ_ENABLE) as server:
        for _ in range(10):
            assert fetched(f"{server.url}{tmp_path}/empty", tmp_path) == b""


# --- who they are --------------------------------------------------------------------------------


def test_an_https_server_may_be_that_of_its_host(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(grid.host.cert_path, grid.host.key_path)
    host = GassRequestAttr(authorization=Authorization.HOST)
    with web(context) as (port, _):
        assert fetched(f"https://localhost:{port}/x", tmp_path, host) == PAGE
        named = GassRequestAttr(subject=grid.host.subject)
        assert fetched(f"https://localhost:{port}/x", tmp_path, named) == PAGE
        with pytest.raises(GassCopyAuthenticationError, match="localhost, and should be"):
            fetched(f"https://127.0.0.1:{port}/x", tmp_path, host)
        with pytest.raises(GassCopyAuthenticationError, match="localhost, and should be"):
            fetched(f"https://localhost:{port}/x", tmp_path)


def test_an_https_server_whose_authority_nobody_trusts_is_refused(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    proxy = grid.foreign_credential().proxy_path  # it has our very name
    assert proxy is not None
    context.load_cert_chain(proxy)
    with web(context) as (port, asked), pytest.raises(GassCopyAuthenticationError) as error:
        fetched(f"https://localhost:{port}/x", tmp_path)
    assert asked == []
    assert error.value.causes


def test_https_goes_through_a_proxy_as_through_a_pipe(
    http: tuple[str, list[str]], https: tuple[str, list[str]], tmp_path: Path
) -> None:
    by_proxy = GassRequestAttr(proxy_url=http[0])
    assert fetched(f"{https[0]}/x", tmp_path, by_proxy) == PAGE
    assert http[1] == [https[0].removeprefix("https://")]
    with answers(b"HTTP/1.1 200 OK\r\n\r\nproxied", wait_for=b"GET http://far:81/x HTTP") as proxy:
        by_proxy.proxy_url = proxy.removesuffix("/x")
        assert fetched("http://far:81/x", tmp_path, by_proxy) == b"proxied"


def test_what_answers_https_and_does_not_speak_tls_is_told(
    grid_env: object, tmp_path: Path
) -> None:
    with (
        answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", wait_for=b"\x16") as url,
        pytest.raises(GassCopyAuthenticationError, match="does not speak TLS"),
    ):
        fetched(url.replace("http:", "https:"), tmp_path)


# --- sockets -------------------------------------------------------------------------------------


def test_a_cancelled_request_leaves_the_sockets_of_others_alone(grid_env: object) -> None:
    """Other threads connect to the same port all the time."""
    accepted: list[socket.socket] = []
    cut: list[socket.socket] = []
    ended = threading.Event()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted.append(server.accept()[0])
                while len(accepted) > 60:
                    accepted.pop(0).close()

    def connect() -> None:
        while not ended.is_set():
            mine = [socket.create_connection(server.getsockname()) for _ in range(5)]
            ended.wait(0.004)
            for one in mine:
                one.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    cut.append(one) if one.recv(1) == b"" else None
                one.close()

    with socket.create_server(("127.0.0.1", 0), backlog=256) as server:
        threads = [threading.Thread(target=work) for work in (accept, connect)]
        for thread in threads:
            thread.start()
        target = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        try:
            with GassCopy() as copy:
                for _ in range(40):
                    operation = copy.register_url_to_url(target, None, "file:///dev/null", None)
                    operation.add_done_callback(lambda _: None)
                    ended.wait(0.002)
                    operation.cancel()
                    assert isinstance(operation.exception(10), OperationCancelledError)
        finally:
            ended.set()
            threads[1].join()
            server.shutdown(socket.SHUT_RDWR)
            threads[0].join()
            for one in accepted:
                one.close()
    assert not cut


def test_a_pipe_that_nobody_reads_keeps_no_request_from_being_cancelled(
    http: tuple[str, list[str]],
) -> None:
    read, write = os.pipe()  # it blocks
    try:
        with GassCopy() as copy:
            operation = copy.register_url_to_handle(f"{http[0]}/x", None, write)
            until(lambda: operation.bytes_done >= 65536 or operation.done())
            operation.cancel()
            assert isinstance(operation.exception(2), OperationCancelledError)
    finally:
        os.close(read)
        os.close(write)


def test_a_port_of_the_range_that_a_firewall_lets_out_is_used(
    grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        first = free.getsockname()[1]
    monkeypatch.setenv("GLOBUS_TCP_SOURCE_RANGE", f"{first},{first + 20}")
    ports: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, address = server.accept()
            ports.append(address[1])
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        run(serve, lambda: fetched(f"http://127.0.0.1:{server.getsockname()[1]}/x", tmp_path))
    assert first <= ports[0] <= first + 20


def run(beside: Callable[[], None], function: Callable[[], object]) -> None:
    thread = threading.Thread(target=beside)
    thread.start()
    function()
    thread.join(10)
