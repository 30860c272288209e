"""A put reads whatever the caller has: pipes above all, slow, silent, or broken off."""

from __future__ import annotations

import array
import asyncio
import contextlib
import io
import mmap
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faultproxy import CUT, FaultProxy, MakeTamper, faithful, lines
from pyGlobus.ftpClient import (
    FtpClient,
    FtpClientConnectionError,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientValueError,
    Mode,
    Protection,
    RestartPlugin,
)
from pyGlobus.gassCopy import GassCopy, GassCopyConnectionError, GassCopyHandleAttr
from pyGlobus.globusException import GlobusTimeoutError, OperationCancelledError
from waiting import until

pytestmark = pytest.mark.timeout(60)

MODES = [Mode.STREAM, Mode.EXTENDED_BLOCK]
SOON = 5.0
"""Seconds that what happens at once may take on a busy machine; nothing in here takes so long."""
DATA = random.Random(2).randbytes((3 << 20) + 1)
NOWHERE = "/no/such/directory/file"


class Pipe:
    """The two ends of a pipe; what the test does not close is closed at the end."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self._open = {self.reader, self.writer}
        self._threads: list[threading.Thread] = []

    def write(self, *parts: bytes, close: bool = True) -> None:
        """Write, as another process would, however long nobody reads."""

        def run() -> None:
            with contextlib.suppress(BrokenPipeError):
                for part in parts:
                    view = memoryview(part)
                    while view:
                        view = view[os.write(self.writer, view) :]
            if close:
                self.close(self.writer)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def close(self, *ends: int) -> None:
        for end in ends or tuple(self._open):
            if end in self._open:
                self._open.remove(end)
                os.close(end)

    def finish(self) -> None:
        self.close(self.reader)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        self.close()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.finish()


@pytest.fixture
def target(remote: Path) -> Path:
    return remote / "target"


def attr(mode: Mode) -> FtpClientOperationAttr:
    return FtpClientOperationAttr(mode=mode)


@pytest.fixture
def url(plain_url: str) -> str:
    """What a server does with data does not hang on GSI, whose sessions take their time."""
    return plain_url


def keeping() -> FtpClient:
    """A client whose sessions are kept, and may have died by the next time."""
    return FtpClient(FtpClientHandleAttr(cache_all=True))


@contextlib.contextmanager
def cut_at(port: int, command: bytes, number: int) -> Iterator[str]:
    """The URL of a server that is gone when it is asked for something the so many-th time."""
    seen = [0]

    def rewrite(line: bytes) -> Iterable[bytes]:
        seen[0] += line.startswith(command)
        if line.startswith(command) and seen[0] == number:
            return [CUT]
        return [line]

    with FaultProxy(port, to_server=lines(rewrite)) as proxy:
        yield f"ftp://localhost:{proxy.port}"


def once(begin: bytes, instead: bytes) -> MakeTamper:
    """The first reply of all that begins so is replaced."""
    seen: list[bytes] = []

    def rewrite(line: bytes) -> bytes:
        if line.startswith(begin) and not seen:
            seen.append(line)
            return instead
        return line

    return lines(rewrite)


@contextlib.contextmanager
def within(seconds: float = SOON) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


# --- slow and silent ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_a_put_returns_before_its_pipe_says_anything(
    url: str, target: Path, pipe: Pipe, mode: Mode
) -> None:
    with FtpClient() as client:
        # whoever writes only afterwards would wait for himself otherwise
        operation = client.put(f"{url}{target}", attr(mode), source=pipe.reader)
        pipe.write(DATA)
        assert operation.result(20) == len(DATA)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("mode", MODES)
def test_a_private_data_channel_takes_a_pipe(
    grid_env: dict[str, str], target: Path, pipe: Pipe, mode: Mode
) -> None:
    attributes = FtpClientOperationAttr(mode=mode, data_protection=Protection.PRIVATE)
    with FtpClient() as client:
        where = f"{grid_env['COGKIT_SANDBOX_GRIDFTP']}{target}"
        operation = client.put(where, attributes, source=pipe.reader)
        pipe.write(DATA)
        assert operation.result(30) == len(DATA)
    assert target.read_bytes() == DATA


@pytest.mark.parametrize("mode", MODES)
def test_what_a_slow_pipe_brings_goes_out_at_once(
    url: str, target: Path, pipe: Pipe, mode: Mode
) -> None:
    with FtpClient() as client:
        operation = client.put(f"{url}{target}", attr(mode), source=pipe.reader)
        for count in range(1, 6):
            os.write(pipe.writer, b"x")
            until(lambda count=count: operation.bytes_done == count)  # type: ignore[misc]
        pipe.close(pipe.writer)
        assert operation.result(20) == 5
    assert target.read_bytes() == b"xxxxx"


def test_a_pipe_that_is_closed_without_a_word_is_an_empty_file(
    url: str, target: Path, pipe: Pipe
) -> None:
    with FtpClient() as client:
        operation = client.put(f"{url}{target}", source=pipe.reader)
        pipe.close(pipe.writer)
        assert operation.result(20) == 0
    assert target.read_bytes() == b""


def test_a_silent_pipe_is_a_stall_and_is_named(url: str, target: Path, pipe: Pipe) -> None:
    silent = rf"no data from descriptor {pipe.reader} \(a pipe\) for 0.5 s, 0 bytes moved"
    # a plugin that begins again has nothing to gain: the pipe would be as silent
    plugin = RestartPlugin(interval=0)
    attributes = FtpClientHandleAttr(plugins=[plugin])
    with FtpClient(attributes) as client, within(), pytest.raises(GlobusTimeoutError, match=silent):
        client.put(f"{url}{target}", source=pipe.reader, stall_timeout=0.5).result(20)
    with FtpClient() as client, within(), pytest.raises(GlobusTimeoutError, match=silent):
        files = [(f"{url}{target}", pipe.reader)]
        client.put_files(files, stall_timeout=0.5).result(20)


def test_only_a_part_is_taken_from_a_pipe(url: str, target: Path, pipe: Pipe) -> None:
    target.write_bytes(b"0123456789")
    os.write(pipe.writer, b"abcdef")
    with FtpClient() as client:
        operation = client.partial_put(f"{url}{target}", None, None, 2, 6, source=pipe.reader)
        assert operation.result(20) == 4
    assert target.read_bytes() == b"01abcd6789"
    assert os.read(pipe.reader, 10) == b"ef"


# --- refused and left -----------------------------------------------------------------------------


@pytest.mark.parametrize("many", [False, True])
def test_a_refusal_ends_it_and_the_pipe_is_the_callers_again(
    url: str, pipe: Pipe, many: bool
) -> None:
    with FtpClient() as client:
        with within(), pytest.raises(FtpClientFileNotFoundError):
            if many:
                client.put_files([(f"{url}{NOWHERE}", pipe.reader)]).result(20)
            else:
                client.put(f"{url}{NOWHERE}", source=pipe.reader).result(20)
        os.write(pipe.writer, b"mine")
        client.exists(f"{url}/").result(20)  # whoever still waited for the pipe has had its time
        os.set_blocking(pipe.reader, False)
        assert os.read(pipe.reader, 10) == b"mine"


@pytest.mark.parametrize("many", [False, True])
def test_it_can_be_cancelled_while_the_pipe_is_silent(
    url: str, target: Path, pipe: Pipe, many: bool
) -> None:
    with FtpClient() as client:
        operation: Any
        if many:
            operation = client.put_files([(f"{url}{target}", pipe.reader)])
        else:
            operation = client.put(f"{url}{target}", source=pipe.reader)
        until(target.exists)
        with within():
            assert operation.cancel()
            with pytest.raises(OperationCancelledError):
                operation.result(20)
        assert client.exists(f"{url}{target}").result(20)


def test_a_client_can_be_closed_while_the_pipe_is_silent(
    url: str, target: Path, pipe: Pipe
) -> None:
    with FtpClient() as client:
        operation = client.put(f"{url}{target}", source=pipe.reader)
        until(target.exists)
        with within():
            client.close()
    with pytest.raises(OperationCancelledError):
        operation.result(5)


INTERRUPTED = """
import os, signal, sys
from pyGlobus.ftpClient import FtpClient
signal.signal(signal.SIGINT, signal.default_int_handler)
with FtpClient() as client:
    try:
        reader, writer = os.pipe()
        operation = client.put(sys.argv[1], source=reader)
        print("waits", flush=True)
        operation.result()
    except KeyboardInterrupt:
        print("interrupted", operation.cancelled(), flush=True)
