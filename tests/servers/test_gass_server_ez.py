"""GASS servers: what they give and take, to whom, and how they end."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus.gassCopy import (
    GassCopy,
    GassCopyAuthenticationError,
    GassCopyConnectionError,
    GassCopyException,
    GassCopyFileNotFoundError,
    GassCopyPermissionError,
)
from pyGlobus.gassServerEZ import (
    LINE_BUFFER,
    READ_ENABLE,
    STDERR_ENABLE,
    STDOUT_ENABLE,
    TILDE_EXPAND,
    WRITE_ENABLE,
    GassServerEZ,
)
from pyGlobus.security import Credential
from waiting import until

DATA = os.urandom(3_000_001)
Pipe = tuple[int, int]


@pytest.fixture
def pipes(grid_env: object) -> Iterator[list[Pipe]]:
    """Three pipes, each its end to read and its end to write."""
    made = [os.pipe() for _ in range(3)]
    for reader, _ in made:
        os.set_blocking(reader, False)
    yield made
    for reader, writer in made:
        os.close(reader)
        os.close(writer)


def sent(server: GassServerEZ, words: bytes, folder: Path, path: str = "/dev/stdout") -> None:
    (folder / "words").write_bytes(words)
    with GassCopy() as copy:
        copy.copy_url_to_url(
            f"file://{folder}/words", None, f"{server.url}{path}", None, timeout=20
        )


def fetched(server: GassServerEZ, path: object, folder: Path) -> bytes:
    with GassCopy() as copy:
        copy.copy_url_to_url(f"{server.url}{path}", None, f"file://{folder}/got", None, timeout=20)
    return (folder / "got").read_bytes()


def came(pipe: Pipe) -> bytes:
    try:
        return os.read(pipe[0], 1 << 16)
    except BlockingIOError:
        return b""


def url_copy(source: object, target: object) -> subprocess.CompletedProcess[str]:
    """GCT's own client."""
    return subprocess.run(
        ["globus-url-copy", str(source), str(target)], capture_output=True, text=True, timeout=30
    )


# --- files ---------------------------------------------------------------------------------------


def test_files_are_given_and_taken_by_gct_s_client_and_by_ours(
    grid_env: object, tmp_path: Path
) -> None:
    (tmp_path / "a b").write_bytes(DATA)
    (tmp_path / "empty").touch()
    with GassServerEZ(READ_ENABLE | WRITE_ENABLE) as server:
        base = f"{server.url}{tmp_path}"
        for source, size in (("a%20b", len(DATA)), ("empty", 0)):
            assert url_copy(f"{base}/{source}", f"file://{tmp_path}/one").returncode == 0
            assert fetched(server, f"{tmp_path}/{source}", tmp_path) == DATA[:size]
            assert (tmp_path / "one").read_bytes() == DATA[:size]
        assert url_copy(f"file://{tmp_path}/a%20b", f"{base}/two").returncode == 0
        sent(server, DATA, tmp_path, f"{tmp_path}/three")
        sent(server, b"shorter", tmp_path, f"{tmp_path}/three")
    assert (tmp_path / "two").read_bytes() == DATA
    assert (tmp_path / "three").read_bytes() == b"shorter"
    with GassServerEZ(READ_ENABLE, scheme="http") as server:
        assert server.url.startswith("http://")
        assert fetched(server, f"{tmp_path}/a%20b", tmp_path) == DATA


