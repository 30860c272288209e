"""Attributes: keywords, properties, the C library's set_ and get_, equality and repr."""

from __future__ import annotations

import pytest

from pyGlobus.ftpClient import (
    Dcau,
    DcauMode,
    FtpClientHandleAttr,
    FtpClientOperationAttr,
    Layout,
    Mode,
    Protection,
    Striping,
    TcpBuffer,
    Type,
)

VALUES = {
    "mode": Mode.EXTENDED_BLOCK,
    "type": Type.ASCII,
    "parallelism": 4,
    "tcp_buffer": TcpBuffer(65536),
    "dcau": Dcau(DcauMode.NONE),
    "data_protection": Protection.PRIVATE,
    "control_protection": Protection.SAFE,
    "striped": True,
    "layout": Layout(Striping.BLOCKED_ROUND_ROBIN, 65536),
    "append": True,
    "allocate": 1 << 40,
    "delayed_pasv": True,
    "allow_ipv6": True,
    "list_uses_data_mode": True,
    "resume_third_party_transfer": False,
    "net_stack": "tcp,gsi",
    "disk_stack": "file",
    "storage_module": ("posix", "x"),
    "authz_assert": ("assertion", True),
    "user": "alice",
    "account": "1",
    "subject": "/CN=server",
}
NAMED = [name for name in VALUES if hasattr(FtpClientOperationAttr, f"get_{name}")]


@pytest.mark.parametrize("name", VALUES)
def test_what_is_set_can_be_read_and_shows(name: str) -> None:
    value = VALUES[name]
    attr = FtpClientOperationAttr(**{name: value})
    assert getattr(attr, name) == value
    other = FtpClientOperationAttr()
    setattr(other, name, value)
    assert attr == other
    if value != getattr(FtpClientOperationAttr(), name):
        assert attr != FtpClientOperationAttr()
        assert name in repr(attr)


@pytest.mark.parametrize("name", NAMED)
def test_the_c_librarys_own_accessors(name: str) -> None:
    attr = FtpClientOperationAttr()
    getattr(attr, f"set_{name}")(VALUES[name])
    assert getattr(attr, f"get_{name}")() == VALUES[name]


def test_copies_are_equal_and_apart() -> None:
    # the library appends in stream mode only
    attr = FtpClientOperationAttr(**{**VALUES, "append": False})
    again = attr.copy()
    assert again == attr
    again.parallelism = 8
    assert attr.parallelism == 4


def test_a_password_is_not_shown() -> None:
    assert "secret" not in repr(FtpClientOperationAttr(user="a", password="secret"))


def test_a_misspelt_attribute_is_told() -> None:
    with pytest.raises(TypeError, match="has no attribute 'paralelism'"):
        FtpClientOperationAttr(paralelism=4)


@pytest.mark.parametrize(
    "values",
    [
        {"parallelism": 0},
        {"dcau": DcauMode.SUBJECT},
        {"mode": Mode.EXTENDED_BLOCK, "append": True},
    ],
    ids=["streams", "subject", "append"],
)
def test_values_out_of_range(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        FtpClientOperationAttr(**values)


def test_a_subject_for_the_data_channel() -> None:
    attr = FtpClientOperationAttr(dcau=Dcau(DcauMode.SUBJECT, "/CN=x"))
    assert attr.dcau == Dcau(DcauMode.SUBJECT, "/CN=x")
    assert FtpClientOperationAttr(tcp_buffer=TcpBuffer(1, 2, 3)).tcp_buffer == TcpBuffer(1, 2, 3)


def test_handle_attributes() -> None:
    attr = FtpClientHandleAttr(
        cache_all=True, rfc1738_url=True, gridftp2=True, clientinfo=("a", "1", "")
    )
    assert attr.copy() == attr
    assert attr.get_cache_all() is True
    assert FtpClientHandleAttr() != attr
    attr.add_cached_url("gsiftp://localhost/")
    attr.remove_cached_url("gsiftp://localhost/")
