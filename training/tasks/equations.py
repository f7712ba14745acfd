"""A solution is right when every equation of the question holds for it exactly; nothing else is compared."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from random import Random
from typing import Any, ClassVar, Final

from . import exact
from .task import Difficulty, TaskFamily

TAIL: Final = "Give exact values, as fractions where they are not whole."
_SIDE: Final = r"[^=;:a-z]*(?:(?<![a-z])[a-z](?![a-z])[^=;:a-z]*)*"
_ONE: Final = re.compile(rf"Solve for ([a-z]): ({_SIDE})=({_SIDE})")
_TWO: Final = re.compile(rf"Solve the system ({_SIDE})=({_SIDE}); ({_SIDE})=({_SIDE}) for ([a-z]) and ([a-z])")
_ASSIGNMENT: Final = re.compile(r"([a-z]) ?= ?([^=,;a-z]+)")
Equation = Sequence[str]
"""Left side, right side."""


class Equations(TaskFamily):
    """One linear equation in one unknown, or a 2x2 system."""

    name: ClassVar[str] = "equations"

    def draw(self, rng: Random, difficulty: Difficulty) -> tuple[str, str]:
        """Easy: the unknown on one or both sides; hard: brackets on both sides, or a system."""
        if difficulty == "easy":
            return _one(rng, brackets=False)
        return _system(rng) if rng.random() < 0.5 else _one(rng, brackets=True)

    def gold_of(self, question: str) -> dict[str, Any] | None:
        """Equations and unknowns, where nothing but the solution of one equation or system is asked."""
        asked = equations_in(question)
        return None if asked is None else {"equations": asked[0], "unknowns": asked[1]}

    def passes(self, gold: Mapping[str, Any], answer_text: str) -> bool:
        """Whether exactly the unknowns are given and the given values satisfy every equation."""
        values = assignments(exact.final_answer(answer_text), gold["unknowns"])
        return values is not None and all(_holds(one, values) for one in gold["equations"])


def equations_in(question: str) -> tuple[list[Equation], list[str]] | None:
    """Equations, as pairs of sides, and unknowns; None: something else is asked."""
    asked = " ".join(question.split()).removesuffix(TAIL).strip().removesuffix(".")
    if match := _ONE.fullmatch(asked):
        return _readable([[match[2], match[3]]], [match[1]])
    if match := _TWO.fullmatch(asked):
        return _readable([[match[1], match[2]], [match[3], match[4]]], [match[5], match[6]])
    return None


def _readable(equations: list[Equation], unknowns: list[str]) -> tuple[list[Equation], list[str]] | None:
    sides = [side for equation in equations for side in equation]
    known = set(re.findall("[a-z]", " ".join(sides))) <= set(unknowns)
    return (equations, unknowns) if known and all(exact.tree(side) is not None for side in sides) else None


def assignments(text: str, unknowns: Sequence[str]) -> dict[str, Fraction] | None:
    """Values out of `x = 3, y = -1/2`, or out of a bare number for a single unknown. None: not all, or others too."""
    parts = [part.strip() for part in re.split(r"[,;]| and ", text) if part.strip()]
    if len(unknowns) == 1 and len(parts) == 1 and "=" not in parts[0]:
        parts = [f"{unknowns[0]} = {parts[0]}"]
    values: dict[str, Fraction] = {}
    for part in parts:
        match = _ASSIGNMENT.fullmatch(part)
        found = exact.number(match[2]) if match else None
        if match is None or found is None or match[1] in values:
            return None
        values[match[1]] = found
    return values if set(values) == set(unknowns) else None


def _holds(equation: Equation, values: dict[str, Fraction]) -> bool:
    left, right = (exact.value(exact.tree(side), values) for side in equation)
    return left is not None and left == right


def _one(rng: Random, *, brackets: bool) -> tuple[str, str]:
    """a(x + p) + b = c(x + q) + d, with p = q = 0 where there are no brackets, and c = 0 in half of those."""
    unknown = rng.choice("xnt")
    a, c = rng.sample([k for k in range(-9, 10) if k], 2)
    c = c if brackets or rng.random() < 0.5 else 0
    b, d = rng.randint(-20, 20), rng.randint(-20, 20)
    p, q = (rng.choice([k for k in range(-9, 10) if k]) for _ in range(2)) if brackets else (0, 0)
    solution = Fraction(c * q + d - a * p - b, a - c)
    left, right = _linear(a, unknown, p, b), _linear(c, unknown, q, d)
    return f"Solve for {unknown}: {left} = {right}. {TAIL}", f"{unknown} = {solution}"


def _linear(factor: int, unknown: str, shift: int, constant: int) -> str:
    if factor == 0:
        return str(constant)
    times = {1: "", -1: "-"}.get(factor, str(factor))
    term = f"{times}({unknown} {shift:+d})" if shift else f"{times}{unknown}"
    return _spaced(f"{term} {constant:+d}" if constant else term)


def _spaced(text: str) -> str:
    return re.sub(r" ([+-])(\d|[a-z])", r" \1 \2", text)


def _system(rng: Random) -> tuple[str, str]:
    x, y = rng.choice(("xy", "ab", "pq"))
    while True:
        a, b, c, d = (rng.choice([k for k in range(-7, 8) if k]) for _ in range(4))
        if determinant := a * d - b * c:
            break
    e, f = rng.randint(-20, 20), rng.randint(-20, 20)
    first, second = Fraction(e * d - b * f, determinant), Fraction(a * f - e * c, determinant)
    rows = "; ".join(f"{_row(p, x, q, y)} = {r}" for p, q, r in ((a, b, e), (c, d, f)))
    return f"Solve the system {rows} for {x} and {y}. {TAIL}", f"{x} = {first}, {y} = {second}"


def _row(p: int, x: str, q: int, y: str) -> str:
    second = f"{'+' if q > 0 else '-'} {y if abs(q) == 1 else f'{abs(q)}{y}'}"
    return f"{_linear(p, x, 0, 0)} {second}"
