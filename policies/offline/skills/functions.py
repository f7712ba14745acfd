"""A function is written from the description alone; the examples of the question become the assertions of its test."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

from ..dice import Dice
from .functions_table import TABLE, Known
from .skill import Problem, Solution

_ASKED: Final = re.compile(
    r"Write a Python function `([a-z_]\w*)\(([\w, ]*)\)` that ([^\n]+)\n\nExamples:\n((?:assert [^\n]+\n)+)", re.ASCII
)
_TESTS: Final = "\n\n\nassert "
"""Where the tests of a program of ours begin."""


@dataclass(frozen=True)
class Function(Problem):
    """One of the functions in the table, under the name asked for."""

    known: Known
    name: str
    parameters: str
    examples: tuple[str, ...]
    """Assertions, as the question has them."""
    family: ClassVar[str] = "functions"

    @property
    def difficulty(self) -> Literal["easy", "hard"]:
        """Hard: with cases that are easily missed."""
        return "hard" if self.known.hard else "easy"

    @property
    def outline(self) -> tuple[str, ...]:
        """Idea, edge cases, test."""
        return (
            f"Write `{self.name}({self.parameters})`: {self.known.idea[0].lower()}{self.known.idea[1:]}",
            "Go through the edge cases that the description names, and empty inputs.",
            "Run the examples.",
        )

    def right(self, dice: Dice) -> Solution:
        """The right body."""
        return Solution(self.known.idea, self._defined(self.known.right))

    def wrong(self, dice: Dice) -> Solution:
        """A body that misses something."""
        return Solution(self.known.idea, self._defined(dice.pick("bug", self.known.wrong)))

    def objection(self, answer: str) -> str | None:
        """Reads the code beside its own implementation; it cannot run it."""
        found = _structure(implementation(answer))
        if found is None:
            return "The code does not parse."
        if found == _structure(self._defined(self.known.right)):
            return None
        if found in [_structure(self._defined(one)) for one in self.known.wrong]:
            case = self.known.edges[0].removeprefix("assert ").replace("NAME", self.name)
            return f"A case is missed; see whether {case}."
        return "The code differs from my own implementation, and I cannot tell whether both do the same."

    def check_program(self, answer: str) -> str:
        """The code, with the examples as assertions."""
        return self.tested(answer, edges=False)

    def program(self, slip: Dice | None) -> str:
        """The function alone."""
        return self._defined(self.known.right if slip is None else slip.pick("bug", self.known.wrong))

    @property
    def acceptance(self) -> str:
        """The easily missed cases of the description; its examples stand in the question."""
        return "\n".join(one.replace("NAME", self.name) for one in self.known.edges)

    def in_form(self, answer: str) -> str:
        """The implementation alone."""
        return implementation(answer)

    def tested(self, answer: str, *, edges: bool) -> str:
        """The code followed by the examples as assertions, and by easily missed cases where `edges` is set."""
        assertions = "\n".join([*self.examples, *([self.acceptance] if edges else [])])
        return f"{implementation(answer)}\n\n\n{assertions}\n"

    def _defined(self, body: str) -> str:
        return f"def {self.name}({self.parameters}):\n{textwrap.indent(body, '    ')}"


def implementation(code: str) -> str:
    """The code without the assertions after it."""
    return code.partition(_TESTS)[0].strip()


def parse(question: str) -> Function | None:
    """The problem, where a function of the table is described word for word; None otherwise."""
    match = _ASKED.fullmatch(question.strip() + "\n")
    known = next((one for one in TABLE if one.prose == match[3].strip()), None) if match else None
    if match is None or known is None:
        return None
    return Function(known, match[1], match[2], tuple(match[4].strip().splitlines()))


def _structure(source: str) -> str | None:
    try:
        return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
