"""The offline executor answers every operator from what it can work out, and says plainly when it cannot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from langchain_core.messages import BaseMessage

from . import answering, coding, merging, programming, reviewing
from .agentflow import analyst, caller, closing, verdict
from .dice import Dice
from .job import Job
from .model import OfflineChat
from .operator_call import OperatorCall
from .refusals import CANNOT

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
    "PROGRAMMER": programming.program,
    "VERIFY": reviewing.verify,
    "SC_ENSEMBLE": answering.vote,
    "AGGREGATE": merging.aggregate,
    "FORMAT": merging.formatted,
    "DIRECT_ANSWER": closing.direct,
    "FULL_ANSWER": closing.full,
}
"""How each operator is answered; any other one like GENERATE_ANSWER."""


ROLES: Final[Mapping[str, Callable[[Sequence[BaseMessage], Dice, Mapping[str, float]], str]]] = {
    "You read a question before anybody works on it": analyst.reply,
    "You decide whether the work on a question may stop": verdict.reply,
    "You are the caller of one tool": caller.reply,
}
"""Who replies to a prompt that begins so; any other one is read as an operator's."""


class OfflineExecutor(OfflineChat):
    """A rule-based chat model for every role but the designer's. It can do the families of
    `flowwright.policies.offline.skills`, with the error rates of `rates.py`, and nothing else."""

    model_name: ClassVar[str] = "offline-executor"

    def reply(self, messages: Sequence[BaseMessage], dice: Dice) -> str:
        """The text for a prompt of an operator, or of a role that asks a model."""
        opening = messages[0].text if messages else ""
        speak = next((speak for start, speak in ROLES.items() if opening.startswith(start)), None)
        if speak is not None:
            return speak(messages, dice, self.rates)
        call = OperatorCall.read(messages)
        job = Job.of(call, dice, self.rates) if call else None
        return CANNOT if call is None or job is None else HANDLERS.get(call.operator, answering.answer)(job)
