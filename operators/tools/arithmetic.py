"""Arithmetic is exact or not done here: a value is a fraction, and no step makes a number of more digits than the
bound, so that every evaluation is short."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Final

from ..outcome import ToolFault
from .expression import Tree

MOST_BITS: Final = 13_000
"""Bits of a numerator or denominator: about 3,900 digits."""
LARGEST_FACTORIAL: Final = 1_300
_TOO_LARGE: Final = "A result has at most about 3,900 digits"


class Inexact(Exception):
    """The value is no fraction, or cannot be seen to be one by arithmetic alone."""


def exact(tree: Tree) -> Fraction:
    """The value of a tree of numbers. Raises Inexact for names and for what leaves the rationals, ToolFault for a
    division by zero, for a wrong argument and for a number that would be too large."""
    if isinstance(tree, int):
        return Fraction(tree)
    if isinstance(tree, str):
        raise Inexact
    operation = _OPERATIONS.get(str(tree[0]))
    if operation is None:
        raise Inexact
    values = [exact(part) for part in tree[1:]]
    try:
        return _bounded(operation(*values))
    except ZeroDivisionError:
        raise ToolFault("a division by zero has no value", retryable=False, fix="Check the denominator") from None


def root(value: Fraction, degree: int) -> Fraction:
    """The rational root of `value`. Raises Inexact where it has none, and for negative values."""
    if value < 0:
        raise Inexact
    parts = [_whole_root(part, degree) for part in (value.numerator, value.denominator)]
    return Fraction(parts[0], parts[1])


def _whole_root(value: int, degree: int) -> int:
    """The root of a whole number, by bisection on whole numbers."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if middle**degree <= value else (low, middle - 1)
    if low**degree != value:
        raise Inexact
    return low


def _bounded(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MOST_BITS:
        raise ToolFault("a number on the way is too large", retryable=False, fix=_TOO_LARGE)
    return value


def _sum(*values: Fraction) -> Fraction:
    total = Fraction(0)
    for value in values:
        total = _bounded(total + value)
    return total


def _product(*values: Fraction) -> Fraction:
    total = Fraction(1)
    for value in values:
        total = _bounded(total * value)
    return total


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        if exponent.denominator > 100:
            raise Inexact
        return _power(root(base, exponent.denominator), Fraction(exponent.numerator))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length()) - 1
    if bits * abs(exponent.numerator) > MOST_BITS:
        raise ToolFault("a power is too large", retryable=False, fix=_TOO_LARGE)
    return Fraction(base**exponent.numerator)


def _round(value: Fraction, digits: Fraction = Fraction(0)) -> Fraction:
    """Halves go away from zero, as in arithmetic classes."""
    scale = Fraction(10) ** _small(digits, 1_000, "round")
    return Fraction(math.floor(abs(value) * scale + Fraction(1, 2)) * (1 if value >= 0 else -1)) / scale


def _small(value: Fraction, most: int, name: str) -> int:
    """`value` as a whole number. Raises ToolFault unless it is one between 0 and `most`."""
    if value.denominator != 1 or not 0 <= value <= most:
        raise ToolFault(f"{name} got {value}", retryable=False, fix=f"Give a whole number from 0 to {most:,}")
    return value.numerator


def _factorial(value: Fraction) -> Fraction:
    return Fraction(math.factorial(_small(value, LARGEST_FACTORIAL, "factorial")))


def _binomial(count: Fraction, chosen: Fraction) -> Fraction:
    total, part = _small(count, 10**6, "binomial"), _small(chosen, 10**6, "binomial")
    if min(part, total - part) > MOST_BITS:
        raise ToolFault("a binomial coefficient is too large", retryable=False, fix=_TOO_LARGE)
    return Fraction(math.comb(total, part))


def _whole(combine: Callable[..., int], name: str) -> Callable[..., Fraction]:
    def carried(*values: Fraction) -> Fraction:
        if any(value.denominator != 1 for value in values):
            raise ToolFault(f"{name} got a fraction", retryable=False, fix="Give whole numbers")
        return Fraction(combine(*(value.numerator for value in values)))

    return carried


_OPERATIONS: Final[dict[str, Callable[..., Fraction]]] = {
    "+": _sum,
    "-": lambda left, right: left - right,
    "*": _product,
    "/": lambda left, right: left / right,
    "//": lambda left, right: Fraction(left // right),
    "%": lambda left, right: left % right,
    "mod": lambda left, right: left % right,
    "^": _power,
    "sqrt": lambda value: root(value, 2),
    "cbrt": lambda value: root(value, 3),
    "abs": abs,
    "floor": lambda value: Fraction(math.floor(value)),
    "ceil": lambda value: Fraction(math.ceil(value)),
    "round": _round,
    "sign": lambda value: Fraction((value > 0) - (value < 0)),
    "min": min,
    "max": max,
    "factorial": _factorial,
    "binomial": _binomial,
    "gcd": _whole(math.gcd, "gcd"),
    "lcm": _whole(math.lcm, "lcm"),
}
