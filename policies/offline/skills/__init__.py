"""What the offline models can do, one family a file. A question is recognised as a whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from . import arithmetic, equations, functions, game24, list_statistics, word_problems
from .skill import Problem, Solution

_PARSERS: Final[tuple[Callable[[str], Problem | None], ...]] = (
    arithmetic.parse,
    equations.parse,
    game24.parse,
    list_statistics.parse,
    functions.parse,
    word_problems.parse,
)
LONGEST: Final = 4000
"""Characters of a question; longer ones belong to no family."""


def recognise(question: str) -> Problem | None:
    """The problem in `question`; None: it belongs to no family."""
    if len(question) > LONGEST:
        return None
    return next((problem for parse in _PARSERS if (problem := parse(question)) is not None), None)


__all__ = ["Problem", "Solution", "recognise"]
