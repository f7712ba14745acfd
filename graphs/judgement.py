"""A judgement says stop or go on, and why. What cannot be read as a clear stop is no stop."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Judgement:
    """What the verifier's model made of a turn."""

    stop: bool
    analysis: str
    flag: str | None = None
    """Why it was not taken as it stood (`unparsed`, `no_success`); None: it was."""
