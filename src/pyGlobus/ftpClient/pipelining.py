"""Pipelining: many files from server to server, without a round trip for each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .._core.buffers import urls
from .._core.errors import GlobusException, OperationCancelledError
from .._core.operation import Operation
from .._core.runtime import runtime
from .._gridftp.constants import Mode
from .._gridftp.errors import FtpClientException, FtpClientValueError
from .._native import ffi, lib
from .attributes import FtpClientOperationAttr
from .calls import ON_COMPLETE, DoneFunc
from .pipeline import Pair, Pipeline
from .transfers import FtpTransfers

__all__ = ["FtpPipelining"]


class FtpPipelining(FtpTransfers):
    """Transfers between servers whose commands are sent ahead of the replies."""

    def third_party_transfers(
        self,
        pairs: Iterable[Pair],
        source_attr: FtpClientOperationAttr,
        dest_attr: FtpClientOperationAttr,
        done_func: DoneFunc | None = None,
        arg: Any = None,
        *,
        pair_func: Callable[[Pair], object] | None = None,
    ) -> Operation[int]:
        """Have one server send many files to another, pipelined.

        The client must have been made with ``FtpClientHandleAttr(pipeline=16)``: so many commands
        are under way at once.  The C library pipelines transfers between servers only
        (globus_ftp_client_handleattr_set_pipeline, globus_ftp_client_third_party_transfer); for
        files that come here or go from here, use several clients.

        Args:
            pairs: source and destination URLs, all on the same two servers.  It may be a
                generator: it runs in a thread of its own, no further ahead than is needed, and
                may take its time.
            source_attr: attributes for the source; the mode must be `Mode.EXTENDED_BLOCK`, which
                keeps the data connection.
            dest_attr: attributes for the destination, likewise.
            done_func: called with ``(arg, client, error)`` at the end.
            arg: for `done_func`.
            pair_func: called with each pair that is complete, in order; it must not block.

        Returns:
            An operation whose result is the number of files.  It fails when one file fails, and
            tells which were under way then: a server may refuse a file long before its turn has
            come, so which of them it was is not known.
        """
        pipeline = self._calls.session.pipeline
        if pipeline is None:
            raise FtpClientValueError(
                "this client was not made for pipelining",
                hint="FtpClient(FtpClientHandleAttr(pipeline=16))",
            )
        for attr in (source_attr, dest_attr):
            if attr.mode is not Mode.EXTENDED_BLOCK:
                raise FtpClientValueError(
                    "pipelining needs a data connection that is kept",
                    hint="mode=Mode.EXTENDED_BLOCK in both attributes",
                )
        with self._idle(_WHAT):
            pipeline.begin(pair_func)
        run = _Run(self, pipeline, iter(pairs), source_attr, dest_attr)
        if done_func is not None:
            run.operation.add_done_callback(lambda op: done_func(arg, self, op.exception(0)))
        threading.Thread(target=run.feed, name="pyGlobus-pipeline", daemon=True).start()
        return run.operation

    def _start_pipelined(
        self,
        source: bytes,
        source_attr: FtpClientOperationAttr,
        dest: bytes,
        dest_attr: FtpClientOperationAttr,
        released: Callable[[], None],
    ) -> Operation[None]:
        """One operation of the C library: the first pair, and what it fetches for itself."""
        s_attr = self._calls.attributes_for(source_attr, source.decode())
        d_attr = self._calls.attributes_for(dest_attr, dest.decode())
        operation = self._calls.operation(
            _WHAT, lambda event: None, s_attr,
            keep=(source, dest, s_attr, d_attr), transfer=True,
        )  # fmt: skip
        operation.add_done_callback(lambda _: released())
        self._calls.start(
            operation,
            lambda token: lib.globus_ftp_client_third_party_transfer(
                self._calls.session.pointer, source, s_attr.pointer(), dest, d_attr.pointer(),
                ffi.NULL, ON_COMPLETE, token,
            ),
            None, None, None, attr=d_attr,
        )  # fmt: skip
        return operation


class _Run:
    """One call of `third_party_transfers`: the thread that feeds it, and its operation."""

    def __init__(
        self,
        client: FtpPipelining,
        pipeline: Pipeline,
        pairs: Iterator[Pair],
        source_attr: FtpClientOperationAttr,
        dest_attr: FtpClientOperationAttr,
    ) -> None:
        self._client = client
        self._pipeline = pipeline
        self._pairs = pairs
        self._attributes = source_attr, dest_attr
        self._current: Operation[None] | None = None
        self._lock = threading.Lock()
        self._stopped = False
        self._misread = -1
        """How many pairs were complete when a reply was misread last: it must go on in between."""
        self.operation: Operation[int] = Operation(
            "pipelined transfers", self._outcome, abort=lambda _: self._stop()
        )

    def feed(self) -> None:
        """Take pairs from the caller, and keep an operation of the C library running."""
        error: BaseException | None = None
        try:
            for pair in self._pairs:
                source, dest = urls(*pair)
                if not self._pipeline.push(pair, source, dest):
                    raise _cancelled()
                self._keep_running()
        except BaseException as problem:
            error = problem
        self._pipeline.end()
        try:
            while self._current is not None:
                self._join()
                if error is None:
                    self._keep_running()
        except BaseException as problem:
            error = error or problem
        failed = self._pipeline.under_way()
        self._pipeline.finish()
        runtime.later(0, lambda: self.operation.complete((error, failed)))

    def _keep_running(self) -> None:
        if self._current is not None:
            if not self._current.done():
                return
            self._join()
        with self._lock:
            if self._stopped:
                raise _cancelled()
            first = self._pipeline.take()
            if first is not None:
                source_attr, dest_attr = self._attributes
                self._current = self._client._start_pipelined(
                    first[0], source_attr, first[1], dest_attr, self._pipeline.rest
                )

    def _join(self) -> None:
        """Wait for the operation; what it leaves because of a misread reply is done by the next."""
        current = self._current
        assert current is not None
        try:
            current.result()
        except FtpClientException as error:
            completed = self._pipeline.completed
            if _MISREAD not in str(error) or completed == self._misread:
                raise
            self._misread = completed
            self._pipeline.again()
        self._current = None

    def _stop(self) -> None:
        with self._lock:
            self._stopped = True
            current = self._current
        self._pipeline.stop()
        if current is not None:
            current.cancel()

    def _outcome(self, outcome: tuple[BaseException | None, list[Pair]]) -> int:
        error, under_way = outcome
        if error is None:
            return self._pipeline.completed
        if isinstance(error, GlobusException) and under_way:
            first = "{} to {}".format(*under_way[0])
            others = f", or one of the {len(under_way) - 1} after it" if under_way[1:] else ""
            error.msg = error.msg.replace(_WHAT, f"transfer {first}{others}")
            error.add_note(f"{self._pipeline.completed} files before it are complete.")
        raise error


def _cancelled() -> OperationCancelledError:
    return OperationCancelledError("pipelined transfers: cancelled")


_WHAT = "pipelined transfer"

# With more than one callback thread the library reads some replies wrongly that come in pieces;
# there are two while one of them waits for a pipe.
_MISREAD = "Error while searching for end of reply"
