"""A drawing shows ids, operator names and states, never a prompt, and every name is inert in it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Final

from rich.text import Text
from rich.tree import Tree

from .dsl import predicate_text
from .node import Canvas, ConditionalNode, LoopNode, Node, OperatorNode, ParallelNode, Sequence
from .status import NodeState

States = Mapping[str, NodeState]
"""What became of a node, by its id; a node that is not here has no state."""
FILLS: Final[dict[NodeState, str]] = {
    "pending": "#eeeeee", "ready": "#cfe3ff", "ok": "#d3f2d3", "failed": "#ffd0d0", "skipped": "#f7ebc3",
    "not_taken": "#ffffff",
}  # fmt: skip
STYLES: Final[dict[NodeState, str]] = {
    "pending": "dim", "ready": "blue", "ok": "green", "failed": "bold red", "skipped": "yellow", "not_taken": "dim",
}  # fmt: skip
UNSAFE: Final = re.compile(r"[^\w .,:/+-]", re.ASCII)


Ends = list[tuple[str, str]]
"""Where the flow comes from: keys of drawn nodes, each with the word on its arrow; empty: no word."""


def mermaid(canvas: Canvas, states: States | None = None) -> str:
    """The workflow as a Mermaid flowchart, from top to bottom."""
    chart = _Chart(states or {})
    chart.sequence(canvas.nodes, [])
    return "\n".join(["flowchart TD", *chart.lines, *chart.classes()])


def canvas_tree(canvas: Canvas, states: States | None = None) -> Tree:
    """The workflow as a tree for the terminal, in order."""
    tree = Tree(Text("workflow"))
    _grow(tree, canvas.nodes, states or {})
    return tree


class _Chart:
    """Draws one node after another; each begins at the ends of what comes before it."""

    def __init__(self, states: States) -> None:
        self.states = states
        self.lines: list[str] = []
        self.drawn: dict[str, NodeState] = {}
        """State by key."""
        self.numbers = itertools.count(1)

    def sequence(self, nodes: Sequence, ends: Ends) -> Ends:
        """Draws the nodes and gives the ends they leave."""
        for node in nodes:
            ends = self.node(node, ends)
        return ends

    def node(self, node: Node, ends: Ends) -> Ends:
        """Draws one node and all that is in it."""
        match node:
            case OperatorNode(operator=operator):
                return [(self.box(node, f"{node.id} {operator}", "[]", ends), "")]
            case ParallelNode(branches=branches):
                fork = self.box(node, node.id, "()", ends)
                return [end for branch in branches for end in self.sequence(branch, [(fork, "")])]
            case ConditionalNode(condition=condition, then=then, otherwise=otherwise):
                asked = f"{node.id} {predicate_text(node.when)}?"
                choice = self.box(node, asked, "{}", self.node(condition, ends))
                return [*self.sequence(then, [(choice, "yes")]), *self.sequence(otherwise, [(choice, "no")])]
            case LoopNode(body=body):
                loop = self.box(node, f"{node.id} {passes_text(node)}", "()", ends)
                for end, _ in self.sequence(body, [(loop, "")]):
                    self.lines.append(f"  {end} -.-> {loop}")
                return [(loop, "then")]

    def box(self, node: Node, label: str, brackets: str, ends: Ends) -> str:
        """Draws a box and the arrows to it. Gives its key, which no text of anybody is part of."""
        key = f"n{next(self.numbers)}"
        self.lines.append(f'  {key}{brackets[0]}"{inert(label)}"{brackets[1]}')
        for end, word in ends:
            self.lines.append(f"  {end} -->|{word}| {key}" if word else f"  {end} --> {key}")
        if node.id in self.states:
            self.drawn[key] = self.states[node.id]
        return key

    def classes(self) -> list[str]:
        """The colours of the states there are."""
        used = [state for state in FILLS if state in self.drawn.values()]
        defined = [f"  classDef {state} fill:{FILLS[state]},color:#000000" for state in used]
        return [*defined, *(f"  class {key} {state}" for key, state in self.drawn.items())]


def inert(label: str) -> str:
    """A label that Mermaid shows as it is: every character but the plainest is written as its number."""
    return UNSAFE.sub(lambda found: f"#{ord(found[0])};", label)


def passes_text(loop: LoopNode) -> str:
    """How long a loop runs, in words."""
    passes = "1 pass" if loop.times == 1 else f"{loop.times} passes"
    return passes if loop.until is None else f"up to {passes}, until {predicate_text(loop.until)}"


def _grow(tree: Tree, nodes: Sequence, states: States) -> None:
    for node in nodes:
        branch = tree.add(_label(node, states))
        match node:
            case ParallelNode(branches=branches):
                for number, inside in enumerate(branches, start=1):
                    _grow(branch.add(Text(f"branch {number}")), inside, states)
            case ConditionalNode(condition=condition, then=then, otherwise=otherwise):
                branch.add(_label(condition, states))
                _grow(branch.add(Text(f"{predicate_text(node.when)}: then")), then, states)
                if otherwise:
                    _grow(branch.add(Text("otherwise")), otherwise, states)
            case LoopNode(body=body):
                _grow(branch, body, states)


def _label(node: Node, states: States) -> Text:
    match node:
        case OperatorNode(operator=operator):
            name = operator
        case LoopNode():
            name = f"loop, {passes_text(node)}"
        case _:
            name = node.kind
    text = Text(f"{node.id} {name}")
    state = states.get(node.id)
    return text if state is None else text.append(f" {state.replace('_', ' ')}", style=STYLES[state])
