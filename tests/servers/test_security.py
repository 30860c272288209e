"""Credentials: what GCT's own tools say of ours, and the other way round."""

from __future__ import annotations

import copy
import os
import pickle
import stat
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from pyGlobus import security
from pyGlobus.globusException import CredentialError
from pyGlobus.security import Credential, CredentialType, Policy, create_proxy, destroy_proxy


def info(path: Path, *options: str) -> str:
    return subprocess.run(
        ["grid-proxy-info", "-f", path, *options], capture_output=True, text=True, check=True,
        timeout=20,
    ).stdout  # fmt: skip


def test_grid_proxy_info_agrees_with_us(grid_env: object, tmp_path: Path) -> None:
    proxy = create_proxy(lifetime=timedelta(hours=3), bits=2048)
    path = tmp_path / "proxy"
    proxy.write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert info(path, "-subject").strip() == proxy.subject
    assert info(path, "-identity").strip() == proxy.identity
    assert info(path, "-type").strip() == proxy.type_name
    assert int(info(path, "-strength").split()[0]) == proxy.key_bits == 2048
    assert abs(int(info(path, "-timeleft")) - proxy.time_left.total_seconds()) < 5


@pytest.mark.parametrize("limited", [False, True])
def test_limits_are_in_the_certificate(grid_env: object, tmp_path: Path, limited: bool) -> None:
    proxy = create_proxy(limited=limited, path_length=3)
    proxy.write(tmp_path / "proxy")
    again = Credential.load(tmp_path / "proxy")
    assert again.is_limited is limited
    assert again.path_length == 3
    assert again.type & CredentialType.RFC
    assert ("limited" in info(tmp_path / "proxy", "-type")) is limited


def test_a_proxy_of_a_proxy_keeps_the_identity(grid_env: object) -> None:
    first = create_proxy()
    second = create_proxy(first, lifetime=timedelta(days=300))
    assert second.issuer == first.subject
    assert second.identity == first.identity
    assert second.not_after <= first.not_after
    second.verify()


def test_a_policy_restricts(grid_env: object) -> None:
    proxy = create_proxy(policy=Policy("1.3.6.1.4.1.99999.1", b"rights"))
    assert proxy.type & CredentialType.RESTRICTED_PROXY
    assert proxy.policy_language == "1.3.6.1.4.1.99999.1"


def test_the_default_is_the_one_that_gsi_takes(
    grid: Sandbox, grid_env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # GSI's order is not what one would think: an unencrypted pair comes before the proxy
    assert not Credential.default().is_proxy
    monkeypatch.delenv("X509_USER_CERT")
    monkeypatch.delenv("X509_USER_KEY")
    assert Credential.default().is_proxy
    for name, value in grid.expired_credential().environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CredentialError, match="has expired"):
        Credential.default()


def test_what_grid_proxy_init_made_can_be_read(grid_env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    subprocess.run(
        ["grid-proxy-init", "-q", "-out", path, "-valid", "2:00", "-path-length", "1"],
        env={**os.environ, **grid_env}, check=True, timeout=30,
    )  # fmt: skip
    theirs = Credential.load(path)
    assert theirs.is_proxy
    assert theirs.path_length == 1
    assert timedelta(hours=1, minutes=59) < theirs.time_left <= timedelta(hours=2)
    theirs.verify()


def test_a_passphrase_opens_an_encrypted_key(grid: Sandbox, grid_env: object) -> None:
    user = grid.issue_user("carol", passphrase="open sesame")
    asked = []

    def ask() -> str:
        asked.append(1)
        return "open sesame"

    assert Credential.load_pair(user.cert_path, user.key_path, passphrase=ask).subject
    assert asked == [1]
    with pytest.raises(CredentialError, match="does not open with that passphrase"):
        Credential.load_pair(user.cert_path, user.key_path, passphrase="wrong")
    with pytest.raises(CredentialError, match="no passphrase was given"):
        Credential.load_pair(user.cert_path, user.key_path)


def test_nobody_is_asked_when_the_key_is_not_encrypted(grid_env: object) -> None:
    def ask() -> str:
        raise AssertionError("asked")

    create_proxy(passphrase=ask)


def test_keys_do_not_leak(grid_env: object) -> None:
    credential = Credential.default()
    assert "PRIVATE" not in credential.certificates
    assert "PRIVATE" not in repr(credential)
    with pytest.raises(TypeError, match="private key"):
        pickle.dumps(credential)
    with pytest.raises(TypeError):
        copy.copy(credential)


def test_an_untrusted_chain_does_not_verify(grid: Sandbox, grid_env: object) -> None:
    foreign = grid.foreign_credential()
    with pytest.raises(CredentialError, match="is not trusted by the CAs in"):
        Credential.load(foreign.environ["X509_USER_PROXY"]).verify()


def test_an_expired_credential_makes_no_proxy(grid: Sandbox, grid_env: object) -> None:
    expired = Credential.load(grid.expired_credential().environ["X509_USER_PROXY"])
    assert expired.expired
    with pytest.raises(CredentialError, match="expired at"):
        create_proxy(expired)


def test_destroy_leaves_nothing_and_touches_nothing_else(grid_env: object, tmp_path: Path) -> None:
    path = tmp_path / "proxy"
    create_proxy().write(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(OSError):
        destroy_proxy(link)
    assert path.exists()
    assert destroy_proxy(path) == path
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        destroy_proxy(path)


def test_a_failed_write_leaves_the_old_proxy(grid_env: object, tmp_path: Path) -> None:
    directory = tmp_path / "d"
    directory.mkdir()
    path = directory / "proxy"
    create_proxy().write(path)
    before = path.read_bytes()
    with pytest.raises(OSError):
        create_proxy().write(path / "below")
    assert path.read_bytes() == before
    assert list(directory.iterdir()) == [path]


def test_the_search_is_gsis_own(grid_env: dict[str, str]) -> None:
    assert security.proxy_path() == Path(grid_env["X509_USER_PROXY"])
    assert security.certificate_directory() == Path(grid_env["X509_CERT_DIR"])
    assert security.user_certificate_paths() == (
        Path(grid_env["X509_USER_CERT"]),
        Path(grid_env["X509_USER_KEY"]),
    )


@pytest.mark.parametrize(
    "arguments",
    [{"lifetime": timedelta(0)}, {"bits": 512}, {"path_length": -1},
     {"limited": True, "policy": Policy("1.2.3")}],
)  # fmt: skip
def test_arguments_out_of_range(grid_env: object, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        create_proxy(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "No such file"), (b"", "cannot read the credential"), (b"junk\n", "cannot read")],
)
def test_a_file_that_is_no_credential(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "x"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    with pytest.raises(CredentialError, match=words):
        Credential.load(path)
