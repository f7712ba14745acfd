"""A numeric problem has one exact answer, and an answer is right when it is that number."""

from __future__ import annotations

import textwrap
from abc import abstractmethod
from fractions import Fraction

from ..dice import Dice
from .numbers import read_number
from .skill import Problem

_CHECK = """\
from fractions import Fraction


def solve():
    claimed = Fraction({claimed!r})
{source}
    assert {value} == claimed, f"recomputed {{{value}}}, claimed {{claimed}}"
    return str(claimed)
"""
_PROGRAM = """\
from fractions import Fraction


def solve():
{source}
    return str({value})
"""
UNREADABLE = """\
def solve():
    readable = False
    assert readable, "the candidate is not in a form that can be checked"
"""
"""The check program of an answer that cannot be read: it fails."""


class NumericProblem(Problem):
    """Shared by the families whose answer is a number."""

    @property
    @abstractmethod
    def value(self) -> Fraction:
        """The right answer."""

    @abstractmethod
    def computation(self, slip: Dice | None = None) -> tuple[str, str]:
        """Python lines that compute the answer anew, and the name it has afterwards. `slip`: draws of a slip in them;
        None: they are right."""

    def program(self, slip: Dice | None) -> str:
        """The computation as a program."""
        lines, name = self.computation(slip)
        return _PROGRAM.format(source=_indented(lines), value=name)

    def in_form(self, answer: str) -> str:
        """The exact number, where it is one."""
        number = read_number(answer)
        return answer.strip() if number is None else str(number)

    def objection(self, answer: str) -> str | None:
        """Compares with the value recomputed."""
        found = read_number(answer)
        if found is None:
            return f"'{answer[:60]}' is not a number."
        return None if found == self.value else f"Recomputed, it comes to {self.value}, not {found}."

    def check_program(self, answer: str) -> str:
        """Computes the value anew and asserts that the claimed number equals it."""
        claimed = read_number(answer)
        if claimed is None:
            return UNREADABLE
        lines, name = self.computation()
        return _CHECK.format(claimed=str(claimed), source=_indented(lines), value=name)


def _indented(lines: str) -> str:
    return textwrap.indent(lines, "    ")
