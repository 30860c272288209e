"""What a gass copy handle does besides whole files: parts, handles, checksums, lists."""

from __future__ import annotations

import hashlib
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyGlobus.ftpClient import FtpClientHandleAttr, FtpClientOperationAttr, Protection
from pyGlobus.gassCopy import (
    GassCopy,
    GassCopyAttr,
    GassCopyChecksumError,
    GassCopyException,
    GassCopyFileExistsError,
    GassCopyFileNotFoundError,
    GassCopyHandleAttr,
    GassCopyValueError,
    GlobType,
    Status,
    UrlMode,
)
from pyGlobus.gassCopy.sides import Side
from pyGlobus.gassCopy.verify import file_checksum
from pyGlobus.globusException import HandleClosedError, OperationCancelledError
from pyGlobus.security import Credential
from waiting import until

DATA = os.urandom(3_000_001)


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "file"
    path.write_bytes(DATA)
    return path


@pytest.mark.parametrize(
    ("direction", "begin", "end"),
    [
        ("up", 1_000_000, 2_500_000),
        ("up", 2_000_000, None),
        ("up", 0, 10),
        ("down", 1_000_000, 2_500_000),
        ("down", 2_000_000, None),
        ("down", 0, 10),
        ("third party", 1_000_000, 2_500_000),
        ("third party", 2_000_000, None),
        ("through", 1_000_000, 2_500_000),
        ("local", 1_000_000, 2_500_000),
    ],
)
def test_a_part_goes_to_the_same_place(
    url: str, file: Path, direction: str, begin: int, end: int | None
) -> None:
    near, far = f"file://{file}", f"{url}{file}"
    source, destination = {
        "up": (near, far), "down": (far, near), "third party": (far, far), "through": (far, far),
        "local": (near, near),
    }[direction]  # fmt: skip
    out = Path(f"{file}.out")
    out.write_bytes(bytes(len(DATA)))
    with GassCopy() as copy:
        copy.set_no_third_party_transfers(direction == "through")
        copy.set_partial_offsets(begin, end)
        assert copy.get_partial_offsets() == (begin, end)
        copy.copy_url_to_url(source, None, f"{destination}.out", None)
        wanted = bytearray(len(DATA))
        wanted[begin:end] = DATA[begin:end]
        assert out.read_bytes() == wanted
        # the next whole file is whole
        copy.set_partial_offsets(None)
        copy.copy_url_to_url(source, None, f"{destination}.whole", None)
    assert Path(f"{file}.whole").read_bytes() == DATA


