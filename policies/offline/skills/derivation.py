"""A derivation is a list of one-operator lines; a slip in one of them is carried into all that follow, so that wrong
work reads as wrong work does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Literal

from ..dice import Dice
from .expression import apply
from .numbers import in_brackets
from .skill import Solution

Slip = Literal["sign", "one more", "one less", "wrong operator"]
SLIPS: Final[tuple[Slip, ...]] = ("sign", "one more", "one less", "wrong operator")
_MISREAD: Final = (-2, -1, 1, 2, 3, 7, 10)
"""By how much a number is misread."""
_CONFUSED: Final = {"+": "-", "-": "+", "*": "+", "/": "*"}


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of an earlier line."""

    line: int


Operand = Fraction | Ref


@dataclass(frozen=True, slots=True)
class Line:
    """`label: left sign right = …`."""

    label: str
    """What the result is; empty where it has no name."""
    sign: str
    left: Operand
    right: Operand


@dataclass(frozen=True, slots=True)
class Derivation:
    """Lines, the last of which gives the result."""

    lines: tuple[Line, ...]

    def result(self) -> Fraction:
        """What the last line comes to. Raises ZeroDivisionError."""
        return self._values()[-1]

    def right(self) -> Solution:
        """The work without a slip."""
        return self._told(self._values())

    def wrong(self, dice: Dice) -> Solution:
        """The work with one slip that changes the result."""
        result = self.result()
        slips = [(line, slip) for line in range(len(self.lines)) for slip in SLIPS]
        for line, slip in dice.shuffled("slip at", slips):
            try:
                values = self._values(line, slip)
            except ZeroDivisionError:
                continue
            if values[-1] != result:
                return self._told(values)
        raise AssertionError("one more in the last line always changes the result")

    def slipped(self, dice: Dice) -> Derivation:
        """The derivation with something in one line miscopied, so that it comes to another result."""
        result = self.result()
        for changed in dice.shuffled("miscopied", [*self._miscopied()]):
            try:
                if changed.result() != result:
                    return changed
            except ZeroDivisionError:
                continue
        return Derivation((*self.lines, Line("", "+", Ref(len(self.lines) - 1), Fraction(1))))

    def expression(self) -> str:
        """All lines in one expression, with every bracket written."""
        made: list[str] = []
        for line in self.lines:
            left, right = (
                made[one.line] if isinstance(one, Ref) else in_brackets(one) for one in (line.left, line.right)
            )
            made.append(f"({left} {line.sign} {right})")
        return made[-1][1:-1]

    def source(self) -> str:
        """Python lines that compute `step_1`, `step_2`, … with fractions."""
        return "\n".join(
            f"step_{number} = {_python(line.left)} {line.sign} {_python(line.right)}"
            for number, line in enumerate(self.lines, 1)
        )

    def _miscopied(self) -> Iterator[Derivation]:
        """Every derivation with another operator in one line, or with one number misread."""
        for place, line in enumerate(self.lines):
            left, right = line.left, line.right
            changed = [replace(line, sign=_CONFUSED[line.sign])]
            changed += [replace(line, left=left + by) for by in _MISREAD if isinstance(left, Fraction)]
            changed += [replace(line, right=right + by) for by in _MISREAD if isinstance(right, Fraction)]
            yield from (Derivation((*self.lines[:place], one, *self.lines[place + 1 :])) for one in changed)

    def _values(self, slipped: int | None = None, slip: Slip = "sign") -> list[Fraction]:
        values: list[Fraction] = []
        for number, line in enumerate(self.lines):
            left, right = (values[one.line] if isinstance(one, Ref) else one for one in (line.left, line.right))
            values.append(
                _slipped(slip, line.sign, left, right) if number == slipped else apply(line.sign, left, right)
            )
        return values

    def _told(self, values: list[Fraction]) -> Solution:
        lines = []
        for number, line in enumerate(self.lines):
            left, right = (values[one.line] if isinstance(one, Ref) else one for one in (line.left, line.right))
            name = f"{line.label}: " if line.label else ""
            told = f"{in_brackets(left)} {line.sign} {in_brackets(right)} = {values[number]}"
            lines.append(f"{number + 1}. {name}{told}")
        return Solution("\n".join(lines), str(values[-1]))


def _slipped(slip: Slip, sign: str, left: Fraction, right: Fraction) -> Fraction:
    match slip:
        case "sign":
            return -apply(sign, left, right)
        case "one more":
            return apply(sign, left, right) + 1
        case "one less":
            return apply(sign, left, right) - 1
    return apply(_CONFUSED[sign], left, right)


def _python(operand: Operand) -> str:
    return f"step_{operand.line + 1}" if isinstance(operand, Ref) else f"Fraction({str(operand)!r})"
