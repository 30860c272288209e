"""Bad days of the GSS-API: each attack and each fault has its own error, and none a crash."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cogkit.sandbox import Sandbox
from gss import LOCALHOST, establish, host, pair, user
from pyGlobus.security import Credential, Policy, create_proxy
from pyGlobus.security.gss import (
    OID,
    RESTRICTIONS,
    Name,
    NameType,
    Option,
    RequirementFlag,
    SecurityContext,
)
from pyGlobus.security.gss.exceptions import (
    BadMICError,
    ExpiredContextError,
    ExpiredPeerError,
    ExpiredTokenError,
    GSSError,
    InvalidCredentialsError,
    InvalidTokenError,
    LimitedProxyError,
    MissingContextError,
    RefusedByPeerError,
    TokenTooEarlyError,
    UnknownExtensionError,
    UntrustedPeerError,
    WrongNameError,
)
from pyGlobus.security.gss.keys import LARGEST_KEY

QUICK: Any = {
    "deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture],
}  # fmt: skip
Sides = tuple[SecurityContext, SecurityContext]


def sides(grid: Sandbox, **arguments: object) -> Sides:
    given = {"name": LOCALHOST, "creds": user(grid), **arguments}
    server = given.pop("server", host(grid))
    flags = given.pop("server_flags", 0)
    return (
        SecurityContext(**given),  # type: ignore[arg-type]
        SecurityContext(creds=server, usage="accept", flags=flags),  # type: ignore[arg-type]
    )


def refused(
    client: SecurityContext, server: SecurityContext, kind: type[GSSError], by: SecurityContext
) -> GSSError:
    """The one side refuses the other, which hears of it where there is something to hear."""
    side, token = client, client.step()
    while True:
        other = server if side is client else client
        try:
            assert token is not None
            token = other.step(token)
        except GSSError as error:
            assert other is by, error
            assert type(error) is kind, error
            assert not by.complete
            with pytest.raises(MissingContextError):
                by.wrap(b"x")
            if error.token:
                with pytest.raises(RefusedByPeerError):
                    side.step(error.token)
                assert not side.complete
            return error
        side = other


# --- who the peer is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [Name("host@other.example", NameType.hostbased_service), Name("/O=Grid/CN=other")],
    ids=str,
)
def test_a_server_of_another_name_is_refused_and_gets_nothing(
    grid: Sandbox, grid_env: object, name: Name
) -> None:
    client, server = sides(grid, name=name)
    error = refused(client, server, WrongNameError, client)
    assert "match" in str(error)
    assert error.token == b""


def test_a_client_of_an_unknown_ca_is_refused(grid: Sandbox, grid_env: object) -> None:
    stranger = Credential.load(grid.foreign_credential().environ["X509_USER_PROXY"])
    client, server = sides(grid, creds=stranger)
    error = refused(client, server, UntrustedPeerError, server)
    assert "Cannot find trusted CA certificate" in str(error)
    assert [cause.library for cause in error.causes]
    assert error.routine_code == error.maj_code & 0xFF0000 != 0


def test_a_server_of_an_unknown_ca_is_refused(grid: Sandbox, grid_env: object) -> None:
    stranger = grid.foreign_credential()
    server_creds = Credential.load_pair(stranger.cert_path, stranger.key_path)
    client, server = sides(grid, server=server_creds)
    refused(client, server, UntrustedPeerError, client)


def test_what_has_expired_is_refused_on_either_side(grid: Sandbox, grid_env: object) -> None:
    expired = Credential.load(grid.expired_credential().environ["X509_USER_PROXY"])
    client, server = sides(grid, creds=expired)
    assert "has expired" in str(refused(client, server, ExpiredPeerError, server))
    client, server = sides(grid, server=expired)
    refused(client, server, ExpiredPeerError, client)


def test_a_limited_proxy_is_refused_where_a_full_one_is_asked_for(
    grid: Sandbox, grid_env: object
) -> None:
    limited = create_proxy(user(grid), limited=True)
    client, server = sides(grid, creds=limited)
    establish(client, server)
    assert RequirementFlag.received_limited_proxy in server.actual_flags
    client, server = sides(grid, creds=limited, server_flags=RequirementFlag.refuse_limited_proxy)
    refused(client, server, LimitedProxyError, server)
    client, server = sides(
        grid, server=create_proxy(host(grid), limited=True),
        flags=RequirementFlag.refuse_limited_proxy,
    )  # fmt: skip
    refused(client, server, LimitedProxyError, client)


def test_a_proxy_that_is_longer_than_its_path_is_refused(grid: Sandbox, grid_env: object) -> None:
    short = create_proxy(user(grid), path_length=1)
    establish(*sides(grid, creds=create_proxy(short)))
    client, server = sides(grid, creds=create_proxy(create_proxy(short)))
    error = refused(client, server, InvalidCredentialsError, server)
    assert "path length exceeded" in str(error)


def test_a_policy_that_nobody_looks_at_is_refused(grid: Sandbox, grid_env: object) -> None:
    restricted = create_proxy(user(grid), policy=Policy("1.3.6.1.4.1.99999.1", b"rights"))
    client, server = sides(grid, creds=restricted)
    refused(client, server, UnknownExtensionError, server)
    client, server = sides(grid, creds=restricted)
    server.will_handle_restrictions()
    establish(client, server)
    assert b"rights" in server.inquire_by_oid(RESTRICTIONS)[0]


def issue(
    grid: Sandbox, tmp_path: Path, *, bits: int = 2048, extension: str | None = None
) -> Credential:
    """A user's credential of the grid's CA with something odd about it."""
    authority = grid.authority
    key = rsa.generate_private_key(65537, bits)
    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Grid"),
         x509.NameAttribute(x509.NameOID.ORGANIZATIONAL_UNIT_NAME, "Sandbox"),
         x509.NameAttribute(x509.NameOID.COMMON_NAME, "Odd")]
    )  # fmt: skip
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(authority.certificate.subject)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(False, None), critical=True)
        .add_extension(
            x509.KeyUsage(True, False, True, False, False, False, False, False, False), True
        )
    )  # fmt: skip
    if extension:
        unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier(extension), b"\x05\0")
        builder = builder.add_extension(unknown, critical=True)
    ca_key = serialization.load_pem_private_key(
        (authority.directory / "ca-key.pem").read_bytes(), None
    )
    assert isinstance(ca_key, rsa.RSAPrivateKey)
    certificate = builder.sign(ca_key, hashes.SHA256())
    path = tmp_path / "odd.pem"
    path.touch(0o600)
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    return Credential.load(path)


def test_only_the_extensions_that_were_named_are_accepted(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    restricted = create_proxy(user(grid), policy=Policy("1.3.6.1.4.1.99999.1", b"rights"))
    client, server = sides(grid, creds=restricted)
    other = OID.from_int_seq("1.3.6.1.4.1.99999.8")
    server.set_option(Option.application_will_handle_extensions, [other])
    refused(client, server, UnknownExtensionError, server)
    # GSI takes none in the certificate of a person
    unknown = "1.3.6.1.4.1.99999.7"
    for oids in ([], [other], [OID.from_int_seq(unknown)]):
        client, server = sides(grid, creds=issue(grid, tmp_path, extension=unknown))
        if oids:
            server.set_option(Option.application_will_handle_extensions, oids)
        refused(client, server, InvalidCredentialsError, server)


def test_a_key_that_would_keep_the_server_busy_is_refused(
    grid: Sandbox, grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert LARGEST_KEY == 8192
    # the real thing takes minutes to make
    monkeypatch.setattr("pyGlobus.security.gss.keys.LARGEST_KEY", 1024)
    client, server = sides(grid, flags=RequirementFlag.delegate_to_peer)
    with pytest.raises(InvalidCredentialsError, match="2048 bits is too large"):
        establish(client, server)
    assert server.delegated_creds is None


def trusting(
    grid: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """A copy of the trusted directory; gives the CA's file of a kind."""
    directory = tmp_path / "certificates"
    shutil.copytree(grid.environ["X509_CERT_DIR"], directory)
    monkeypatch.setenv("X509_CERT_DIR", str(directory))
    return lambda kind: next(directory.glob(f"*.{kind}"))


