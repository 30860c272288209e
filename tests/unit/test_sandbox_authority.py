"""The sandbox' certificate authority and proxies, without any server."""

from __future__ import annotations

import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from cogkit.sandbox import CertificateAuthority
from cogkit.sandbox._ca import load_key, name_hash
from cogkit.sandbox._proxy import issue_proxy

pytestmark = pytest.mark.timeout(30)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority.create(tmp_path_factory.mktemp("ca"))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read_cert(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_keys_and_proxies_can_be_read_by_their_owner_only(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    user = authority.issue_user("Ada Lovelace")
    proxy = issue_proxy(user, tmp_path / "proxy.pem")
    assert [mode_of(p) for p in (user.key_path, proxy, authority.directory / "ca-key.pem")] == [
        0o600
    ] * 3
    assert mode_of(user.cert_path) == 0o644


def test_a_host_certificate_names_the_host_and_its_addresses(
    authority: CertificateAuthority,
) -> None:
    host = authority.issue_host("localhost")
    names = read_cert(host.cert_path).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert host.subject == "/O=Grid/OU=Sandbox/CN=localhost"
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
    assert "127.0.0.1" in map(str, names.value.get_values_for_type(x509.IPAddress))


def test_a_passphrase_encrypts_the_key(authority: CertificateAuthority) -> None:
    user = authority.issue_user("Careful", passphrase="open sesame")
    assert b"ENCRYPTED" in user.key_path.read_bytes()
    assert load_key(user.key_path.read_bytes(), b"open sesame").key_size == 2048
    assert "sesame" not in repr(user)


def test_a_proxy_can_be_made_from_an_encrypted_key(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    user = authority.issue_user("Careful", passphrase="open sesame")
    assert issue_proxy(user, tmp_path / "proxy.pem").exists()


def test_a_proxy_that_begins_in_the_past_has_expired(
    authority: CertificateAuthority, tmp_path: Path
) -> None:
    begin = datetime.now(UTC) - timedelta(hours=2)
    user = authority.issue_user("Late")
    proxy = issue_proxy(user, tmp_path / "p", not_before=begin, lifetime=timedelta(hours=1))
    assert read_cert(proxy).not_valid_after_utc < datetime.now(UTC)


def test_two_certificates_of_one_name_do_not_overwrite_each_other(
    authority: CertificateAuthority,
) -> None:
    first, second = authority.issue_user("Twin"), authority.issue_user("Twin")
    assert first.subject == second.subject
    assert first.key_path != second.key_path


def test_a_loaded_authority_signs_as_the_created_one_did(authority: CertificateAuthority) -> None:
    again = CertificateAuthority.load(authority.directory)
    issued = read_cert(again.issue_user("Ada").cert_path)
    issued.verify_directly_issued_by(authority.certificate)


@pytest.mark.parametrize("name", ["", "a/b", "a\nb"])
def test_a_name_that_would_break_a_mapfile_is_refused(
    authority: CertificateAuthority, name: str
) -> None:
    with pytest.raises(ValueError, match="common name"):
        authority.issue_user(name)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
@pytest.mark.parametrize(
    "common_name",
    ["Sandbox CA", "  Many   BLANKS ", "Zoë ÄÖÜ", "x" * 60],
    ids=["plain", "blanks", "letters", "long"],
)
def test_the_name_hash_is_the_one_that_openssl_computes(tmp_path: Path, common_name: str) -> None:
    authority = CertificateAuthority.create(tmp_path, common_name)
    openssl = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", tmp_path / "ca-cert.pem"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    assert f"{name_hash(authority.certificate.subject):08x}" == openssl.stdout.strip()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program")
def test_domain_components_are_hashed_as_openssl_does(tmp_path: Path) -> None:
    authority = CertificateAuthority.create(tmp_path, namespace="/DC=org/DC=Example/O=Grid")
    openssl = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", tmp_path / "ca-cert.pem"],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    assert authority.certificate.subject.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)
    assert f"{name_hash(authority.certificate.subject):08x}" == openssl.stdout.strip()


@pytest.mark.skipif(shutil.which("grid-proxy-info") is None, reason="needs globus-proxy-utils")
@pytest.mark.parametrize(
    ("limited", "kind"),
    [(False, "RFC 3820 compliant impersonation proxy"), (True, "RFC 3820 compliant limited proxy")],
)
def test_globus_reads_the_proxy(
    authority: CertificateAuthority, tmp_path: Path, limited: bool, kind: str
) -> None:
    user = authority.issue_user("Grace Hopper")
    proxy = issue_proxy(user, tmp_path / "proxy.pem", limited=limited)
    said = subprocess.run(
        ["grid-proxy-info", "-f", proxy], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    assert kind in said
    assert f"identity : {user.subject}" in said
