"""Linear equations are brought to a·x + b·y = c and solved by elimination; a candidate is judged by substitution."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .derivation import Derivation
from .expression import NotAnExpression, Operation, Tree, evaluate, numbers_of, python_of, read_expression, text_of
from .linear import Linear, cramer, linear, quotient
from .numbers import read_number
from .numeric import UNREADABLE
from .skill import Problem, Solution

_ONE: Final = re.compile(r"solve for ([a-z]): ([^=;]+)=([^=;]+?)[.]?", re.IGNORECASE)
_TWO: Final = re.compile(
    r"solve the system ([^=;]+)=([^=;]+); ([^=;]+)=([^=;]+?) for ([a-z]) and ([a-z])[.]?", re.IGNORECASE
)
_TAIL: Final = "Give exact values, as fractions where they are not whole."
_CHECK: Final = """\
from fractions import Fraction


def solve():
{values}
{assertions}
    return {answer!r}
"""
_PROGRAM: Final = """\
from fractions import Fraction


def solve():
{lines}
    return f"{answer}"
"""
_ACCEPTANCE: Final = """\
from fractions import Fraction

said = dict(part.replace(" ", "").split("=") for part in solve().split(","))
{values}
{assertions}
"""
Sides = tuple[Tree, Tree]


@dataclass(frozen=True)
class Equations(Problem):
    """One or two linear equations in as many unknowns, with one solution."""

    equations: tuple[Sides, ...]
    unknowns: tuple[str, ...]
    family: ClassVar[str] = "equations"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard: a system, or many terms."""
        terms = sum(1 for equation in self.equations for side in equation for _ in numbers_of(side))
        return "easy" if len(self.unknowns) == 1 and terms < 5 else "hard"

    @property
    def outline(self) -> tuple[str, ...]:
        """Elimination, in words."""
        return (
            "Expand brackets and bring every equation to the form: terms with unknowns = number.",
            "Eliminate until one unknown is left, and divide.",
            "Substitute the values back into the original equations.",
        )

    def right(self, dice: Dice) -> Solution:
        """One derivation for each unknown."""
        return self._told({name: one.right() for name, one in self._derivations()})

    def wrong(self, dice: Dice) -> Solution:
        """A slip in the derivation of one unknown."""
        slipped = dice.pick("unknown", self.unknowns)
        parts = {name: one.wrong(dice) if name == slipped else one.right() for name, one in self._derivations()}
        return self._told(parts)

    def objection(self, answer: str) -> str | None:
        """Substitutes the values into both sides of each equation."""
        values = self._values(answer)
        if values is None:
            return f"'{answer[:60]}' does not give a value for each of {', '.join(self.unknowns)}."
        for number, (left, right) in enumerate(self.equations, 1):
            sides = evaluate(left, values), evaluate(right, values)
            if sides[0] != sides[1]:
                return f"Substituted into equation {number}, the sides are {sides[0]} and {sides[1]}."
        return None

    def check_program(self, answer: str) -> str:
        """Asserts each equation for the claimed values."""
        values = self._values(answer)
        if values is None:
            return UNREADABLE
        assigned = [f"    {name} = Fraction({str(value)!r})" for name, value in values.items()]
        asserted = textwrap.indent(self._asserted, "    ")
        return _CHECK.format(values="\n".join(assigned), assertions=asserted, answer=_listed(values))

    @property
    def _asserted(self) -> str:
        """An assertion for each equation."""
        return "\n".join(
            f'assert {python_of(left)} == {python_of(right)}, "equation {number} does not hold"'
            for number, (left, right) in enumerate(self.equations, 1)
        )

    @property
    def acceptance(self) -> str:
        """The equations, with the values that a program gives."""
        values = "\n".join(f"{name} = Fraction(said[{name!r}])" for name in self.unknowns)
        return _ACCEPTANCE.format(values=values, assertions=self._asserted)

    def program(self, slip: Dice | None) -> str:
        """Elimination; with a slip in the lines for one unknown."""
        slipped = None if slip is None else slip.pick("unknown", self.unknowns)
        lines: list[str] = []
        for name, right in self._derivations():
            derivation = right.slipped(slip) if slip is not None and name == slipped else right
            lines += [*derivation.source().splitlines(), f"{name} = step_{len(derivation.lines)}"]
        answer = ", ".join(f"{name} = {{{name}}}" for name in self.unknowns)
        return _PROGRAM.format(lines=textwrap.indent("\n".join(lines), "    "), answer=answer)

    def written(self, slip: Dice | None) -> list[str]:
        """Each equation as an algebra system reads it; with a slip one side of one of them is one more than it is."""
        texts = [f"{text_of(left)} = {text_of(right)}" for left, right in self.equations]
        if slip is not None:
            texts[slip.pick("equation", range(len(texts)))] += " + 1"
        return texts

    def in_form(self, answer: str) -> str:
        """`name = value` for each unknown."""
        values = self._values(answer)
        return answer.strip() if values is None else _listed({name: values[name] for name in self.unknowns})

    def _values(self, answer: str) -> Linear | None:
        pairs = [part.partition("=") for part in re.split(r",| and ", answer)]
        if len(pairs) == 1 and not pairs[0][1] and len(self.unknowns) == 1:
            pairs = [(self.unknowns[0], "=", pairs[0][0])]
        found = {name.strip(): read_number(text) for name, _, text in pairs}
        values = {name: value for name, value in found.items() if value is not None}
        return values if len(pairs) == len(values) and set(values) == set(self.unknowns) else None

    def _derivations(self) -> Iterator[tuple[str, Derivation]]:
        rows = [linear(Operation("-", left, right)) for left, right in self.equations]
        if len(rows) == 1:
            yield self.unknowns[0], quotient(self.unknowns[0], rows[0])
            return
        for number, name in enumerate(self.unknowns):
            yield name, cramer(name, self.unknowns[1 - number], rows)

    def _told(self, parts: dict[str, Solution]) -> Solution:
        work = "\n".join(f"For {name}:\n{part.work}" for name, part in parts.items())
        answer = ", ".join(f"{name} = {part.answer}" for name, part in parts.items())
        return Solution(work, answer)


def parse(question: str) -> Equations | None:
    """The problem, where the only thing asked is the one solution of linear equations; None otherwise."""
    asked = " ".join(question.split()).removesuffix(_TAIL).strip()
    one, two = _ONE.fullmatch(asked), _TWO.fullmatch(asked)
    try:
        if one:
            return _checked(Equations(((read_expression(one[2]), read_expression(one[3])),), (one[1],)))
        if two:
            sides = [read_expression(two[group]) for group in range(1, 5)]
            return _checked(Equations(((sides[0], sides[1]), (sides[2], sides[3])), (two[5], two[6])))
    except (NotAnExpression, ZeroDivisionError):
        return None
    return None


def _checked(problem: Equations) -> Equations:
    """The problem, if it has one solution. Raises NotAnExpression for letters it does not ask for and ZeroDivisionError
    where there are no or many solutions."""
    for side in (one for equation in problem.equations for one in equation):
        if set(linear(side)) - {"", *problem.unknowns}:
            raise NotAnExpression("another letter")
    for _, derivation in problem._derivations():
        derivation.result()
    return problem


def _listed(values: Linear) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
