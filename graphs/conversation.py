"""A decision that follows another goes on with its conversation, word for word: the prompt and the reply as they were,
and then only what is new. A model server keeps what it has read, and prompt and replies together are one row of
training data."""

from __future__ import annotations

from collections.abc import Iterator

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from .call_packing import unpacked
from .call_record import CallRecord
from .prompt_delta import restored
from .state import State

MESSAGES = {"system": SystemMessage, "user": HumanMessage, "assistant": AIMessage}


def last_call(state: State, role: str = "designer") -> CallRecord | None:
    """The role's last answered call, its prompt standing alone; None: it was not asked yet."""
    calls = [one for one in map(unpacked, state.get("calls", [])) if one["role"] == role]
    return calls[-1] if calls else None


def conversation(state: State) -> list[BaseMessage]:
    """The last decision's prompt and reply; empty before the first decision."""
    last = last_call(state)
    if last is None:
        return []
    return [MESSAGES[one["role"]](one["content"]) for one in restored(last, None).conversation]


def told_lines(messages: list[BaseMessage]) -> Iterator[str]:
    """The lines that the designer was told, in order; its own are left out."""
    for message in messages:
        if not isinstance(message, AIMessage):
            yield from message.text.splitlines()
