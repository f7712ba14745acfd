"""Where a compiled canvas goes next is read off typed outcomes by typed predicates; the only answers are the two names
that the edge was made with."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

from langchain_core.runnables import Runnable, RunnableConfig

from .compiled_state import CanvasState, known, point_at
from .compiled_steps import Spot
from .node import ConditionalNode, LoopNode
from .predicate import Predicate, holds


class Route(Runnable[CanvasState, str]):
    """A conditional edge, the same under `invoke` and `ainvoke`."""

    def __init__(self, name: str, spot: Spot) -> None:
        """`name` is the id of the structure, `spot` where it stands."""
        self.name = name
        self.spot = spot

    @abstractmethod
    def choice(self, state: CanvasState) -> str:
        """Name of the way to go."""

    def invoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The choice."""
        return self.choice(input)

    async def ainvoke(self, input: CanvasState, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """The choice."""
        return self.choice(input)

    def told(self, predicate: Predicate, state: CanvasState) -> bool:
        """Whether the predicate holds of the last outcome of the lane."""
        last = point_at(state, self.spot.lane).last
        return last is not None and holds(predicate, known(state)[last])


class Choose(Route):
    """Behind a condition."""

    def __init__(self, node: ConditionalNode, spot: Spot, meeting: str) -> None:
        """`meeting` is the graph node at which both branches end."""
        super().__init__(node.id, spot)
        self.when = node.when
        self.meeting = meeting

    def choice(self, state: CanvasState) -> Literal["then", "otherwise"]:
        """The branch."""
        return "then" if self.told(self.when, state) else "otherwise"


class Repeat(Route):
    """Behind a pass of a loop."""

    def __init__(self, node: LoopNode, spot: Spot) -> None:
        """The loop's bound and predicate decide."""
        super().__init__(node.id, spot)
        self.loop = node.id
        self.times = node.times
        self.until = node.until

    def choice(self, state: CanvasState) -> Literal["again", "done"]:
        """Another pass, or none."""
        if state["passes"][self.loop] > self.times:
            return "done"
        return "done" if self.until is not None and self.told(self.until, state) else "again"
