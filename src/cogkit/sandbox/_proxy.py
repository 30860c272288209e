"""RFC 3820 proxy credentials, made without Globus.

A proxy is a short-lived certificate which the user's own key signs.  Its name is
the user's name with one more ``CN``, and the critical extension ProxyCertInfo
(RFC 3820, section 3.8) says what it may do.  The file holds certificate, key and
chain, in that order, as ``grid-proxy-init`` writes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from cogkit.sandbox._ca import IssuedCredential, cert_pem, key_pem, load_key, new_key, write_file

_PROXY_CERT_INFO = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14")
# ProxyCertInfo ::= SEQUENCE { pCPathLenConstraint OPTIONAL,
#                              proxyPolicy SEQUENCE { policyLanguage OID } }
_INHERIT_ALL = bytes.fromhex("300c300a06082b06010505071501")  # 1.3.6.1.5.5.7.21.1
_LIMITED = bytes.fromhex("300f300d060b2b060104019b5001010109")  # 1.3.6.1.4.1.3536.1.1.1.9
_CLOCK_SKEW = timedelta(minutes=5)


def issue_proxy(
    credential: IssuedCredential,
    path: Path,
    *,
    lifetime: timedelta = timedelta(hours=12),
    not_before: datetime | None = None,
    limited: bool = False,
) -> Path:
    """Sign a proxy with a user's key and write it to ``path``, mode 0600.

    Args:
        credential: Whose proxy it is.  Its passphrase, if any, opens the key.
        path: The file to write.
        lifetime: How long it is valid from now, or from ``not_before``.
        not_before: When it begins; a past one makes an expired proxy.
        limited: Make a limited proxy: for files only, says the Grid Security
            Infrastructure; the gatekeeper of GCT 6.2 takes it for jobs all the same.

    Returns:
        ``path``.
    """
    issuer = x509.load_pem_x509_certificate(credential.cert_path.read_bytes())
    issuer_key = load_key(credential.key_path.read_bytes(), credential.passphrase)
    key = new_key()
    serial = x509.random_serial_number() & 0x7FFFFFFF
    now = datetime.now(UTC)
    subject = x509.Name(
        [*issuer.subject.rdns, x509.RelativeDistinguishedName([_common_name(str(serial))])]
    )
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before or now - _CLOCK_SKEW)
        .not_valid_after((not_before or now) + lifetime)
        .add_extension(
            x509.UnrecognizedExtension(_PROXY_CERT_INFO, _LIMITED if limited else _INHERIT_ALL),
            critical=True,
        )
        .add_extension(
            x509.KeyUsage(True, False, True, False, False, False, False, False, False),
            critical=True,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    write_file(path, cert_pem(cert) + key_pem(key) + cert_pem(issuer), private=True)
    return path


def _common_name(value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, value)
