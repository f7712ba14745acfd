"""The conversation channel: append-only, with ids that depend only on position and content, so that replaying the
stored writes always gives the same messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid5

from langchain_core.messages import AnyMessage, BaseMessage, convert_to_messages
from langgraph.graph.message import add_messages

NAMESPACE: Final = UUID("5b5a2f0e-5f0b-4d0c-9c39-3f6f0c6c2a61")


def identified(message: BaseMessage, position: int) -> BaseMessage:
    """`message` with an id: its own, or one derived from where it stands and what it says."""
    if message.id is not None:
        return message
    return message.model_copy(update={"id": str(uuid5(NAMESPACE, f"{position}/{message.type}/{message.content}"))})


def append_messages(current: list[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """Reducer: each write is a message or a list of them; an equal id replaces, as in LangGraph's `add_messages`."""
    for write in writes:
        batch = convert_to_messages(write if isinstance(write, list) else [write])
        fresh = [identified(message, len(current) + offset) for offset, message in enumerate(batch)]
        current = add_messages(current, fresh)  # type: ignore[arg-type, assignment]  # its overloads are wider
    return current
