"""A canvas is a tree of typed nodes, frozen and JSON-native; the models here are the JSON schema, and the schema is the
source of truth: text forms are renderings of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from .predicate import Predicate


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """`node_N`; given by the runtime, unique for the life of a run, never used again."""


class OperatorNode(_Node):
    """One operator, applied once each time it is reached."""

    kind: Literal["operator"] = "operator"
    operator: str
    """Name in the registry."""
    prompt: str
    """The instruction; bound to this node and to no other."""


class ParallelNode(_Node):
    """Branches that start from the same flow and do not see each other."""

    kind: Literal["parallel"] = "parallel"
    branches: tuple[Sequence, ...]
    """At least two, each of at least one node."""


class ConditionalNode(_Node):
    """A checker, and what runs by its outcome."""

    kind: Literal["conditional"] = "conditional"
    condition: OperatorNode
    when: Predicate
    """On the outcome of `condition`: true runs `then`, false runs `otherwise`."""
    then: Sequence
    otherwise: Sequence = ()
    """Empty: nothing runs, the flow goes on as it was."""


class LoopNode(_Node):
    """A body that runs a bounded number of times."""

    kind: Literal["loop"] = "loop"
    body: Sequence
    times: int
    """Passes at most; exactly so many where `until` is None."""
    until: Predicate | None = None
    """On the last outcome of each pass: true ends the loop early. None: it runs `times` times."""


Node: TypeAlias = Annotated[OperatorNode | ParallelNode | ConditionalNode | LoopNode, Field(discriminator="kind")]
Sequence: TypeAlias = tuple[Node, ...]


class Canvas(BaseModel):
    """A whole workflow: a sequence of nodes, and the number that the next new node gets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: Sequence = ()
    next_number: int = 1
    """Only ever grows, through undo too."""

    def walk(self) -> Iterator[Node]:
        """Every node, parents before children, in order."""
        yield from _walk(self.nodes)

    def find(self, id: str) -> Node | None:
        """The node called `id`; None: there is none."""
        return next((node for node in self.walk() if node.id == id), None)


def children(node: Node) -> tuple[Sequence, ...]:
    """The sequences inside a node, in order; of a conditional its condition, as a sequence of one, comes first."""
    match node:
        case ParallelNode(branches=branches):
            return branches
        case ConditionalNode(condition=condition, then=then, otherwise=otherwise):
            return (condition,), then, otherwise
        case LoopNode(body=body):
            return (body,)
        case _:
            return ()


def _walk(nodes: Sequence) -> Iterator[Node]:
    for node in nodes:
        yield node
        for inner in children(node):
            yield from _walk(inner)


for model in (ParallelNode, ConditionalNode, LoopNode, Canvas):
    model.model_rebuild()
