"""A statistic of a list of whole numbers is one exact number; a mode is only asked where it is unique."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, Task, TaskFamily

TAIL: Final = "Give the exact value, as a fraction if it is not whole."
_OURS: Final = ("What is the {} of the list {}? " + TAIL, "Find the {} of the list {}. " + TAIL)
_ASKED: Final = re.compile(r"(?:What is|Find) the (.+) of the list \[(-?\d+(?:, -?\d+)+)\][?.] " + re.escape(TAIL))
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

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, dict[str, Any]]:
        """Easy: a textbook statistic of 4-6 values; hard: a two-step one of 6-9."""
        asked = rng.choice(sorted(STATISTICS[difficulty]))
        length = rng.randint(4, 6) if difficulty == "easy" else rng.randint(6, 9)
        values = [rng.randint(-15, 60) for _ in range(length)]
        if asked == "mode":
            distinct = rng.sample(range(-15, 61), length - 1)
            values = [*distinct, rng.choice(distinct)]
            rng.shuffle(values)
        answer = STATISTICS[difficulty][asked]([Fraction(one) for one in values])
        return rng.choice(_OURS).format(asked, values), {"answer": str(answer)}

    def recognises(self, question: str) -> bool:
        """Whether one known statistic of one list is asked."""
        match = _ASKED.fullmatch(question.strip())
        return match is not None and any(match[1] in known for known in STATISTICS.values())

    def check(self, task: Task, answer_text: str) -> bool:
        """Whether the answer is a number equal to the statistic."""
        found = exact.number(exact.final_answer(answer_text))
        return found is not None and found == Fraction(task.gold["answer"])
