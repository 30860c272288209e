"""The http half of a copy: a GASS request and a descriptor.

The library's own http half cannot be cancelled without a crash (see ``shim/gass.c``), so it is
done here with the calls of GASS transfer.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from .._core.errors import GlobusException, OperationCancelledError, text_of
from .._core.operation import Operation
from .._core.runtime import runtime
from .._core.workers import run_in_background
from .._native import ffi, lib
from .constants import UrlMode
from .errors import denied_error, os_error, request_error
from .sides import Side
from .verify import checked

__all__ = ["Request"]

_BLOCK_SIZE = 256 * 1024
_NO_ANSWER = (400, "Bad Request")
"""What the library makes up when there was no answer."""


class Request:
    """A get from a URL into a descriptor, or a put from a descriptor to a URL."""

    rarely = False
    reports = True

    def __init__(self, source: Side, destination: Side, *, what: str, verify: Any = None) -> None:
        """`verify`: algorithm and checksum of the file that arrives."""
        self.what = what
        self.sides = (source, destination)
        self.putting = destination.mode is UrlMode.GASS
        self.remote, self.local = (destination, source) if self.putting else (source, destination)
        self.verify = verify
        self.problem: BaseException | None = None
        self._gass: Any = ffi.NULL
        self._lock = threading.Lock()
        self._count = 0
        self._stopped = False
        self._token = 0
        self.operation: Operation[None] = Operation(
            what, self._convert, abort=self._abort, settled=self.release_sides, keep=self,
            progress=self.bytes_done,
        )  # fmt: skip

    def begin(self) -> None:
        """Begin on a worker."""
        self._token = runtime.enrol(self.operation.complete)
        run_in_background(self._work)

    def bytes_done(self) -> int:
        """Bytes moved so far."""
        with self._lock:
            if self._gass != ffi.NULL:
                self._count = lib.cog_gass_bytes(self._gass)
            return self._count

    def release_sides(self) -> None:
        """Give the descriptors back."""
        for side in self.sides:
            side.close()

    def _work(self) -> None:
        failed = True
        try:
            self.local.open(self.what, -1, convert=False)
            self._run()
            failed = False
        except BaseException as problem:
            self.problem = problem
        try:
            self.local.finish(self.local.position(), failed=failed, partial=False)
            if not failed and self.verify is not None:
                checked(self.what, self.local, *self.verify)
        except BaseException as problem:
            self.problem = self.problem or problem
        event = ffi.new("cog_event *")
        event.token, event.kind = self._token, lib.COG_EVENT_COMPLETE
        lib.cog_post(event)

    def _run(self) -> None:
        gass = lib.cog_gass_new(self.local.descriptor, self.putting, _BLOCK_SIZE)
        if gass == ffi.NULL:
            raise OSError(ffi.errno, f"{self.what}: {os.strerror(ffi.errno)}")
        with self._lock:
            self._gass = gass
            if self._stopped:
                lib.cog_gass_stop(gass)
        outcome = ffi.new("cog_gass_outcome *")
        attr = ffi.NULL if self.remote.attr.gass is None else self.remote.attr.gass.pointer()
        try:
            ended = lib.cog_gass_run(gass, attr, self.remote.c_url, outcome)
        finally:
            self.bytes_done()
            with self._lock:
                self._gass = ffi.NULL
            lib.cog_gass_free(gass)
        error = self._error(ended, outcome)
        if error is not None:
            raise error

    def _error(self, ended: int, outcome: Any) -> GlobusException | None:
        if ended == lib.COG_GASS_DONE:
            return None
        if ended == lib.COG_GASS_STOPPED:
            return OperationCancelledError(f"{self.what}: cancelled")
        if ended == lib.COG_GASS_LOCAL:
            return os_error(outcome.code, self.what, self.local.name, self.local.url)
        remote = self.remote
        if ended == lib.COG_GASS_DENIED:
            message = text_of(outcome.message)
            lib.free(outcome.message)
            if (outcome.code, message) == _NO_ANSWER:
                return request_error(outcome.code, self.what, remote.name, remote.url)
            return denied_error(outcome.code, message, self.what, remote.name, remote.url)
        return request_error(outcome.code, self.what, remote.name, remote.url)

    def _convert(self, _: object) -> None:
        if self.problem is not None:
            raise self.problem

    def _abort(self, operation: Operation[None]) -> None:
        del operation
        with self._lock:
            self._stopped = True
            if self._gass != ffi.NULL:
                lib.cog_gass_stop(self._gass)
