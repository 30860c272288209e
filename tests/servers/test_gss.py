"""The GSS-API: credentials, names, contexts, messages, delegation."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from cogkit.sandbox import Sandbox
from gss import LOCALHOST, compile_c, delegate, establish, host, pair, user
from pyGlobus.globusException import AuthenticationError, CredentialError, GlobusException
from pyGlobus.security import Credential, Policy, create_proxy
from pyGlobus.security.gss import (
    OID,
    RESTRICTIONS,
    Credentials,
    ExportForm,
    MechType,
    Name,
    NameType,
    NotMappedError,
    Option,
    RequirementFlag,
    SecurityContext,
    authorization_host_name,
    indicate_mechs,
    inquire_names_for_mech,
    map_and_authorize,
    map_and_authorize_sharing,
)
from pyGlobus.security.gss.exceptions import (
    BadChannelBindingsError,
    BadMechanismError,
    BadNameError,
    BadNameTypeError,
    GSSError,
    MissingContextError,
    MissingCredentialsError,
    OperationUnavailableError,
)

# --- credentials -----------------------------------------------------------------------------


def test_credentials_are_acquired_as_gsi_finds_them(grid: Sandbox, grid_env: object) -> None:
    creds, mechs, lifetime = Credentials.acquire(usage="initiate")
    assert str(creds.name) == user(grid).subject
    assert creds.usage == "initiate"
    assert lifetime is not None
    assert abs(lifetime - user(grid).time_left.total_seconds()) < 5
    assert mechs == creds.mechs == indicate_mechs() == {MechType.gsi}
    assert Credentials(name=Name(user(grid).subject)).usage == "both"
    assert creds.inquire(name=False, lifetime=False).name is None
    with pytest.raises(ValueError, match="usage is 'all'"):
        Credentials(usage="all")


def test_there_may_be_no_credentials(
    grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("X509_USER_PROXY", "X509_USER_CERT", "X509_USER_KEY"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(MissingCredentialsError) as caught:
        Credentials(usage="initiate")
    assert isinstance(caught.value, CredentialError)
    assert str(tmp_path / "none") in "\n".join(cause.message for cause in caught.value.causes)


def test_credentials_go_to_another_process_and_back(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    creds = Credentials(create_proxy(user(grid)))
    again = Credentials(token=creds.export())
    assert again.name == creds.name
    assert again.credential.subject == creds.credential.subject
    named = creds.export(ExportForm.MECH_SPECIFIC)
    variable, _, path = named.decode().partition("=")
    try:
        assert variable == "X509_USER_PROXY"
        assert Path(path).stat().st_mode & 0o777 == 0o600
        assert Credentials(token=named).credential.subject == creds.credential.subject
    finally:
        Path(path).unlink()


@pytest.mark.parametrize("token", [b"junk", b"-----BEGIN CERTIFICATE-----\n", b"\0" * 50])
def test_what_is_no_exported_credential_is_refused(grid_env: object, token: bytes) -> None:
    with pytest.raises(MissingCredentialsError):
        Credentials(token=token)


def test_extensions_are_found_by_oid(grid: Sandbox, grid_env: object) -> None:
    proxy = create_proxy(user(grid), path_length=3)
    told = Credentials(proxy).inquire_by_oid(RESTRICTIONS)
    assert b"\x02\x01\x03" in told[0]  # INTEGER 3
    assert Credentials(user(grid)).inquire_by_oid(RESTRICTIONS)[:1] in ([b""], [])


def test_a_proxy_without_its_chain_is_an_error_and_no_crash(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    path = tmp_path / "proxy"
    create_proxy(user(grid)).write(path)
    parts = path.read_text().split("-----BEGIN CERTIFICATE-----")
    path.write_text("-----BEGIN CERTIFICATE-----".join(parts[:2]))
    code = f"""
import os
os.environ.update(X509_USER_PROXY={str(path)!r}, HOME={str(tmp_path)!r})
for name in ("X509_USER_CERT", "X509_USER_KEY"):
    os.environ.pop(name, None)
