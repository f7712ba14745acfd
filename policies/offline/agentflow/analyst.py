"""The analysis says what a skill sees in a question before anything is worked out, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from langchain_core.messages import BaseMessage

from ..dice import Dice
from ..refusals import CANNOT
from ..sections import Sections
from ..skills import Problem, recognise
from .planner import LADDERS, OPENINGS

FORMS: Final = {
    "arithmetic": "one exact number, as a fraction where it is not whole",
    "equations": "a value for each unknown, as `name = value`",
    "game24": "one expression of the given numbers",
    "statistics": "one exact number, as a fraction where it is not whole",
    "functions": "the source of the function that is asked for",
    "word_problems": "one number",
}
PITFALLS: Final = {
    "arithmetic": "the order of operations, and fractions that are rounded",
    "equations": "a sign lost when terms change sides",
    "game24": "a number used twice or left out",
    "statistics": "a list that is not sorted, or a value left out",
    "functions": "edge cases that the examples do not show",
    "word_problems": "a step of the story left out",
}


def reply(messages: Sequence[BaseMessage], dice: Dice, rates: Mapping[str, float]) -> str:
    """What is asked, in which form, which tools help, and what could go wrong."""
    said = Sections.read(messages)
    problem = recognise(said.problem) if said else None
    return CANNOT if said is None or problem is None else told(problem, said)


def told(problem: Problem, said: Sections) -> str:
    """The analysis of a known problem."""
    useful = dict.fromkeys((*OPENINGS[problem.family, problem.difficulty], *LADDERS[problem.family]))
    tools = ", ".join(one for one in useful if one in said.listed) or "none of the list"
    way = " ".join(problem.outline)
    return (
        f"By rule: a question of the family {problem.family}, {problem.difficulty}.\n"
        f"Wanted: {FORMS[problem.family]}.\nWay: {way}\nTools that help: {tools}.\n"
        f"What could go wrong: {PITFALLS[problem.family]}."
    )
