"""The servers that GCT did not write run here, and are what they are said to be."""

from __future__ import annotations

import ftplib
import io
import subprocess
from pathlib import Path

import pytest

from foreign import ForeignServer, start_vsftpd
from oddserver import OddServer


def test_vsftpd_serves_our_files_without_mode_e_and_mlst(
    vsftpd: ForeignServer, remote: Path
) -> None:
    (remote / "f").write_bytes(b"four")
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", vsftpd.port, timeout=10)
        ftp.login()
        assert ftp.pwd() == str(vsftpd.home)
        ftp.voidcmd("TYPE I")
        assert ftp.size(f"{remote}/f") == 4
        ftp.storbinary(f"STOR {remote}/g", io.BytesIO(b"seven"))
        assert (remote / "g").read_bytes() == b"seven"
        for command in ("MODE E", f"MLST {remote}", "DCAU N"):
            with pytest.raises(ftplib.error_perm, match=r"^50"):
                ftp.voidcmd(command)


def test_vsftpd_serves_ipv6_too(foreign_directory: Path) -> None:
    with start_vsftpd(foreign_directory / "v", host="::1") as server, ftplib.FTP() as ftp:
        ftp.connect("::1", server.port, timeout=10)
        ftp.login()
        ftp.storbinary("STOR f", io.BytesIO(b"six"))
        assert (server.home / "f").read_bytes() == b"six"


def test_arc_takes_the_sandbox_user(arc: ForeignServer, remote: Path) -> None:
    (remote / "f").write_bytes(b"four")
    subprocess.run(
        ["globus-url-copy", f"{arc.url}{remote}/f", f"file://{remote}/g"], check=True, timeout=30
    )
    assert (remote / "g").read_bytes() == b"four"
    assert str(remote) in arc.log()


def test_an_odd_server_serves_its_directory(odd_server: OddServer) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", odd_server.port, timeout=10)
        ftp.login()
        ftp.storbinary("STOR f", io.BytesIO(b"four"))
        assert (odd_server.root / "f").read_bytes() == b"four"
        ftp.rename("f", "g")
        ftp.mkd("d")
        assert sorted(ftp.nlst()) == ["d", "g"]
        assert [(name, facts["type"]) for name, facts in ftp.mlsd()] == [
            ("d", "dir"),
            ("g", "file"),
        ]
        lines: list[str] = []
        ftp.retrlines("LIST", lines.append)
        assert [line[0] for line in lines] == ["d", "-"]
        odd_server.without = {"MLSD"}
        with pytest.raises(ftplib.error_perm, match=r"^500"):
            list(ftp.mlsd())
        odd_server.replies["SIZE"] = ["550 Datei nicht gefunden"]
        with pytest.raises(ftplib.error_perm, match="Datei"):
            ftp.size("g")
        assert ftp.size("g") == 4
        odd_server.end_sessions()
        with pytest.raises((ftplib.error_temp, EOFError)):
            ftp.pwd()


def test_a_gct_server_without_mlst_says_so(gct_without_mlst_port: int) -> None:
    with ftplib.FTP() as ftp:
        ftp.connect("127.0.0.1", gct_without_mlst_port, timeout=10)
        ftp.login()
        with pytest.raises(ftplib.error_perm, match=r"^500"):
            ftp.voidcmd("MLST /")
