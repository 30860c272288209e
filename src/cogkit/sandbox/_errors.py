"""What can go wrong with a sandbox; every message says the way out."""

from __future__ import annotations


class SandboxError(RuntimeError):
    """The sandbox could not be started, found, or asked for something."""


class ProgramsMissing(SandboxError):
    """The grid's server programs are not installed on this machine."""


class NoSandbox(SandboxError):
    """No running sandbox was found, or it went away."""
