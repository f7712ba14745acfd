"""A derived problem is its derivation: the way, the slips and the program that checks it come from the same lines."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from ..dice import Dice
from .derivation import Derivation
from .numeric import NumericProblem
from .skill import Solution


@dataclass(frozen=True)
class DerivedProblem(NumericProblem):
    """A numeric problem that is worked line by line."""

    derivation: Derivation

    @property
    def value(self) -> Fraction:
        """What the last line comes to."""
        return self.derivation.result()

    def right(self, dice: Dice) -> Solution:
        """Line by line."""
        return self.derivation.right()

    def wrong(self, dice: Dice) -> Solution:
        """With one slip."""
        return self.derivation.wrong(dice)

    def computation(self, slip: Dice | None = None) -> tuple[str, str]:
        """The same lines, in Python."""
        derivation = self.derivation if slip is None else self.derivation.slipped(slip)
        return derivation.source(), f"step_{len(derivation.lines)}"

    def expression(self, slip: Dice | None) -> str:
        """The lines put into one another."""
        return (self.derivation if slip is None else self.derivation.slipped(slip)).expression()
