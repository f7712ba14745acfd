"""The canvas of a compiled graph is read off the graph itself, its nodes and its edges: what comes back is what would
run, and it equals the canvas that was compiled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...errors import UsageError
from .compile import AGAIN, BEGIN, CLOSE, COUNT, JOIN
from .compiled_operator import Apply
from .compiled_routes import Choose, Repeat, Route
from .compiled_steps import Close, Enter, Fork, Step
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode
from .node import Sequence as Nodes

R = TypeVar("R", bound=Route)


def canvas_of(graph: CompiledStateGraph[Any, Any, Any, Any]) -> Canvas:
    """The canvas that `graph` was compiled from. Raises UsageError for another graph."""
    builder = graph.builder
    close = builder.nodes[CLOSE].runnable if CLOSE in builder.nodes else None
    if not isinstance(close, Close):
        raise UsageError("the graph was not compiled from a canvas", fix="Pass what compile_canvas() gave")
    reader = _Reader(builder)
    return Canvas(nodes=reader.sequence(reader.next(BEGIN), CLOSE), next_number=close.next_number)


@dataclass(frozen=True)
class _Reader:
    builder: StateGraph[Any, Any, Any, Any]

    def sequence(self, name: str, end: str) -> Nodes:
        """The nodes from the graph node `name` up to `end`."""
        nodes: list[Node] = []
        while name != end:
            node, name = self.node(name)
            nodes.append(node)
        return tuple(nodes)

    def node(self, name: str) -> tuple[Node, str]:
        """The canvas node that starts at a graph node, and the graph node behind it."""
        step = self.step(name)
        match step:
            case Fork(lanes=lanes):
                return ParallelNode(id=name, branches=self.branches(name, lanes)), self.next(name + JOIN)
            case Enter():
                return self.loop(name)
        assert isinstance(step, Apply), "a node starts with nothing else"
        return self.conditional(step.node) if name in self.builder.branches else (step.node, self.next(name))

    def branches(self, fork: str, lanes: tuple[str, ...]) -> tuple[Nodes, ...]:
        """The branches of a parallel, each from the graph node that stands in its lane."""
        heads = {self.step(head).spot.lane: head for source, head in self.builder.edges if source == fork}
        return tuple(self.sequence(heads[lane], lane) for lane in lanes)

    def conditional(self, condition: OperatorNode) -> tuple[ConditionalNode, str]:
        route, ways = self.route(condition.id, Choose)
        then, otherwise = (self.sequence(ways[way], route.meeting) for way in ("then", "otherwise"))
        node = ConditionalNode(id=str(route.name), condition=condition, when=route.when, then=then, otherwise=otherwise)
        tested = route.meeting == condition.id + AGAIN
        return node, self.next(route.meeting) if tested else route.meeting

    def loop(self, name: str) -> tuple[LoopNode, str]:
        route, ways = self.route(name + COUNT, Repeat)
        body = self.sequence(ways["again"], name + COUNT)
        return LoopNode(id=name, body=body, times=route.times, until=route.until), ways["done"]

    def step(self, name: str) -> Step:
        """What a graph node runs."""
        step = self.builder.nodes[name].runnable
        assert isinstance(step, Step), "a compiled canvas has no other nodes"
        return step

    def next(self, name: str) -> str:
        """The graph node behind one that has a plain edge."""
        (after,) = (target for source, target in self.builder.edges if source == name)
        return after

    def route(self, source: str, kind: type[R]) -> tuple[R, dict[str, str]]:
        """The conditional edge of a graph node, and where it leads."""
        (branch,) = self.builder.branches[source].values()
        assert isinstance(branch.path, kind), "a compiled canvas has no other edges"
        return branch.path, {str(way): target for way, target in (branch.ends or {}).items()}
