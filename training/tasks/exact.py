"""Text becomes an exact fraction through a whitelisted grammar, or nothing: never a float, never executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

LONGEST: Final = 200
"""Characters of an expression read at all; bounds the depth of its tree."""
NO_NAMES: Final[Mapping[str, Fraction]] = {}
_SIGNS: Final = str.maketrans("×·⋅∙÷∕⁄−–", "****///--")
_ALPHABET: Final = re.compile(r"(?:(?:\d{1,30}|\d{1,9}\.\d{1,6})(?![\w.])|\b[a-z]\b|[-+*/() ])*", re.ASCII)
_PRODUCT: Final = re.compile(r"(?<=[\d)])\s*(?=[a-z(])")
_ANSWER: Final = re.compile(
    r"^[^\w\n]{0,9}(?:the )?(?:final )?answer[^\w\n]{0,9}?[:=]\W{0,9}?(\S.*)$", re.IGNORECASE | re.MULTILINE
)


def final_answer(text: str) -> str:
    """What stands on the last `Answer:` line; without one, the whole text."""
    lines = _ANSWER.findall(text)
    return (lines[-1] if lines else text).strip().strip("*`$ ").removesuffix(".").strip()


def plain(text: str) -> str:
    """`text` with the usual typographic operators written as ASCII and products spelled out: `2(x)` is `2*(x)`."""
    return _PRODUCT.sub("*", text.translate(_SIGNS).strip())


def tree(text: str) -> ast.expr | None:
    """Syntax tree of an arithmetic expression; None for anything that is not one."""
    written = plain(text)
    if len(written) > LONGEST or not _ALPHABET.fullmatch(written):
        return None
    try:
        return ast.parse(written.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        return None


def value(node: ast.expr | None, names: Mapping[str, Fraction] = NO_NAMES) -> Fraction | None:
    """Exact value of a tree of numbers, known `names`, + - * / and signs; None where there is none."""
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(str(number))
        case ast.Name(id=name):
            return names.get(name)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            inner = value(operand, names)
            return inner if inner is None or isinstance(sign, ast.UAdd) else -inner
        case ast.BinOp(left=left, op=operator, right=right):
            return _combine(value(left, names), operator, value(right, names))
    return None


def _combine(left: Fraction | None, operator: ast.operator, right: Fraction | None) -> Fraction | None:
    if left is None or right is None:
        return None
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.Div() if right:
            return left / right
    return None


def number(text: str) -> Fraction | None:
    """A number as an answer gives it: `-7/2`, `3.5`, `1,200`, `$12`. None for anything else."""
    written = plain(text).removeprefix("$").strip()
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", written, re.ASCII):
        written = written.replace(",", "")
    if not re.fullmatch(r"-?\d{1,30}(\.\d{1,30})?|-?\d{1,30} ?/ ?\d{1,30}", written, re.ASCII):
        return None
    top, _, bottom = written.partition("/")
    divisor = Fraction(bottom or 1)
    return Fraction(top.strip()) / divisor if divisor else None
