"""Linear equations are brought to a·x + b·y = c and solved by elimination; a candidate is judged by substitution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .derivation import Derivation, Line, Ref
from .expression import (
    NotAnExpression,
    Number,
    Operation,
    Tree,
    Unknown,
    evaluate,
    numbers_of,
    python_of,
    read_expression,
)
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
Sides = tuple[Tree, Tree]
NONE: Final = Fraction(0)
Linear = dict[str, Fraction]
"""Coefficient of each unknown; that of 1 stands under the empty name."""


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
        asserted = [
            f'    assert {python_of(left)} == {python_of(right)}, "equation {number} does not hold"'
            for number, (left, right) in enumerate(self.equations, 1)
        ]
        return _CHECK.format(values="\n".join(assigned), assertions="\n".join(asserted), answer=_listed(values))

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
            yield self.unknowns[0], _quotient(self.unknowns[0], rows[0])
            return
        for number, name in enumerate(self.unknowns):
            yield name, _cramer(name, self.unknowns[1 - number], rows)

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


def linear(tree: Tree) -> Linear:
    """The tree as a linear form. Raises NotAnExpression where it is none."""
    match tree:
        case Number(value):
            return {"": value}
        case Unknown(name):
            return {name: Fraction(1)}
        case Operation("+" | "-" as sign, left, right):
            total, more = dict(linear(left)), linear(right)
            for name, amount in more.items():
                total[name] = total.get(name, NONE) + (amount if sign == "+" else -amount)
            return total
        case Operation(sign, left, right):
            factors = linear(left), linear(right)
            if sign == "*" and set(factors[0]) == {""}:
                factors = factors[1], factors[0]
            if set(factors[1]) != {""}:
                raise NotAnExpression("not linear")
            scale = factors[1][""] if sign == "*" else 1 / factors[1][""]
            return {name: amount * scale for name, amount in factors[0].items()}


def _quotient(name: str, row: Linear) -> Derivation:
    constant, factor = row.get("", NONE), row.get(name, NONE)
    return Derivation(
        (
            Line("constant on the other side", "-", Fraction(0), constant),
            Line(f"divided by the factor of {name}", "/", Ref(0), factor),
        )
    )


def _cramer(name: str, other: str, rows: list[Linear]) -> Derivation:
    """name = (c1·b2 - c2·b1) / (a1·b2 - a2·b1) for rows a·name + b·other = c."""
    (a1, b1, c1), (a2, b2, c2) = ([row.get(name, NONE), row.get(other, NONE), -row.get("", NONE)] for row in rows)
    return Derivation(
        (
            Line("", "*", c1, b2),
            Line("", "*", c2, b1),
            Line(f"right-hand side without {other}", "-", Ref(0), Ref(1)),
            Line("", "*", a1, b2),
            Line("", "*", a2, b1),
            Line(f"factor of {name}", "-", Ref(3), Ref(4)),
            Line(name, "/", Ref(2), Ref(5)),
        )
    )


def _listed(values: Linear) -> str:
    return ", ".join(f"{name} = {value}" for name, value in values.items())
