"""Tasks with exact answers, to try, train and measure on. The checks share no code with any solver."""

from __future__ import annotations

from typing import Final

from .arithmetic import Arithmetic
from .equations import Equations
from .functions import Functions
from .game24 import Game24, reaches_target
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


def check(task: Task, answer_text: str) -> bool:
    """Whether `answer_text` answers `task`, by its family's exact check."""
    return FAMILIES[task.family].check(task, answer_text)


__all__ = ["FAMILIES", "Task", "TaskFamily", "check", "family_of", "reaches_target"]
