"""Credentials that are of no use: each is told by its own message, and the remedy, with code 3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from cli import assert_fails, cogkit
from cogkit.cli._common import ExitCode, exit_code
from cogkit.sandbox import CertificateAuthority, Sandbox
from pyGlobus.ftpClient import FtpClient, FtpClientOperationAttr
from pyGlobus.globusException import AuthenticationError, CredentialError, GlobusException
from pyGlobus.gramClient import GramClient, GramClientAttr
from pyGlobus.security import Credential, create_proxy

pytestmark = pytest.mark.timeout(60)

DAY = timedelta(days=1)


class Office:
    """Makes certificates that no good CA makes, in the name of the sandbox' one."""

    def __init__(self, directory: Path, authority: CertificateAuthority) -> None:
        self.directory = directory
        self.certificate = authority.certificate
        pem = (authority.directory / "ca-key.pem").read_bytes()
        self.key: Any = serialization.load_pem_private_key(pem, None)

    def issue(
        self,
        name: str,
        key: Any = None,
        *,
        subject: str = "/O=Grid/OU=Sandbox/CN=Sandbox User",
        begin: timedelta = -DAY,
        end: timedelta = DAY,
        digest: Any = None,
        signer: tuple[x509.Name, Any] | None = None,
    ) -> tuple[Path, Path, x509.Certificate]:
        """A certificate and its key, as files; and the certificate."""
        key = key or rsa.generate_private_key(65537, 2048)
        now = datetime.now(UTC)
        issuer, signing = signer or (self.certificate.subject, self.key)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        made = builder.sign(signing, digest or hashes.SHA256())
        cert_path = self.directory / f"{name}-cert.pem"
        key_path = self.directory / f"{name}-key.pem"
        cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_path.touch(0o600)
        key_path.write_bytes(_pem(key))
        return cert_path, key_path, made


def _name(text: str) -> x509.Name:
    kinds = {"O": x509.NameOID.ORGANIZATION_NAME, "OU": x509.NameOID.ORGANIZATIONAL_UNIT_NAME}
    kinds["CN"] = x509.NameOID.COMMON_NAME
    parts = (part.split("=") for part in text.strip("/").split("/"))
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in parts])


def _pem(key: Any) -> bytes:
    data: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return data


@pytest.fixture
def office(grid: Sandbox, grid_env: object, tmp_path: Path) -> Office:
    return Office(tmp_path, CertificateAuthority.load(grid.directory / "ca"))


@pytest.fixture
def sizes(url: str) -> Callable[[Credential], None]:
    """Asks the GridFTP server for a size, with a credential."""

    def ask(credential: Credential) -> None:
        with FtpClient() as client:
            client.size(f"{url}/etc/hosts", FtpClientOperationAttr(credential=credential)).result()

    return ask


@pytest.fixture
def pings(rm: str) -> Callable[[Credential], None]:
    """Asks the gatekeeper whether it lets us in, with a credential."""

    def ask(credential: Credential) -> None:
        with GramClient() as client:
            client.ping(rm, attr=GramClientAttr(credential=credential))

    return ask


Ask = Callable[[Credential], None]


def assert_told(ask: Ask, credential: Credential, *words: str) -> None:
    with pytest.raises(CredentialError) as caught:
        ask(credential)
    for word in words:
        assert word in str(caught.value)
    assert caught.value.hint
    assert exit_code(caught.value) is ExitCode.CREDENTIAL


def assert_no_proxy(certificate: Path, key: Path, *words: str) -> None:
    """No proxy is made of it, and a good one that is there stays as it is."""
    proxy = certificate.parent / "proxy"
    proxy.write_text("good")
    done = cogkit("proxy", "init", "--cert", certificate, "--key", key, "--out", proxy)
    assert_fails(done, 3, *words)
    assert proxy.read_text() == "good"
    assert not list(proxy.parent.glob(".*"))


def test_a_good_one_is_taken(office: Office, sizes: Ask, pings: Ask) -> None:
    """So that what follows fails for its own reason."""
    certificate, key, _ = office.issue("good")
    credential = Credential.load_pair(certificate, key)
    sizes(credential)
    sizes(create_proxy(credential))
    pings(create_proxy(credential))