from pyGlobus.globusException import CredentialError
from pyGlobus.security import Credential, gss
lone = Credential.load({str(path)!r})
for make in (lone.gss, lambda: gss.Credentials(usage="initiate"),
             lambda: gss.Credentials(token=open({str(path)!r}, "rb").read())):
    try:
        make()
    except CredentialError as error:
        print("refused")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, "refused\n" * 3), done.stderr


# --- names -----------------------------------------------------------------------------------


def test_names_are_imported_compared_exported_and_shown() -> None:
    ann = Name("/O=Grid/CN=Ann Other")
    assert str(ann) == "/O=Grid/CN=Ann Other"
    assert bytes(ann) == b"/O=Grid/CN=Ann Other"
    assert ann.name_type is None
    assert ann == Name(b"/O=Grid/CN=Ann Other", NameType.user)
    assert ann != Name("/O=Grid/CN=Bob")
    assert ann != "/O=Grid/CN=Ann Other"
    assert Name(token=ann.export()) == ann
    assert str(Name(token=ann.export())) == str(ann)
    assert copy.copy(ann) == copy.deepcopy(ann) == Name(ann) == ann
    assert ann.canonicalize(MechType.gsi).export() == ann.export()
    with pytest.raises(TypeError):
        hash(ann)


def test_a_host_is_equal_to_its_services_name() -> None:
    service = Name("host@grid.example.org", NameType.hostbased_service)
    assert service == Name("/O=Grid/CN=host/grid.example.org")
    assert service == Name("/O=Grid/CN=grid.example.org")
    assert service != Name("ftp@grid.example.org", NameType.hostbased_service)
    assert service.name_type == NameType.hostbased_service
    assert Name("grid.example.org/127.0.0.1", NameType.host_ip).name_type == NameType.host_ip


def test_nobody_in_particular_is_a_name_too() -> None:
    nobody = Name(name_type=NameType.anonymous)
    assert nobody.is_anonymous
    assert str(nobody) == "<anonymous>"


