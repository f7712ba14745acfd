"""A compiled canvas keeps all it knows in its graph's state, JSON-native: what was made as memory entries, and for each
branch the point it has come to."""

from __future__ import annotations

from typing import Annotated, Any

from langgraph.channels import DeltaChannel
from typing_extensions import TypedDict

from ..memory import Entry, Memory
from ..state import SNAPSHOT_EVERY, in_order
from .flow import Flow, Point

Update = dict[str, Any]


class Stored(TypedDict):
    """A point, as the state holds it."""

    candidates: list[str]
    notes: list[str]
    last: str | None


def merged(current: dict[str, Any], update: dict[str, Any]) -> dict[str, Any]:
    """Reducer: what is written replaces what had the same name."""
    return {**current, **update}


class CanvasInput(TypedDict):
    """What a caller gives."""

    question: str


class CanvasOutput(TypedDict, total=False):
    """What a caller gets."""

    answer: str | None
    """The final answer of the last candidate; None: there is no candidate, or it marks no final answer."""
    outcome: Entry | None
    """The last candidate whole; None: nothing made one."""


class CanvasState(CanvasInput, CanvasOutput, total=False):
    """Channels of a compiled canvas."""

    memory: Annotated[list[Entry], DeltaChannel(in_order, snapshot_frequency=SNAPSHOT_EVERY)]
    """The problem and every outcome, in the order of the canvas; `at` is the place on it."""
    points: Annotated[dict[str, Stored], merged]
    """By lane: `canvas` for the main sequence, `node_4.2` for the second branch of `node_4`; and by the id of a
    condition the point behind it."""
    passes: Annotated[dict[str, int], merged]
    """By loop, the pass that it is in, from 1."""


def point_at(state: CanvasState, lane: str) -> Point:
    """The point that a lane has come to."""
    stored = state["points"][lane]
    return Point(Flow(tuple(stored["candidates"]), tuple(stored["notes"])), stored["last"])


def stored(point: Point) -> Stored:
    """A point in JSON-native values."""
    flow = point.flow
    return Stored(candidates=[*flow.candidates], notes=[*flow.notes], last=point.last)


def known(state: CanvasState) -> Memory:
    """What a compiled canvas knows."""
    return Memory(state.get("memory", []))