def test_a_key_of_another_certificate(office: Office) -> None:
    certificate, _, _ = office.issue("one")
    _, key, _ = office.issue("other")
    words = "the private key does not belong to the certificate /O=Grid/OU=Sandbox"
    assert_no_proxy(certificate, key, words, "the key with which")
    both = office.directory / "both.pem"
    both.touch(0o600)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    for load in (lambda: Credential.load(both), lambda: Credential.load_pair(both, both)):
        with pytest.raises(CredentialError, match="does not belong"):
            load()
    environ = {"X509_USER_CERT": str(certificate), "X509_USER_KEY": str(key)}
    for command in (["ls", f"{os.environ['COGKIT_SANDBOX_GRIDFTP']}/"], ["run", "--", "true"]):
        assert_fails(cogkit(*command, env=environ), 3, "does not belong to the certificate")


def test_an_expired_one(office: Office) -> None:
    certificate, key, _ = office.issue("old", begin=-2 * DAY, end=-DAY)
    assert_no_proxy(certificate, key, "expired at", "renew")


def test_one_that_is_not_valid_yet(office: Office, sizes: Ask, pings: Ask) -> None:
    certificate, key, _ = office.issue("early", begin=DAY, end=2 * DAY)
    assert_no_proxy(certificate, key, "is not valid before", "clock")
    credential = Credential.load_pair(certificate, key)
    assert not credential.valid
    assert_told(sizes, credential, "is not valid before", "clock")
    assert_told(pings, credential, "is not valid before", "clock")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("EC", lambda: ec.generate_private_key(ec.SECP256R1())),
        ("ED25519", ed25519.Ed25519PrivateKey.generate),
    ],
)
def test_keys_that_gct_cannot_delegate_from(
    name: str, make: Callable[[], Any], office: Office, sizes: Ask
) -> None:
    certificate, key, _ = office.issue("odd", make())
    words = f"its key is of type {name}"
    assert_no_proxy(certificate, key, words, "RSA key of 2048 bits")
    assert_told(sizes, Credential.load_pair(certificate, key), words)
    environ = {"X509_USER_CERT": str(certificate), "X509_USER_KEY": str(key)}
    assert_fails(cogkit("run", "--", "true", env=environ), 3, words)


def test_one_that_an_ec_key_has_signed(office: Office) -> None:
    signer = (_name("/O=Grid/OU=Sandbox/CN=EC CA"), ec.generate_private_key(ec.SECP256R1()))
    certificate, key, _ = office.issue("ecsigned", signer=signer)
    assert_no_proxy(certificate, key, "it is signed with ecdsa-with-SHA256", "signed with RSA")


def test_a_key_that_openssl_does_not_take(office: Office, sizes: Ask) -> None:
    certificate, key, _ = office.issue("weak", rsa.generate_private_key(65537, 1024))
    words = "its key is too short (1024 bits)"
    assert_no_proxy(certificate, key, words, "2048 bits or more")
    assert_told(sizes, Credential.load_pair(certificate, key), words)


def test_a_name_that_the_signing_policy_does_not_allow(
    office: Office, sizes: Ask, pings: Ask
) -> None:
    certificate, key, _ = office.issue("outside", subject="/O=Other/CN=Me")
    proxy = create_proxy(Credential.load_pair(certificate, key))
    assert_told(sizes, proxy, "signing policy", "does not allow this name", "update that file")
    assert_told(pings, proxy, "signing policy", "does not allow this name")


def test_a_ca_that_is_not_known(office: Office, sizes: Ask, pings: Ask, tmp_path: Path) -> None:
    unknown = CertificateAuthority.create(tmp_path / "unknown", "Unknown CA")
    user = unknown.issue_user("Sandbox User")
    done = cogkit(
        "proxy", "init", "--cert", user.cert_path, "--key", user.key_path, "--out", tmp_path / "p"
    )
    assert done.returncode == 0
    assert "the proxy is made, but: " in done.stderr
    assert "the CA that issued it is not among them" in done.stderr
    proxy = Credential.load(tmp_path / "p")
    assert_told(sizes, proxy, "the CA that issued it is not among them", "install that CA's")
    assert_told(pings, proxy, "the CA that issued it is not among them", "install that CA's")