def test_a_missing_or_unfitting_signing_policy_is_an_untrusted_peer(
    grid: Sandbox, grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = trusting(grid, tmp_path, monkeypatch)("signing_policy")
    text = policy.read_text()
    policy.write_text(text.replace("Sandbox/*", "Elsewhere/*"))
    client, server = sides(grid)
    assert "signing policies" in str(refused(client, server, UntrustedPeerError, client))
    policy.unlink()
    client, server = sides(grid)
    assert "signing_policy" in str(refused(client, server, UntrustedPeerError, client))
    allow = RequirementFlag.allow_missing_signing_policy
    establish(*sides(grid, flags=allow, server_flags=allow))


# --- tokens of a handshake -------------------------------------------------------------------


def test_a_token_that_is_cut_off_is_refused_at_once(grid: Sandbox, grid_env: object) -> None:
    client, server = sides(grid)
    hello = client.step()
    assert hello is not None
    for size in (1, 4, 5, len(hello) - 1):
        server = SecurityContext(creds=host(grid), usage="accept")
        with pytest.raises(InvalidTokenError, match="cut off"):
            server.step(hello[:size])
        with pytest.raises(MissingContextError):
            server.step(hello)


@pytest.mark.parametrize(
    "token",
    [b"", b"GET / HTTP/1.0\r\n\r\n", b"\x80\x2e\x01\x03\x01", b"\x16\x03\x03\xff\xff", b"\0" * 9],
)
def test_what_is_no_token_is_refused(grid: Sandbox, grid_env: object, token: bytes) -> None:
    with pytest.raises(InvalidTokenError):
        SecurityContext(creds=host(grid), usage="accept").step(token)


def test_an_oversized_token_is_refused_unread(grid: Sandbox, grid_env: object) -> None:
    with pytest.raises(InvalidTokenError, match="16777217"):
        SecurityContext(creds=host(grid), usage="accept").step(bytes((1 << 24) + 1))


def test_a_token_of_another_handshake_is_refused(grid: Sandbox, grid_env: object) -> None:
    client, server = sides(grid)
    other_client, other_server = sides(grid)
    server.step(client.step() or b"")
    answer = other_server.step(other_client.step() or b"")
    with pytest.raises(GSSError):
        client.step(answer)


def test_a_repeated_hello_is_refused(grid: Sandbox, grid_env: object) -> None:
    client, server = sides(grid)
    hello = client.step() or b""
    server.step(hello)
    with pytest.raises(InvalidTokenError):
        server.step(hello)


FLIP = st.tuples(st.integers(0, 3), st.integers(0, 4000), st.integers(1, 255))


@settings(max_examples=25, **QUICK)
@given(flip=FLIP)
def test_a_handshake_with_one_octet_changed_never_succeeds_quietly(
    grid: Sandbox, grid_env: object, flip: tuple[int, int, int]
) -> None:
    flight, place, change = flip
    client, server = sides(grid, creds=create_once(grid))
    token, side, number, changed = client.step(), server, 0, False
    try:
        while token:
            if number == flight and place < len(token):
                octets = bytearray(token)
                octets[place] ^= change
                token, changed = bytes(octets), True
            token = side.step(token)
            side, number = (client if side is server else server), number + 1
    except GSSError:
        assert changed
        return
    if not changed:
        assert client.complete
        assert server.complete
    else:
        # TLS itself ignores a little, such as the version in a record's header
        assert (
            not (client.complete and server.complete)
            or server.decrypt(client.encrypt(b"x")) == b"x"
        )


_CREATED: dict[int, Credential] = {}


def create_once(grid: Sandbox) -> Credential:
    return _CREATED.setdefault(id(grid), user(grid))


@settings(max_examples=60, **QUICK)
@given(token=st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda kind, body: bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body,
        st.integers(18, 27), st.binary(max_size=300),
    ),
))  # fmt: skip
def test_any_token_is_an_error_and_no_crash(grid: Sandbox, grid_env: object, token: bytes) -> None:
    server = SecurityContext(creds=host(grid), usage="accept")
    try:
        server.step(token)
    except GSSError:
        pass
    assert not server.complete


