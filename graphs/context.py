"""Settings of one invocation that are not part of what the run remembers."""

from __future__ import annotations

from dataclasses import dataclass

from .budget import Budget


@dataclass(frozen=True, slots=True)
class Context:
    """Typed `Runtime` context: `graph.invoke(..., context=Context(seed=7))`."""

    seed: int | None = None
    """Seed of the run, from which every call's seed is derived; None: drawn at random and recorded in the state."""
    budget: Budget | None = None
    """Limits over the preset's; None: the preset's. Limits in the input win over both."""
