"""The state of a run is rebuilt from its checkpoint alone: no policy, no system and no graph is needed to read it.

Invariant: what is read equals what `graph.get_state` of the graph that wrote it gives, for the channels asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from langchain_core.runnables import RunnableConfig
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, PendingWrite

from ...graphs.memory import PROBLEM
from ...graphs.state import State


def _growing() -> dict[str, DeltaChannel[Any]]:
    hints = get_type_hints(State, include_extras=True)
    found = ((name, part) for name, hint in hints.items() for part in getattr(hint, "__metadata__", ()))
    return {name: part for name, part in found if isinstance(part, DeltaChannel)}


GROWING: Final = _growing()
"""Channels that are stored as what each step adds."""


@dataclass(frozen=True)
class Stored:
    """A checkpoint of a root graph."""

    thread_id: str
    checkpoint_id: str
    stamp: str | None
    """ISO 8601; None: it does not say."""
    values: dict[str, Any]
    writes: Sequence[PendingWrite]
    """What stands beside it: the writes of the tasks that started from it, rewards, records."""


def checkpoint_config(thread_id: str, checkpoint_id: str) -> RunnableConfig:
    """The config that names a checkpoint of a root graph."""
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}}


def read_checkpoint(
    saver: BaseCheckpointSaver[Any], thread_id: str, checkpoint_id: str, growing: Iterable[str]
) -> Stored | None:
    """The checkpoint with all channels that it holds itself and, of those that grow, the ones named; None: it is not
    there."""
    config = checkpoint_config(thread_id, checkpoint_id)
    found = saver.get_tuple(config)
    if found is None:
        return None
    held = found.checkpoint["channel_values"]
    values = {name: value for name, value in held.items() if name not in GROWING}
    wanted = [*growing]
    missing = [name for name in wanted if name not in held]
    histories = saver.get_delta_channel_history(config=config, channels=missing) if missing else {}
    for name in wanted:
        history = histories.get(name, {"writes": []})
        channel = GROWING[name].from_checkpoint(held[name] if name in held else history.get("seed", []))
        channel.replay_writes(history["writes"])
        values[name] = channel.get()
    return Stored(thread_id, checkpoint_id, found.checkpoint.get("ts") or None, values, found.pending_writes or [])


def question_of(values: dict[str, Any]) -> str | None:
    """What the run was asked, from the `memory` channel; None: it does not say."""
    return next((one["content"] for one in values.get("memory", []) if one["key"] == PROBLEM), None)
