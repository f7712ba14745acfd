"""A shape is a node to be, in one form for both ways to write it: every part of a structure is one operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Prompted = Callable[[str], str]
"""From an operator's name to the prompt that its node gets."""
Kind = Literal["add", "parallel", "conditional", "loop"]


@dataclass(frozen=True, slots=True)
class Shape:
    """An operator or a structure of operators."""

    kind: Kind
    operators: tuple[str, ...]
    """Of a conditional: the checker, and what runs where it is not satisfied."""

    def as_json(self, prompted: Prompted) -> dict[str, Any]:
        """The action that puts it at the end of the canvas."""
        nodes = [{"kind": "operator", "operator": name, "prompt": prompted(name)} for name in self.operators]
        match self.kind:
            case "add":
                return {"action": "add", "operator": self.operators[0], "prompt": nodes[0]["prompt"]}
            case "parallel":
                return {"action": "parallel", "branches": [[one] for one in nodes]}
            case "conditional":
                mends = {"when": {"test": "passes", "negate": True}, "then": nodes[1:], "otherwise": []}
                return {"action": "conditional", "condition": nodes[0], **mends}
            case "loop":
                return {"action": "loop", "body": nodes, "times": 3, "until": {"test": "passes"}}


def add(operator: str) -> Shape:
    """One operator."""
    return Shape("add", (operator,))


def parallel(*operators: str) -> Shape:
    """Branches of one operator each."""
    return Shape("parallel", operators)


def unless(checker: str, operator: str) -> Shape:
    """An operator that runs unless the checker is satisfied."""
    return Shape("conditional", (checker, operator))


def until(operator: str, checker: str) -> Shape:
    """An operator and a checker in turns, until the checker is satisfied."""
    return Shape("loop", (operator, checker))
