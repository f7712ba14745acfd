"""A refused reply is answered with every reason, in the conversation that it was; within a bound."""

from __future__ import annotations

from typing import Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from .conversation import conversation, last_call
from .faults import Fault
from .state import State
from .turn import Turn

LATEST: Final = 4
"""Refused replies that are quoted."""
QUOTED: Final = 12_000
"""Bytes of UTF-8 that they take up together, and that their reasons do: a token of rare writing has as few as three."""


def corrections(state: State) -> list[BaseMessage]:
    """The latest refused replies of the decision being made, and what was wrong with each, after a prompt that is told
    anew."""
    turn, said = state["run"]["turn"], list[BaseMessage]()
    refused = [one for one in state.get("turns", []) if one["turn"] == turn and one["outcome"] == "refused"][-LATEST:]
    for one in refused:
        room = QUOTED // len(refused)
        said += [AIMessage(within(room, one["reply"] or "")), HumanMessage(correction_of(one, room))]
    return said


def correction_of(turn: Turn, room: int) -> str:
    """What is said of a refused reply, in at most about `room` bytes."""
    problems = within(room, "\n".join(line_of(reason) for reason in turn["faults"]))
    return f"That was refused and nothing of it ran:\n{problems}\nReply with one corrected decision."


def repaired(state: State) -> list[BaseMessage]:
    """The conversation of the decision being made, with what was wrong with the last reply; empty where it has none, or
    has become so long that it is told anew."""
    turns = state.get("turns", [])
    if not 0 < state["run"]["attempt"] <= LATEST or not turns or turns[-1]["outcome"] != "refused":
        return []
    last = last_call(state)
    if last is None or last["id"] != turns[-1]["call"]:
        return []
    return [*conversation(state), HumanMessage(correction_of(turns[-1], QUOTED // LATEST))]


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
