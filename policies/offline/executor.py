"""The offline executor answers every operator from what it can work out, and says plainly when it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from langchain_core.messages import BaseMessage

from . import answering, coding, reviewing
from .dice import Dice
from .job import Job
from .model import OfflineChat
from .operator_call import OperatorCall

CANNOT: Final = "I am a rule-based offline model and cannot solve this kind of problem."
HANDLERS: Final[Mapping[str, Callable[[Job], str]]] = {
    "DECOMPOSE_PROBLEM": answering.decompose,
    "GENERATE_PLAN": answering.decompose,
    "GENERATE_ANSWER": answering.answer,
    "REVIEW_SOLUTION": reviewing.review,
    "REFINE_ANSWER": answering.refine,
    "SELF_CONSISTENCY_ENSEMBLE": answering.vote,
    "ENSEMBLE": answering.ensemble,
    "GENERATE_CODE": coding.generate,
    "REFINE_CODE": coding.refine,
    "ORGANIZE_SOLUTION": answering.organize,
}
"""How each operator is answered; any other one like GENERATE_ANSWER."""


class OfflineExecutor(OfflineChat):
    """A rule-based chat model for the executor and generator roles. It can do the families of
    `flowwright.policies.offline.skills`, with the error rates of `rates.py`, and nothing else."""

    model_name: ClassVar[str] = "offline-executor"

    def reply(self, messages: Sequence[BaseMessage], dice: Dice) -> str:
        """The text for an operator's prompt."""
        call = OperatorCall.read(messages)
        job = Job.of(call, dice, self.rates) if call else None
        return CANNOT if call is None or job is None else HANDLERS.get(call.operator, answering.answer)(job)
