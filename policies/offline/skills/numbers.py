"""Numbers in the offline models are exact fractions, read from and written as text without loss."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_NUMBER: Final = re.compile(r"([-−]?)\s*(\d{1,40})(?:\.(\d{1,20}))?(?:\s*/\s*(\d{1,40}))?", re.ASCII)


def read_number(text: str) -> Fraction | None:
    """The number `text` is, such as `-7/2` or `3.5`; None: it is not one."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or (match[4] and int(match[4]) == 0):
        return None
    size = Fraction(f"{match[2]}.{match[3] or 0}") / int(match[4] or 1)
    return -size if match[1] else size


def in_brackets(number: Fraction) -> str:
    """`number` as an operand: negatives and fractions stand in brackets."""
    return str(number) if number >= 0 and number.denominator == 1 else f"({number})"


def meaning(answer: str | None) -> object:
    """What two answers are compared by: the number, or else the text without blanks and case."""
    number = read_number(answer or "")
    return number if number is not None else "".join((answer or "").casefold().split())
