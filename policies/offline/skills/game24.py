"""The search for 24 is exhaustive: where it finds nothing there is nothing, and it says so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, islice
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .expression import NotAnExpression, evaluate, numbers_of, read_expression
from .numeric import UNREADABLE
from .skill import Problem, Solution

TARGET: Final = 24
LARGEST: Final = 9999
KEPT: Final = 3
"""Solutions of one set of numbers that are told apart."""
_ASKED: Final = (
    re.compile(r"Use each of the numbers ([\d, ]+) exactly once, with \+, -, \*, / and parentheses, to make 24\."),
    re.compile(
        r"Using the numbers \[([\d, ]+)\], create an expression that equals 24\. You must use basic arithmetic "
        r"operations \(\+, -, [×*], [/÷]\) and parentheses\.(?: \*\*Each number can only be used once\.\*\*)?"
        r"(?: +Example: for .{1,80})?"
    ),
)
_CHECK: Final = """\
import ast
from fractions import Fraction

EXPRESSION = {expression!r}
NUMBERS = {numbers!r}
used = []


def value(node):
    if isinstance(node, ast.Constant):
        used.append(node.value)
        return Fraction(node.value)
    left, right = value(node.left), value(node.right)
    if isinstance(node.op, ast.Add):
        return left + right
    if isinstance(node.op, ast.Sub):
        return left - right
    if isinstance(node.op, ast.Mult):
        return left * right
    assert right != 0, "the expression divides by zero"
    return left / right


def solve():
    result = value(ast.parse(EXPRESSION, mode="eval").body)
    assert sorted(used) == NUMBERS, f"it uses {{sorted(used)}}, not {{NUMBERS}}"
    assert result == 24, f"it equals {{result}}, not 24"
    return EXPRESSION
"""
Made = tuple["Made | int", str, "Made | int"]
"""An expression: left, operator, right."""
Item = tuple[int, int, Made | int]
"""Numerator, denominator (neither reduced) and the expression that has this value."""


@dataclass(frozen=True)
class Game24(Problem):
    """Two to four numbers that shall make 24."""

    numbers: tuple[int, ...]
    family: ClassVar[str] = "game24"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard: every solution found divides."""
        found = solutions(self.numbers)
        return "easy" if any("/" not in one for one in found) else "hard"

    @property
    def outline(self) -> tuple[str, ...]:
        """Search, in words."""
        return (
            "Look for two numbers that make a factor of 24, or a sum or difference that ends at 24.",
            "See whether the remaining numbers make the missing part; try fractions last.",
            "Count the numbers used and recompute the value.",
        )

    def right(self, dice: Dice) -> Solution | None:
        """One of the solutions; None: there is none."""
        found = solutions(self.numbers)
        return _told(dice.pick("solution", found)) if found else None

    def wrong(self, dice: Dice) -> Solution:
        """A number used twice or not at all, or a near miss presented as a hit."""
        return _told(dice.pick("mistake", mistakes(self.numbers)))

    def objection(self, answer: str) -> str | None:
        """Counts the numbers and recomputes the value."""
        try:
            tree = read_expression(without_target(answer))
            result = evaluate(tree, {})
        except (NotAnExpression, KeyError):
            return f"'{answer[:60]}' is not an expression."
        except ZeroDivisionError:
            return "It divides by zero."
        used = sorted(numbers_of(tree))
        if used != sorted(self.numbers):
            return f"It uses {', '.join(map(str, used))}, not each of {', '.join(map(str, self.numbers))} once."
        return None if result == TARGET else f"It equals {result}, not {TARGET}."

    def check_program(self, answer: str) -> str:
        """Parses the expression, counts its numbers and asserts the value."""
        expression = without_target(answer).replace("×", "*").replace("÷", "/").replace("−", "-")
        try:
            read_expression(expression)
        except NotAnExpression:
            return UNREADABLE
        if not re.fullmatch(r"[\d+*/() -]+", expression):
            return UNREADABLE
        return _CHECK.format(expression=expression, numbers=sorted(self.numbers))


