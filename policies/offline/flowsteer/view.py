"""The director knows what its prompt says and nothing else: the problem, the canvas with what came of each node, what
it did before, and what a finish needs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from langchain_core.messages import BaseMessage

from ..sections import Line, Sections
from ..skills import Problem, recognise
from .node import Node

_TAGS: Final = "<action>add</action>"
_RULES: Final = re.compile(r"^- A workflow can finish when it has (.*)\.$", re.MULTILINE)
_COUNT: Final = re.compile(r"(\d+) operators or more")
_STRUCTURE: Final = "a parallel, a conditional or a loop"


@dataclass(frozen=True)
class CanvasView:
    """What one prompt tells the director."""

    said: Sections
    canvas: tuple[Line, ...]
    """The lines of the canvas, the whole among them."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> CanvasView | None:
        """The view in a prompt; None: the prompt is not a director's."""
        said = Sections.read(messages)
        canvas = together(said.telling("canvas")) if said else ()
        return cls(said, canvas) if said and canvas else None

    @cached_property
    def problem(self) -> Problem | None:
        """None: it is of no known family."""
        return recognise(self.said.problem)

    @property
    def tags(self) -> bool:
        """Whether an action is written in tags, as published, and not as one JSON object."""
        return _TAGS in self.said.instructions

    @property
    def turn(self) -> int:
        """The turn being decided."""
        return int(self.said.budget.get("turn", 1))

    @property
    def result(self) -> str | None:
        """Memory key of what the canvas gives; None: it gives nothing yet."""
        return next((one.get("result") for one in self.canvas if "canvas" in one), None)

    @property
    def awaited(self) -> str | None:
        """Operator whose prompt is asked for; None: none is."""
        return next((one["awaiting_prompt_of"] for one in self.canvas if "awaiting_prompt_of" in one), None)

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """Every node by id, in the order of the canvas."""
        return {one["node"]: Node.of(one) for one in self.canvas if "state" in one}

    @cached_property
    def top(self) -> list[Node]:
        """The nodes that are in no other one, in order."""
        inner = {id for one in self.nodes.values() for sequence in one.inside for id in sequence}
        return [one for one in self.nodes.values() if one.id not in inner]

    @property
    def operators(self) -> list[Node]:
        """The nodes that are operators."""
        return [one for one in self.nodes.values() if one.operator]

    @cached_property
    def done(self) -> list[str]:
        """What was done so far, a line an accepted action."""
        return [str(one["did"]) for lines in self.said.telling("history") for one in lines if "did" in one]

    def offers(self, operator: str) -> bool:
        """Whether an operator is in the list, and was not said to be unknown a moment ago."""
        return operator in self.said.listed and not self.said.refuses(operator)

    @cached_property
    def least(self) -> int:
        """Operators that a finish needs."""
        count = _COUNT.search(self._rules)
        return int(count[1]) if count else 1

    @cached_property
    def groups(self) -> list[list[str]]:
        """Groups of operators of which a finish needs one each."""
        parts = [part.removeprefix("one of ").partition(" unless ")[0] for part in self._rules.split("; ")]
        found = [[name for name in part.split(", ") if name in self.said.listed] for part in parts]
        return [group for group in found if group]

    @property
    def structured(self) -> bool:
        """Whether a finish needs a structure."""
        return _STRUCTURE in self._rules

    @property
    def _rules(self) -> str:
        rules = _RULES.search(self.said.instructions)
        return rules[1] if rules else ""


def together(told: Sequence[tuple[Line, ...]]) -> tuple[Line, ...]:
    """The canvas as it is now: of each node that is on it what was told last, then what the last telling says of the
    whole."""
    if not told:
        return ()
    nodes = {line["node"]: line for lines in told for line in lines if "state" in line}
    whole = tuple(line for line in told[-1] if "state" not in line)
    on_it = next((line.get("nodes", ()) for line in whole if "canvas" in line), None)
    kept = nodes if on_it is None or len(told) == 1 else on_it
    return (*(nodes[id] for id in kept if id in nodes), *whole)
