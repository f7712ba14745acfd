"""Surgery on the tree of nodes: every function gives a new canvas and leaves the ids of all other nodes alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .node import Canvas, ConditionalNode, LoopNode, Node, ParallelNode, Sequence, children


class Place(NamedTuple):
    """A sequence on a canvas."""

    parent: str | None
    """Id of the structure that holds it; None: the workflow itself."""
    slot: int
    """Its index among the `children` of the parent; 0 for the workflow itself."""


def sequences(canvas: Canvas) -> Iterator[tuple[Place, Sequence]]:
    """Every sequence, outer ones before those inside them."""
    yield Place(None, 0), canvas.nodes
    for node in canvas.walk():
        for slot, sequence in enumerate(children(node)):
            yield Place(node.id, slot), sequence


def place_of(canvas: Canvas, id: str) -> tuple[Place, int]:
    """The sequence a node stands in, and its index there. Raises KeyError if there is none."""
    for place, sequence in sequences(canvas):
        for index, node in enumerate(sequence):
            if node.id == id:
                return place, index
    raise KeyError(id)


def sequence_at(canvas: Canvas, place: Place) -> Sequence:
    """The nodes at `place`; empty for the branch after the last of a parallel."""
    return dict(sequences(canvas)).get(place, ())


def with_sequence(canvas: Canvas, place: Place, sequence: Sequence) -> Canvas:
    """The canvas with other nodes at `place`. A branch left empty goes; one after the last is new."""
    if place.parent is None:
        return canvas.model_copy(update={"nodes": sequence})
    parent = canvas.find(place.parent)
    if parent is None:
        raise KeyError(place.parent)
    inside = [*children(parent)]
    inside[place.slot : place.slot + 1] = [sequence]
    return with_node(canvas, with_children(parent, tuple(inside)))


def with_node(canvas: Canvas, node: Node) -> Canvas:
    """The canvas with `node` in the place of the one that has its id."""
    return canvas.model_copy(update={"nodes": _replaced(canvas.nodes, node)})


def with_children(node: Node, inside: tuple[Sequence, ...]) -> Node:
    """The node with other sequences inside it, as `children` gives them; empty branches of a parallel go."""
    match node:
        case ParallelNode():
            return node.model_copy(update={"branches": tuple(branch for branch in inside if branch)})
        case ConditionalNode():
            return node.model_copy(update={"condition": inside[0][0], "then": inside[1], "otherwise": inside[2]})
        case LoopNode():
            return node.model_copy(update={"body": inside[0]})
        case _:
            return node


def _replaced(nodes: Sequence, other: Node) -> Sequence:
    return tuple(
        other if node.id == other.id
        else with_children(node, tuple(_replaced(inside, other) for inside in children(node)))
        for node in nodes
    )  # fmt: skip
