"""A canvas is run by asking, again and again, what can start now: the answer is a pure function of the canvas and of
what the run has recorded, so a resumed run asks the same and is told the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ...operators.registry import Registry
from ..memory import Memory
from ..operation import Operation, Planned
from .flow import Flow, Point, node_path
from .intake import inputs_of
from .kept import Kept
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, children
from .node import Sequence as Nodes
from .predicate import holds
from .status import NodeState, NodeStatus, Progress


@dataclass(frozen=True)
class Walked:
    """How far a canvas has come."""

    ready: list[Planned]
    """Operations that can start now, side by side."""
    flow: Flow | None
    """What the whole canvas leaves; None: it is not complete."""
    failed: list[Operation]
    """Records of this turn that block completion. With these and nothing ready, the canvas gives nothing this turn."""
    status: dict[str, NodeStatus]
    """By node id; every node has one."""

    @property
    def result(self) -> str | None:
        """Memory key of the result; None: the canvas is not complete, or made no candidate."""
        return self.flow.result if self.flow else None


def walk(canvas: Canvas, *, memory: Memory, operations: Sequence[Operation], registry: Registry, turn: int) -> Walked:
    """What can start now in `canvas`, and what is there already.

    A result counts for a node by `Kept`; a record without a result counts in its own turn only, so the next turn tries
    again. `memory` must know the keys promised to records that gave nothing (`Scene.of` sees to it), and every
    operation handed out before must have its record in `operations`. Raises UnknownOperator."""
    walker = _Walker(Progress(canvas), memory, Kept(operations, memory, turn), registry, turn)
    end = walker.sequence(canvas.nodes, Point(), ())
    return Walked(walker.ready, end.flow if end else None, walker.failed, walker.progress.nodes)


@dataclass
class _Walker:
    progress: Progress
    memory: Memory
    kept: Kept
    registry: Registry
    turn: int
    ready: list[Planned] = field(default_factory=list)
    failed: list[Operation] = field(default_factory=list)

    def sequence(self, nodes: Nodes, at: Point, passes: tuple[int, ...]) -> Point | None:
        """The point behind all of `nodes`; None: one of them is not complete, and those after it wait."""
        for one in nodes:
            end = self.node(one, at, passes)
            if end is None:
                return None
            at = end
        return at

    def node(self, node: Node, at: Point, passes: tuple[int, ...]) -> Point | None:
        """The point behind one node."""
        if isinstance(node, OperatorNode):
            return self.operator(node, at, passes)
        started = len(self.ready)
        end = self.structure(node, at, passes)
        state: NodeState = "ok" if end else "ready" if len(self.ready) > started else "failed"
        self.progress.mark(node.id, state)
        return end

    def structure(
        self, node: ParallelNode | ConditionalNode | LoopNode, at: Point, passes: tuple[int, ...]
    ) -> Point | None:
        """The point behind a node with others inside."""
        match node:
            case ParallelNode(branches=branches):
                ends = [self.sequence(branch, at, passes) for branch in branches]
                complete = [end for end in ends if end]
                return at.joined(complete) if len(complete) == len(ends) else None
            case ConditionalNode():
                return self.conditional(node, at, passes)
            case LoopNode():
                return self.loop(node, at, passes)

    def conditional(self, node: ConditionalNode, at: Point, passes: tuple[int, ...]) -> Point | None:
        """The point behind a conditional, its test run once more where the branch made another candidate."""
        checked = self.operator(node.condition, at, passes)
        if checked is None or checked.last is None:
            return None
        taken = holds(node.when, self.memory[checked.last])
        self.progress.chose(node.id, "then" if taken else "otherwise")
        for one in below(node.otherwise if taken else node.then):
            self.progress.untaken(one.id)
        end = self.sequence(node.then if taken else node.otherwise, checked, passes)
        if end and end.remade(checked) and self.registry[node.condition.operator].output == "test":
            return self.operator(node.condition, end, passes, again=True)
        return end

    def loop(self, node: LoopNode, at: Point, passes: tuple[int, ...]) -> Point | None:
        """The point behind the last pass of a loop."""
        for number in range(1, node.times + 1):
            end = self.sequence(node.body, at, (*passes, number))
            if end is None:
                return None
            at = end
            self.progress.passed(node.id, number)
            if node.until is not None and at.last is not None and holds(node.until, self.memory[at.last]):
                break
        return at

    def operator(self, node: OperatorNode, at: Point, passes: tuple[int, ...], *, again: bool = False) -> Point | None:
        """The point behind an operator that has its result; else it is ready, or its record says why there is none."""
        template = self.registry[node.operator]
        path = node_path(node.id, passes, again=again)
        inputs = inputs_of(template, at.flow, self.memory)
        key = self.kept.result((path, template.name, template.version, node.prompt), inputs)
        if key is not None:
            self.progress.ran(node.id, self.memory[key])
            return at.after(key, self.memory[key]["kind"])
        obstacle = self.kept.obstacle(path)
        if obstacle is not None:
            self.failed.append(obstacle)
            self.progress.gave_nothing(node.id, obstacle)
        else:
            self.ready.append(self.planned(node, path, inputs))
            self.progress.mark(node.id, "ready")
        return None

    def planned(self, node: OperatorNode, path: str, inputs: tuple[str, ...]) -> Planned:
        """The operation that `node` is now."""
        index = self.kept.used + len(self.ready) + 1
        return Planned(
            id=f"op_{self.turn}_{index}", at=[self.turn, index], operator=node.operator, instruction=node.prompt,
            inputs=[*inputs], output=self.memory.next_key(node.id), arguments=None, node=path,
        )  # fmt: skip


def below(nodes: Nodes) -> Iterator[Node]:
    """Every node in a sequence and inside its nodes."""
    for one in nodes:
        yield one
        for inner in children(one):
            yield from below(inner)
