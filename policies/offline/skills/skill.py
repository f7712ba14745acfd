"""A skill either understands a question as a whole or does not touch it; what it then says is worked out, and where it
errs it errs on purpose, by a draw."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from ..dice import Dice


@dataclass(frozen=True, slots=True)
class Solution:
    """An attempt at a problem."""

    work: str
    """The way to the answer, as text."""
    answer: str
    """What goes on the `Answer:` line; for a function, its source."""


class Problem(ABC):
    """One question of a family that its skill has understood."""

    family: ClassVar[str]

    @property
    @abstractmethod
    def difficulty(self) -> Literal["easy", "hard"]:
        """As far as the question shows it."""

    @property
    @abstractmethod
    def outline(self) -> tuple[str, ...]:
        """The way to a solution in two to four steps, with nothing solved."""

    @abstractmethod
    def right(self, dice: Dice) -> Solution | None:
        """A right solution; None: there is none."""

    @abstractmethod
    def wrong(self, dice: Dice) -> Solution:
        """A plausible wrong one."""

    @abstractmethod
    def objection(self, answer: str) -> str | None:
        """What a recomputation has against `answer`; None: it is right."""

    @abstractmethod
    def check_program(self, answer: str) -> str:
        """Source of a program whose `solve()` asserts that `answer` is right."""

    @abstractmethod
    def program(self, slip: Dice | None) -> str:
        """Source of a program that answers the question: `solve()` returns the answer, or it defines the function that
        is asked for. `slip`: draws of a slip in it; None: it is right."""

    @property
    def acceptance(self) -> str | None:
        """Assertions about what a program gives, taken from the question without solving it; None: it states nothing
        that could be asserted so."""
        return None

    def expression(self, slip: Dice | None) -> str | None:
        """A numeric expression whose value is the answer; None: there is none. `slip` as in `program`."""
        return None

    def in_form(self, answer: str) -> str:
        """`answer` as it is written on an `Answer:` line, where another form of it can be read; else as it is."""
        return answer.strip()

    def attempt(self, dice: Dice, rate: float) -> Solution | None:
        """A solution that is wrong with probability `rate`; None: the problem has none."""
        return self.wrong(dice) if dice.happens("slip", rate) else self.right(dice)
