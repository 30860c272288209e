"""Attributes of GRAM requests."""

from __future__ import annotations

from typing import Any

from .._core.handles import owned
from .._native import ffi, lib
from ..security import Credential
from .activation import bring_up
from .constants import Delegation
from .errors import check_gram

__all__ = ["GramClientAttr"]


class GramClientAttr:
    """How a request is made (globus_gram_client_attr_t).

    Args:
        credential: ours; the one GSI finds when None.
        delegation_mode: which proxy the job gets.
    """

    def __init__(
        self,
        *,
        credential: Credential | None = None,
        delegation_mode: Delegation = Delegation.LIMITED,
    ) -> None:
        bring_up(credential)
        pointer = ffi.new("globus_gram_client_attr_t *")
        check_gram(lib.globus_gram_client_attr_init(pointer), "request attributes")
        owned(self, lambda: lib.globus_gram_client_attr_destroy(pointer))
        self._pointer = pointer
        self._credential: Credential | None = None
        if credential is not None:
            self.set_credential(credential)
        self.set_delegation_mode(delegation_mode)

    def pointer(self) -> Any:
        """The C attributes."""
        return self._pointer[0]

    def set_credential(self, credential: Credential) -> None:
        """C: globus_gram_client_attr_set_credential."""
        check_gram(
            lib.globus_gram_client_attr_set_credential(self._pointer[0], credential.gss()),
            "request attributes",
        )
        self._credential = credential

    def get_credential(self) -> Credential | None:
        """The credential that was set."""
        return self._credential

    def set_delegation_mode(self, mode: Delegation) -> None:
        """C: globus_gram_client_attr_set_delegation_mode."""
        check_gram(
            lib.globus_gram_client_attr_set_delegation_mode(self._pointer[0], mode),
            f"delegation mode {mode!r}",
        )

    def get_delegation_mode(self) -> Delegation:
        """C: globus_gram_client_attr_get_delegation_mode."""
        mode = ffi.new("globus_io_secure_delegation_mode_t *")
        check_gram(
            lib.globus_gram_client_attr_get_delegation_mode(self._pointer[0], mode),
            "delegation mode",
        )
        return Delegation(mode[0])

    credential = property(get_credential, set_credential, doc="Our credential.")
    delegation_mode = property(
        get_delegation_mode, set_delegation_mode, doc="Which proxy the job gets."
    )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, GramClientAttr):
            return NotImplemented
        return (self._credential, self.delegation_mode) == (
            other._credential,
            other.delegation_mode,
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"GramClientAttr(credential={self._credential!r}, "
            f"delegation_mode={self.delegation_mode!r})"
        )
