"""Each node of a compiled canvas is one small step from state to update, the same under `invoke` and `ainvoke`; it says
where on the canvas it stands, so that the canvas can be read back from the graph."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Final

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.types import Overwrite

from ..memory import PROBLEM, entry
from .compiled_state import CanvasState, Update, known, point_at, stored
from .flow import Point

MAIN: Final = "canvas"
"""Lane of the main sequence."""


@dataclass(frozen=True)
class Spot:
    """Where on the canvas a node stands."""

    lane: str = MAIN
    """The branch it belongs to: whose point it reads and moves."""
    loops: tuple[str, ...] = ()
    """Loops around it, outermost first."""
    at: tuple[int | str, ...] = ()
    """Its place in the order of the canvas; a loop's id stands for the pass that it is in."""

    def under(self, *at: int | str, lane: str | None = None, loop: str | None = None) -> Spot:
        """A spot inside this one."""
        loops = self.loops if loop is None else (*self.loops, loop)
        return replace(self, lane=lane or self.lane, loops=loops, at=(*self.at, *at))

    def passes(self, state: CanvasState) -> list[int]:
        """The pass of each loop around it."""
        return [state["passes"][loop] for loop in self.loops]

    def place(self, state: CanvasState) -> list[int]:
        """`at`, with the passes filled in. The problem stands before all of them, at [0]."""
        return [1, *(part if isinstance(part, int) else state["passes"][part] for part in self.at)]


class Step(Runnable[CanvasState, Update]):
    """A node of the graph."""

    def __init__(self, spot: Spot) -> None:
        """`spot` is where it stands."""
        self.spot = spot


class Plain(Step):
    """A node that only computes."""

    @abstractmethod
    def update(self, state: CanvasState) -> Update:
        """What it changes."""

    def invoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """The update."""
        return self.update(input)

    async def ainvoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> Update:
        """The update."""
        return self.update(input)


class Begin(Plain):
    """The first node: the question becomes the problem. On a thread that has run before, what it knew is gone."""

    def update(self, state: CanvasState) -> Update:
        """Memory with the problem alone."""
        problem = entry(PROBLEM, "task", "user", state["question"], at=[0])
        points = {MAIN: stored(Point())}
        return {"memory": Overwrite([problem]), "points": points, "answer": None, "outcome": None}


class Fork(Plain):
    """The entry of a parallel: every branch starts from the point it was reached at."""

    def __init__(self, spot: Spot, lanes: tuple[str, ...]) -> None:
        """`lanes` are its branches', in order."""
        super().__init__(spot)
        self.lanes = lanes

    def update(self, state: CanvasState) -> Update:
        """A point for each branch."""
        return {"points": dict.fromkeys(self.lanes, state["points"][self.spot.lane])}


class Arrive(Plain):
    """The end of one branch, where it waits for the others."""

    def update(self, state: CanvasState) -> Update:
        """Nothing."""
        return {}


class Join(Plain):
    """The exit of a parallel."""

    def __init__(self, spot: Spot, lanes: tuple[str, ...]) -> None:
        """`lanes` are its branches', in order."""
        super().__init__(spot)
        self.lanes = lanes

    def update(self, state: CanvasState) -> Update:
        """The branches' points as one."""
        lane = self.spot.lane
        ends = [point_at(state, one) for one in self.lanes]
        return {"points": {lane: stored(point_at(state, lane).joined(ends))}}


class Enter(Plain):
    """The entry of a loop: its first pass."""

    def __init__(self, spot: Spot, loop: str) -> None:
        """`loop` is its node id."""
        super().__init__(spot)
        self.loop = loop

    def update(self, state: CanvasState) -> Update:
        """The number of the pass."""
        return {"passes": {self.loop: 1}}


class Count(Enter):
    """The end of a loop's body: the pass is over."""

    def update(self, state: CanvasState) -> Update:
        """The number of the pass that would be next."""
        return {"passes": {self.loop: state["passes"][self.loop] + 1}}


class Close(Plain):
    """The last node: the last candidate is the result."""

    def __init__(self, spot: Spot, next_number: int) -> None:
        """`next_number` is the canvas's own."""
        super().__init__(spot)
        self.next_number = next_number

    def update(self, state: CanvasState) -> Update:
        """Answer and outcome."""
        key = point_at(state, self.spot.lane).flow.result
        outcome = None if key is None else known(state)[key]
        return {"answer": outcome["answer"] if outcome else None, "outcome": outcome}
