"""A linear form is a coefficient for each unknown; what is not linear has none. Systems of two are solved by Cramer's
rule, line by line."""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from .derivation import Derivation, Line, Ref
from .expression import NotAnExpression, Number, Operation, Tree, Unknown

NONE: Final = Fraction(0)
Linear = dict[str, Fraction]
"""Coefficient of each unknown; that of 1 stands under the empty name."""


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


def quotient(name: str, row: Linear) -> Derivation:
    """name = -constant / factor for a row factor·name + constant = 0."""
    constant, factor = row.get("", NONE), row.get(name, NONE)
    return Derivation(
        (
            Line("constant on the other side", "-", Fraction(0), constant),
            Line(f"divided by the factor of {name}", "/", Ref(0), factor),
        )
    )


def cramer(name: str, other: str, rows: list[Linear]) -> Derivation:
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
