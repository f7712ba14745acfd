"""A place that an action names is found or refused with every place there is; nothing is put near enough."""

from __future__ import annotations

from ..faults import Fault, Refused, fault
from .action import Addition, Slot
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode
from .tree import Place, place_of, sequence_at

SHOWN = 60
"""Characters shown of a name that a model made up."""


def named(text: str) -> str:
    """What a model wrote, in quotes, on one line and cut short."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def node_called(canvas: Canvas, id: str) -> Node:
    """The node called `id`. Raises Refused with the ids there are."""
    node = canvas.find(id)
    if node is None:
        there = ", ".join(one.id for one in canvas.walk()) or "nothing: the canvas is empty"
        raise Refused([fault("policy", "unknown_node", f"no node {named(id)}", expected=there)])
    return node


def spot_for(canvas: Canvas, action: Addition) -> tuple[Place, int]:
    """The sequence and the index at which the new node goes, or at its end if it is shorter. Raises Refused with all
    that is wrong with the place."""
    if action.after is not None:
        if action.into is not None or action.position is not None:
            raise Refused([_two_places()])
        return _after(canvas, action.after)
    faults: list[Fault] = []
    position = action.position
    if position is not None and position < 0:
        message = f"position {position} is before the start"
        faults.append(fault("policy", "out_of_range", message, expected="0 or more; the length or more is the end"))
    place = Place(None, 0)
    if action.into is not None:
        try:
            place = _slot(node_called(canvas, action.into.node), action.into)
        except Refused as refused:
            faults += refused.faults
    if faults:
        raise Refused(faults)
    return place, len(sequence_at(canvas, place)) if position is None else position


def _two_places() -> Fault:
    message = 'the new node has two places: "after" and another one'
    return fault("policy", "two_places", message, expected='"after" alone, or "into" and "position"')


def _after(canvas: Canvas, id: str) -> tuple[Place, int]:
    place, index = place_of(canvas, node_called(canvas, id).id)
    parent = canvas.find(place.parent) if place.parent else None
    if isinstance(parent, ConditionalNode) and place.slot == 0:
        message = f"{id} is the condition of {parent.id}: nothing can follow it there"
        expected = f'"into": "then" or "otherwise" of {parent.id}, or after {parent.id}'
        raise Refused([fault("policy", "child_of_structure", message, expected=expected, where=id)])
    return place, index + 1


def _slot(node: Node, slot: Slot) -> Place:
    """The place that `slot` names inside `node`."""
    parts = parts_of(node)
    if slot.part not in parts:
        expected = ", ".join(parts) or "a parallel, conditional or loop"
        message = f"{node.id} is {described(node)} and has no {slot.part}"
        raise Refused([fault("policy", "unknown_slot", message, expected=expected, where=node.id)])
    return Place(node.id, parts[slot.part])


def parts_of(node: Node) -> dict[str, int]:
    """The sequences inside a node that more can be put into: their index among its `children` by name."""
    match node:
        case ParallelNode(branches=branches):
            count = len(branches)
            return {f"branch_{number}": number - 1 for number in range(1, count + 1)} | {"new_branch": count}
        case ConditionalNode():
            return {"then": 1, "otherwise": 2}
        case LoopNode():
            return {"body": 0}
        case _:
            return {}


def described(node: Node) -> str:
    """What a node is, in words."""
    return f"the operator {node.operator}" if isinstance(node, OperatorNode) else f"a {node.kind}"
