"""A canvas compiles to a LangGraph graph in which every operator node is a node of its own name: branches run side by
side and meet, conditions are typed edges, loops are bounded cycles, and no prompt ever becomes source text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from ...errors import UsageError
from ...operators.registry import Registry
from ...operators.sandbox import Sandbox, open_sandbox
from ..build import DURABILITY_KEY
from .compiled_operator import Apply, ApplyAgain, Means, ModelOf
from .compiled_routes import Choose, Repeat, Route
from .compiled_state import CanvasInput, CanvasOutput, CanvasState
from .compiled_steps import Arrive, Begin, Close, Count, Enter, Fork, Join, Spot, Step
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode
from .node import Sequence as Nodes

CompiledCanvas = CompiledStateGraph[CanvasState, None, CanvasInput, CanvasOutput]
BEGIN: Final = "begin"
CLOSE: Final = "close"
AGAIN: Final = ".again"
JOIN: Final = ".join"
COUNT: Final = ".pass"
EDGES: Final = 3
"""Super-steps around the canvas: the input, the first node and the last."""
NODE_ID: Final = re.compile(r"node_[1-9]\d*")


def compile_canvas(
    canvas: Canvas,
    *,
    registry: Registry,
    model: BaseChatModel | Runnable[LanguageModelInput, BaseMessage] | ModelOf | None = None,
    sandbox: Sandbox | None = None,
    checkpointer: BaseCheckpointSaver[Any] | None = None,
) -> CompiledCanvas:
    """The graph of a canvas: takes `{"question": ...}`, gives `answer` and `outcome`; a graph, a node or a subgraph.

    `model` plays every operator, or is called with each OperatorNode for one of its own (None: no operator needs one).
    `sandbox` None: one is opened where an operator runs code. `checkpointer` None: the parent graph's, or none. The
    graph carries the `recursion_limit` that its longest way needs (inside a parent graph the parent's holds). What an
    operator raises is raised by the graph, and a resumed thread goes on behind the nodes that were done. Raises
    UsageError for unknown operators and tools, for ids that are not `node_N` or stand twice, and for a missing model;
    SandboxUnavailable."""
    check_ids(canvas)
    if runs_code(canvas, registry) and sandbox is None:
        sandbox = open_sandbox()
    graph = StateGraph(CanvasState, input_schema=CanvasInput, output_schema=CanvasOutput)
    wiring = _Wiring(graph, Means(registry, model, sandbox))
    wiring.add(CLOSE, Close(Spot(), canvas.next_number))
    wiring.add(BEGIN, Begin(Spot()))
    graph.add_edge(BEGIN, wiring.sequence(canvas.nodes, Spot(), CLOSE))
    graph.add_edge(START, BEGIN)
    graph.add_edge(CLOSE, END)
    compiled = graph.compile(checkpointer=checkpointer, name="canvas").with_config(recursion_limit=steps_of(canvas))
    return compiled if checkpointer is None else compiled.with_config({"configurable": {DURABILITY_KEY: "sync"}})


def check_ids(canvas: Canvas) -> None:
    """Raises UsageError unless ids are `node_N` and unique: they name the graph's nodes."""
    ids = Counter(node.id for node in canvas.walk())
    for id, times in ids.items():
        if times > 1:
            raise UsageError(f"two nodes of the canvas are called {id}", fix="Give every node its own number")
        if not NODE_ID.fullmatch(id):
            raise UsageError(f"a node of the canvas is called {id!r}", fix="Call it node_N, N from 1")


def runs_code(canvas: Canvas, registry: Registry) -> bool:
    """Whether an operator of the canvas needs a sandbox. Raises UsageError for an operator that cannot be a node."""
    operators = [(node.id, registry[node.operator]) for node in canvas.walk() if isinstance(node, OperatorNode)]
    for id, operator in operators:
        if operator.parameters is not None:
            raise UsageError(f"{id} ({operator.name}) is a tool", fix="A node holds no arguments: use another operator")
    return any(operator.needs_sandbox for _, operator in operators)


def steps_of(canvas: Canvas) -> int:
    """Super-steps that the longest way through the graph of `canvas` takes."""
    return EDGES + _steps(canvas.nodes)


def _steps(nodes: Nodes) -> int:
    return sum(map(_node_steps, nodes))


def _node_steps(node: Node) -> int:
    match node:
        case ParallelNode(branches=branches):
            return 3 + max(map(_steps, branches), default=0)
        case ConditionalNode(then=then, otherwise=otherwise):
            return 2 + max(_steps(then), _steps(otherwise))
        case LoopNode(body=body, times=times):
            return 1 + times * (1 + _steps(body))
        case _:
            return 1


@dataclass
class _Wiring:
    """Builds backwards: a node is added when the graph node that follows it has a name."""

    graph: StateGraph[CanvasState, None, CanvasInput, CanvasOutput]
    means: Means

    def add(self, name: str, step: Step, **shown: str) -> None:
        """A graph node; `shown` is what a drawing says about it."""
        self.graph.add_node(name, step, metadata=shown or None)

    def sequence(self, nodes: Nodes, spot: Spot, after: str) -> str:
        """Name of the first graph node of a sequence that is followed by `after`."""
        for index, node in reversed([*enumerate(nodes)]):
            after = self.node(node, spot.under(index), after)
        return after

    def node(self, node: Node, spot: Spot, after: str) -> str:
        """Name of the first graph node of `node`."""
        match node:
            case OperatorNode():
                self.add(node.id, Apply(spot, node, self.means), operator=node.operator)
                self.graph.add_edge(node.id, after)
                return node.id
            case ParallelNode():
                return self.parallel(node, spot, after)
            case ConditionalNode():
                return self.conditional(node, spot, after)
            case LoopNode():
                return self.loop(node, spot, after)

    def parallel(self, node: ParallelNode, spot: Spot, after: str) -> str:
        """A fork, the branches with an end each, and the join that waits for all ends."""
        lanes = tuple(f"{node.id}.{number}" for number in range(1, len(node.branches) + 1))
        self.add(node.id, Fork(spot, lanes))
        for number, (lane, branch) in enumerate(zip(lanes, node.branches, strict=True)):
            inside = spot.under(number, lane=lane)
            self.add(lane, Arrive(inside))
            self.graph.add_edge(node.id, self.sequence(branch, inside, lane))
        self.add(node.id + JOIN, Join(spot, lanes))
        self.graph.add_edge([*lanes], node.id + JOIN)
        self.graph.add_edge(node.id + JOIN, after)
        return node.id

    def conditional(self, node: ConditionalNode, spot: Spot, after: str) -> str:
        """The condition, an edge to each branch, and behind both the test that may run again."""
        condition, tests = node.condition, self.means.registry[node.condition.operator].output == "test"
        self.add(condition.id, Apply(spot.under(0), condition, self.means, mark=tests), operator=condition.operator)
        if tests:
            self.add(
                condition.id + AGAIN, ApplyAgain(spot.under(2), condition, self.means), operator=condition.operator
            )
            self.graph.add_edge(condition.id + AGAIN, after)
            after = condition.id + AGAIN
        inside = spot.under(1)
        then, otherwise = (self.sequence(nodes, inside, after) for nodes in (node.then, node.otherwise))
        self.route(condition.id, Choose(node, spot, after), {"then": then, "otherwise": otherwise})
        return condition.id

    def loop(self, node: LoopNode, spot: Spot, after: str) -> str:
        """An entry, the body, and behind it the edge back to the body."""
        self.add(node.id, Enter(spot, node.id))
        self.add(node.id + COUNT, Count(spot, node.id))
        head = self.sequence(node.body, spot.under(node.id, loop=node.id), node.id + COUNT)
        self.graph.add_edge(node.id, head)
        self.route(node.id + COUNT, Repeat(node, spot), {"again": head, "done": after})
        return node.id

    def route(self, source: str, route: Route, ways: dict[Hashable, str]) -> None:
        """A conditional edge."""
        self.graph.add_conditional_edges(source, route, ways)