def parse(question: str) -> Game24 | None:
    """The problem, in our wording or in the published one; None otherwise."""
    for asked in _ASKED:
        if match := asked.fullmatch(question.strip()):
            numbers = tuple(int(one[:9]) for one in re.findall(r"\d+", match[1]))
            return Game24(numbers) if 2 <= len(numbers) <= 4 and max(numbers) <= LARGEST else None
    return None


def without_target(answer: str) -> str:
    """The expression, where an answer goes on with `= 24`."""
    return re.sub(rf"\s*=\s*{TARGET}$", "", answer.strip())


@lru_cache(maxsize=4096)
def solutions(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Up to KEPT expressions that make 24; empty: there are none."""
    return tuple(islice(dict.fromkeys(_reaching(numbers, TARGET)), KEPT))


@lru_cache(maxsize=4096)
def mistakes(numbers: tuple[int, ...]) -> tuple[str, ...]:
    """Expressions that a hurried solver would give: one number repeated in place of another, one left out, and a value
    beside 24. Never empty, never right."""
    wrong: list[str] = []
    for position, dropped in enumerate(numbers):
        rest = numbers[:position] + numbers[position + 1 :]
        twice = next((one for one in rest if one != dropped), None)
        wrong += [] if twice is None else islice(_reaching((*rest, twice), TARGET), 1)
        wrong += islice(_reaching(rest, TARGET), 1)
        if len(wrong) >= KEPT:
            break
    for beside in (TARGET - 1, TARGET + 1, TARGET - 2, TARGET + 2):
        wrong += islice(_reaching(numbers, beside), 1)
        if len(wrong) > KEPT:
            break
    return tuple(wrong) or (" + ".join(map(str, (*numbers, numbers[0]))),)


def _reaching(numbers: tuple[int, ...], target: int) -> Iterator[str]:
    items: list[Item] = [(number, 1, number) for number in sorted(numbers, reverse=True)]
    return (_text(made)[1:-1] for made in _made(items, target, set()))


def _made(items: list[Item], target: int, seen: set[tuple[tuple[int, int], ...]]) -> Iterator[Made]:
    """Expressions over all `items` that come to `target`, two items joined at a time. Sets of values met before are
    skipped: they lead nowhere new."""
    if len(items) == 2:
        (a, b, x), (c, d, y) = items
        scaled = target * b * d
        hits = (("*", a * c), ("+", a * d + c * b), ("-", a * d - c * b))
        yield from ((x, sign, y) for sign, top in hits if top == scaled)
        if c * b - a * d == scaled:
            yield y, "-", x
        if c and a * d == target * b * c:
            yield x, "/", y
        if a and c * b == target * d * a:
            yield y, "/", x
        return
    state = tuple(sorted((top, bottom) for top, bottom, _ in items))
    if state not in seen:
        seen.add(state)
        for first, second in combinations(range(len(items)), 2):
            rest = [items[k] for k in range(len(items)) if k not in (first, second)]
            for joined in _joined(items[first], items[second]):
                yield from _made([joined, *rest], target, seen)


def _joined(left: Item, right: Item) -> Iterator[Item]:
    (a, b, x), (c, d, y) = left, right
    yield a * c, b * d, (x, "*", y)
    yield a * d + c * b, b * d, (x, "+", y)
    yield a * d - c * b, b * d, (x, "-", y)
    yield c * b - a * d, b * d, (y, "-", x)
    if c:
        yield a * d, b * c, (x, "/", y)
    if a:
        yield c * b, d * a, (y, "/", x)


def _text(made: Made | int) -> str:
    return str(made) if isinstance(made, int) else f"({_text(made[0])} {made[1]} {_text(made[2])})"


def _told(expression: str) -> Solution:
    return Solution(f"Pairing the numbers until the rest fits:\n{expression} = {TARGET}", expression)
