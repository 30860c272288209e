"""An OpenSSH server for ``sshftp://``: it lets in one key, and that only to GridFTP.

``sshftp://`` is GridFTP whose control channel is an SSH session.  The client library
starts ``gridftp-ssh``, a script that runs ``ssh -p PORT USER@HOST COMMAND``; the command
starts ``globus-gridftp-server -ssh`` at the other end.  The script has no word for a
configuration, but it takes the command from ``GLOBUS_REMOTE_SSHFTP``, split into words,
and ``ssh`` takes options after the host: so that variable leads to the sandbox' key.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from cogkit.sandbox._errors import ProgramsMissing
from cogkit.sandbox._layout import Layout, account, is_grid_variable
from cogkit.sandbox._records import MARK
from cogkit.sandbox._servers import LOOPBACK, SYSTEM_PROGRAMS, Server, greets, unpacked_libraries

#: Where an sshd of root puts the part of it that talks to strangers; compiled in.
_PRIVILEGE_SEPARATION = Path("/run/sshd")


def find_sshd() -> str:
    """The path of OpenSSH's server.

    Raises:
        ProgramsMissing: It, or what it needs when root runs it, is not there.
    """
    path = os.environ.get("PATH", os.defpath) + os.pathsep + SYSTEM_PROGRAMS
    sshd = shutil.which("sshd", path=path)
    if sshd is None:
        raise ProgramsMissing("OpenSSH's server is not installed; the package is openssh-server")
    needed = subprocess.run(
        [sshd, "-V"], env=_environ(sshd), capture_output=True, text=True, check=False
    )
    if "error while loading shared libraries" in needed.stderr:
        raise ProgramsMissing(
            f"{sshd} cannot run: {needed.stderr.strip().rpartition('libraries: ')[2]}"
        )
    if os.getuid() == 0:
        try:
            pwd.getpwnam("sshd")
        except KeyError:
            raise ProgramsMissing(
                "when root runs it, OpenSSH's server needs an account; make it with: "
                "useradd --system --no-create-home --home-dir /run/sshd "
                "--shell /usr/sbin/nologin sshd"
            ) from None
    return sshd


def _environ(sshd: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment, with what leads an sshd that was only unpacked to its libraries."""
    libraries = unpacked_libraries(sshd)
    return {**environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}


class SSHServer(Server):
    """``sshd`` behind a small inetd, on the loopback interface only.

    By itself it cannot take a free port and say which.  What it reads and writes is in
    the sandbox' directory, but for ``/run/sshd``, an empty directory that it wants when
    root runs it; that one is made if need be, and left, as another sshd may be using it.

    Args:
        sshd: Path of the program.
        gridftp: Path of ``globus-gridftp-server``.
    """

    kind = "ssh"

    def __init__(
        self,
        name: str,
        layout: Layout,
        environ: Mapping[str, str],
        port: int = 0,
        *,
        sshd: str,
        gridftp: str,
    ) -> None:
        super().__init__(name, layout, _environ(sshd, environ), port)
        self._sshd = sshd
        self._gridftp = gridftp

    @property
    def url(self) -> str:
        """``sshftp://USER@localhost:PORT``."""
        return f"sshftp://{account()}@localhost:{self.port}"

    @property
    def client_environ(self) -> dict[str, str]:
        """What leads a client's ``ssh`` to the key that opens, and to the host's key."""
        return {
            "COGKIT_SANDBOX_SSHFTP": self.url,
            "GLOBUS_REMOTE_SSHFTP": f"-F {self.layout.ssh}/config sshftp",
        }

    def start(self) -> None:
        """Take the port, and start the inetd."""
        if os.getuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
        self._serve_by_inetd(self._command)

    def is_ready(self) -> bool:
        """Whether it greets a client as SSH servers do."""
        return self.alive and greets(self.port, b"SSH-")

    def _command(self, port: int) -> list[str]:
        folder = self.layout.ssh
        if not folder.exists():
            folder.mkdir(mode=0o700)
            self._configure(folder, port)
        return [self._sshd, "-i", "-f", f"{folder}/sshd_config", "-E", str(self.log)]

    def _parts(self) -> str:
        """Where the parts of a newer sshd are that is not where it was made to be."""
        root = Path(self._sshd).parents[2]
        if root == Path("/"):
            return ""
        parts = {"SshdSessionPath": "sshd-session", "SshdAuthPath": "sshd-auth"}
        return "".join(
            f"{option} {path}\n"
            for option, name in parts.items()
            for folder in ("lib", "libexec")
            if (path := root / "usr" / folder / "openssh" / name).exists()
        )

    def _configure(self, folder: Path, port: int) -> None:
        host, user = _make_key(folder / "host_key"), _make_key(folder / "user_key")
        (folder / "authorized_keys").write_text(f"{user}\n")
        (folder / "known_hosts").write_text(f"[localhost]:{port} {host}\n")
        (folder / "sshd_config").write_text(
            f"HostKey {folder}/host_key\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\n"
            f"ForceCommand {folder}/sshftp\n"
            "AuthenticationMethods publickey\n"
            # in $TMPDIR, which others may write to
            "StrictModes no\n"
            "PermitRootLogin prohibit-password\n"
            "UsePAM no\n"
            "PidFile none\n"
            "PermitUserRC no\n"
            "DisableForwarding yes\n"
            "PrintMotd no\n"
            "UseDNS no\n" + self._parts()
        )
        (folder / "config").write_text(
            "Host *\n"
            f"IdentityFile {folder}/user_key\n"
            "IdentitiesOnly yes\n"
            "IdentityAgent none\n"
            f"UserKnownHostsFile {folder}/known_hosts\n"
            "GlobalKnownHostsFile none\n"
            "StrictHostKeyChecking yes\n"
            "BatchMode yes\n"
            "ConnectTimeout 10\n"
            "ControlPath none\n"
        )
        (folder / "gridftp.conf").write_text(
            f"data_interface {LOOPBACK}\n"
            "log_level ERROR,WARN,INFO\n"
            f"log_single {self.layout.logs}/{self.name}-gridftp.log\n"
            "log_filemode 0600\n"
            + (f"allow_root 1\nanonymous_user {account()}\n" if os.getuid() == 0 else "")
        )
        script = folder / "sshftp"
        # sshd gives a session an environment of its own
        exports = "".join(
            f"export {name}={shlex.quote(value)}\n"
            for name, value in sorted(self.environ.items())
            if is_grid_variable(name) or name in ("TMPDIR", MARK)
        )
        script.write_text(
            f"#!/bin/sh\n{exports}exec {shlex.quote(self._gridftp)} -ssh -c {folder}/gridftp.conf\n"
        )
        script.chmod(0o700)


def _make_key(path: Path) -> str:
    """Make a key pair, the private key at ``path``; returns the public one."""
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return public.decode()
