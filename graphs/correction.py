"""A refused reply is quoted back with every reason, within a bound, as the conversation that it was."""

from __future__ import annotations

from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from ..operators.context import excerpt
from .faults import Fault
from .state import State

QUOTED: Final = 4_000
"""Characters of a refused reply, and of what was wrong with it."""


def corrections(state: State) -> list[BaseMessage]:
    """The refused replies of the decision being made, and what was wrong with each."""
    said: list[BaseMessage] = []
    for turn in state.get("turns", []):
        if turn["turn"] == state["run"]["turn"] and turn["outcome"] == "refused":
            problems = excerpt("\n".join(line_of(one) for one in turn["faults"]), QUOTED)
            correction = f"That was refused and nothing of it ran:\n{problems}\nReply with one corrected decision."
            said += [AIMessage(excerpt(turn["reply"] or "", QUOTED)), HumanMessage(correction)]
    return said


def line_of(one: Fault) -> str:
    """A fault as a correction quotes it."""
    expected = f" Expected: {one['expected']}." if one["expected"] else ""
    return f"- {one['code']}: {one['message']}.{expected}"
