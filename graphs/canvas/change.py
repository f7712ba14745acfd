"""A change is a pure function from a canvas to the next one: the same edit on the same canvas gives the same ids, so
that a list of edits is the canvas."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import singledispatch

from ..faults import Fault, Refused, fault
from .action import Add, AddConditional, Addition, AddLoop, AddParallel, Delete, EditAction, Modify, SetPrompt
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, Sequence
from .placing import described, node_called, spot_for
from .spec import ConditionalShape, LoopShape, OperatorShape, ParallelShape, SequenceSpec, Shape
from .tree import Place, place_of, sequence_at, with_node, with_sequence


def changed(canvas: Canvas, edit: EditAction) -> Canvas:
    """The canvas after `edit`, whose names and sizes are taken as they are. Raises Refused for a target or a place
    that is not there, and for a change that the target cannot take."""
    return _changed(edit, canvas)


@singledispatch
def _changed(edit: EditAction, canvas: Canvas) -> Canvas:
    raise TypeError(f"{type(edit).__name__} changes no canvas")


@_changed.register(Add)
@_changed.register(AddParallel)
@_changed.register(AddConditional)
@_changed.register(AddLoop)
def _added(edit: Addition, canvas: Canvas) -> Canvas:
    place, index = spot_for(canvas, edit)
    numbers = itertools.count(canvas.next_number)
    node = node_of(edit, numbers)
    there = sequence_at(canvas, place)
    canvas = with_sequence(canvas, place, (*there[:index], node, *there[index:]))
    return canvas.model_copy(update={"next_number": next(numbers)})


@_changed.register
def _deleted(edit: Delete, canvas: Canvas) -> Canvas:
    node = node_called(canvas, edit.target)
    place, index = place_of(canvas, node.id)
    there = sequence_at(canvas, place)
    left = (*there[:index], *there[index + 1 :])
    if place.parent is not None and not left:
        _check_may_go(node_called(canvas, place.parent), node, place)
    return with_sequence(canvas, place, left)


def _check_may_go(parent: Node, node: Node, place: Place) -> None:
    """Raises Refused where the structure cannot be without the last node of this sequence."""
    match parent:
        case ParallelNode(branches=branches) if len(branches) > 2:
            return
        case ParallelNode():
            why = f"{parent.id} would be left with one branch"
        case ConditionalNode():
            if place.slot == 2:
                return
            why = f"it is the condition of {parent.id}" if place.slot == 0 else f"{parent.id} would have nothing to do"
        case _:
            why = f"the body of {parent.id} would be empty"
    message = f"{node.id} cannot be deleted alone: {why}"
    expected = f"delete {parent.id}, or modify {node.id}"
    raise Refused([fault("policy", "child_of_structure", message, expected=expected, where=node.id)])


@_changed.register
def _prompted(edit: SetPrompt, canvas: Canvas) -> Canvas:
    return _modified(Modify(target=edit.target, prompt=edit.prompt), canvas)


@_changed.register
def _modified(edit: Modify, canvas: Canvas) -> Canvas:
    node = node_called(canvas, edit.target)
    given = edit.model_dump(exclude={"action", "target"}, exclude_none=True)
    faults = [_not_of(node, field) for field in given if field not in type(node).model_fields]
    if not given:
        message = f"nothing is said about what to change in {node.id}"
        faults.append(fault("policy", "nothing_to_change", message, expected=_changeable(node), where=node.id))
    if faults:
        raise Refused(faults)
    update = {field: getattr(edit, field) for field in given}
    if edit.until == "never":
        update["until"] = None
    return with_node(canvas, node.model_copy(update=update))


OWNER = {"times": "loop", "until": "loop", "when": "conditional"}
"""The only kind of node that has the field; what is not here is an operator's."""


def _not_of(node: Node, field: str) -> Fault:
    kind = OWNER.get(field, "operator")
    code = f"not_a_{kind}" if kind != "operator" else "not_an_operator_node"
    message = f"{node.id} is {described(node)} and has no {field}"
    return fault("policy", code, message, expected=_changeable(node), where=node.id)


def _changeable(node: Node) -> str:
    match node:
        case OperatorNode():
            return "operator, prompt"
        case LoopNode():
            return "times, until; or one of the nodes inside"
        case ConditionalNode():
            return "when; or one of the nodes inside"
        case _:
            return "one of the nodes inside"


def node_of(shape: Shape, numbers: Iterator[int]) -> Node:
    """The node of a shape, numbered before what is inside it. A missing prompt is empty."""
    id = f"node_{next(numbers)}"
    match shape:
        case OperatorShape():
            return operator_node(shape, id)
        case ParallelShape(branches=branches):
            return ParallelNode(id=id, branches=tuple(_nodes(branch, numbers) for branch in branches))
        case ConditionalShape():
            condition = operator_node(shape.condition, f"node_{next(numbers)}")
            then, otherwise = _nodes(shape.then, numbers), _nodes(shape.otherwise, numbers)
            return ConditionalNode(id=id, condition=condition, when=shape.when, then=then, otherwise=otherwise)
        case LoopShape(body=body, times=times, until=until):
            assert times is not None, "the limits give a loop its passes before it is built"
            return LoopNode(id=id, body=_nodes(body, numbers), times=times, until=until)


def operator_node(shape: OperatorShape, id: str) -> OperatorNode:
    """The node of one operator."""
    return OperatorNode(id=id, operator=shape.operator, prompt=shape.prompt or "")


def _nodes(specs: SequenceSpec, numbers: Iterator[int]) -> Sequence:
    return tuple(node_of(spec, numbers) for spec in specs)
