"""Arithmetic is worked from the innermost brackets outwards, one operator a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from .derivation import Derivation, Line, Operand, Ref
from .derived import DerivedProblem
from .expression import NotAnExpression, Number, Operation, Tree, Unknown, read_expression

_ASKED: Final = re.compile(
    r"(?:(?:what is|compute|calculate|evaluate)\s+)?([\d\s.()+*/×÷·−-]+?)\s*(?:=\s*\?|[.?])?"
    r"(?:\s+Give the exact value, as a fraction if it is not whole\.)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Arithmetic(DerivedProblem):
    """The value of one expression."""

    family: ClassVar[str] = "arithmetic"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard from four operators on."""
        return "easy" if len(self.derivation.lines) < 4 else "hard"

    @property
    def outline(self) -> tuple[str, ...]:
        """Order of evaluation."""
        return (
            "Find the innermost brackets and work them out first.",
            "Work products and quotients from left to right, keeping fractions exact.",
            "Work sums and differences from left to right.",
        )


def parse(question: str) -> Arithmetic | None:
    """The problem, where the value of one expression is all that is asked; None otherwise."""
    match = _ASKED.fullmatch(question.strip())
    if match is None:
        return None
    try:
        lines = _lines(read_expression(match[1]))
        if lines:
            Derivation(tuple(lines)).result()
    except (NotAnExpression, ZeroDivisionError):
        return None
    return Arithmetic(Derivation(tuple(lines))) if lines else None


def _lines(tree: Tree) -> list[Line]:
    lines: list[Line] = []

    def add(node: Tree) -> Operand:
        match node:
            case Number(value):
                return value
            case Operation(sign, left, right):
                lines.append(Line("", sign, add(left), add(right)))
                return Ref(len(lines) - 1)
            case Unknown(name):
                raise NotAnExpression(f"{name} has no value")

    add(tree)
    return lines
