"""Every quantity a word problem needs is in its text once, and its answer is one exact number of one unit."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, TaskFamily

Quantities = Mapping[str, int]


@dataclass(frozen=True)
class Template:
    """A problem with the numbers left open."""

    text: str
    """With `{a}`, `{b}`, … for whole numbers."""
    ranges: Mapping[str, tuple[int, int]]
    """Least and greatest value of each number."""
    gold: Callable[[Quantities], Fraction]
    unit: str
    """May follow the number in an answer."""
    sound: Callable[[Quantities], bool] = lambda q: True
    """Whether these numbers make sense together."""


TEMPLATES: Final[dict[Difficulty, tuple[Template, ...]]] = {
    "easy": (
        Template(
            "A shopper buys {a} pens at {b} dollars each and {c} books at {d} dollars each. "
            "How many dollars does the shopper pay in total?",
            {"a": (2, 12), "b": (1, 9), "c": (2, 9), "d": (4, 25)},
            lambda q: Fraction(q["a"] * q["b"] + q["c"] * q["d"]),
            "dollars",
        ),
        Template(
            "A recipe for {a} people needs {b} grams of flour. How many grams of flour are needed for {c} people?",
            {"a": (2, 8), "b": (100, 900), "c": (2, 30)},
            lambda q: Fraction(q["b"], q["a"]) * q["c"],
            "grams",
            lambda q: q["a"] != q["c"],
        ),
        Template(
            "A box holds {a} trays and each tray holds {b} eggs. If {c} eggs are broken, how many whole eggs are in "
            "the box?",
            {"a": (2, 12), "b": (6, 30), "c": (1, 11)},
            lambda q: Fraction(q["a"] * q["b"] - q["c"]),
            "eggs",
        ),
        Template(
            "A machine makes {a} parts every {b} minutes. How many parts does it make in {c} hours?",
            {"a": (2, 40), "b": (2, 15), "c": (2, 9)},
            lambda q: Fraction(q["a"] * q["c"] * 60, q["b"]),
            "parts",
            lambda q: q["a"] * q["c"] * 60 % q["b"] == 0,
        ),
    ),
    "hard": (
        Template(
            "A train travels {a} hours at {b} km per hour and then {c} hours at {d} km per hour. What is its average "
            "speed over the whole trip, in km per hour?",
            {"a": (1, 6), "b": (40, 120), "c": (1, 6), "d": (40, 120)},
            lambda q: Fraction(q["a"] * q["b"] + q["c"] * q["d"], q["a"] + q["c"]),
            "km per hour",
            lambda q: q["a"] != q["c"] and q["b"] != q["d"],
        ),
        Template(
            "A coat costs {a} dollars. Its price is cut by {b} percent and the reduced price is then raised by {c} "
            "percent. What is the final price in dollars?",
            {"a": (20, 400), "b": (5, 60), "c": (5, 60)},
            lambda q: Fraction(q["a"]) * (100 - q["b"]) / 100 * (100 + q["c"]) / 100,
            "dollars",
        ),
        Template(
            "A tank of {a} litres already holds {b} litres. A pump adds {c} litres per minute while a leak loses {d} "
            "litres per minute. After how many minutes is the tank full?",
            {"a": (200, 900), "b": (10, 150), "c": (12, 40), "d": (1, 10)},
            lambda q: Fraction(q["a"] - q["b"], q["c"] - q["d"]),
            "minutes",
        ),
        Template(
            "If {a} workers build {b} walls in {c} days, how many days do {d} workers need for {e} walls at the same "
            "rate?",
            {"a": (2, 12), "b": (1, 9), "c": (2, 15), "d": (2, 12), "e": (2, 20)},
            lambda q: Fraction(q["e"] * q["a"] * q["c"], q["b"] * q["d"]),
            "days",
            lambda q: q["a"] != q["d"] and q["b"] != q["e"],
        ),
        Template(
            "A club saves {a} dollars per week for {b} weeks, spends {c} dollars on a party and shares the rest "
            "equally among {d} members. How many dollars does each member get?",
            {"a": (20, 90), "b": (6, 30), "c": (5, 100), "d": (3, 12)},
            lambda q: Fraction(q["a"] * q["b"] - q["c"], q["d"]),
            "dollars",
        ),
    ),
}


def _wording(template: Template) -> re.Pattern[str]:
    words = re.escape(template.text).replace(r"\ ", r"\s+")
    return re.compile(re.sub(r"\\\{([a-e])\\\}", r"(?P<\1>\\d{1,6})", words))


_WORDINGS: Final = tuple((one, _wording(one)) for group in TEMPLATES.values() for one in group)


class WordProblems(TaskFamily):
    """Two or three steps from the text to the number."""

    name: ClassVar[str] = "word_problems"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Easy: two steps; hard: three or four."""
        template = rng.choice(TEMPLATES[difficulty])
        while True:
            drawn = {name: rng.randint(*bounds) for name, bounds in template.ranges.items()}
            if template.sound(drawn):
                return template.text.format(**drawn), str(template.gold(drawn))

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """Value and unit, where the question is one of the templates with its numbers filled in."""
        for template, wording in _WORDINGS:
            if match := wording.fullmatch(question.strip()):
                given = {name: int(number) for name, number in match.groupdict().items()}
                return _valued(template, given)
        return None

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether the answer is the number, alone or followed by the unit."""
        found = exact.number(exact.final_answer(answer_text).removesuffix(gold["unit"]))
        return found is not None and found == Fraction(gold["value"])


def _valued(template: Template, given: Quantities) -> dict[str, Any] | None:
    try:
        return {"value": str(template.gold(given)), "unit": template.unit}
    except ZeroDivisionError:
        return None
