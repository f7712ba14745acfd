"""The offline designer speaks for the system whose prompt it is given, knows nothing beside that prompt, and claims
nothing without evidence in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Final

from langchain_core.messages import BaseMessage

from .agentflow import planner
from .dice import Dice
from .dyflow import decision
from .flowsteer import director
from .model import OfflineChat
from .slips import Slips

SYSTEMS: Final[Mapping[str, Callable[[Sequence[BaseMessage], Slips], str]]] = {
    "You plan how a question gets answered": planner.reply,
    "You direct a workflow for one problem on a canvas": director.reply,
}
"""Who replies to a prompt that begins so; to any other one DyFlow's designer does."""


class OfflineDesigner(OfflineChat):
    """A rule-based chat model for the designer role of `dyflow`, `agentflow` and `flowsteer`. Plans for the families of
    `flowwright.policies.offline.skills`, and claims nothing else."""

    model_name: ClassVar[str] = "offline-designer"

    def reply(self, messages: Sequence[BaseMessage], dice: Dice) -> str:
        """One decision; now and then a spoilt one, at the rates `design.*`."""
        opening = messages[0].text if messages else ""
        speak = next((speak for start, speak in SYSTEMS.items() if opening.startswith(start)), decision.reply)
        return speak(messages, Slips(dice, self.rates))
