"""What the GridFTP client tells of files, and does to them, against a real server."""

from __future__ import annotations

import grp
import hashlib
import os
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from pyGlobus.ftpClient import (
    Feature,
    FtpClient,
    FtpClientException,
    FtpClientFileNotFoundError,
    FtpClientHandleAttr,
    FtpClientValueError,
)

DATA = bytes(range(256)) * 500


@pytest.fixture
def file(remote: Path) -> Path:
    path = remote / "a file"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def link(url: str, file: Path) -> str:
    return f"{url}{file}".replace(" ", "%20")


@pytest.mark.parametrize("algorithm", ["MD5", "SHA1", "SHA256", "SHA512"])
def test_the_server_computes_checksums(link: str, algorithm: str) -> None:
    with FtpClient() as client:
        checksum = client.cksm(link, algorithm).result()
    assert checksum == hashlib.new(algorithm, DATA).hexdigest()


def test_a_checksum_of_a_part(link: str) -> None:
    with FtpClient() as client:
        assert client.cksm(link, "ADLER32", 100, 5000).result() == (
            f"{zlib.adler32(DATA[100:5100]):08x}"
        )
        whole = client.cksm(link, "MD5", 7).result()
    assert whole == hashlib.md5(DATA[7:]).hexdigest()


def test_a_checksum_that_the_server_has_not(link: str) -> None:
    with FtpClient() as client:
        with pytest.raises(FtpClientException, match="Unknown checksum algorithm") as error:
            client.cksm(link, "CRC99").result()
        assert error.value.reply_code == 500
        with pytest.raises(FtpClientValueError, match="not a name of"):
            client.cksm(link, "MD5 0 1 /etc/passwd\r\nDELE x")
        with pytest.raises(FtpClientFileNotFoundError):
            client.cksm(f"{link}.none").result()


def test_stat_tells_what_ls_tells(link: str, file: Path) -> None:
    file.chmod(0o751)
    with FtpClient() as client:
        (entry,) = client.stat(link).result()
        (directory,) = client.stat(link.rpartition("/")[0]).result()
    assert (entry.name, entry.type, entry.size, entry.mode) == (
        "a file", "file", len(DATA), 0o751,
    )  # fmt: skip
    assert entry.facts["unix.owner"]
    assert directory.is_dir


def test_cwd_tells_whether_a_directory_is_there(link: str, file: Path) -> None:
    with FtpClient() as client:
        assert client.cwd(link.rpartition("/")[0]).result().startswith("250")
        with pytest.raises(FtpClientException):
            client.cwd(link).result()
        with pytest.raises(FtpClientException):
            client.cwd(f"{link}-none").result()


def test_utime_sets_the_time_in_whatever_zone_it_is_given(link: str, file: Path) -> None:
    moment = datetime(2020, 2, 29, 23, 59, 58, tzinfo=timezone(timedelta(hours=9)))
    with FtpClient() as client:
        client.utime(link, moment).result()
        assert client.modification_time(link).result() == moment
        client.utime(link, datetime(2021, 6, 1, 12)).result()
        assert client.mlst(link).result().modified == datetime(2021, 6, 1, 12).astimezone(UTC)
    assert file.stat().st_mtime == datetime(2021, 6, 1, 12).timestamp()


def test_chgrp_by_name_and_by_number(link: str, file: Path) -> None:
    group = os.getgroups()[-1] if os.getgroups() else os.getgid()
    with FtpClient() as client:
        client.chgrp(link, group).result()
        assert file.stat().st_gid == group
        client.chgrp(link, grp.getgrgid(os.getgid()).gr_name).result()
        assert file.stat().st_gid == os.getgid()
        with pytest.raises(FtpClientException):
            client.chgrp(link, "no-such-group-at-all").result()
        with pytest.raises(FtpClientValueError):
            client.chgrp(link, "two words")


def test_a_symlink_is_asked_for_in_a_way_that_gcts_own_server_does_not_know(link: str) -> None:
    # The client library says SITE SYMLINK, GCT's server wants SITE SYMLINKFROM and SYMLINKTO.
    with FtpClient() as client, pytest.raises(FtpClientException) as error:
        client.symlink(link, f"{link}-link").result()
    assert error.value.reply_code == 500


def test_features_are_told_one_by_one(url: str) -> None:
    with FtpClient() as client:
        features = client.feat(f"{url}/").result()
    assert set(features) == set(Feature)
    assert features[Feature.DCAU] is True
    assert features[Feature.GETPUT] is False
    assert features[Feature.SYMLINK] is None


def test_commands_leave_the_session_usable_whatever_they_were_told(link: str) -> None:
    with FtpClient(FtpClientHandleAttr(cache_all=True)) as client:
        for _ in range(20):
            assert not client.exists(f"{link}.none").result()
            with pytest.raises(FtpClientException):
                client.cksm(link, "NONE").result()
            assert client.size(link).result() == len(DATA)
