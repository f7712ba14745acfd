"""A tool record is one run of a tool in a graph that is not ours: when, for which call of a model, to what end."""

from __future__ import annotations

from typing_extensions import TypedDict


class ToolRecord(TypedDict):
    """One finished run of a tool. What it was asked is in the model's `message`, what it said in the next prompt."""

    id: str
    """`THREAD/NAMESPACE/tool/RUN`; unique in a store."""
    run: str
    """As of a `CallRecord`."""
    turn: int
    role: str
    """Name of the node."""
    place: str
    checkpoint: str | None
    """As of a `CallRecord`."""
    namespace: str
    task: str | None
    attempt: int
    tool: str
    """Its name."""
    call: str | None
    """Id of the model's tool call; None: it was run by hand, without one."""
    began: float
    """Unix seconds."""
    seconds: float
    error: str | None
    """Why it failed; None: it did not."""
