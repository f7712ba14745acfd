"""A statistic of a list of whole numbers is one exact number; a mode is only asked where it is unique."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Mapping
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, TaskFamily

TAIL: Final = "Give the exact value, as a fraction if it is not whole."
_OURS: Final = ("What is the {} of the list {}? " + TAIL, "Find the {} of the list {}. " + TAIL)
_ASKED: Final = re.compile(
    r"(?:What is|Find) the (.+) of the list \[(-?\d{1,9}(?:, -?\d{1,9})+)\][?.] " + re.escape(TAIL)
)
Statistic = Callable[[list[Fraction]], Fraction]


def _trimmed(values: list[Fraction]) -> Fraction:
    return statistics.mean(sorted(values)[1:-1])


def _above(values: list[Fraction]) -> Fraction:
    mean = statistics.mean(values)
    return Fraction(sum(1 for one in values if one > mean))


STATISTICS: Final[dict[Difficulty, dict[str, Statistic]]] = {
    "easy": {
        "mean": statistics.mean,
        "median": statistics.median,
        "mode": statistics.mode,
        "range": lambda values: max(values) - min(values),
    },
    "hard": {
        "population variance": statistics.pvariance,
        "mean after removing one smallest and one largest value": _trimmed,
        "number of values above the mean": _above,
        "sum of the 2 largest values": lambda values: sum(sorted(values)[-2:], Fraction(0)),
        "sum of the 3 largest values": lambda values: sum(sorted(values)[-3:], Fraction(0)),
        "sum of the 3 smallest values": lambda values: sum(sorted(values)[:3], Fraction(0)),
    },
}


class ListStatistics(TaskFamily):
    """Mean, median, mode, range, variance, trimmed mean, counts and partial sums."""

    name: ClassVar[str] = "statistics"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Easy: a textbook statistic of 4-6 values; hard: a two-step one of 6-9."""
        asked = rng.choice(sorted(STATISTICS[difficulty]))
        length = rng.randint(4, 6) if difficulty == "easy" else rng.randint(6, 9)
        values = [rng.randint(-15, 60) for _ in range(length)]
        if asked == "mode":
            distinct = rng.sample(range(-15, 61), length - 1)
            values = [*distinct, rng.choice(distinct)]
            rng.shuffle(values)
        answer = STATISTICS[difficulty][asked]([Fraction(one) for one in values])
        return rng.choice(_OURS).format(asked, values), str(answer)

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """The value, where one known statistic of one list is asked."""
        match = _ASKED.fullmatch(question.strip())
        statistic = {**STATISTICS["easy"], **STATISTICS["hard"]}.get(match[1]) if match else None
        if match is None or statistic is None:
            return None
        values = [Fraction(one) for one in match[2].split(",")]
        if len(values) < 3 or (match[1] == "mode" and len(statistics.multimode(values)) > 1):
            return None
        return {"value": str(statistic(values))}

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether the answer is a number equal to the statistic."""
        found = exact.number(exact.final_answer(answer_text))
        return found is not None and found == Fraction(gold["value"])
