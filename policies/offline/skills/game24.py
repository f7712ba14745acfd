"""The search for 24 is exhaustive: where it finds nothing there is nothing, and it says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .expression import NotAnExpression, evaluate, numbers_of, read_expression
from .game24_programs import ACCEPTANCE, CHECK, SEARCH, VALUE
from .game24_search import TARGET, mistakes, solutions
from .numeric import UNREADABLE
from .skill import Problem, Solution

LARGEST: Final = 9999
_ASKED: Final = (
    re.compile(r"Use each of the numbers ([\d, ]+) exactly once, with \+, -, \*, / and parentheses, to make 24\."),
    re.compile(
        r"Using the numbers \[([\d, ]+)\], create an expression that equals 24\. You must use basic arithmetic "
        r"operations \(\+, -, [×*], [/÷]\) and parentheses\.(?: \*\*Each number can only be used once\.\*\*)?"
        r"(?: +Example: for .{1,80})?"
    ),
)


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
        return CHECK.format(value=VALUE, expression=expression, numbers=sorted(self.numbers))

    def program(self, slip: Dice | None) -> str:
        """A search through all ways to join the numbers; with a slip over numbers of which one is miscopied."""
        numbers = [*self.numbers]
        if slip is not None:
            numbers[slip.pick("miscopied", range(len(numbers)))] += slip.pick("by", (-1, 1))
        return SEARCH.format(numbers=numbers)

    @property
    def acceptance(self) -> str:
        """The numbers used, and the value."""
        return ACCEPTANCE.format(value=VALUE, numbers=sorted(self.numbers))

    def in_form(self, answer: str) -> str:
        """The expression alone."""
        return without_target(answer)


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


def _told(expression: str) -> Solution:
    return Solution(f"Pairing the numbers until the rest fits:\n{expression} = {TARGET}", expression)