# --- messages --------------------------------------------------------------------------------


def test_a_changed_message_ends_the_context(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    token = bytearray(client.encrypt(b"pay 1"))
    token[-1] ^= 1
    with pytest.raises(InvalidTokenError, match="damaged, repeated"):
        server.unwrap(token)
    with pytest.raises(MissingContextError):
        server.unwrap(client.encrypt(b"pay 2"))


def test_a_long_message_whose_end_is_changed_gives_nothing_of_it(
    grid: Sandbox, grid_env: object
) -> None:
    for _ in range(5):
        client, server = pair(grid)
        token = bytearray(client.encrypt(bytes(100_000)))
        token[-1] ^= 1
        with pytest.raises(InvalidTokenError):
            server.unwrap(token)


def test_a_repeated_or_overtaken_message_is_refused(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    token = client.encrypt(b"pay 1")
    assert server.decrypt(token) == b"pay 1"
    with pytest.raises(InvalidTokenError):
        server.decrypt(token)
    client, server = pair(grid)
    client.encrypt(b"first")
    with pytest.raises(InvalidTokenError):
        server.decrypt(client.encrypt(b"second"))


def test_a_message_sent_back_is_refused(grid: Sandbox, grid_env: object) -> None:
    client, _ = pair(grid)
    with pytest.raises(InvalidTokenError):
        client.unwrap(client.encrypt(b"pay 1"))


@pytest.mark.parametrize("cut", [0, 1, 4, 5, -1])
def test_a_message_that_is_cut_off_is_an_error_and_can_come_again(
    grid: Sandbox, grid_env: object, cut: int
) -> None:
    client, server = pair(grid)
    token = client.encrypt(b"pay 100")
    with pytest.raises(InvalidTokenError):
        server.unwrap(token[:cut])
    assert server.unwrap(token).message == b"pay 100"


def test_a_signature_counts_once_and_for_its_message(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    first, second = client.get_signature(b"one"), client.get_signature(b"two")
    with pytest.raises(BadMICError):
        server.verify_signature(b"One", first)
    for damaged in (b"", first[:-1], first + b"x"):
        with pytest.raises(InvalidTokenError):
            server.verify_signature(b"one", damaged)
    assert server.verify_signature(b"one", first) == 0
    with pytest.raises(ExpiredTokenError):
        server.verify_signature(b"one", first)
    assert server.verify_signature(b"two", second) == 0
    client.get_signature(b"lost")
    with pytest.raises(TokenTooEarlyError):
        server.verify_signature(b"four", client.get_signature(b"four"))


@settings(max_examples=60, **QUICK)
@given(token=st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda kind, body: bytes([kind, 3, 3]) + len(body).to_bytes(2, "big") + body,
        st.integers(18, 27), st.binary(max_size=300),
    ),
    st.builds(
        lambda mic, size, body: b"\x1a\x03\0" + len(mic).to_bytes(2, "big") + mic
        + size.to_bytes(4, "big") + body,
        st.binary(min_size=8, max_size=28), st.integers(0, 70), st.binary(max_size=70),
    ),
))  # fmt: skip
def test_any_message_is_an_error_and_no_crash(
    grid: Sandbox, grid_env: object, token: bytes
) -> None:
    _, server = pair_once(grid)
    with pytest.raises(GSSError):
        server.unwrap(token)
    with pytest.raises(GSSError):
        server.verify_signature(b"message", token)


_PAIRS: dict[int, Sides] = {}


def pair_once(grid: Sandbox) -> Sides:
    """One that is up: an attack may have ended the last one."""
    there = _PAIRS.get(id(grid))
    if there is None or not there[1].complete:
        there = _PAIRS[id(grid)] = pair(grid)
    return there


@pytest.mark.parametrize("short", ["client", "server"])
def test_an_expired_context_protects_nothing_more_if_that_was_asked_for(
    grid: Sandbox, grid_env: object, monkeypatch: pytest.MonkeyPatch, short: str
) -> None:
    minute = timedelta(minutes=1)
    client, server = sides(
        grid,
        creds=create_proxy(user(grid), lifetime=minute) if short == "client" else user(grid),
        server=create_proxy(host(grid), lifetime=minute) if short == "server" else host(grid),
    )
    client.set_option(Option.protection_fail_on_context_expiration)
    establish(client, server)
    assert 0 < client.lifetime <= 60
    assert 0 < server.lifetime <= 60
    token = server.encrypt(b"x")
    later = time.time() + 61
    monkeypatch.setattr("pyGlobus.security.gss.state.time.time", lambda: later)
    for action in (
        lambda: client.wrap(b"x"), lambda: client.unwrap(token), lambda: client.get_signature(b"x"),
        lambda: client.verify_signature(b"x", b"x"),
    ):  # fmt: skip
        with pytest.raises(ExpiredContextError):
            action()
    assert server.lifetime == 0
    assert server.wrap(b"x")


# --- delegation ------------------------------------------------------------------------------


def test_a_delegation_that_is_none_is_refused(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    with pytest.raises(InvalidTokenError, match="does not begin"):
        server.accept_delegation().step(client.encrypt(b"X"))
    client, server = pair(grid)
    gives = client.init_delegation()
    gives.step()
    with pytest.raises(GSSError, match="cannot delegate"):
        gives.step(server.encrypt(b"no request"))


@pytest.mark.parametrize("answer", ["junk", "other key", "lone", "huge"])
def test_a_delegated_proxy_that_is_none_is_refused(
    grid: Sandbox, grid_env: object, answer: str
) -> None:
    client, server = pair(grid)
    takes = server.accept_delegation()
    gives = client.init_delegation()
    request = takes.step(gives.step())
    proxy = create_proxy(user(grid))
    if answer == "lone":
        # a proxy without its chain, at which gss_accept_delegation crashes: more is awaited
        whole = gives.step(request) or b""
        size = 5 + int.from_bytes(whole[3:5], "big")
        assert takes.step(whole[:size]) is None
        assert not takes.complete
        assert takes.creds is None
        return
    der = {
        "junk": b"junk",
        "other key": b"".join(_ders(proxy)),
        "huge": b"\x30\x84\xff\xff\xff\xff" + bytes(300_000),
    }[answer]
    with pytest.raises(GSSError):
        takes.step(client.encrypt(der))
    assert takes.creds is None
    with pytest.raises(MissingContextError):
        server.wrap(b"x")


def _ders(credential: Credential) -> list[bytes]:
    return [
        one.public_bytes(serialization.Encoding.DER)
        for one in x509.load_pem_x509_certificates(credential.certificates.encode())
    ]
