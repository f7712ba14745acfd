"""A node is what one line of the canvas says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..sections import Line

SOLVERS: Final = ("Programmer", "AnswerGenerate", "Custom")
AGGREGATORS: Final = ("ScEnsemble", "Aggregate")
MAKERS: Final = (*SOLVERS, *AGGREGATORS, "Revise", "Format")
"""Operators whose result is a candidate."""
JUDGES: Final = ("Review", "Verify")
CHECKERS: Final = (*JUDGES, "Test")
"""Operators whose result is about a candidate."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node of the canvas."""

    id: str
    operator: str
    """Empty: it is a structure."""
    kind: str
    state: str
    inside: tuple[tuple[str, ...], ...] = ()
    """Ids in its sequences: branches of a parallel; condition, first and second branch of a conditional; a loop's
    body."""
    verdict: str | None = None
    """None: it is no review, or has none."""
    passed: bool | None = None
    """None: it is no test, or asserted nothing."""
    answer: str | None = None
    """None: it came to no answer."""
    branch: str | None = None
    """None: it is no conditional, or has not chosen."""

    @classmethod
    def of(cls, line: Line) -> Node:
        """The node in a line of the canvas."""
        inside = (*line.get("branches", ()), *([line["body"]] if "body" in line else ()))
        if "condition" in line:
            inside = ([line["condition"]], line["then"], line["otherwise"])
        return cls(
            line["node"], line.get("operator", ""), line.get("kind", "operator"), line["state"],
            tuple(tuple(sequence) for sequence in inside), line.get("verdict"), line.get("passed"),
            line.get("answer"), line.get("branch"),
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        """Whether it has its result."""
        return self.state == "ok"
