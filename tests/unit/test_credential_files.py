"""What files of certificates and keys hold, and what is said of those that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyGlobus.globusException import CredentialError
from pyGlobus.security import Credential, credential_search
from pyGlobus.security.distrust import reason_for_distrust
from pyGlobus.security.files import content_of, objection_to

pytestmark = pytest.mark.timeout(30)

CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


def file(tmp_path: Path, content: bytes, mode: int = 0o600) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("content", "certificate", "key"),
    [
        (b"", "it is empty", "it is empty"),
        (b"hello\n", "it is no PEM file", "it is no PEM file"),
        (b"\x00" * 100, "it is no PEM file", "it is no PEM file"),
        (CERTIFICATE, "", "it holds a certificate and no private key"),
        (KEY, "it holds a private key and no certificate", ""),
        (CERTIFICATE + KEY, "", ""),
        (
            CERTIFICATE.replace(b"CERTIFICATE", b"CERTIFICATE REQUEST"),
            "it holds a request for a certificate",
            "it holds a certificate request and no private key",
        ),
        (KEY.replace(b"PRIVATE", b"PUBLIC"), "it holds a public key and no certificate", "public"),
        (KEY.replace(b"BEGIN", b"BEGIN OPENSSH"), "no certificate", "in OpenSSH's form"),
        (b"\x30\x82\x04\xaf\x02\x01\x03\x30", "PKCS #12", "PKCS #12"),
        (b"\x30\x80\x02\x01\x03\x30\x80", "PKCS #12", "PKCS #12"),
        (b"\x30\x82\x04\xaf\x30\x82\x03", "in DER form", "in DER form"),
    ],
)
def test_what_a_file_lacks_is_said(
    content: bytes, certificate: str, key: str, tmp_path: Path
) -> None:
    found = content_of(file(tmp_path, content), "file")
    for told, wanted in (
        (found.lacks(certificate=True)[0], certificate),
        (found.lacks(key=True)[0], key),
    ):
        assert wanted in told
        assert bool(told) is bool(wanted)


@given(st.binary(max_size=50))
def test_no_file_is_too_odd_to_be_looked_at(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = file(tmp_path_factory.getbasetemp(), content)
    assert content_of(path, "file").lacks(certificate=True)[0]
    with pytest.raises(CredentialError, match="cannot read the credential"):
        Credential.load(path)


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = file(tmp_path, b"")
    os.truncate(path, 1 << 40)
    assert content_of(path, "file").form == ""


@pytest.mark.parametrize(
    ("mode", "private", "words", "remedy"),
    [
        (0o600, True, "", ""),
        (0o400, True, "", ""),
        (0o644, False, "", ""),
        (0o640, True, "mode 0640, more than the 0600 that GSI takes", "chmod 0600"),
        (0o700, True, "mode 0700", "chmod 0600"),
        (0o664, False, "mode 0664, more than the 0644 that GSI takes", "chmod 0644"),
    ],
)
def test_what_gsi_has_against_a_file_is_said_with_the_remedy(
    mode: int, private: bool, words: str, remedy: str, tmp_path: Path
) -> None:
    told, hint = objection_to(file(tmp_path, KEY, mode), private=private)
    assert (words in told, remedy in hint) == (True, True)
    assert bool(told) is bool(words)


def test_a_file_of_somebody_else_is_told_with_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file(tmp_path, KEY)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 12345)
    told, hint = objection_to(path, private=True)
    assert "belongs to " in told
    assert "not to you" in told
    assert str(path) in hint


@pytest.mark.parametrize("kind", ["directory", "pipe"])
def test_what_is_no_plain_file_is_not_waited_for(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    if kind == "directory":
        path.mkdir()
    else:
        os.mkfifo(path, 0o600)
    with pytest.raises(CredentialError, match=r"it is (a directory|not a plain file)"):
        Credential.load(path)
    with pytest.raises(CredentialError, match=r"it is (a directory|not a plain file)"):
        Credential.load_pair(path, path)


def test_the_search_says_what_is_wrong_with_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("X509_USER_PROXY", str(file(tmp_path, CERTIFICATE + KEY, 0o644)))
    search = credential_search()
    assert f"X509_USER_PROXY={tmp_path}/file (mode 0644, more than the 0600" in str(search)
    assert search.remedy == f"make it private: chmod 0600 {tmp_path}/file"
    monkeypatch.setenv("X509_USER_PROXY", str(file(tmp_path, KEY)))
    assert "it holds a private key and no certificate" in str(credential_search())
    with pytest.raises(CredentialError, match="holds a private key and no certificate"):
        Credential.default()


def test_the_search_looks_into_the_home_directory_that_gsi_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_CERT", "X509_USER_KEY", "X509_USER_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path) not in str(credential_search())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The certificate has been revoked: Serial number = 7", "its CA has revoked it"),
        (
            "Cannot find trusted CA certificate with hash 3b4db170 in /x",
            "the CA that issued it is not among them (3b4db170.0 is missing)",
        ),
        ("Untrusted self-signed certificate in chain with hash 64116e8e", "64116e8e.0 is missing"),
        ("File does not exist: /x/1.signing_policy is not a valid file", "/x/1.signing_policy"),
        (
            "The subject does not match the signing policies defined in /x/1.signing_policy",
            "the signing policy of its CA, /x/1.signing_policy, does not allow this name",
        ),
        ("Invalid CRL: The available CRL has expired", "list of revoked certificates"),
        ("something else", "something else"),
    ],
)
def test_distrust_is_explained(text: str, reason: str) -> None:
    assert reason in reason_for_distrust(f"globus_gsi_callback_module: x\n{text}")[0]
