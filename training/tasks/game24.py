"""An expression is right when it is made of exactly the given numbers, each once, and equals the target."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, TaskFamily

TARGET: Final = 24
_OURS: Final = "Use each of the numbers {} exactly once, with +, -, *, / and parentheses, to make 24."
_WORDINGS: Final = (
    re.compile(r"Use each of the numbers ([\d, ]+) exactly once, with \+, -, \*, / and parentheses, to make 24\."),
    re.compile(r"Using the numbers \[([\d, ]+)\], create an expression that equals 24\. You must use .*", re.DOTALL),
)


class Game24(TaskFamily):
    """Four whole numbers from 1 to 13 and the four operations."""

    name: ClassVar[str] = "game24"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Backwards from the target, so that a solution exists. Easy: made with + - * alone; hard: with a quotient."""
        while True:
            drawn = _made(rng, Fraction(TARGET), 4)
            if drawn is not None and ("/" in drawn[0]) == (difficulty == "hard"):
                numbers = drawn[1]
                rng.shuffle(numbers)
                return _OURS.format(", ".join(map(str, numbers))), drawn[0]

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """The numbers, where the question is worded as ours or as the rows of the published set."""
        numbers = numbers_in(question)
        return None if numbers is None else {"numbers": numbers}

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether the expression uses each number once, nothing else, and equals 24: every right one counts."""
        node = exact.tree(re.sub(rf"\s*=\s*{TARGET}$", "", exact.final_answer(answer_text)))
        used = None if node is None else _leaves(node)
        return used is not None and sorted(used) == sorted(gold["numbers"]) and exact.value(node) == TARGET


def numbers_in(question: str) -> list[int] | None:
    """The numbers given; None: the question is another one."""
    for wording in _WORDINGS:
        if match := wording.fullmatch(question.strip()):
            given = [one.strip() for one in match[1].split(",")]
            return [int(one) for one in given] if all(re.fullmatch(r"\d{1,9}", one) for one in given) else None
    return None


def _leaves(node: ast.expr) -> list[int] | None:
    match node:
        case ast.Constant(value=int() as number):
            return [number]
        case ast.BinOp(left=left, right=right):
            parts = _leaves(left), _leaves(right)
            return None if parts[0] is None or parts[1] is None else [*parts[0], *parts[1]]
    return None


def _made(rng: Random, target: Fraction, count: int) -> tuple[str, list[int]] | None:
    """A random expression of `count` numbers that equals `target`; None: this draw led nowhere."""
    if count == 1:
        return (str(target), [int(target)]) if target.denominator == 1 and 1 <= target <= 13 else None
    number = rng.randint(1, 13)
    rest, form = rng.choice(
        [
            (target - number, "({rest} + {number})"),
            (target + number, "({rest} - {number})"),
            (number - target, "({number} - {rest})"),
            (target / number, "({rest} * {number})"),
            (target * number, "({rest} / {number})"),
            (number / target if target else target, "({number} / {rest})"),
        ]
    )
    inner = _made(rng, rest, count - 1) if rest else None
    return (form.format(rest=inner[0], number=number), [*inner[1], number]) if inner else None
