"""Plugins of the GridFTP client, against real servers."""

from __future__ import annotations

import gc
import io
import logging
import os
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pyGlobus._native import ffi, lib
from pyGlobus.ftpClient import (
    CommandMask,
    DebugPlugin,
    FtpClient,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    FtpClientPlugin,
    FtpClientRestartMarker,
    Mode,
    PerfMarker,
    PerfPlugin,
    RestartMarkerPlugin,
    Throughput,
    ThroughputPlugin,
)
from pyGlobus.globusException import OperationCancelledError
from waiting import until

EXTENDED = Mode.EXTENDED_BLOCK


class Diary(FtpClientPlugin):
    """Notes everything that it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[Any, ...]] = []

    def names(self) -> list[str]:
        return [note[0] for note in self.notes]

    def all_of(self, name: str) -> list[tuple[Any, ...]]:
        return [note[1:] for note in self.notes if note[0] == name]


def _noting(name: str) -> Any:
    def method(self: Diary, *args: Any) -> None:
        self.notes.append((name, *args))

    return method


NOTIFICATIONS = [
    name
    for name, value in vars(FtpClientPlugin).items()
    if callable(value) and not name.startswith("_") and name != "command_mask"
]
for _name in NOTIFICATIONS:
    setattr(Diary, _name, _noting(_name))


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def client(grid_env: object, diary: Diary) -> Iterator[FtpClient]:
    with FtpClient(FtpClientHandleAttr(plugins=[diary])) as client:
        yield client


@pytest.fixture
def sink() -> Iterator[int]:
    descriptor = os.open(os.devnull, os.O_WRONLY)
    yield descriptor
    os.close(descriptor)


def figures() -> Any:
    place = ffi.new("cog_figures *")
    lib.cog_get_figures(place)
    return place


def test_a_plugin_sees_a_get_from_its_connection_to_its_end(
    client: FtpClient, diary: Diary, url: str, remote: Path, tmp_path: Path
) -> None:
    (remote / "f").write_bytes(b"x" * 3_000_000)
    with (tmp_path / "copy").open("wb") as file:
        client.get(f"{url}{remote}/f", into=file).result()
    names = diary.names()
    milestones = ["get", "connect", "authenticate", "command", "response", "data", "complete"]
    first = [names.index(name) for name in milestones]
    assert first[0] < first[2] < first[3] < first[5] < first[6]
    assert first[1] < first[2]
    assert names[-1] == "complete"
    assert all(note[1] is client for note in diary.notes)
    commands = [command for _, _, command in diary.all_of("command")]
    assert f"RETR {remote}/f" in commands
    codes = [code for _, _, code, _, _ in diary.all_of("response")]
    assert codes[0] == 220
    assert codes[-1] == 226
    blocks = diary.all_of("data")
    assert sum(length for _, _, length, _, _ in blocks) == 3_000_000
    assert blocks[-1][-1] is True
    assert all(error is None for _, error, *_ in blocks)
    assert diary.all_of("read")


def test_a_plugin_sees_a_put_and_a_third_party_transfer(
    client: FtpClient, diary: Diary, url: str, remote: Path, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x" * 10)
    with (tmp_path / "f").open("rb") as file:
        client.put(f"{url}{remote}/f", source=file).result()
    assert diary.all_of("put") == [(client, f"{url}{remote}/f", False)]
    assert sum(length for _, length, _, _ in diary.all_of("write")) == 10
    client.third_party_transfer(f"{url}{remote}/f", None, f"{url}{remote}/g").result(20)
    assert diary.all_of("third_party_transfer") == [
        (client, f"{url}{remote}/f", f"{url}{remote}/g", False)
    ]


def test_every_operation_is_told_with_its_arguments(
    client: FtpClient, diary: Diary, url: str, remote: Path, sink: int
) -> None:
    base = f"{url}{remote}"
    (remote / "f").write_bytes(b"x")
    client.mkdir(f"{base}/d").result()
    client.chmod(f"{base}/f", 0o640).result()
    client.size(f"{base}/f").result()
    client.modification_time(f"{base}/f").result()
    client.mlst(f"{base}/f").result()
    client.list(base, into=sink).result()
    client.verbose_list(base, into=sink).result()
    client.machine_list(base, into=sink).result()
    client.move(f"{base}/f", f"{base}/g").result()
    client.delete(f"{base}/g").result()
    client.rmdir(f"{base}/d").result()
    for name, *arguments in [
        ("mkdir", f"{base}/d"),
        ("chmod", f"{base}/f", 0o640),
        ("size", f"{base}/f"),
        ("modification_time", f"{base}/f"),
        ("mlst", f"{base}/f"),
        ("list", base),
        ("verbose_list", base),
        ("machine_list", base),
        ("move", f"{base}/f", f"{base}/g"),
        ("delete", f"{base}/g"),
        ("rmdir", f"{base}/d"),
    ]:
        assert diary.all_of(name) == [(client, *arguments, False)]
    assert diary.names().count("complete") == 11


def test_a_fault_is_told_with_its_error(
    client: FtpClient, diary: Diary, url: str, remote: Path, sink: int
) -> None:
    with pytest.raises(FileNotFoundError):
        client.get(f"{url}{remote}/none", into=sink).result()
    [(_, where, error)] = diary.all_of("fault")
    assert where == f"{url}{remote}/none"
    assert isinstance(error, FtpClientFileNotFoundError)
    assert diary.names()[-1] == "complete"


def test_an_abort_is_told(client: FtpClient, diary: Diary, url: str, big_file: Path) -> None:
    operation = client.get(f"{url}{big_file}")
    # no data is asked for: GCT forgets to tell of an abort when data comes at the same moment
    until(lambda: "command" in diary.names())
    operation.cancel()
    operation.wait(10)
    names = diary.names()
    assert names.index("abort") < names.index("complete")
    # the handle was replaced; the plugin is on the new one
    client.size(f"{url}{big_file}").result()
    assert diary.all_of("size") == [(client, f"{url}{big_file}", False)]


def test_a_plugin_may_abort_what_it_sees(
    grid_env: object, url: str, endless_file: Path, sink: int
) -> None:
    class Enough(FtpClientPlugin):
        def data(self, client: Any, error: Any, length: int, offset: int, eof: bool) -> None:
            if offset > 1_000_000:
                client.abort()

    with FtpClient(FtpClientHandleAttr(plugins=[Enough()])) as client:
        operation = client.get(f"{url}{endless_file}", into=sink)
        with pytest.raises(OperationCancelledError):
            operation.result(20)
        assert operation.bytes_done < 64 << 30


def test_what_a_plugin_raises_is_logged_and_harms_nothing(
    grid_env: object, url: str, remote: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(FtpClientPlugin):
        def command(self, client: Any, url: str, command: str) -> None:
            raise RuntimeError("a broken plugin")

    (remote / "f").write_bytes(b"123")
    attr = FtpClientHandleAttr(plugins=[Broken()])
    with caplog.at_level(logging.ERROR, "pyGlobus"), FtpClient(attr) as client:
        assert client.size(f"{url}{remote}/f").result() == 3
    assert "a broken plugin" in caplog.text
    assert "<Broken>: command raised" in caplog.text


def test_the_mask_chooses_the_commands(grid_env: object, url: str, remote: Path) -> None:
    seen: list[str] = []

    class Few(FtpClientPlugin):
        command_mask = CommandMask.INFORMATION

        def command(self, client: Any, url: str, command: str) -> None:
            seen.append(command.split()[0])

    (remote / "f").write_bytes(b"123")
    with FtpClient(FtpClientHandleAttr(plugins=[Few()])) as client:
        client.size(f"{url}{remote}/f").result()
    assert "SIZE" in seen
    assert "TYPE" not in seen


def test_one_plugin_tells_its_clients_apart(
    grid_env: object, diary: Diary, url: str, remote: Path
) -> None:
    (remote / "f").write_bytes(b"123")
    attr = FtpClientHandleAttr(plugins=[diary])
    with FtpClient(attr) as one, FtpClient(attr) as other, FtpClient() as third:
        third.add_plugin(diary)
        for client in (one, other, third):
            client.size(f"{url}{remote}/f").result()
    assert [client for client, *_ in diary.all_of("size")] == [one, other, third]


def test_a_plugin_comes_and_goes(grid_env: object, diary: Diary, url: str, remote: Path) -> None:
    (remote / "f").write_bytes(b"123")
    target = f"{url}{remote}/f"
    with FtpClient(FtpClientHandleAttr(plugins=[diary])) as client:
        assert client.plugins == (diary,)
        client.remove_plugin(diary)
        client.size(target).result()
        assert diary.notes == []
        with pytest.raises(ValueError, match="not on this client"):
            client.remove_plugin(diary)
        client.add_plugin(diary)
        with pytest.raises(ValueError, match="already"):
            client.add_plugin(diary)
        client.size(target).result()
        assert diary.names().count("size") == 1
        operation = client.get(target)
        with pytest.raises(FtpClientException, match="busy"):
            client.add_plugin(Diary())
        operation.cancel()
        operation.wait(10)
    # the attributes were not changed through the client
    attr = FtpClientHandleAttr(plugins=[diary])
    with FtpClient(attr) as client:
        client.remove_plugin(diary)
        assert attr.plugins == (diary,)
    assert attr.copy().plugins == (diary,)
    attr.remove_plugin(diary)
    assert attr.plugins == ()


def test_a_handle_that_replaces_another_has_the_same_plugins(
    grid_env: object, url: str, remote: Path, big_file: Path
) -> None:
    kept, dropped, added = Diary(), Diary(), Diary()
    with FtpClient(FtpClientHandleAttr(plugins=[kept, dropped])) as client:
        client.remove_plugin(dropped)
        client.add_plugin(added)
        operation = client.get(f"{url}{big_file}")
        client.register_read(bytearray(1000)).result()
        operation.cancel()
        operation.wait(10)
        for diary in (kept, dropped, added):
            diary.notes.clear()
        client.size(f"{url}{big_file}").result()
    assert [d.names().count("size") for d in (kept, dropped, added)] == [1, 0, 1]


def test_a_client_without_plugins_posts_only_what_it_must(
    grid_env: object, url: str, remote: Path
) -> None:
    (remote / "f").write_bytes(b"123")
    with FtpClient() as client:
        client.size(f"{url}{remote}/f").result()
        before = figures().posted
        client.size(f"{url}{remote}/f").result()
        assert figures().posted == before + 1


def test_thousands_of_operations_leave_nothing_behind(
    grid_env: object, url: str, remote: Path
) -> None:
    (remote / "f").write_bytes(b"123")
    target = f"{url}{remote}/f"
    diary = Diary()
    with FtpClient(FtpClientHandleAttr(plugins=[diary], cache_all=True)) as client:
        client.size(target).result()
        _settle()
        before, resident = figures().slots_in_use, _resident()
        for _ in range(2000):
            client.size(target).result()
            diary.notes.clear()
        # earlier tests may have left something that has gone meanwhile
        assert figures().slots_in_use <= before
        assert _resident() - resident < 8 << 20


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


def test_a_plugin_that_is_forgotten_gives_its_token_back(grid_env: object) -> None:
    FtpClientHandleAttr(plugins=[Diary()])
    _settle()
    before = figures().slots_in_use
    for _ in range(50):
        FtpClientHandleAttr(plugins=[Diary(), PerfPlugin()])
    _settle()
    assert figures().slots_in_use <= before


def _settle() -> None:
    from pyGlobus._core.runtime import runtime

    gc.collect()
    for _ in range(2):  # the graves of the attributes, then those of their plugins
        done = threading.Event()
        runtime.run_soon(done.set)
        assert done.wait(5)
        gc.collect()


# --- secrets --------------------------------------------------------------------------------------


@pytest.fixture
def ftp_server() -> Iterator[int]:
    """An FTP server that takes every password, and answers what a client asks before SIZE."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb", buffering=0) as file:
                file.write(b"220 ready\r\n")
                for line in file:
                    verb = line.split()[0].upper()
                    answers = {b"USER": b"331 password", b"PASS": b"230 in", b"SIZE": b"213 6"}
                    file.write(answers.get(verb, b"200 ok") + b"\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def test_a_password_is_never_told(grid_env: object, ftp_server: int, diary: Diary) -> None:
    text = io.StringIO()
    attr = FtpClientHandleAttr(plugins=[diary, DebugPlugin(text)])
    with FtpClient(attr) as client:
        url = f"ftp://alice:s3cret@127.0.0.1:{ftp_server}/f"
        assert client.size(url).result() == 6
    assert diary.all_of("size") == [(client, f"ftp://alice:...@127.0.0.1:{ftp_server}/f", False)]
    assert "SIZE /f" in text.getvalue()
    assert "s3cret" not in text.getvalue()
    assert "s3cret" not in repr(diary.notes)


# --- debug --------------------------------------------------------------------------------------


def test_debug_writes_to_a_descriptor(
    grid_env: object, url: str, remote: Path, tmp_path: Path
) -> None:
    (remote / "f").write_bytes(b"123")
    with (tmp_path / "log").open("wb") as log:
        attr = FtpClientHandleAttr(plugins=[DebugPlugin(log.fileno(), "me")])
        with FtpClient(attr) as client:
            client.size(f"{url}{remote}/f").result()
    text = (tmp_path / "log").read_text()
    assert text.startswith(f"me: starting to size {url}{remote}/f\n")
    assert f"me: sending command to {url}{remote}/f:\nSIZE {remote}/f\n" in text
    assert "213 3\n" in text
    assert text.endswith("me: operation complete\n")


def test_debug_says_all_that_there_is(grid_env: object) -> None:
    for name in NOTIFICATIONS:
        assert name in vars(DebugPlugin)


# --- markers --------------------------------------------------------------------------------------


def test_performance_markers_of_a_get(
    grid_env: object, url: str, big_file: Path, sink: int
) -> None:
    markers: list[PerfMarker] = []
    begun: list[Any] = []
    ended: list[Any] = []
    plugin = PerfPlugin(
        lambda client, marker: markers.append(marker),
        lambda *args: begun.append(args),
        lambda *args: ended.append(args),
        interval=0.01,
    )
    with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
        client.get(f"{url}{big_file}", into=sink).result()
        assert begun == [(client, f"{url}{big_file}", None, False)]
        assert ended == [(client, True)]
        assert len(markers) > 2
        assert [m.bytes for m in markers] == sorted(m.bytes for m in markers)
        assert markers[-1].bytes == 256 << 20
        assert {(m.stripe, m.stripes) for m in markers} == {(0, 1)}
        assert abs((datetime.now(UTC) - markers[-1].time).total_seconds()) < 60
        # what is no transfer is not told
        client.size(f"{url}{big_file}").result()
        assert len(begun) == len(ended) == 1
        with pytest.raises(FileNotFoundError):
            client.get(f"{url}{big_file}.none", into=sink).result()
        assert ended[1] == (client, False)


def test_servers_tell_of_a_put_and_of_a_third_party_transfer(
    grid_env: object, url: str, remote: Path, big_file: Path
) -> None:
    perf: list[PerfMarker] = []
    restart: list[FtpClientRestartMarker] = []
    plugins = [
        PerfPlugin(lambda client, marker: perf.append(marker)),
        RestartMarkerPlugin(lambda client, marker: restart.append(marker)),
    ]
    attr = FtpClientOperationAttr(mode=EXTENDED)
    with FtpClient(FtpClientHandleAttr(plugins=plugins)) as client:
        with big_file.open("rb") as source:
            client.put(f"{url}{remote}/put", attr, source=source).result()
        assert perf
        assert {(m.stripe, m.stripes) for m in perf} == {(0, 1)}
        assert restart
        perf.clear()
        restart.clear()
        client.third_party_transfer(f"{url}{big_file}", attr, f"{url}{remote}/third", attr).result(
            60
        )
        assert perf
        assert restart
        assert restart[-1].total <= 256 << 20


def test_throughput_of_a_get(grid_env: object, url: str, big_file: Path, sink: int) -> None:
    seen: list[Throughput] = []
    plugin = ThroughputPlugin(lambda client, now: seen.append(now), interval=0.02)
    with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
        client.get(f"{url}{big_file}", into=sink).result()
    assert seen[-1].bytes == 256 << 20
    assert len(seen) > 1
    assert all(now.average > 1e6 and now.instantaneous >= 0 for now in seen)
    assert any(now.instantaneous > 1e6 for now in seen)
    assert all(now.stripes[0].bytes == now.bytes for now in seen)


def test_the_restart_marker_of_a_get_is_what_has_arrived(
    grid_env: object, url: str, big_file: Path, sink: int
) -> None:
    markers: list[FtpClientRestartMarker] = []
    plugin = RestartMarkerPlugin(lambda client, marker: markers.append(marker), interval=0.01)
    attr = FtpClientOperationAttr(mode=EXTENDED, parallelism=4)
    with FtpClient(FtpClientHandleAttr(plugins=[plugin])) as client:
        client.get(f"{url}{big_file}", attr, into=sink).result()
    assert len(markers) > 1
    assert str(markers[-1]) == f"0-{256 << 20}"
    totals = [marker.total for marker in markers]
    assert totals == sorted(totals)
