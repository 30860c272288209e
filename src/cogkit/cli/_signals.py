"""SIGTERM and SIGHUP end a command as Ctrl-C does, and none of the three is lost."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from cogkit.cli._common import Terminated

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["prepare"]

_AGAIN = 0.01
"""Seconds after which an interruption that was lost comes again."""


def prepare() -> None:
    """Set the handlers of this process."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # not where we shall outlive a terminal: nohup
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)
    sys.unraisablehook = _interrupt_again


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _interrupt_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Python drops an interruption that hits a finalizer: raise it again when that is over."""
    error = unraisable.exc_value
    if not isinstance(error, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
        return
    import threading  # rarely needed

    number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
    main = threading.main_thread().ident or 0
    again = threading.Timer(_AGAIN, signal.pthread_kill, (main, number))
    again.daemon = True
    again.start()
