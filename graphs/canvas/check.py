"""What holds of every canvas an edit leaves behind: sizes within the limits, structures with something to do, and
predicates that can be asked of the outcomes they are asked of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...operators.flowsteer import AGGREGATORS
from ..faults import Fault, fault
from .dsl import predicate_text
from .limits import CanvasLimits
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, Sequence, children
from .predicate import APPLIES_TO, Predicate
from .vet import Operators


@dataclass(frozen=True)
class Rules:
    """What a canvas is checked against."""

    operators: Operators
    limits: CanvasLimits
    known: int
    """Nodes from this number on are new: the designer does not know their ids."""

    def faults(self, canvas: Canvas) -> list[Fault]:
        """Every unmet constraint, each once."""
        found = [*self._sizes(canvas)]
        for node in canvas.walk():
            found += self._structure(node)
        found += self._aggregators(canvas.nodes, branch=None, fed=True)
        return found

    def _sizes(self, canvas: Canvas) -> Iterator[Fault]:
        count = sum(isinstance(node, OperatorNode) for node in canvas.walk())
        if count > self.limits.operators:
            message = f"the workflow would have {count} operators"
            yield fault("policy", "too_many_operators", message, expected=f"{self.limits.operators} at most")
        depth = depth_of(canvas.nodes)
        if depth > self.limits.depth:
            message = f"structures would be nested {depth} deep"
            yield fault("policy", "too_deep", message, expected=f"{self.limits.depth} at most")

    def _structure(self, node: Node) -> Iterator[Fault]:
        if any(not sequence for sequence in required(node)):
            message = f"a sequence of {self._called(node)} is empty"
            yield fault("policy", "empty_sequence", message, expected="at least one node in it")
        match node:
            case ParallelNode(branches=branches):
                yield from self._branches(node, len(branches))
            case ConditionalNode(condition=condition, when=when):
                yield from self._predicate(node, when, [condition])
            case LoopNode(body=body, times=times, until=until):
                if not 1 <= times <= self.limits.passes:
                    message = f"{times} passes for {self._called(node)}"
                    yield fault("policy", "out_of_range", message, expected=f"1 to {self.limits.passes}")
                if until is not None and body:
                    yield from self._predicate(node, until, list(last_of(body)))

    def _branches(self, node: Node, count: int) -> Iterator[Fault]:
        if count < 2:
            message = f"{self._called(node)} has {count} branch" if count else f"{self._called(node)} has no branch"
            expected = f"2 to {self.limits.branches} branches; to have one operator alone, add it"
            yield fault("policy", "too_few_branches", message, expected=expected)
        if count > self.limits.branches:
            message = f"{count} branches for {self._called(node)}"
            yield fault("policy", "out_of_range", message, expected=f"2 to {self.limits.branches}")

    def _predicate(self, node: Node, predicate: Predicate, asked: list[OperatorNode]) -> Iterator[Fault]:
        """One of `asked` has to be able to answer; operators that are unknown are another fault."""
        gives = {one.operator: self.operators[one.operator].output for one in asked if one.operator in self.operators}
        fitting = APPLIES_TO[predicate.test]
        if gives and fitting.isdisjoint(gives.values()):
            told = ", ".join(f"{name} (gives {kind})" for name, kind in gives.items())
            message = f"{self._called(node)} asks {predicate_text(predicate)!r} of {told}"
            able = [name for name, template in self.operators.items() if template.output in fitting]
            expected = f"an operator that gives {' or '.join(sorted(fitting))}: {', '.join(able) or 'there is none'}"
            yield fault("policy", "predicate_kind", message, expected=expected)

    def _aggregators(self, nodes: Sequence, branch: Node | None, *, fed: bool) -> Iterator[Fault]:
        """`branch`: the parallel around these nodes; `fed`: several results reach them from within its branch."""
        for node in nodes:
            if isinstance(node, OperatorNode) and node.operator in AGGREGATORS and branch and not fed:
                message = f"{node.operator} cannot be inside {self._called(branch)}: a branch has one result"
                expected = f"{node.operator} after the parallel"
                yield fault("policy", "aggregator_in_parallel", message, expected=expected)
            inside = isinstance(node, ParallelNode)
            for sequence in children(node):
                yield from self._aggregators(sequence, node if inside else branch, fed=fed and not inside)
            fed = fed or inside

    def _called(self, node: Node) -> str:
        number = node.id.removeprefix("node_")
        return f"the new {node.kind}" if number.isdecimal() and int(number) >= self.known else node.id


def required(node: Node) -> tuple[Sequence, ...]:
    """The sequences inside a node that cannot be empty."""
    return (node.then,) if isinstance(node, ConditionalNode) else children(node)


def depth_of(nodes: Sequence) -> int:
    """Structures around the innermost node."""
    inner = [depth_of(sequence) for node in nodes for sequence in children(node)]
    inside = max(inner, default=0)
    return inside + any(not isinstance(node, OperatorNode) for node in nodes)


def last_of(nodes: Sequence) -> Iterator[OperatorNode]:
    """The operators whose outcome may be the last of the sequence; of a parallel it is the one of its last branch."""
    match nodes[-1]:
        case OperatorNode() as node:
            yield node
        case ConditionalNode(condition=condition, then=then, otherwise=otherwise):
            yield from last_of(then or (condition,))
            yield from last_of(otherwise or (condition,))
        case node:
            inside = children(node)
            yield from last_of(inside[-1]) if inside and inside[-1] else ()