def test_no_trusted_ca_here(
    office: Office, url: str, rm: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for directory, words in (
        (tmp_path / "none", "which is not a directory"),
        (tmp_path / "empty", "the CA that issued it is not among them"),
    ):
        monkeypatch.setenv("X509_CERT_DIR", str(directory))
        for command in (["ls", f"{url}/"], ["run", "--", "true"]):
            assert_fails(cogkit(*command), 3, words, "X509_CERT_DIR")


@pytest.fixture
def revoked(grid: Sandbox, office: Office) -> Iterator[Credential]:
    """A credential that the servers' list of revoked certificates names, and none here."""
    certificate, key, made = office.issue("revoked")
    now = datetime.now(UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(made.serial_number)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(office.certificate.subject)
        .last_update(now - DAY)
        .next_update(now + DAY)
        .add_revoked_certificate(entry.revocation_date(now - DAY).build())
        .sign(office.key, hashes.SHA256())
    )
    trusted = Path(os.environ["X509_CERT_DIR"])
    (ca,) = trusted.glob("*.0")
    mine = office.directory / "trusted"
    mine.mkdir()
    for file in trusted.iterdir():
        (mine / file.name).write_bytes(file.read_bytes())
    place = ca.with_suffix(".r0")
    place.write_bytes(crl.public_bytes(serialization.Encoding.PEM))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("X509_CERT_DIR", str(mine))
        yield create_proxy(Credential.load_pair(certificate, key))
    place.unlink()


def test_a_revoked_one_is_told_by_either_server(
    revoked: Credential, sizes: Ask, pings: Ask
) -> None:
    assert_told(sizes, revoked, "is revoked, says the server", "ask your CA")
    assert_told(pings, revoked, "is revoked, says the server", "ask your CA")


def test_somebody_whom_the_server_does_not_know_has_a_good_credential(
    grid: Sandbox, grid_env: object, sizes: Ask, pings: Ask
) -> None:
    stranger = grid.issue_user("Stranger", mapped=False)
    assert stranger.proxy_path is not None
    for ask in (sizes, pings):
        with pytest.raises(AuthenticationError) as caught:
            ask(Credential.load(stranger.proxy_path))
        assert exit_code(caught.value) is ExitCode.DENIED
        assert "CN=Stranger" in str(caught.value)


def test_a_gatekeeper_that_is_not_there_is_no_credential_s_fault(office: Office) -> None:
    certificate, key, _ = office.issue("early2", begin=DAY, end=2 * DAY)
    bad = Credential.load_pair(certificate, key)
    with GramClient() as client, pytest.raises(GlobusException) as caught:
        client.ping("localhost:1", attr=GramClientAttr(credential=bad))
    assert exit_code(caught.value) is ExitCode.UNREACHABLE


# --- PKCS #12 -----------------------------------------------------------------------------------


@pytest.fixture
def p12(office: Office) -> Path:
    """A certificate and its key in one file, with a passphrase."""
    _, _, made = office.issue("me", key := rsa.generate_private_key(65537, 2048))
    path = office.directory / "usercred.p12"
    path.touch(0o600)
    encryption = serialization.BestAvailableEncryption(b"open sesame")
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"me", key, made, [office.certificate], encryption)
    )
    return path


def test_a_proxy_is_made_of_a_pkcs12_file(p12: Path, sizes: Ask) -> None:
    proxy = p12.parent / "proxy"
    command = ["proxy", "init", "--cert", p12, "--out", proxy, "--passphrase-stdin"]
    assert_fails(cogkit(*command, stdin="wrong\n"), 3, "does not open with that passphrase")
    assert not proxy.exists()
    assert cogkit(*command, stdin="open sesame\n").returncode == 0
    sizes(Credential.load(proxy))
    done = cogkit(*command[:2], *command[4:], stdin="open sesame\n", env={
        "X509_USER_CERT": str(p12), "X509_USER_KEY": "",
    })  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_where_gsi_takes_no_pkcs12_file_it_is_said_what_it_is(
    p12: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("X509_USER_PROXY", str(p12))
    for command in (["ls", f"{url}/"], ["run", "--", "true"], ["proxy", "info"]):
        assert_fails(cogkit(*command), 3, "it is a PKCS #12 file", f"proxy init --cert {p12}")
