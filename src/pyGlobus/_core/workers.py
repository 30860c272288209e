"""Blocking C calls that a Ctrl-C must be able to leave."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from .._native import lib

__all__ = ["run_in_background", "run_interruptibly"]

T = TypeVar("T")


def run_interruptibly(function: Callable[[], T]) -> T:
    """Run `function` on a thread of its own and wait for it, so that Ctrl-C ends the wait.

    An interrupted call goes on to its end behind the scenes: give it nothing that anybody else
    will use or free meanwhile.
    """
    if threading.current_thread() is not threading.main_thread():
        return function()  # only the main thread is ever interrupted
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="pyGlobus-worker", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def run_in_background(function: Callable[[], object]) -> threading.Thread:
    """Run a C call that may block for long on a thread of its own, which takes no signals.

    `function` must not raise: nobody is there to hear of it.
    """

    def work() -> None:
        lib.cog_refuse_signals()
        function()

    thread = threading.Thread(target=work, name="pyGlobus-worker", daemon=True)
    thread.start()
    return thread
