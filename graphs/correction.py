"""A refused reply is quoted back with every reason, within a bound, as the conversation that it was."""

from __future__ import annotations

from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .faults import Fault
from .state import State

LATEST: Final = 4
"""Refused replies that are quoted."""
QUOTED: Final = 12_000
"""Bytes of UTF-8 that they take up together, and that their reasons do: a token of rare writing has as few as three."""


def corrections(state: State) -> list[BaseMessage]:
    """The latest refused replies of the decision being made, and what was wrong with each."""
    turn, said = state["run"]["turn"], list[BaseMessage]()
    refused = [one for one in state.get("turns", []) if one["turn"] == turn and one["outcome"] == "refused"][-LATEST:]
    for one in refused:
        room = QUOTED // len(refused)
        problems = within(room, "\n".join(line_of(reason) for reason in one["faults"]))
        correction = f"That was refused and nothing of it ran:\n{problems}\nReply with one corrected decision."
        said += [AIMessage(within(room, one["reply"] or "")), HumanMessage(correction)]
    return said


def within(room: int, text: str) -> str:
    """`text` whole if it takes up at most `room` bytes, else that much of its head and tail around a line that says how
    much is missing."""
    whole = text.encode("utf-8", "surrogatepass")
    if len(whole) <= room:
        return text
    head, tail = (part.decode("utf-8", "ignore") for part in (whole[: room // 2], whole[-(room // 2) :]))
    return f"{head}\n[... {len(whole) - room:,} bytes left out ...]\n{tail}"


def line_of(one: Fault) -> str:
    """A fault as a correction quotes it."""
    expected = f" Expected: {one['expected']}." if one["expected"] else ""
    return f"- {one['code']}: {one['message']}.{expected}"
