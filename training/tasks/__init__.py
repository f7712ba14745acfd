"""Tasks with exact answers, to try, train and measure on. The checks share no code with any solver."""

from __future__ import annotations

from typing import Final

from .arithmetic import Arithmetic
from .equations import Equations
from .functions import Functions
from .game24 import Game24
from .list_statistics import ListStatistics
from .task import Task, TaskFamily
from .word_problems import WordProblems

FAMILIES: Final[dict[str, TaskFamily]] = {
    family.name: family
    for family in (Arithmetic(), Equations(), Game24(), ListStatistics(), Functions(), WordProblems())
}


def family_of(question: str) -> TaskFamily | None:
    """The family whose wording `question` follows as a whole; None: it belongs to none."""
    return next((family for family in FAMILIES.values() if family.recognises(question)), None)


def check_answer(question: str, answer_text: str | None) -> bool | None:
    """Whether `answer_text` answers `question`, by what the question itself says; None: it belongs to no family. No
    answer (None) is a wrong one."""
    for family in FAMILIES.values():
        gold = family.gold_of(question)
        if gold is not None:
            return answer_text is not None and family.passes(gold, answer_text)
    return None


__all__ = ["FAMILIES", "Task", "TaskFamily", "check_answer", "family_of"]
