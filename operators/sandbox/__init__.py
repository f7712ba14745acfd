"""Code nobody trusts runs here, with nothing of the host in reach, or it does not run."""

from __future__ import annotations

from .attempts.attempt import Attempt
from .attempts.suite import self_check
from .execution import Execution, Verdict
from .limits import Limits
from .opening import open_sandbox
from .protocol import Sandbox, SandboxUnavailable

__all__ = [
    "Attempt",
    "Execution",
    "Limits",
    "Sandbox",
    "SandboxUnavailable",
    "Verdict",
    "open_sandbox",
    "self_check",
]
