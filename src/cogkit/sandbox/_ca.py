"""A certificate authority for tests, in the manner of ``trustme``.

It follows what the Grid Security Infrastructure expects of a trusted directory
(``X509_CERT_DIR``): the authority's certificate as ``<hash>.0``, where the hash
is OpenSSL's ``X509_NAME_hash``, beside ``<hash>.signing_policy``, which says
which names the authority may sign.

>>> import tempfile, pathlib
>>> with tempfile.TemporaryDirectory() as d:
...     ca = CertificateAuthority.create(pathlib.Path(d))
...     ca.issue_user("Ada Lovelace").subject
'/O=Grid/OU=Sandbox/CN=Ada Lovelace'
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_KEY_BITS = 2048
_CLOCK_SKEW = timedelta(minutes=5)
_SHORT_NAMES = {
    NameOID.COUNTRY_NAME: "C",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COMMON_NAME: "CN",
    NameOID.DOMAIN_COMPONENT: "DC",
}

# The quoting is part of the format: the inner double quotes must be there, or
# GSI refuses every certificate with "Error in OLD GAA code".
_SIGNING_POLICY = """\
access_id_CA   X509     '{ca}'
pos_rights     globus   CA:sign
cond_subjects  globus   '"{namespace}/*"'
"""


@dataclass(frozen=True, slots=True)
class IssuedCredential:
    """A certificate and key on disk, and perhaps a proxy made from them.

    Attributes:
        subject: The distinguished name, as Globus writes it (``/O=Grid/…``).
        cert_path: The PEM certificate.
        key_path: The PEM private key, mode 0600.
        proxy_path: The PEM proxy credential, mode 0600, or ``None``.
        passphrase: What decrypts the key, or ``None`` when it is in the clear.
    """

    subject: str
    cert_path: Path
    key_path: Path
    proxy_path: Path | None = None
    passphrase: bytes | None = field(default=None, repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The ``X509_*`` variables that make Globus programs use this credential."""
        variables = {
            "X509_USER_CERT": str(self.cert_path),
            "X509_USER_KEY": str(self.key_path),
        }
        if self.proxy_path is not None:
            variables["X509_USER_PROXY"] = str(self.proxy_path)
        return variables


class CertificateAuthority:
    """Signs certificates for users and hosts, and writes them to a directory.

    Use :meth:`create` for a new authority and :meth:`load` for one made earlier.
    Lifetimes are counted from ``not_before``, which is five minutes ago unless
    given, as machines' clocks differ.
    """

    def __init__(self, directory: Path, cert: x509.Certificate, key: rsa.RSAPrivateKey) -> None:
        self.directory = directory
        self.certificate = cert
        self._key = key

    @classmethod
    def create(
        cls,
        directory: Path,
        name: str = "Sandbox CA",
        *,
        namespace: str = "/O=Grid/OU=Sandbox",
        lifetime: timedelta = timedelta(days=30),
    ) -> CertificateAuthority:
        """Make a self-signed authority that keeps its files in ``directory``.

        Args:
            directory: Created (0700) if it is not there.
            name: The authority's common name.
            namespace: What the names it signs begin with.
            lifetime: How long its certificate is valid.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = new_key()
        subject = _name(namespace, name)
        now = datetime.now(UTC)
        cert = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _CLOCK_SKEW)
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        write_file(directory / "ca-key.pem", key_pem(key), private=True)
        write_file(directory / "ca-cert.pem", cert_pem(cert))
        return cls(directory, cert, key)

    @classmethod
    def load(cls, directory: Path) -> CertificateAuthority:
        """Read an authority that :meth:`create` left in ``directory``."""
        cert = x509.load_pem_x509_certificate((directory / "ca-cert.pem").read_bytes())
        key = load_key((directory / "ca-key.pem").read_bytes())
        return cls(directory, cert, key)

    @property
    def subject(self) -> str:
        """The authority's own name."""
        return oneline(self.certificate.subject)

    @property
    def namespace(self) -> str:
        """What the names it signs begin with."""
        return self.subject.rpartition("/CN=")[0]

    def trust_in(self, trusted: Path) -> None:
        """Make ``trusted`` (an ``X509_CERT_DIR``) trust this authority."""
        trusted.mkdir(mode=0o755, parents=True, exist_ok=True)
        stem = f"{name_hash(self.certificate.subject):08x}"
        policy = _SIGNING_POLICY.format(ca=self.subject, namespace=self.namespace)
        write_file(trusted / f"{stem}.0", cert_pem(self.certificate))
        write_file(trusted / f"{stem}.signing_policy", policy.encode())

    def issue_user(
        self,
        name: str,
        *,
        lifetime: timedelta = timedelta(days=7),
        not_before: datetime | None = None,
        passphrase: str | bytes | None = None,
    ) -> IssuedCredential:
        """Issue a certificate to a person.

        Args:
            name: The common name.
            lifetime: How long it is valid, from ``not_before``.
            not_before: When it begins; a past one makes an expired certificate.
            passphrase: Encrypts the private key (PKCS #8, AES-256).
        """
        return self._issue(name, [], lifetime, not_before, passphrase)

    def issue_host(
        self,
        hostname: str = "localhost",
        *,
        lifetime: timedelta = timedelta(days=7),
        not_before: datetime | None = None,
    ) -> IssuedCredential:
        """Issue a certificate to a host; ``localhost`` also gets its addresses."""
        names: list[x509.GeneralName] = [x509.DNSName(hostname)]
        if hostname == "localhost":
            names += [x509.IPAddress(ipaddress.ip_address(a)) for a in ("127.0.0.1", "::1")]
        return self._issue(hostname, names, lifetime, not_before, None)

    def _issue(
        self,
        common_name: str,
        alternatives: list[x509.GeneralName],
        lifetime: timedelta,
        not_before: datetime | None,
        passphrase: str | bytes | None,
    ) -> IssuedCredential:
        if isinstance(passphrase, str):
            passphrase = passphrase.encode()
        key = new_key()
        subject = _name(self.namespace, common_name)
        begin = not_before or datetime.now(UTC) - _CLOCK_SKEW
        usage = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if alternatives:
            usage.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(sign_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if alternatives:
            builder = builder.add_extension(
                x509.SubjectAlternativeName(alternatives), critical=False
            )
        cert = builder.sign(self._key, hashes.SHA256())

        stem = re.sub(r"[^A-Za-z0-9.-]+", "-", common_name).strip("-").lower()
        cert_path = self.directory / f"{stem}-{cert.serial_number & 0xFFFFFFFF:08x}-cert.pem"
        key_path = cert_path.with_name(cert_path.name.replace("-cert.pem", "-key.pem"))
        write_file(key_path, key_pem(key, passphrase), private=True)
        write_file(cert_path, cert_pem(cert))
        return IssuedCredential(
            oneline(subject), cert_path, key_path, passphrase=passphrase or None
        )


def new_key() -> rsa.RSAPrivateKey:
    """A private key such as GCT accepts everywhere (it refuses EC keys for proxies)."""
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def load_key(pem: bytes, passphrase: bytes | None = None) -> rsa.RSAPrivateKey:
    """Read an RSA private key from PEM text."""
    key = serialization.load_pem_private_key(pem, passphrase)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("not an RSA key")
    return key


def key_pem(key: rsa.RSAPrivateKey, passphrase: bytes | None = None) -> bytes:
    """The key as PEM text, encrypted when there is a passphrase."""
    if passphrase:
        return key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase),
        )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def cert_pem(cert: x509.Certificate) -> bytes:
    """The certificate as PEM text."""
    return cert.public_bytes(serialization.Encoding.PEM)