"""


def test_ctrl_c_acts_while_the_pipe_is_silent(url: str, target: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED, f"{url}{target}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waits\n"
            until(target.exists)
            with within():
                process.send_signal(signal.SIGINT)
                assert process.stdout.readline() == "interrupted True\n"
                assert process.wait(20) == 0
        finally:
            process.kill()


def test_an_asyncio_loop_goes_on_while_the_pipe_is_silent(
    url: str, target: Path, pipe: Pipe
) -> None:
    async def main() -> None:
        with FtpClient() as client:
            with within():
                operation = client.put(f"{url}{target}", source=pipe.reader)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(operation, 0.3)
            with contextlib.suppress(OperationCancelledError):
                await operation
            assert operation.cancelled()
            pipe.write(b"here")
            assert await client.put(f"{url}{target}", source=pipe.reader) == 4

    asyncio.run(main())
    assert target.read_bytes() == b"here"


# --- begun again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, len(DATA)])
def test_a_session_that_has_died_costs_no_byte_of_the_next_pipe(
    plain_port: int, plain_url: str, target: Path, pipe: Pipe, size: int
) -> None:
    with cut_at(plain_port, b"STOR", 2) as server, keeping() as client:
        assert client.put(f"{server}{target}", source=b"first").result(20) == 5
        pipe.write(DATA[:size])
        assert client.put(f"{server}{target}", source=pipe.reader).result(20) == size
    assert target.read_bytes() == DATA[:size]


def test_nor_of_the_next_pipe_of_many(
    plain_port: int, plain_url: str, target: Path, pipe: Pipe
) -> None:
    other = target.with_name("other")
    with cut_at(plain_port, b"STOR", 2) as server, keeping() as client:
        pipe.write(DATA)
        files = [(f"{server}{other}", b"first"), (f"{server}{target}", pipe.reader)]
        assert client.put_files(files).result(20) == 2
    assert target.read_bytes() == DATA
    assert other.read_bytes() == b"first"


@pytest.mark.parametrize("mode", MODES)
def test_what_has_gone_already_is_sent_again(
    plain_port: int, plain_url: str, target: Path, pipe: Pipe, mode: Mode
) -> None:
    restarts: list[int] = []
    plugin = RestartPlugin(interval=0, on_restart=lambda *told: restarts.append(told[2]))
    with (
        FaultProxy(plain_port) as proxy,
        FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client,
    ):
        where = f"ftp://localhost:{proxy.port}{target}"
        operation = client.put(where, attr(mode), source=pipe.reader)
        pipe.write(DATA, close=False)
        until(lambda: operation.bytes_done == len(DATA))
        proxy.cut()
        until(lambda: restarts)
        pipe.write(b"and more")
        operation.result(20)
    assert restarts == [1]
    assert target.read_bytes() == DATA + b"and more"


@pytest.mark.parametrize("many", [False, True])
def test_what_was_read_and_is_gone_is_not_left_out_silently(
    plain_port: int, plain_url: str, target: Path, pipe: Pipe, many: bool
) -> None:
    size = 8 << 20
    plugins = [] if many else [RestartPlugin(interval=0)]
    with (
        FaultProxy(plain_port) as proxy,
        FtpClient(FtpClientHandleAttr(plugins=plugins)) as client,
    ):
        where = f"ftp://localhost:{proxy.port}{target}"
        operation: Any
        if many:  # which is begun again by itself, where it can be
            operation = client.put_files([(where, pipe.reader)])
        else:
            operation = client.put(where, source=pipe.reader)
        pipe.write(bytes(size), close=False)
        until(lambda: operation.bytes_done == size)
        proxy.cut()
        with pytest.raises(FtpClientException) as error:
            operation.result(20)
    expected = f"descriptor {pipe.reader} (a pipe) cannot be sought, and of the {size} bytes"
    assert any(expected in note for note in error.value.__notes__)


def test_a_pipe_is_waited_for_by_nobody_else_when_it_is_begun_again(
    plain_port: int, plain_url: str, target: Path, pipe: Pipe
) -> None:
    restarts: list[object] = []
    plugin = RestartPlugin(interval=0, on_restart=lambda *told: restarts.append(told[1]))
    with (
        FaultProxy(plain_port, to_client=once(b"150", b"425 Not now.")) as proxy,
        FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client,
        FtpClient() as other,
    ):
        operation = client.put(f"ftp://localhost:{proxy.port}{target}", source=pipe.reader)
        until(lambda: restarts)
        for _ in range(3):
            assert other.exists(f"{plain_url}/").result(SOON)
        pipe.write(b"late")
        assert operation.result(20) == 4
    assert target.read_bytes() == b"late"


@pytest.mark.parametrize("many", [False, True])
def test_what_is_appended_is_not_appended_twice(
    plain_port: int, plain_url: str, target: Path, tmp_path: Path, many: bool
) -> None:
    source = tmp_path / "source"
    source.write_bytes(DATA)
    target.write_bytes(b"")
    commands: list[bytes] = []

    def note(line: bytes) -> bytes:
        commands.append(line[:4])
        return line

    def cut(line: bytes) -> Iterable[bytes]:
        return [line, CUT] if line.startswith(b"150") else [line]

    plugins = [] if many else [RestartPlugin(interval=0)]
    with (
        FaultProxy(plain_port, to_client=lines(cut), to_server=lines(note)) as proxy,
        FtpClient(FtpClientHandleAttr(plugins=plugins)) as client,
    ):
        where = f"ftp://localhost:{proxy.port}{target}"
        append = FtpClientOperationAttr(append=True)
        with pytest.raises(FtpClientException) as error:
            if many:
                client.put_files([(where, source)], append).result(20)
            else:
                client.put(where, append, source=source).result(20)
    assert commands.count(b"APPE") == 1
    assert any("may have arrived in part" in note for note in error.value.__notes__)


def test_gass_copy_does_not_begin_a_fifo_again(
    plain_port: int, plain_url: str, target: Path, tmp_path: Path
) -> None:
    fifo, first = tmp_path / "fifo", tmp_path / "first"
    os.mkfifo(fifo)
    first.write_bytes(b"first")
    # so that it can be opened, and that it has no end
    keeper = os.open(fifo, os.O_RDWR)
    os.write(keeper, b"lost")
    handle_attr = GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))
    with cut_at(plain_port, b"STOR", 2) as server, GassCopy(handle_attr) as copy:
        copy.copy_url_to_url(f"file://{first}", None, f"{server}{target}", None)
        with pytest.raises(GassCopyConnectionError) as error:
            copy.register_url_to_url(f"file://{fifo}", None, f"{server}{target}", None).result(20)
    os.close(keeper)
    assert error.value.__notes__ == ["It was not begun again: a pipe cannot be sought."]


# --- whatever the caller has ----------------------------------------------------------------------


def mapped() -> mmap.mmap:
    memory = mmap.mmap(-1, len(DATA))
    memory[:] = DATA
    return memory


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"hello",
        DATA,
        bytearray(DATA),
        bytearray(),
        memoryview(DATA)[1:],
        array.array("H", DATA[:-1]),
        mapped(),
    ],
    ids=["none", "few", "bytes", "bytearray", "no bytearray", "memoryview", "array", "mmap"],
)
def test_the_bytes_themselves_are_put(url: str, target: Path, source: Any, mode: Mode) -> None:
    expected = bytes(memoryview(source).cast("B"))
    with FtpClient() as client:
        assert client.put(f"{url}{target}", attr(mode), source=source).result(20) == len(expected)
    assert target.read_bytes() == expected


def test_bytes_are_pinned_only_while_they_are_sent(url: str, target: Path) -> None:
    data = bytearray(DATA)
    with FtpClient() as client:
        operation = client.put(f"{url}{target}", source=data)
        with pytest.raises(BufferError):
            data.clear()
        operation.result(20)
        del operation
        until(lambda: not is_pinned(data))
        with pytest.raises(FtpClientFileNotFoundError):
            client.put_files([(f"{url}{NOWHERE}", data)]).result(20)
        until(lambda: not is_pinned(data))
    assert target.read_bytes() == DATA


def is_pinned(data: bytearray) -> bool:
    try:
        data.append(0)
    except BufferError:
        return True
    data.pop()
    return False


@pytest.mark.parametrize("mode", MODES)
def test_a_part_of_the_bytes_is_put(url: str, target: Path, mode: Mode) -> None:
    target.write_bytes(b"0123456789")
    with FtpClient() as client:
        # byte 3 of the file is byte 1 + 3 of what is given
        operation = client.partial_put(
            f"{url}{target}", attr(mode), None, 3, 6, source=b"abcdefghij", file_offset=1
        )
        assert operation.result(20) == 3
    assert target.read_bytes() == b"012efg6789"


def test_bytes_are_put_again_on_a_session_that_has_died(
    plain_port: int, plain_url: str, target: Path
) -> None:
    with cut_at(plain_port, b"STOR", 2) as server, keeping() as client:
        client.put(f"{server}{target}", source=b"first").result(20)
        assert client.put(f"{server}{target}", source=DATA).result(20) == len(DATA)
    assert target.read_bytes() == DATA


def test_many_of_every_kind_are_put_and_told(url: str, remote: Path, pipe: Pipe) -> None:
    path = remote / "source"
    path.write_bytes(b"from a path")
    pipe.write(b"from a pipe")
    told: list[tuple[object, int]] = []
    with FtpClient() as client, path.open("rb") as file:
        sources = [b"bytes", pipe.reader, path, file, bytearray(b"bytearray")]
        files = [(f"{url}{remote}/{number}", source) for number, source in enumerate(sources)]
        run = client.put_files(
            files, attr(Mode.EXTENDED_BLOCK), file_func=lambda file, size: told.append((file, size))
        )
        assert run.result(20) == 5
    expected = [b"bytes", b"from a pipe", b"from a path", b"from a path", b"bytearray"]
    assert [(remote / str(number)).read_bytes() for number in range(5)] == expected
    assert told == [(file, len(content)) for file, content in zip(files, expected, strict=True)]


def test_paths_are_opened_here(url: str, remote: Path, tmp_path: Path) -> None:
    here, there, got = tmp_path / "here", remote / "there", tmp_path / "got"
    here.write_bytes(DATA)
    with FtpClient() as client:
        assert client.put(f"{url}{there}", source=here).result(20) == len(DATA)
        assert client.get(f"{url}{there}", into=got).result(20) == len(DATA)
        assert got.read_bytes() == DATA
        there.write_bytes(b"shorter")
        client.get(f"{url}{there}", into=got).result(20)
        assert got.read_bytes() == b"shorter"
        client.partial_get(f"{url}{there}", None, None, 0, 3, into=got, file_offset=2).result(20)
        assert got.read_bytes() == b"shshoer"
        got.write_bytes(b"very much longer")
        client.get_files([(f"{url}{there}", got)]).result(20)
        assert got.read_bytes() == b"shorter"
        with pytest.raises(FileNotFoundError, match="nothing"):
            client.put(f"{url}{there}", source=tmp_path / "nothing")
        with pytest.raises(IsADirectoryError):
            client.put(f"{url}{there}", source=tmp_path)
        assert client.put(f"{url}{there}", source=b"goes on").result(20) == 7


def test_a_fifo_is_opened_without_waiting_for_its_other_end(
    url: str, target: Path, tmp_path: Path
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with FtpClient() as client:
        operation = client.put(f"{url}{target}", source=fifo)
        until(target.exists)
        fifo.write_bytes(DATA)
        assert operation.result(20) == len(DATA)
    assert target.read_bytes() == DATA


def test_a_socket_is_read_to_its_end(url: str, target: Path) -> None:
    ours, theirs = socket.socketpair()
    with FtpClient() as client, ours, theirs:
        operation = client.put(f"{url}{target}", source=theirs)
        ours.sendall(DATA)
        ours.shutdown(socket.SHUT_WR)
        assert operation.result(20) == len(DATA)
    assert target.read_bytes() == DATA


def test_the_command_line_puts_its_standard_input(
    plain_port: int, plain_url: str, target: Path, tmp_path: Path
) -> None:
    # its sessions are kept: the one that looked for the target may be gone when the data goes
    with cut_at(plain_port, b"STOR", 1) as server:
        done = subprocess.run(
            [sys.executable, "-c", "from cogkit.cli import main; main()", "cp", "--stream",
             "/dev/stdin", f"{server}{target}"],
            input=DATA, capture_output=True, timeout=40,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == DATA


def test_what_is_given_in_the_wrong_place_is_told_by_its_name(grid_env: object) -> None:
    url = "ftp://localhost:1/x"
    with FtpClient() as client:
        with pytest.raises(TypeError, match="source="):
            client.put(url, b"hello")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="into="):
            client.get(url, Path("x"))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"pathlib\.Path"):
            client.put(url, source="hello")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cannot write to a bytearray"):
            client.get(url, into=bytearray(10))  # type: ignore[arg-type]
        with pytest.raises(FtpClientValueError, match="getvalue"):
            client.put(url, source=io.BytesIO(b"hello"))


def test_a_descriptor_that_is_open_the_other_way_is_refused_at_once(
    grid_env: object, pipe: Pipe
) -> None:
    url = "ftp://localhost:1/x"
    with FtpClient() as client, within():
        with pytest.raises(OSError, match="Bad file descriptor"):
            client.put(url, source=pipe.writer)
        with pytest.raises(OSError, match="Bad file descriptor"):
            client.get(url, into=pipe.reader)


# --- what a server should not do ------------------------------------------------------------------


@contextlib.contextmanager
def generous(port: int) -> Iterator[str]:
    """The URL of a server that sends more than it was asked for."""

    def more(line: bytes) -> bytes:
        return line.replace(b" 10 20 ", b" 10 2000000 ") if line.startswith(b"ERET") else line

    with FaultProxy(port, to_server=lines(more), to_client=faithful) as proxy:
        yield f"ftp://localhost:{proxy.port}"


@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_written_outside_of_the_part_that_was_asked_for(
    plain_port: int, plain_url: str, target: Path, tmp_path: Path, mode: Mode
) -> None:
    target.write_bytes(DATA)
    got = tmp_path / "got"
    got.write_bytes(b"." * 100)
    with generous(plain_port) as server, FtpClient() as client:
        with pytest.raises(FtpClientConnectionError, match="outside of the part"):
            client.partial_get(f"{server}{target}", attr(mode), None, 10, 30, into=got).result(20)
        assert got.read_bytes() == b"." * 100
        operation = client.partial_get(f"{server}{target}", attr(mode), None, 10, 30)
        with pytest.raises(FtpClientConnectionError, match="outside of the part"):
            client.register_read(bytearray(1 << 20)).result(20)
        operation.cancel()
        operation.wait(20)
