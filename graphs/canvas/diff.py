"""What differs between two canvases is told by node id: an id stands for one node for life, so nothing is guessed from
likeness. No prompt is in a line of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .dsl import node_text, operator_text, predicate_text
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, children
from .placing import parts_of
from .tree import Place, place_of, sequence_at

FIELDS = {"operator": ("operator", "prompt"), "parallel": (), "conditional": ("when",), "loop": ("times", "until")}
"""What can change in a node of each kind while it stays the same node."""


@dataclass(frozen=True)
class Changed:
    """One field of a node that is on both canvases. Of canvases of two runs it may be its kind."""

    id: str
    field: str
    before: Any
    """JSON-native."""
    after: Any
    """JSON-native."""


@dataclass(frozen=True)
class Diff:
    """What makes `after` of `before`. All empty: they are equal but for the next number."""

    added: tuple[str, ...]
    """Ids of nodes only in `after`, parents before children."""
    removed: tuple[str, ...]
    """Ids of nodes only in `before`."""
    changed: tuple[Changed, ...]
    moved: tuple[str, ...]
    """Ids of nodes on both, in another structure or in another order among those on both."""
    line: str
    """All of it on one line, such as `+ node_3 Verify after node_2`; empty: nothing differs."""

    @property
    def nodes(self) -> list[str]:
        """Ids of what is new, changed or moved, each once."""
        return list(dict.fromkeys((*self.added, *(one.id for one in self.changed), *self.moved)))


def diff(before: Canvas, after: Canvas) -> Diff:
    """What differs between two canvases of one run."""
    old = {node.id: node for node in before.walk()}
    new = {node.id: node for node in after.walk()}
    added = tuple(id for id in new if id not in old)
    removed = tuple(id for id in old if id not in new)
    changed = tuple(one for id in new if id in old for one in _changes(old[id], new[id]))
    moved = tuple(_moved(before, after))
    line = "; ".join((
        *(f"+ {id} {node_text(new[id])} {_where(after, id)}" for id in _outermost(after, added)),
        *(f"- {id} {node_text(old[id])}" for id in _outermost(before, removed)),
        *(f"~ {one.id} {_told(one, new[one.id])}" for one in changed),
        *(f"> {id} {_where(after, id)}" for id in moved),
    ))  # fmt: skip
    return Diff(added, removed, changed, moved, line)


def _changes(old: Node, new: Node) -> Iterator[Changed]:
    was, now = old.model_dump(mode="json"), new.model_dump(mode="json")
    for field in FIELDS[new.kind] if old.kind == new.kind else ("kind",):
        if was[field] != now[field]:
            yield Changed(new.id, field, was[field], now[field])


def _moved(before: Canvas, after: Canvas) -> Iterator[str]:
    """Of the nodes on both canvases, those that left their place among the others of them."""
    was, now = _neighbours(before, after), _neighbours(after, before)
    for home, ids in now.items():
        there = was.get(home, [])
        kept = SequenceMatcher(None, there, ids, autojunk=False).get_matching_blocks()
        stayed = {id for block in kept for id in ids[block.b : block.b + block.size]}
        yield from (id for id in ids if id not in stayed)


def _neighbours(canvas: Canvas, other: Canvas) -> dict[tuple[str | None, str], list[str]]:
    """The nodes of `canvas` that are on `other` too, by the structure and part they stand in. Branches are one part:
    they are numbered anew when one goes."""
    there = {node.id for node in other.walk()}
    homes: dict[tuple[str | None, str], list[str]] = {}
    for node in canvas.walk():
        if node.id in there:
            place, _ = place_of(canvas, node.id)
            part = part_name(canvas, place).partition("_")[0]
            homes.setdefault((place.parent, part), []).append(node.id)
    return homes


def part_name(canvas: Canvas, place: Place) -> str:
    """What the sequence is called in its structure: `then`, `branch_2`, `condition`; empty for the workflow itself."""
    parent = canvas.find(place.parent) if place.parent else None
    if parent is None:
        return ""
    return next((name for name, slot in parts_of(parent).items() if slot == place.slot), "condition")


def _outermost(canvas: Canvas, ids: tuple[str, ...]) -> Iterator[str]:
    """Those of `ids` that do not stand inside another of them."""
    inside = {one.id for id in ids if (node := canvas.find(id)) for sequence in children(node) for one in sequence}
    return (id for id in ids if id not in inside)


def _where(canvas: Canvas, id: str) -> str:
    place, index = place_of(canvas, id)
    if index:
        return f"after {sequence_at(canvas, place)[index - 1].id}"
    return f"in {place.parent} {part_name(canvas, place)}" if place.parent else "at the start"


def _told(one: Changed, node: Node) -> str:
    match node, one.field:
        case OperatorNode(), "operator":
            return f"operator {operator_text(one.before)} -> {operator_text(one.after)}"
        case ConditionalNode(when=when), "when":
            return f"when {predicate_text(when)}"
        case LoopNode(until=until), "until":
            return "until never" if until is None else f"until {predicate_text(until)}"
        case _, "times" | "kind":
            return f"{one.field} {one.before} -> {one.after}"
        case _:
            return one.field
