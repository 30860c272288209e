"""The http half of a copy: a request, and a descriptor here.

The library's own http half cannot be cancelled without a crash: it frees what its last callback
still uses (``globus_l_gass_copy_generic_cancel``).  So it is done here: see `http`.
"""

from __future__ import annotations

import errno
from typing import Any

from .._core.channel import ConnectionBroken, PeerRefused
from .._core.errors import CredentialError, GlobusException
from .._core.work import Work
from .constants import UrlMode
from .errors import (
    GassCopyValueError,
    connection_error,
    credential_error,
    denied_error,
    os_error,
    refused_error,
)
from .http import Denied, NotReferred, get, put
from .sides import Side
from .verify import checked

__all__ = ["Request"]

_BAD_REQUEST = 400
"""What a GASS server says whatever it refuses, if it does not just hang up."""


class Request(Work[None]):
    """A get from a URL into a descriptor, or a put from a descriptor to a URL."""

    rarely = False
    reports = True

    def __init__(self, source: Side, destination: Side, *, what: str, verify: Any = None) -> None:
        """`verify`: algorithm and checksum of the file that arrives."""
        super().__init__(what, self.release_sides)
        self.sides = (source, destination)
        self.putting = destination.mode is UrlMode.GASS
        self.remote, self.local = (destination, source) if self.putting else (source, destination)
        self.verify = verify
        self._count = 0

    def bytes_done(self) -> int:
        """Bytes moved so far."""
        return self._count

    def release_sides(self) -> None:
        """Give the descriptors back."""
        for side in self.sides:
            side.close()

    def work(self) -> None:
        """Open the file, make the request, and put the file in order."""
        problem: BaseException | None = None
        try:
            self.local.open(self.what, -1, convert=False)
            self._move()
        except BaseException as error:
            problem = error
        try:
            self.local.finish(self.local.position(), failed=problem is not None, partial=False)
            if problem is None and self.verify is not None:
                checked(self.what, self.local, *self.verify)
        except BaseException as error:
            problem = problem or error
        if problem is not None:
            raise problem

    def _move(self) -> None:
        remote, local = self.remote, self.local
        move = put if self.putting else get
        try:
            move(remote.url, remote.attr.gass, local.descriptor, self.stop, self._add)
        except Denied as denied:
            # a GASS server may as well have hung up
            if denied.status == _BAD_REQUEST:
                raise self._broken("the server has refused the request") from denied
            raise denied_error(
                denied.status, str(denied), self.what, remote.name, remote.url
            ) from denied
        except ConnectionBroken as broken:
            raise self._broken(str(broken), broken.number) from broken
        except PeerRefused as refused:
            raise refused_error(
                str(refused), refused.causes, self.what, remote.name, remote.url
            ) from refused
        except NotReferred as referred:
            raise GassCopyValueError(f"{self.what}: {referred}") from referred
        except CredentialError as problem:
            raise credential_error(problem, self.what, remote.name, remote.url) from problem
        except GlobusException:
            raise
        except ValueError as error:
            raise GassCopyValueError(f"{self.what}: not a URL of http: {error}") from error
        except OSError as error:
            raise os_error(error.errno or 0, self.what, local.name, local.url) from error

    def _broken(self, reason: str, number: int = errno.ECONNRESET) -> GlobusException:
        return connection_error(number, reason, self.what, self.remote.name, self.remote.url)

    def _add(self, count: int) -> None:
        self._count += count
