"""Expressions are read by a grammar of their own into trees of exact numbers; nothing is ever executed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

_TOKEN: Final = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|(\b[a-z]\b|(?<=\d)[a-z]\b)|([-+*/()]))", re.ASCII)
_SIGNS: Final = str.maketrans("×·⋅÷−–", "***/--")
_BINDING: Final = {"+": 1, "-": 1, "*": 2, "/": 2}
LONGEST: Final = 200
"""Characters read at all; bounds the depth of a tree."""


@dataclass(frozen=True, slots=True)
class Number:
    """A literal."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Unknown:
    """A letter."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Two trees and + - * or /. A sign is written as 0 - tree."""

    sign: str
    left: Tree
    right: Tree


Tree = Number | Unknown | Operation
ZERO: Final = Number(Fraction(0))


class NotAnExpression(ValueError):
    """The text does not follow the grammar."""


def read_expression(text: str) -> Tree:
    """The tree of `text`; × ÷ − are read as * / -, and `3x` and `2(x + 1)` as products. Raises NotAnExpression."""
    if len(text) > LONGEST:
        raise NotAnExpression(text[:40])
    reader = _Reader(list(_tokens(text.translate(_SIGNS).strip())))
    tree = reader.sum(0)
    if reader.position != len(reader.tokens):
        raise NotAnExpression(text)
    return tree


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise NotAnExpression(text)
        yield match[match.lastindex or 0]
        position = match.end()


@dataclass
class _Reader:
    """Precedence climbing over the tokens."""

    tokens: list[str]
    position: int = 0

    def peek(self) -> str:
        return self.tokens[self.position] if self.position < len(self.tokens) else ""

    def take(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1]

    def sum(self, least: int) -> Tree:
        left = self.unit()
        while True:
            sign = self.peek()
            implied = sign == "(" or sign.isalpha()
            binding = _BINDING.get("*" if implied else sign, 0)
            if binding <= least:
                return left
            if not implied:
                self.take()
            left = Operation("*" if implied else sign, left, self.sum(binding))

    def unit(self) -> Tree:
        if not self.peek():
            raise NotAnExpression("it ends too early")
        token = self.take()
        if token == "(":
            inner = self.sum(0)
            if not self.peek() or self.take() != ")":
                raise NotAnExpression("a bracket is not closed")
            return inner
        if token == "+":
            return self.unit()
        if token == "-":
            operand = self.unit()
            return Number(-operand.value) if isinstance(operand, Number) else Operation("-", ZERO, operand)
        if token.isalpha():
            return Unknown(token)
        if not token[0].isdigit():
            raise NotAnExpression(f"{token} is not expected here")
        return Number(Fraction(token))


def numbers_of(tree: Tree) -> Iterator[Fraction]:
    """The literals of a tree, left to right."""
    match tree:
        case Number(value):
            yield value
        case Operation(_, left, right):
            yield from numbers_of(left)
            yield from numbers_of(right)


def evaluate(tree: Tree, values: dict[str, Fraction]) -> Fraction:
    """Exact value. Raises ZeroDivisionError, and KeyError for a letter without a value."""
    match tree:
        case Number(value):
            return value
        case Unknown(name):
            return values[name]
        case Operation(sign, left, right):
            return apply(sign, evaluate(left, values), evaluate(right, values))


def apply(sign: str, left: Fraction, right: Fraction) -> Fraction:
    """`left sign right`. Raises ZeroDivisionError."""
    match sign:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    return left / right


def python_of(tree: Tree) -> str:
    """The tree as Python source in which every number is a `Fraction`."""
    match tree:
        case Number(value):
            return f"Fraction({str(value)!r})"
        case Unknown(name):
            return name
        case Operation(sign, left, right):
            return f"({python_of(left)} {sign} {python_of(right)})"


def text_of(tree: Tree) -> str:
    """The tree with every sign and every bracket written."""
    match tree:
        case Number(value):
            return str(value) if value >= 0 and value.denominator == 1 else f"({value})"
        case Unknown(name):
            return name
        case Operation(sign, left, right):
            return f"({text_of(left)} {sign} {text_of(right)})"