def test_open_files_and_pipes_as_handles(url: str, file: Path, tmp_path: Path) -> None:
    with GassCopy() as copy:
        with (tmp_path / "got").open("wb") as out:
            copy.copy_url_to_handle(f"{url}{file}", None, out)
            assert not out.closed
        with file.open("rb") as source:
            source.seek(1000)
            copy.copy_handle_to_url(source.fileno(), f"{url}{file}.part", None)
        read, write = os.pipe()
        operation = copy.register_url_to_handle(f"{url}{file}", None, write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            assert pipe.read() == DATA
        operation.result()
        read, write = os.pipe()
        operation = copy.register_handle_to_url(read, f"{url}{file}.piped", None)
        os.close(read)
        with os.fdopen(write, "wb") as pipe:
            pipe.write(DATA)
        operation.result()
    assert (tmp_path / "got").read_bytes() == DATA
    assert Path(f"{file}.part").read_bytes() == DATA[1000:]
    assert Path(f"{file}.piped").read_bytes() == DATA


def test_a_handle_that_cannot_be_written_is_told(url: str, file: Path) -> None:
    with GassCopy() as copy, Path("/dev/full").open("wb") as full:
        with pytest.raises(OSError, match="No space left") as error:
            copy.copy_url_to_handle(f"{url}{file}", None, full)
        assert isinstance(error.value, GassCopyException)
        assert error.value.side == "destination"
        with pytest.raises(OSError, match="No space left"):
            copy.copy_url_to_url(f"file://{file}", None, "file:///dev/full", None)
        copy.copy_url_to_url(f"{url}{file}", None, f"{url}{file}.copy", None)


@pytest.mark.parametrize("near", [True, False])
def test_checksums(url: str, file: Path, near: bool) -> None:
    target = f"file://{file}" if near else f"{url}{file}"
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        assert copy.cksm(target, "MD5") == hashlib.md5(DATA).hexdigest()
        part = DATA[1000:2000]
        assert copy.cksm(target, "md5", offset=1000, length=1000) == hashlib.md5(part).hexdigest()
        assert copy.cksm(target, "SHA256") == hashlib.sha256(DATA).hexdigest()
        assert copy.cksm_async(target, "SHA1").result() == hashlib.sha1(DATA).hexdigest()
        with pytest.raises(GassCopyFileNotFoundError):
            copy.cksm(f"{target}.missing", "MD5")
        if near:
            with pytest.raises(GassCopyValueError, match="OpenSSL"):
                copy.cksm(target, "ADLER32")
        else:
            assert int(copy.cksm(target, "ADLER32"), 16) == zlib.adler32(DATA)


def test_a_file_that_cannot_be_read_has_no_checksum(grid_env: object, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(DATA)
    os.mkfifo(tmp_path / "pipe")
    # the first mapping of this process, which ends somewhere: an I/O error behind some bytes
    first = Path("/proc/self/maps").read_text().split("-", 1)[0]
    with GassCopy() as copy:
        with pytest.raises(IsADirectoryError) as error:
            copy.cksm(f"file://{tmp_path}", "MD5")
        assert isinstance(error.value, GassCopyException)
        for offset in (0, int(first, 16)):
            with pytest.raises(GassCopyException, match="Input/output error"):
                copy.cksm("file:///proc/self/mem", "MD5", offset=offset, timeout=10)
        with pytest.raises(GassCopyException, match="Illegal seek"):
            copy.cksm(f"file://{tmp_path}/pipe", "MD5", timeout=10)
        with pytest.raises(GassCopyValueError, match="ends 10 bytes before"):
            copy.cksm(f"file://{tmp_path}/f", "MD5", offset=len(DATA) - 90, length=100)
        with pytest.raises(GassCopyValueError, match="ends before byte"):
            copy.cksm(f"file://{tmp_path}/f", "MD5", offset=len(DATA) + 1)
        (tmp_path / "f").chmod(0)
        if os.getuid():  # nothing is closed to root
            with pytest.raises(PermissionError):
                copy.cksm(f"file://{tmp_path}/f", "MD5")
        # what is there is found all the same
        empty = hashlib.md5(b"").hexdigest()
        (tmp_path / "f").chmod(0o600)
        assert copy.cksm(f"file://{tmp_path}/f", "MD5", offset=len(DATA)) == empty
        assert copy.cksm(f"file://{tmp_path}/f", "MD5", length=0) == empty
        said = hashlib.md5(Path("/proc/version").read_bytes()).hexdigest()
        assert copy.cksm("file:///proc/version", "MD5") == said


def test_a_file_that_is_cut_while_it_is_read_has_no_checksum(
    grid_env: object, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"x" * (3 << 20))
    side = Side("source", f"file://{tmp_path}/f")
    asked = 0

    def cut() -> bool:
        nonlocal asked
        asked += 1
        if asked == 2:
            os.truncate(tmp_path / "f", 1 << 20)
        return False

    with pytest.raises(GassCopyException, match="cut while it was read"):
        file_checksum("checksum", side, "MD5", stopped=cut)


def test_a_checksum_can_be_cancelled(grid_env: object) -> None:
    with GassCopy() as copy:
        operation = copy.cksm_async("file:///dev/zero", "MD5")
        with pytest.raises(GassCopyException, match="busy"):
            copy.cksm("file:///proc/version", "MD5")
        operation.cancel()
        assert isinstance(operation.exception(10), OperationCancelledError)
        assert copy.cksm("file:///proc/version", "MD5")


@pytest.mark.parametrize("direction", ["up", "down", "third party", "local"])
def test_what_arrives_is_checked(url: str, file: Path, direction: str) -> None:
    near, far = f"file://{file}", f"{url}{file}"
    source, destination = {
        "up": (near, far), "down": (far, near), "third party": (far, far), "local": (near, near),
    }[direction]  # fmt: skip
    right, wrong = hashlib.md5(DATA).hexdigest(), "0" * 32
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        copy.set_checksum_algo("MD5")
        for _ in range(2):
            copy.set_checksum(right)
            copy.copy_url_to_url(source, None, f"{destination}.out", None)
            copy.set_checksum(wrong)
            with pytest.raises(GassCopyChecksumError) as error:
                copy.copy_url_to_url(source, None, f"{destination}.out", None)
            assert (error.value.actual, error.value.expected) == (right, wrong)
            assert error.value.side == "destination"
        copy.set_checksum(None)
        copy.copy_url_to_url(source, None, f"{destination}.out", None)
    assert Path(f"{file}.out").read_bytes() == DATA


@pytest.mark.parametrize("near", [True, False])
def test_stat_and_mkdir(url: str, file: Path, near: bool) -> None:
    base = "file://" if near else url
    file.chmod(0o640)
    os.utime(file, (1e9, 1e9))
    link = file.with_name("link")
    link.symlink_to(file)
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        stat = copy.stat(f"{base}{file}")
        assert (stat.type, stat.size, stat.mode) == (GlobType.FILE, len(DATA), 0o640)
        assert stat.mtime == datetime.fromtimestamp(1e9, UTC)
        assert stat.unique_id is not None
        assert copy.stat(f"{base}{link}").unique_id == stat.unique_id
        directory = f"{base}{file.parent}/new"
        copy.mkdir(directory)
        assert copy.stat(directory).type is GlobType.DIRECTORY
        with pytest.raises(GassCopyFileExistsError):
            copy.mkdir(directory)
        with pytest.raises(GassCopyFileNotFoundError):
            copy.stat(f"{base}{file}.missing")


@pytest.mark.parametrize("near", [True, False])
def test_wildcards(url: str, remote: Path, near: bool) -> None:
    base = f"{'file://' if near else url}{remote}"
    names = ["a b.txt", "c.txt", "d.dat", "umlaut-ä.txt"]
    for name in names:
        (remote / name).write_bytes(DATA[:10])
    (remote / "dir.txt").mkdir()
    with GassCopy(GassCopyHandleAttr(ftp=FtpClientHandleAttr(cache_all=True))) as copy:
        found = {
            entry.url.removeprefix(f"{base}/"): entry.stat
            for entry in copy.glob_expand_url(f"{base}/*.txt")
        }
        assert sorted(found) == ["a%20b.txt", "c.txt", "dir.txt/", "umlaut-%C3%A4.txt"]
        assert found["c.txt"].size == 10
        assert found["dir.txt/"].type is GlobType.DIRECTORY
        assert len(list(copy.glob_expand_url(f"{base}/"))) == 5
        assert list(copy.glob_expand_url(f"{base}/dir.txt/")) == []
        (itself,) = copy.glob_expand_url(f"{base}/c.txt")
        assert itself.stat.type is GlobType.UNKNOWN
        copy.set_stat_on_expand(True)
        (itself,) = copy.glob_expand_url(f"{base}/c.txt")
        assert itself.stat.size == 10
        with pytest.raises(FileNotFoundError):
            list(copy.glob_expand_url(f"{base}/missing/*"))


def test_a_long_list_waits_for_its_reader(url: str, remote: Path) -> None:
    for number in range(3000):
        (remote / f"{number:04}-{'x' * 100}").touch()
    with GassCopy() as copy:
        entries = copy.glob_expand_url(f"{url}{remote}/*")
        next(entries)
        with pytest.raises(GassCopyException, match="busy"):
            copy.stat(f"{url}{remote}")
        assert sum(1 for _ in entries) == 2999
        left = copy.glob_expand_url(f"file://{remote}/*")
        next(left)
        left.close()  # type: ignore[attr-defined]
        for _ in range(100):
            if copy.get_status() is not None:
                break
    with GassCopy() as copy:
        assert len(list(copy.glob_expand_url(f"file://{remote}/*"))) == 3000


def test_settings_are_read_back_and_survive_a_failure(url: str, file: Path) -> None:
    with GassCopy() as copy:
        assert copy.get_buffer_length() == 1 << 20
        copy.set_buffer_length(65536)
        copy.set_allocate(True)
        copy.cache_url_state(url)
        assert copy.get_status() is Status.NONE
        with pytest.raises(FileNotFoundError):
            copy.copy_url_to_url(f"{url}{file}.missing", None, f"file://{file}.x", None)
        assert copy.get_status() is Status.DONE_FAILURE
        assert copy.get_status_string() == "GLOBUS_GASS_COPY_STATUS_DONE_FAILURE"
        assert copy.get_buffer_length() == 65536
        attr = GassCopyAttr(ftp=FtpClientOperationAttr())
        copy.copy_url_to_url(f"file://{file}", None, f"{url}{file}.x", attr)
        assert attr == GassCopyAttr(ftp=FtpClientOperationAttr())  # ALLO's size is not left there
        assert copy.get_status() is Status.DONE_SUCCESS
        copy.flush_url_state(url)
        for wrong in (
            lambda: copy.set_buffer_length(0),
            lambda: copy.set_partial_offsets(5, 5),
            lambda: copy.set_partial_offsets(None, 5),
            lambda: copy.cache_url_state("http://localhost/"),
        ):
            with pytest.raises(GassCopyValueError):
                wrong()
    with pytest.raises(HandleClosedError):
        copy.get_status()
    assert GassCopy.get_url_mode("sshftp://host/x") is UrlMode.FTP
    assert GassCopy.get_url_mode("gopher://host/x") is UrlMode.UNSUPPORTED


def test_progress_is_reported(url: str, big_file: Path) -> None:
    reports: list[tuple[int, int, int]] = []

    def performance_func(arg: object, copy: GassCopy, total: int, now: int, average: int) -> None:
        assert arg == "arg"
        reports.append((total, now, average))

    read, write = os.pipe()
    with GassCopy() as copy, os.fdopen(read, "rb") as pipe:
        copy.register_performance_cb(performance_func, "arg")
        operation = copy.register_url_to_handle(f"{url}{big_file}", None, write)
        os.close(write)
        assert len(pipe.read(20 << 20)) == 20 << 20
        until(lambda: reports and reports[-1][0] >= 20 << 20)
        assert operation.bytes_done >= 20 << 20
        with pytest.raises(GassCopyException, match="busy"):
            copy.register_performance_cb(None)
        copy.cancel()
        assert operation.exception() is not None
        copy.register_performance_cb(None)
        copy.copy_url_to_url(f"{url}{big_file}", None, "file:///dev/null", None)
    assert any(average > 0 for _, _, average in reports)


def test_a_private_channel_and_a_credential_for_each_side(url: str, file: Path) -> None:
    private = FtpClientOperationAttr(data_protection=Protection.PRIVATE)
    with GassCopy(credential=Credential.default()) as copy:
        copy.copy_url_to_url(
            f"{url}{file}", GassCopyAttr(ftp=private), f"file://{file}.private", None
        )
        with pytest.raises(ValueError, match="PRIVATE"):
            copy.copy_url_to_url(
                "ftp://localhost/x", GassCopyAttr(ftp=private), "file:///dev/null", None
            )
    assert Path(f"{file}.private").read_bytes() == DATA