def test_what_cannot_be_read_is_denied_and_ends_nothing(grid_env: object, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as odd:
        odd.bind(str(tmp_path / "socket"))
        with GassServerEZ(READ_ENABLE | WRITE_ENABLE) as server:
            for name, error in (
                ("none", GassCopyFileNotFoundError),
                ("pipe", GassCopyPermissionError),
                ("socket", GassCopyException),
                ("", GassCopyPermissionError),
            ):
                assert url_copy(f"{server.url}{tmp_path}/{name}", "file:///dev/null").returncode
                with pytest.raises(error):
                    fetched(server, f"{tmp_path}/{name}", tmp_path)
            with pytest.raises(GassCopyFileNotFoundError):
                sent(server, DATA, tmp_path, f"{tmp_path}/no/such")
            with pytest.raises(GassCopyPermissionError):
                sent(server, DATA, tmp_path, str(tmp_path))
            with pytest.raises(OSError, match="No Space"):
                sent(server, DATA, tmp_path, "/dev/full")
            assert url_copy(f"file://{tmp_path}/words", f"{server.url}{tmp_path}/no/x").returncode
            # /proc/self/mem opens, and cannot be read
            with pytest.raises(GassCopyException, match="Input/output error"):
                fetched(server, "/proc/self/mem", tmp_path)
            if os.getuid():  # nothing is closed to root
                (tmp_path / "secret").touch(0)
                with pytest.raises(GassCopyPermissionError):
                    fetched(server, f"{tmp_path}/secret", tmp_path)
            assert fetched(server, "/proc/version", tmp_path)


def test_a_file_whose_size_is_not_what_it_holds_comes_whole(
    grid_env: object, tmp_path: Path
) -> None:
    with GassServerEZ(READ_ENABLE) as server:
        for path in ("/proc/version", "/proc/cpuinfo", "/sys/class/net/lo/mtu"):
            expected = Path(path).read_bytes()
            assert expected
            assert fetched(server, path, tmp_path) == expected
            assert url_copy(f"{server.url}{path}", f"file://{tmp_path}/got").returncode == 0
            assert (tmp_path / "got").read_bytes() == expected


def test_a_file_that_grows_comes_as_it_was_and_one_that_is_cut_is_an_error(
    grid_env: object, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    ended = threading.Event()

    def grow() -> None:
        with file.open("ab") as end:
            while not ended.wait(0.001):
                end.write(b"y" * 100_000)
                end.flush()

    size = 20_000_000
    with GassServerEZ(READ_ENABLE) as server:
        file.write_bytes(b"x" * size)
        thread = threading.Thread(target=grow)
        thread.start()
        try:
            assert len(fetched(server, file, tmp_path)) >= size
            assert url_copy(f"{server.url}{file}", f"file://{tmp_path}/got").returncode == 0
        finally:
            ended.set()
            thread.join()
        # a client that does not read keeps the server in the middle
        for client in (ours_in_the_middle, gct_s_in_the_middle):
            with file.open("wb") as sparse:
                sparse.truncate(1 << 30)
            assert not client(server, file, tmp_path)


def ours_in_the_middle(server: GassServerEZ, file: Path, _: Path) -> bool:
    read, write = os.pipe()
    with GassCopy() as copy, os.fdopen(read, "rb") as pipe, os.fdopen(write, "wb") as end:
        operation = copy.register_url_to_handle(f"{server.url}{file}", None, end)
        pipe.read(1 << 20)
        os.truncate(file, 1 << 20)
        reader = threading.Thread(target=lambda: pipe.read((1 << 30) - (1 << 20)))
        reader.start()
        error = operation.exception(30)
        end.close()
        reader.join()
    assert error is None or isinstance(error, GassCopyConnectionError)
    return error is None


def gct_s_in_the_middle(server: GassServerEZ, file: Path, folder: Path) -> bool:
    os.mkfifo(folder / "fifo")
    with subprocess.Popen(
        ["globus-url-copy", f"{server.url}{file}", f"file://{folder}/fifo"],
        stderr=subprocess.DEVNULL,
    ) as client, (folder / "fifo").open("rb") as pipe:  # fmt: skip
        pipe.read(1 << 20)
        os.truncate(file, 1 << 20)
        while pipe.read(1 << 20):
            pass
        return client.wait(30) == 0


def test_only_the_files_that_are_named_are_served(grid_env: object, tmp_path: Path) -> None:
    odd = 'odd %41 ü # * " < > [ ] { } ^ ` | \\ name'
    (tmp_path / odd).write_bytes(b"odd")
    (tmp_path / "other").write_bytes(b"other")
    with GassServerEZ(
        readable={"/key/in": tmp_path / odd}, writable={"/key/out": tmp_path / "out"}
    ) as server:
        assert fetched(server, "/key/in", tmp_path) == b"odd"
        assert url_copy(f"{server.url}/key/in", f"file://{tmp_path}/got").returncode == 0
        sent(server, b"result", tmp_path, "/key/out")
        for path in (f"{tmp_path}/other", "/key/out", "/key/../etc/passwd", "/proc/version"):
            with pytest.raises(GassCopyPermissionError, match="Not Served Here"):
                fetched(server, path, tmp_path)
        for path in (f"{tmp_path}/other", "/key/in", "/dev/stdout"):
            with pytest.raises(GassCopyPermissionError, match="Not Served Here"):
                sent(server, b"", tmp_path, path)
    assert (tmp_path / "out").read_bytes() == b"result"
    assert (tmp_path / "other").read_bytes() == b"other"


def test_paths_are_relative_to_home_where_that_is_allowed(
    grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"at home")
    with GassServerEZ(READ_ENABLE | TILDE_EXPAND) as server:
        assert fetched(server, "/~/file", tmp_path) == b"at home"
        assert fetched(server, "/./file", tmp_path) == b"at home"
        with pytest.raises(GassCopyFileNotFoundError):
            fetched(server, "/~root/file", tmp_path)
    with GassServerEZ(READ_ENABLE) as server, pytest.raises(GassCopyFileNotFoundError):
        fetched(server, "/~/file", tmp_path)


def test_a_file_is_appended_to(grid_env: object, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"one\n")
    with GassServerEZ(WRITE_ENABLE, scheme="http") as server:
        port = int(server.url.rsplit(":", 1)[1])
        for head, body in (
            (b"Content-Length: 4\r\n\r\n", b"two\n"),
            (b"Transfer-Encoding: chunked\r\n\r\n", b"6\r\nthree\n\r\n0\r\n\r\n"),
        ):
            with socket.create_connection(("localhost", port)) as client:
                target = f"/globus-bins/GASSappend?{tmp_path}/log".encode()
                client.sendall(b"POST %b HTTP/1.1\r\n%b%b" % (target, head, body))
                assert client.recv(1024).startswith(b"HTTP/1.1 200")
        for bad in (b"DELETE / HTTP/1.1\r\n\r\n", b"POST /x HTTP/1.1\r\n\r\n", b"GET\r\n\r\n"):
            with socket.create_connection(("localhost", port)) as client:
                client.sendall(bad)
                assert client.recv(1024).startswith(b"HTTP/1.1 400")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\nthree\n"


# --- output --------------------------------------------------------------------------------------


def test_every_server_has_its_own_streams(
    pipes: list[Pipe], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = os.dup(pipes[0][1])
    with GassServerEZ(STDOUT_ENABLE) as own, GassServerEZ(STDOUT_ENABLE, stdout=writer) as a:
        os.close(writer)  # the server has one of its own
        b = GassServerEZ(STDOUT_ENABLE | STDERR_ENABLE, stdout=pipes[1][1], stderr=pipes[2][1])
        sent(b, b"of b", tmp_path)
        sent(b, b"oops", tmp_path, "/dev/stderr")
        sent(a, b"of a", tmp_path)
        assert [came(pipe) for pipe in pipes] == [b"of a", b"of b", b"oops"]
        b.close()
        sent(a, b"still of a", tmp_path)
        sent(own, b"own", tmp_path)
        with pytest.raises(GassCopyPermissionError):
            sent(own, b"not asked for", tmp_path, "/dev/stderr")
        assert came(pipes[0]) == b"still of a"
    assert capfd.readouterr().out == "own"


def test_output_comes_by_whole_lines_where_that_is_asked_for(
    pipes: list[Pipe], grid_env: object
) -> None:
    with GassServerEZ(STDOUT_ENABLE | LINE_BUFFER, scheme="http", stdout=pipes[0][1]) as server:
        port = int(server.url.rsplit(":", 1)[1])
        with socket.create_connection(("localhost", port)) as client:
            head = b"PUT /dev/stdout HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
            client.sendall(head + b"7\r\none\ntwo\r\n")
            until(lambda: pipes_hold(pipes[0]))
            assert came(pipes[0]) == b"one\n"
            client.sendall(b"6\r\n!\nlast\r\n0\r\n\r\n")
            assert client.recv(1024).startswith(b"HTTP/1.1 200")
    assert came(pipes[0]) == b"two!\nlast"


def pipes_hold(pipe: Pipe) -> bool:
    import select

    return bool(select.select([pipe[0]], [], [], 0)[0])


def test_many_clients_are_served_at_once(pipes: list[Pipe], tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(DATA[:100_000])
    with GassServerEZ(READ_ENABLE | STDOUT_ENABLE, stdout=pipes[0][1]) as server, GassCopy() as one:
        # whose output nobody takes
        target = f"{server.url}/dev/stdout"
        stuck = one.register_url_to_url(f"file://{tmp_path}/in", None, target, None)
        until(lambda: pipes_hold(pipes[0]))
        copies = [GassCopy() for _ in range(12)]
        operations = [
            copy.register_url_to_url(
                f"{server.url}{tmp_path}/in", None, f"file://{tmp_path}/out{n}", None
            )
            for n, copy in enumerate(copies)
        ]
        for operation in operations:
            operation.result(60)
        for copy in copies:
            copy.close()
        assert not stuck.done()
        heard = b""
        while len(heard) < 100_000:
            heard += came(pipes[0])
        stuck.result(20)
    assert heard == DATA[:100_000]
    for n in range(12):
        assert (tmp_path / f"out{n}").read_bytes() == DATA[:100_000]


# --- who may ask ---------------------------------------------------------------------------------


def test_nobody_else_is_served(grid: Sandbox, grid_env: object, tmp_path: Path) -> None:
    other = grid.issue_user("Not the one who serves")
    with GassServerEZ(READ_ENABLE | WRITE_ENABLE) as server:
        done = subprocess.run(
            ["globus-url-copy", f"{server.url}/proc/version", f"file://{tmp_path}/x"],
            env={**os.environ, **other.environ}, capture_output=True, timeout=30,
        )  # fmt: skip
        assert done.returncode
        # and whoever shows no certificate
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        port = int(server.url.rsplit(":", 1)[1])
        with socket.create_connection(("localhost", port), timeout=20) as plain:
            heard = b""
            try:
                with context.wrap_socket(plain) as anonymous:
                    anonymous.sendall(b"GET /proc/version HTTP/1.1\r\n\r\n")
                    heard = anonymous.recv(1024)
            except OSError:
                pass
        assert not heard
        assert fetched(server, "/proc/version", tmp_path)


def test_a_server_may_have_another_credential(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    other = grid.issue_user("another")
    assert other.proxy_path is not None
    with GassServerEZ(READ_ENABLE, credential=Credential.load(other.proxy_path)) as server:
        with pytest.raises(GassCopyAuthenticationError, match="CN=another"):
            fetched(server, "/proc/version", tmp_path)
        done = subprocess.run(
            ["globus-url-copy", f"{server.url}/proc/version", f"file://{tmp_path}/x"],
            env={**os.environ, **other.environ}, capture_output=True, timeout=30,
        )  # fmt: skip
        assert done.returncode == 0


# --- its life ------------------------------------------------------------------------------------


def test_the_end_waits_for_a_request_under_way_and_for_nobody_else(
    pipes: list[Pipe], tmp_path: Path
) -> None:
    server = GassServerEZ(STDOUT_ENABLE, stdout=pipes[0][1])
    port = int(server.url.rsplit(":", 1)[1])
    with socket.create_connection(("localhost", port)) as silent, GassCopy() as copy:
        (tmp_path / "in").write_bytes(DATA)
        operation = copy.register_url_to_url(
            f"file://{tmp_path}/in", None, f"{server.url}/dev/stdout", None
        )
        until(lambda: pipes_hold(pipes[0]))
        ending = threading.Thread(target=server.close)
        ending.start()
        silent.settimeout(20)
        assert silent.recv(1) == b""
        assert not operation.done()
        heard = b""
        while not operation.done() or pipes_hold(pipes[0]):
            heard += came(pipes[0])
        operation.result(0)
        ending.join(20)
        assert not ending.is_alive()
    assert heard == DATA


def test_a_server_that_cannot_be_made_serves_nobody(
    pipes: list[Pipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def free() -> int:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port: int = server.getsockname()[1]
            return port

    def serves(port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    with GassServerEZ(STDOUT_ENABLE, stdout=pipes[1][1]):
        pass  # Globus is up, and has its own
    port = free()
    before = descriptors()
    for broken in ({"stdout": 999}, {"stdout": pipes[0][1], "stderr": 999}):
        with pytest.raises(OSError, match="Bad file descriptor"):
            GassServerEZ(
                WRITE_ENABLE | STDOUT_ENABLE | STDERR_ENABLE, port=port, **broken  # type: ignore[arg-type]
            )  # fmt: skip
        assert not serves(port)
    # what fails later, too
    with monkeypatch.context() as patch:
        patch.setattr("pyGlobus.gassServerEZ.server.text_of", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            GassServerEZ(WRITE_ENABLE | STDOUT_ENABLE, port=port, stdout=pipes[0][1])
    assert not serves(port)
    assert descriptors() == before
    with GassServerEZ(STDOUT_ENABLE, port=port, stdout=pipes[1][1]) as server:
        sent(server, b"here", tmp_path)
    assert not serves(port)
    until(lambda: descriptors() == before)
    assert (came(pipes[0]), came(pipes[1])) == (b"", b"here")


def test_a_server_listens_within_the_range_of_ports(
    grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("", 0)) as taken:
        first = taken.getsockname()[1]
        monkeypatch.setenv("GLOBUS_TCP_PORT_RANGE", f"{first},{first + 20}")
        with GassServerEZ(READ_ENABLE) as server:
            assert first < int(server.url.rsplit(":", 1)[1]) <= first + 20
            assert fetched(server, "/proc/version", tmp_path)


def test_a_program_may_end_while_its_server_serves(grid_env: object, tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pyGlobus.gassServerEZ import GassServerEZ, STDOUT_ENABLE\n"
        "read, write = os.pipe()\n"
        "server = GassServerEZ(STDOUT_ENABLE, stdout=write)\n"
        "print(server.url, flush=True)\n"
        "sys.stdin.readline()\n"
    )
    (tmp_path / "in").write_bytes(DATA)
    with subprocess.Popen(
        [os.sys.executable, "-c", program],  # type: ignore[attr-defined]
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child, GassCopy() as copy:  # fmt: skip
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        operation = copy.register_url_to_url(
            f"file://{tmp_path}/in", None, f"{url}/dev/stdout", None
        )
        until(lambda: operation.bytes_done > 65536)
        begin = time.monotonic()
        _, noise = child.communicate("\n", timeout=20)
        assert time.monotonic() - begin < 5
        assert (child.returncode, noise) == (0, "")
        assert isinstance(operation.exception(20), GassCopyConnectionError)


@pytest.mark.parametrize("before", ["no credential", "another user's"])
def test_it_serves_whoever_has_the_credential_of_its_start(
    grid: Sandbox, grid_env: dict[str, str], tmp_path: Path, before: str
) -> None:
    (tmp_path / "file").write_text("served")
    other = grid.issue_user("Somebody Else")
    nobody = dict.fromkeys(("X509_USER_CERT", "X509_USER_KEY", "X509_USER_PROXY"), "/nowhere")
    earlier = nobody if before == "no credential" else other.environ
    program = """
import json, os, subprocess, sys
from pyGlobus.gassServerEZ import READ_ENABLE, GassServerEZ
from pyGlobus.gassTransfer import GassRequestAttr
GassRequestAttr()  # GASS transfer is up
os.environ.update(json.loads(sys.argv[1]))
with GassServerEZ(READ_ENABLE) as server:
    copy = ["globus-url-copy", f"{server.url}{sys.argv[2]}/file", f"file://{sys.argv[2]}/got"]
    subprocess.run(copy, check=True, timeout=20)
    copy[1:] = ["-source-subject", sys.argv[4], copy[1], copy[2] + "2"]
    stranger = os.environ | json.loads(sys.argv[3])
    print(subprocess.run(copy, env=stranger, timeout=20, capture_output=True).returncode != 0)
    subprocess.run(copy, check=True, timeout=20)
"""
    done = subprocess.run(
        [
            sys.executable, "-c", program, json.dumps(grid_env), tmp_path,
            json.dumps(other.environ), grid.user.subject,
        ],
        env={**grid_env, **earlier}, capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert (tmp_path / "got").read_text() == (tmp_path / "got2").read_text() == "served"
