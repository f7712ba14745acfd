"""A caller's `recursion_limit` ends a run with an answer, never with an exception: the last steps belong to the end."""

from __future__ import annotations

from typing import Final

from .state import State, Stop

CLOSING: Final = 4
"""Super-steps from the start of an operation, or of a decision, to the answer."""


def out_of_steps(state: State) -> Stop | None:
    """The reason to stop when the caller's limit leaves room for the end only; None: go on."""
    if state["remaining_steps"] > CLOSING:
        return None
    return Stop(
        by="budget", settled=False, reason="the recursion_limit of the call leaves no room to go on", candidate=None
    )
