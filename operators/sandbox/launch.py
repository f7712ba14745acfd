"""One provider differs from another only in this: what stands before the interpreter, and what that does first."""

from __future__ import annotations

from dataclasses import dataclass

from .bundle import Stage


@dataclass(frozen=True, slots=True)
class Launch:
    """How a provider starts a process."""

    prefix: tuple[str, ...]
    """The command line up to the interpreter's; empty: the interpreter starts as it is and confines itself."""
    stages: tuple[Stage, ...]
    """What confines it, the last of them reporting ready."""