@pytest.mark.parametrize("text", ["no slash", "/no equals", "/=", "/Nonsense=x", "/CN=a\0b"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(BadNameError):
        Name(text)


@pytest.mark.parametrize(
    "kind", [NameType.machine_uid, NameType.string_uid, OID.from_int_seq("1.2.3")]
)
def test_types_of_names_that_gsi_has_not_are_refused(kind: OID) -> None:
    with pytest.raises(BadNameTypeError):
        Name("1000", kind)


def test_a_damaged_exported_name_is_refused() -> None:
    token = Name("/O=Grid/CN=Ann Other").export()
    for damaged in (b"", token[:-1], token[:12], token + b"x", b"\x05" + token[1:], b"\0" * 30):
        with pytest.raises(BadNameError):
            Name(token=damaged)


def test_mechanisms_and_their_names_are_told() -> None:
    assert NameType.hostbased_service in inquire_names_for_mech()
    with pytest.raises(BadMechanismError):
        inquire_names_for_mech(OID.from_int_seq("1.2.840.113554.1.2.2"))
    with pytest.raises(BadMechanismError):
        Name("/CN=a").canonicalize(OID.from_int_seq("1.2.840.113554.1.2.2"))


def test_the_name_of_a_server_comes_from_the_dns() -> None:
    name = authorization_host_name("localhost")
    assert name.name_type == NameType.hostbased_service
    with pytest.raises(GlobusException):
        authorization_host_name("no such host.invalid")


@pytest.mark.parametrize("text", ["1.2.840.113554.1.2.2", "0.9.2342", "2.999.1", "2.5.29.17"])
def test_oids_keep_their_numbers(text: str) -> None:
    oid = OID.from_int_seq(text)
    assert oid.dotted_form == text
    assert OID(elements=oid.elements) == oid
    assert OID.from_int_seq([int(part) for part in text.split(".")]) == oid


@pytest.mark.parametrize("text", ["", "1", "1.40", "3.1", "a.b", "-1.2"])
def test_what_is_no_oid_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        OID.from_int_seq(text)


# --- contexts --------------------------------------------------------------------------------


def test_both_sides_know_each_other(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    for side in (client, server):
        assert str(side.initiator_name) == user(grid).subject
        assert side.target_name == LOCALHOST
        assert side.mech == MechType.gsi
        assert side.tls_version == "TLSv1.3"
        assert "GCM" in side.cipher
        assert 0 < side.lifetime <= user(grid).time_left.total_seconds() + 1
        for flag in ("mutual_authentication", "confidentiality", "integrity", "replay_detection"):
            assert RequirementFlag[flag] in side.actual_flags
        assert RequirementFlag.delegate_to_peer not in side.actual_flags
    assert client.locally_initiated
    assert not server.locally_initiated
    assert client.peer_name == LOCALHOST
    assert str(server.peer_name) == user(grid).subject
    assert server.delegated_creds is None


def test_the_peers_chain_is_its_certificates(grid: Sandbox, grid_env: object) -> None:
    proxy = create_proxy(user(grid))
    client, server = pair(grid, creds=proxy)
    chain = server.peer_certificates
    assert len(chain) == 3
    assert chain[0] in [_der(proxy)]
    client.close()


def _der(credential: Credential) -> bytes:
    import base64

    lines = credential.certificates.split("-----")[2].split()
    return base64.b64decode("".join(lines))


def test_a_python_gssapi_program_is_at_home(grid: Sandbox, grid_env: object) -> None:
    name = Name("host@localhost", name_type=NameType.hostbased_service)
    client = SecurityContext(name=name, usage="initiate", creds=Credentials(usage="initiate"))
    server = SecurityContext(creds=Credentials(host(grid)), usage="accept")
    establish(client, server)
    wrapped = client.wrap(b"message", True)
    assert wrapped.encrypted
    assert server.unwrap(wrapped.message).message == b"message"
    signature = server.get_signature(b"other")
    assert client.verify_signature(b"other", signature) == 0
    assert client.get_wrap_size_limit(10_000) < 10_000
    assert len(client.wrap(bytes(client.get_wrap_size_limit(10_000)), True).message) <= 10_000


@pytest.mark.parametrize("size", [1, 16384, 16385, 1 << 20])
def test_messages_of_every_size_arrive(grid: Sandbox, grid_env: object, size: int) -> None:
    client, server = pair(grid)
    message = os.urandom(size)
    for sender, receiver in ((client, server), (server, client)):
        token = sender.encrypt(memoryview(message))
        assert receiver.decrypt(bytearray(token)) == message
        assert receiver.verify_signature(message, sender.get_signature(message)) == 0


def test_an_empty_message_is_no_message(grid: Sandbox, grid_env: object) -> None:
    client, _ = pair(grid)
    with pytest.raises(ValueError, match="1 to"):
        client.wrap(b"")


def test_the_end_is_told(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    assert server.unwrap(client.close()).message == b""
    assert client.close() == b""
    with pytest.raises(MissingContextError, match="no more: closed"):
        client.wrap(b"x")


def test_an_anonymous_client_is_nobody_in_particular(grid: Sandbox, grid_env: object) -> None:
    client = SecurityContext(name=LOCALHOST, flags=RequirementFlag.anonymity)
    server = SecurityContext(creds=host(grid), usage="accept")
    establish(client, server)
    assert RequirementFlag.anonymity in server.actual_flags
    assert server.peer_name is not None
    assert server.peer_name.is_anonymous
    assert server.peer_certificates == []
    with pytest.raises(GSSError):
        delegate(client, server)


def test_plain_tls_is_for_peers_that_are_not_gsi(grid: Sandbox, grid_env: object) -> None:
    flags = RequirementFlag.ssl_compatible
    client = SecurityContext(name=LOCALHOST, creds=user(grid), flags=flags)
    server = SecurityContext(creds=host(grid), usage="accept", flags=flags)
    establish(client, server)
    assert server.decrypt(client.encrypt(b"x")) == b"x"


def test_what_gsi_would_not_do_is_refused(grid: Sandbox, grid_env: object) -> None:
    with pytest.raises(BadChannelBindingsError):
        SecurityContext(name=LOCALHOST, channel_bindings=object())
    with pytest.raises(BadMechanismError):
        SecurityContext(name=LOCALHOST, mech=OID.from_int_seq("1.2.840.113554.1.2.2"))
    client, server = pair(grid)
    with pytest.raises(OperationUnavailableError):
        client.export()
    with pytest.raises(OperationUnavailableError):
        client.process_token(b"x")
    with pytest.raises(OperationUnavailableError):
        SecurityContext(token=b"x")
    assert server.decrypt(client.encrypt(b"still there")) == b"still there"


def test_a_context_that_is_not_complete_tells_and_does_nothing(
    grid: Sandbox, grid_env: object
) -> None:
    client = SecurityContext(name=LOCALHOST, creds=user(grid))
    assert not client.complete
    for action in (
        lambda: client.lifetime, lambda: client.peer_name, lambda: client.actual_flags,
        lambda: client.wrap(b"x"), lambda: client.unwrap(b"x" * 30), lambda: client.tls_version,
        client.accept_delegation, client.init_delegation, lambda: client.get_signature(b"x"),
    ):  # fmt: skip
        with pytest.raises(GSSError):
            action()
    with pytest.raises(TypeError):
        client.step(b"x")
    client.step()
    with pytest.raises(TypeError):
        client.step()
    with pytest.raises(TypeError):
        SecurityContext(usage="accept").step()


def test_options_are_set_before_the_first_step(grid: Sandbox, grid_env: object) -> None:
    client = SecurityContext(name=LOCALHOST, creds=user(grid))
    client.set_option(Option.protection_fail_on_context_expiration)
    client.set_option(Option.disallow_encryption)
    with pytest.raises(ValueError, match="takes no OIDs"):
        client.set_option(Option.disallow_encryption, [RESTRICTIONS])
    server = SecurityContext(creds=host(grid), usage="accept")
    establish(client, server)
    assert server.decrypt(client.encrypt(b"x")) == b"x"
    with pytest.raises(GSSError, match="before the first step"):
        client.set_option(Option.disallow_encryption)


def test_nothing_secret_is_shown_or_pickled(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    shown = f"{client!r} {server!r} {Credentials(user(grid))!r} {client.init_delegation()!r}"
    assert "PRIVATE" not in shown
    for one in (client, Credentials(user(grid))):
        with pytest.raises(TypeError):
            pickle.dumps(one)
    with pytest.raises(TypeError):
        copy.copy(client)


def test_forgotten_contexts_give_their_memory_back(grid: Sandbox, grid_env: object) -> None:
    resident = []
    for _ in range(3):
        for _ in range(30):
            client, server = pair(grid)
            server.decrypt(client.encrypt(bytes(1 << 16)))
            del client, server
        gc.collect()
        resident.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4)
    assert resident[2] - resident[1] < 4096  # KiB


# --- delegation ------------------------------------------------------------------------------


def test_a_proxy_is_delegated_with_the_context(grid: Sandbox, grid_env: object) -> None:
    flags = RequirementFlag.delegate_to_peer
    for more, limited in ((0, False), (RequirementFlag.limited_delegation, True)):
        _, server = pair(grid, flags=flags | more)
        assert server.delegated_creds is not None
        proxy = server.delegated_creds.credential
        proxy.verify()
        assert proxy.identity == user(grid).subject
        assert proxy.is_limited is limited
        assert RequirementFlag.delegate_to_peer in server.actual_flags


def test_a_proxy_is_delegated_later_from_either_side(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    for giver, taker, subject in (
        (client, server, user(grid).subject), (server, client, host(grid).subject),
    ):  # fmt: skip
        proxy = delegate(giver, taker)
        proxy.verify()
        assert proxy.identity == subject
        assert not proxy.is_limited
        assert giver.decrypt(taker.encrypt(b"x")) == b"x"


def test_the_credentials_that_gsi_finds_are_delegated_too(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid, creds=None)
    for _ in range(5):
        assert delegate(client, server).identity == user(grid).subject


def test_a_delegated_proxy_is_restricted_as_asked(grid: Sandbox, grid_env: object) -> None:
    client, server = pair(grid)
    assert delegate(client, server, limited=True).is_limited
    assert 0 < delegate(client, server, lifetime=600).time_left.total_seconds() <= 600
    assert delegate(client, server, path_length=2).path_length == 2
    policy = Policy("1.3.6.1.4.1.99999.1", b"read only")
    proxy = delegate(client, server, policy=policy, path_length=1, lifetime=600)
    assert proxy.policy_language == policy.language
    assert proxy.path_length == 1
    assert b"read only" in Credentials(proxy).inquire_by_oid(RESTRICTIONS)[0]
    with pytest.raises(CredentialError, match="unknown critical extension"):
        proxy.verify()
    other = create_proxy(user(grid))
    assert delegate(client, server, creds=other).issuer == other.subject


@pytest.mark.parametrize(
    "arguments",
    [{"lifetime": 0}, {"path_length": 0}, {"policy": Policy("not an OID")},
     {"limited": True, "policy": Policy("1.2.3")}],
)  # fmt: skip
def test_restrictions_that_would_not_hold_are_refused(
    grid: Sandbox, grid_env: object, arguments: dict[str, object]
) -> None:
    client, _ = pair(grid)
    with pytest.raises(ValueError):
        client.init_delegation(**arguments)  # type: ignore[arg-type]


def test_a_delegated_proxy_is_as_good_as_any(grid: Sandbox, grid_env: object, url: str) -> None:
    from pyGlobus.ftpClient import FtpClient, FtpClientOperationAttr

    client, server = pair(grid)
    proxy = delegate(client, server)
    attr = FtpClientOperationAttr(credential=proxy)
    with FtpClient() as ftp:
        assert ftp.exists(f"{url}/", attr).result(30) is not False


# --- who may do what -------------------------------------------------------------------------


def test_a_peer_is_mapped_by_the_grid_mapfile(
    grid: Sandbox, grid_env: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mapfile"
    path.write_text(f'"{user(grid).subject}" ann,guest\n')
    monkeypatch.setenv("GRIDMAP", str(path))
    _, server = pair(grid, creds=create_proxy(user(grid)))
    assert map_and_authorize(server, "file") == "ann"
    assert map_and_authorize(server, "file", "guest") == "guest"
    with pytest.raises(NotMappedError, match="may not have the user root") as caught:
        map_and_authorize(server, "file", "root")
    assert isinstance(caught.value, AuthenticationError)
    assert map_and_authorize_sharing(server, user(grid).certificates) == "ann"
    path.write_text("")
    with pytest.raises(NotMappedError, match="Could not map"):
        map_and_authorize(server, "file")


CALLOUT = r"""
#include <globus_common.h>
#include <globus_error_string.h>
#include <gssapi.h>
#include <stdarg.h>
#include <string.h>

globus_result_t map(va_list ap)
{
    gss_ctx_id_t context = va_arg(ap, gss_ctx_id_t);
    char *service = va_arg(ap, char *);
    char *wanted = va_arg(ap, char *);
    char *buffer = va_arg(ap, char *);

    (void) context;
    if (!strcmp(service, "forbidden"))
    {
        return globus_error_put(globus_error_construct_string(
            GLOBUS_COMMON_MODULE, NULL, "the callout says no"));
    }
    strcpy(buffer, wanted ? wanted : "mapped");
    return GLOBUS_SUCCESS;
}
"""


def test_a_callout_decides_where_one_is_configured(
    grid: Sandbox, grid_env: object, tmp_path: Path
) -> None:
    (tmp_path / "callout.c").write_text(CALLOUT)
    library = compile_c(
        tmp_path / "callout.c", tmp_path / "libcallout.so", "-shared", "-fPIC",
        packages="globus-common globus-gssapi-gsi",
    )  # fmt: skip
    configuration = tmp_path / "authz.conf"
    configuration.write_text(f"globus_mapping {library} map\n")
    # GCT reads the configuration once a process
    code = """
from pyGlobus.security import gss
client = gss.SecurityContext(usage="initiate")
server = gss.SecurityContext(usage="accept")
token = client.step()
while token:
    token = server.step(token)
    token = token and client.step(token)
print(gss.map_and_authorize(server, "file"))
print(gss.map_and_authorize(server, "file", "somebody"))
try:
    gss.map_and_authorize(server, "forbidden")
except gss.NotMappedError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", code], timeout=40, check=False,
        env={**os.environ, "GSI_AUTHZ_CONF": str(configuration)}, capture_output=True, text=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(lines) == 3, done.stderr
    assert lines[:2] == ["mapped", "somebody"], done.stderr
    assert "the callout says no" in lines[2]
