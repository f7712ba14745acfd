"""A decision that follows another goes on with its conversation, word for word: the prompt and the reply as they were,
and then only what is new. A model server keeps what it has read, and prompt and replies together are one row of
training data."""

from __future__ import annotations

from collections.abc import Iterator

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from .call_record import CallRecord
from .prompt_delta import spoken_of
from .state import State

MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


def last_decision(state: State) -> CallRecord | None:
    """The designer's last answered call; None: it has decided nothing yet."""
    calls = reversed(state.get("calls", []))
    return next((one for one in calls if one["role"] == "designer" and one["error"] is None), None)


def conversation(state: State) -> list[BaseMessage]:
    """The last decision's prompt and reply; empty before the first decision."""
    last = last_decision(state)
    if last is None:
        return []
    said = spoken_of(last, {one["id"]: one for one in state["calls"]}).conversation
    return [MESSAGES[one["role"]](one["content"]) for one in said]


def told_lines(messages: list[BaseMessage]) -> Iterator[str]:
    """The lines that the designer was told, in order; its own are left out."""
    for message in messages:
        if not isinstance(message, AIMessage):
            yield from message.text.splitlines()
