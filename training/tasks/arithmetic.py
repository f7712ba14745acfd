"""An arithmetic task has one exact value, whatever the order in which equal operators are worked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, TaskFamily

TAIL: Final = "Give the exact value, as a fraction if it is not whole."
_LEADS: Final = ("Compute {}.", "What is {}?", "Evaluate {}.")
_ASKED: Final = re.compile(r"(?:(?:compute|what is|evaluate|calculate) )?([^a-z?]*?)(?: ?= ?\?|[.?])?", re.IGNORECASE)
_OPERATORS: Final = {"easy": (2, 3), "hard": (4, 6)}
_LARGEST: Final = 100_000
"""Bound on numerator and denominator of the value."""


class Arithmetic(TaskFamily):
    """Nested sums, differences, products and quotients of whole numbers."""

    name: ClassVar[str] = "arithmetic"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Easy: 2-3 operators; hard: 4-6."""
        while True:
            text, _ = _expression(rng, rng.randint(*_OPERATORS[difficulty]))
            value = exact.value(exact.tree(text))
            if value is not None and max(abs(value.numerator), value.denominator) < _LARGEST:
                shown = text.replace("*", "×").replace("/", "÷") if rng.random() < 0.25 else text
                return f"{rng.choice(_LEADS).format(shown)} {TAIL}", str(value)

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """The value, where nothing but that of one expression is asked."""
        expression = expression_in(question)
        return None if expression is None else {"value": str(exact.value(exact.tree(expression)))}

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether the answer is a number equal to the value."""
        found = exact.number(exact.final_answer(answer_text))
        return found is not None and found == Fraction(gold["value"])


def expression_in(question: str) -> str | None:
    """The expression whose value is all that is asked; None: something else is asked."""
    asked = " ".join(question.split()).removesuffix(TAIL).strip()
    match = _ASKED.fullmatch(asked)
    if match is None or exact.value(exact.tree(match[1])) is None:
        return None
    return match[1] if re.search(r"\d\D*[-+*/×÷−]\D*\d", match[1]) else None


def _expression(rng: Random, operators: int) -> tuple[str, int]:
    """A random expression and how tightly its outermost operator binds: 1 for + and -, 2 for * and /, 3 for none."""
    if operators == 0:
        return str(rng.randint(1, 20)), 3
    operator = rng.choice("+-*/")
    binding = 1 if operator in "+-" else 2
    left = rng.randrange(operators)
    sides = (_side(rng, left, binding), _side(rng, operators - 1 - left, binding + 1))
    return f"{sides[0]} {operator} {sides[1]}", binding


def _side(rng: Random, operators: int, binding: int) -> str:
    text, own = _expression(rng, operators)
    return f"({text})" if own < binding else text
