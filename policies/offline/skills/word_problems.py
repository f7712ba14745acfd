"""A word problem is a known story with its own numbers; its steps are written out one operator at a time."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal

from .derivation import Derivation, Line, Operand, Ref
from .derived import DerivedProblem

Numbers = tuple[Fraction, ...]
Given = Callable[[Numbers], tuple[tuple[str, str, Operand, Operand], ...]]
"""Label, sign and operands of each step, from the numbers in the order of the text."""
_0, _1, _2, _3 = Ref(0), Ref(1), Ref(2), Ref(3)


@dataclass(frozen=True, slots=True)
class Story:
    """A text with numbers in it, and the steps from them to the answer."""

    wording: re.Pattern[str]
    steps: Given


def _story(wording: str, steps: Given) -> Story:
    pattern = re.escape(wording).replace(r"\ ", r"\s+").replace("N", r"(\d{1,6})")
    return Story(re.compile(pattern), steps)


STORIES: Final = (
    _story(
        "A shopper buys N pens at N dollars each and N books at N dollars each. How many dollars does the shopper pay "
        "in total?",
        lambda n: (
            ("pens", "*", n[0], n[1]),
            ("books", "*", n[2], n[3]),
            ("together", "+", _0, _1),
        ),
    ),
    _story(
        "A recipe for N people needs N grams of flour. How many grams of flour are needed for N people?",
        lambda n: (
            ("grams per person", "/", n[1], n[0]),
            ("grams for all", "*", _0, n[2]),
        ),
    ),
    _story(
        "A box holds N trays and each tray holds N eggs. If N eggs are broken, how many whole eggs are in the box?",
        lambda n: (
            ("eggs in the box", "*", n[0], n[1]),
            ("whole eggs", "-", _0, n[2]),
        ),
    ),
    _story(
        "A machine makes N parts every N minutes. How many parts does it make in N hours?",
        lambda n: (
            ("minutes", "*", n[2], Fraction(60)),
            ("parts per minute", "/", n[0], n[1]),
            ("parts", "*", _0, _1),
        ),
    ),
    _story(
        "A train travels N hours at N km per hour and then N hours at N km per hour. What is its average speed over "
        "the whole trip, in km per hour?",
        lambda n: (
            ("first distance", "*", n[0], n[1]),
            ("second distance", "*", n[2], n[3]),
            ("whole distance", "+", _0, _1),
            ("hours", "+", n[0], n[2]),
            ("average speed", "/", _2, _3),
        ),
    ),
    _story(
        "A coat costs N dollars. Its price is cut by N percent and the reduced price is then raised by N percent. What "
        "is the final price in dollars?",
        lambda n: (
            ("what is left, in percent", "-", Fraction(100), n[1]),
            ("what it becomes, in percent", "+", Fraction(100), n[2]),
            ("reduced price times 100", "*", n[0], _0),
            ("final price times 10000", "*", _2, _1),
            ("final price", "/", _3, Fraction(10_000)),
        ),
    ),
    _story(
        "A tank of N litres already holds N litres. A pump adds N litres per minute while a leak loses N litres per "
        "minute. After how many minutes is the tank full?",
        lambda n: (
            ("litres missing", "-", n[0], n[1]),
            ("litres gained per minute", "-", n[2], n[3]),
            ("minutes", "/", _0, _1),
        ),
    ),
    _story(
        "If N workers build N walls in N days, how many days do N workers need for N walls at the same rate?",
        lambda n: (
            ("worker days for the first walls", "*", n[0], n[2]),
            ("worker days per wall", "/", _0, n[1]),
            ("worker days needed", "*", _1, n[4]),
            ("days", "/", _2, n[3]),
        ),
    ),
    _story(
        "A club saves N dollars per week for N weeks, spends N dollars on a party and shares the rest equally among N "
        "members. How many dollars does each member get?",
        lambda n: (
            ("saved", "*", n[0], n[1]),
            ("after the party", "-", _0, n[2]),
            ("for each", "/", _1, n[3]),
        ),
    ),
)


@dataclass(frozen=True)
class WordProblem(DerivedProblem):
    """A story with its numbers."""

    family: ClassVar[str] = "word_problems"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard: more than three steps, or a difference shared out."""
        signs = [line.sign for line in self.derivation.lines]
        return "hard" if len(signs) > 3 or ("-" in signs and "/" in signs) else "easy"

    @property
    def outline(self) -> tuple[str, ...]:
        """What to find, in order, without the numbers."""
        labels = [line.label for line in self.derivation.lines]
        first = ", ".join(labels[: (len(labels) + 1) // 2])
        then = ", ".join(labels[(len(labels) + 1) // 2 :])
        return f"Find: {first}.", f"From these, find: {then}.", "See whether size and unit of the result make sense."


def parse(question: str) -> WordProblem | None:
    """The problem, where the text is a known story as a whole; None otherwise."""
    for story in STORIES:
        if match := story.wording.fullmatch(question.strip()):
            steps = story.steps(tuple(Fraction(one) for one in match.groups()))
            derivation = Derivation(tuple(Line(*step) for step in steps))
            try:
                derivation.result()
            except ZeroDivisionError:
                return None
            return WordProblem(derivation)
    return None
