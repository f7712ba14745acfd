"""A statistic of a list is worked with exact fractions, after sorting where the order matters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .numeric import NumericProblem
from .skill import Solution

_ASKED: Final = re.compile(
    r"(?:what is|find) the (.+) of the list \[(-?\d{1,9}(?:, -?\d{1,9})+)\][?.]"
    r"(?: Give the exact value, as a fraction if it is not whole\.)?",
    re.IGNORECASE,
)
Values = list[Fraction]


@dataclass(frozen=True, slots=True)
class Recipe:
    """One statistic: how it is worked, how it goes wrong, how a program computes it."""

    work: str
    right: Callable[[Values], Fraction]
    wrong: tuple[Callable[[Values], Fraction], ...]
    """Errors people make; one that happens to give the right value is passed over."""
    source: str
    """Python expression over `ordered`, a sorted list of fractions."""
    hard: bool = True


def total(values: Values) -> Fraction:
    """Exact sum."""
    return sum(values, Fraction(0))


def mean(values: Values) -> Fraction:
    """Sum over count."""
    return total(values) / len(values)


def middle(values: Values) -> Fraction:
    """Middle value, or the mean of the two middle ones, in the order given."""
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def most_frequent(values: Values) -> Fraction:
    """The value that occurs most often; the first of equals."""
    return max(values, key=values.count)


def squares(values: Values) -> Fraction:
    """Sum of squared distances from the mean."""
    centre = mean(values)
    return total([(one - centre) ** 2 for one in values])


def above_mean(values: Values) -> Fraction:
    """How many values are greater than the mean."""
    return Fraction(sum(1 for one in values if one > mean(values)))


def _extremes(count: int, *, largest: bool) -> Recipe:
    def taken(values: Values, number: int, *, top: bool) -> Fraction:
        return total(sorted(values, reverse=top)[:number])

    return Recipe(
        "Sort the list, take the values at its end and add them.",
        lambda values: taken(values, count, top=largest),
        (
            lambda values: taken(values, count - 1, top=largest),
            lambda values: taken(values, count + 1, top=largest),
            lambda values: taken(values, count, top=not largest),
        ),
        f"sum(ordered[-{count}:])" if largest else f"sum(ordered[:{count}])",
    )


RECIPES: Final[dict[str, Recipe]] = {
    "mean": Recipe(
        "Add all values and divide by how many there are.",
        mean,
        (lambda v: total(v) / (len(v) - 1), lambda v: total(v[1:]) / len(v), lambda v: middle(sorted(v))),
        "sum(ordered) / len(ordered)",
        hard=False,
    ),
    "median": Recipe(
        "Sort the list and take its middle, or the mean of the two middle values.",
        lambda v: middle(sorted(v)),
        (middle, lambda v: sorted(v)[len(v) // 2], mean),
        "(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2",
        hard=False,
    ),
    "mode": Recipe(
        "Count how often each value occurs and take the most frequent.",
        most_frequent,
        (lambda v: max(v), lambda v: middle(sorted(v)), lambda v: v[0]),
        "max(ordered, key=ordered.count)",
        hard=False,
    ),
    "range": Recipe(
        "Subtract the smallest value from the largest.",
        lambda v: max(v) - min(v),
        (lambda v: max(v) + min(v), lambda v: max(v), lambda v: v[-1] - v[0]),
        "ordered[-1] - ordered[0]",
        hard=False,
    ),
    "population variance": Recipe(
        "Find the mean, add the squared distances from it and divide by how many values there are.",
        lambda v: squares(v) / len(v),
        (lambda v: squares(v) / (len(v) - 1), squares, lambda v: total([one * one for one in v]) / len(v)),
        "sum((one - sum(ordered) / len(ordered)) ** 2 for one in ordered) / len(ordered)",
    ),
    "mean after removing one smallest and one largest value": Recipe(
        "Sort the list, drop both ends and take the mean of what is left.",
        lambda v: mean(sorted(v)[1:-1]),
        (mean, lambda v: total(sorted(v)[1:-1]) / len(v), lambda v: mean(sorted(v)[:-1])),
        "sum(ordered[1:-1]) / (len(ordered) - 2)",
    ),
    "number of values above the mean": Recipe(
        "Find the mean, then count the values that are greater.",
        above_mean,
        (lambda v: len(v) - above_mean(v), lambda v: above_mean(v) + 1, lambda v: Fraction(len(v) // 2)),
        "Fraction(sum(1 for one in ordered if one > sum(ordered) / len(ordered)))",
    ),
    "sum of the 2 largest values": _extremes(2, largest=True),
    "sum of the 3 largest values": _extremes(3, largest=True),
    "sum of the 3 smallest values": _extremes(3, largest=False),
}


@dataclass(frozen=True)
class ListStatistics(NumericProblem):
    """One statistic of one list."""

    asked: str
    values: tuple[Fraction, ...]
    family: ClassVar[str] = "statistics"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard: two steps."""
        return "hard" if RECIPES[self.asked].hard else "easy"

    @property
    def outline(self) -> tuple[str, ...]:
        """Reading, working, checking."""
        return (f"Write the {len(self.values)} values in order.", RECIPES[self.asked].work, "Count the values again.")

    @property
    def value(self) -> Fraction:
        """Of the statistic."""
        return RECIPES[self.asked].right(list(self.values))

    def right(self, dice: Dice) -> Solution:
        """The recipe, followed."""
        return self._told(self.value)

    def wrong(self, dice: Dice) -> Solution:
        """One of the usual errors."""
        results = [one(list(self.values)) for one in dice.shuffled("error", RECIPES[self.asked].wrong)]
        return self._told(next((one for one in results if one != self.value), self.value + 1))

    def computation(self, slip: Dice | None = None) -> tuple[str, str]:
        """The recipe in Python; with a slip a value is left out or miscopied, or the result is one too large."""
        given = self.values if slip is None else self._miscopied(slip)
        more = " + 1" if slip is not None and RECIPES[self.asked].right([*given]) == self.value else ""
        ordered = f"ordered = sorted(Fraction(one) for one in {[int(one) for one in given]})"
        return f"{ordered}\nresult = {RECIPES[self.asked].source}{more}", "result"

    def _miscopied(self, dice: Dice) -> tuple[Fraction, ...]:
        """Another list, of another statistic if there is one so near."""
        values = self.values
        places = dice.shuffled("miscopied", range(len(values)))
        near = [(*values[:at], values[at] + 1, *values[at + 1 :]) for at in places]
        near += [(*values[:at], *values[at + 1 :]) for at in places] if len(values) > 3 else []
        return next((one for one in near if RECIPES[self.asked].right([*one]) != self.value), values)

    def _told(self, result: Fraction) -> Solution:
        ordered = ", ".join(map(str, sorted(self.values)))
        work = f"In order: {ordered} ({len(self.values)} values).\n{RECIPES[self.asked].work}\nThis gives {result}."
        return Solution(work, str(result))


def parse(question: str) -> ListStatistics | None:
    """The problem, where one known statistic of one list is asked; None otherwise."""
    match = _ASKED.fullmatch(question.strip())
    if match is None or match[1].lower() not in RECIPES:
        return None
    values = tuple(Fraction(one) for one in match[2].split(","))
    counts = sorted((values.count(one) for one in set(values)), reverse=True)
    ambiguous = match[1].lower() == "mode" and counts[:2] == [counts[0]] * 2
    return None if ambiguous or len(values) < 3 else ListStatistics(match[1].lower(), values)