def write_file(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``path`` whole or not at all; ``private`` makes it 0600 from the first byte."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    mode = 0o600 if private else 0o644
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)  # whatever the umask says
            file.write(data)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def oneline(name: x509.Name) -> str:
    """The name as ``X509_NAME_oneline`` and grid-mapfiles write it.

    >>> oneline(_name("/O=Grid/OU=Sandbox", "localhost"))
    '/O=Grid/OU=Sandbox/CN=localhost'
    """
    return "".join(
        f"/{_SHORT_NAMES.get(part.oid, part.oid.dotted_string)}={part.value!s}" for part in name
    )


def name_hash(name: x509.Name) -> int:
    """OpenSSL's ``X509_NAME_hash``: by it OpenSSL finds a trusted certificate's file.

    It is the SHA-1 of the *canonical* encoding: each value as lower-case UTF-8
    with its runs of white space made one blank, without the outer SEQUENCE
    (``crypto/x509/x_name.c``, ``x509_name_canon``).

    >>> f"{name_hash(_name('/O=Grid/OU=Sandbox', 'Sandbox CA')):08x}"
    '64116e8e'
    """
    canonical = b""
    for rdn in name.rdns:
        parts = sorted(_canonical_attribute(part) for part in rdn)
        canonical += _der(0x31, b"".join(parts))
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "little")


def _canonical_attribute(part: x509.NameAttribute[str | bytes]) -> bytes:
    text = part.value if isinstance(part.value, str) else part.value.decode()
    # Only ASCII is folded: OpenSSL leaves the other letters as they are.
    text = "".join(c.lower() if c.isascii() else c for c in " ".join(text.split()))
    return _der(0x30, _oid_der(part.oid) + _der(0x0C, text.encode()))


def _oid_der(oid: x509.ObjectIdentifier) -> bytes:
    first, second, *rest = (int(arc) for arc in oid.dotted_string.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.insert(0, arc & 0x7F | 0x80)
        body += bytes(septets)
    return _der(0x06, body)


def _der(tag: int, body: bytes) -> bytes:
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _name(namespace: str, common_name: str) -> x509.Name:
    if not common_name or "/" in common_name or not common_name.isprintable():
        raise ValueError(f"not a usable common name: {common_name!r}")
    oids = {short: oid for oid, short in _SHORT_NAMES.items()}
    parts = [part.split("=", 1) for part in namespace.strip("/").split("/")]
    return x509.Name(
        [x509.NameAttribute(oids[key], value) for key, value in parts]
        + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _key_usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not sign_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )
