"""A reward is a fact about a finished run that stands beside the run's last checkpoint and changes nothing of it.

It is stored as a pending write of a task that LangGraph does not have, so any saver holds it and any graph goes on as
if it were not there. Nothing is overwritten: a newer reward of a name wins, the earlier ones stay.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple, PendingWrite
from typing_extensions import TypedDict

from ..errors import UsageError

REWARD_CHANNEL: Final = "flowwright_reward"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}", re.ASCII)


class Reward(TypedDict):
    """What a run was worth to one scorer."""

    name: str
    version: str
    """Of the scorer: equal versions give equal rewards."""
    value: float
    parts: dict[str, float]
    """What the value is made of; empty: it is of one piece."""
    by: str
    """Who said so: `flowwright score`, a person, a service."""
    at: str
    """ISO 8601, UTC; later than every earlier reward of the same name."""


def reward(name: str, version: str, value: float, *, parts: Mapping[str, float] | None = None, by: str = "") -> Reward:
    """A reward given now. Raises UsageError for a name that is not plain and for a number that is not finite."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot be the name of a reward", fix="Use letters, digits, '_', '-' and '.'")
    for part, number in {"value": value, **(parts or {})}.items():
        if not math.isfinite(number):
            raise UsageError(f"the {part} of reward {name!r} is {number!r}", fix="Give a finite number")
    numbers = {part: float(number) for part, number in (parts or {}).items()}
    return Reward(name=name, version=version, value=float(value), parts=numbers, by=by, at=_now().isoformat())


def annotate(saver: BaseCheckpointSaver[Any], thread_id: str, checkpoint_id: str, given: Reward) -> bool:
    """Store a reward beside a checkpoint; whether there was anything to store: a reward that says what the newest of
    its name says is not stored again. Raises UsageError when there is no such checkpoint."""
    where: RunnableConfig = {
        "configurable": {"thread_id": thread_id, "checkpoint_ns": "", "checkpoint_id": checkpoint_id}
    }
    held = saver.get_tuple(where)
    if held is None:
        raise UsageError(f"thread {thread_id!r} has no checkpoint {checkpoint_id!r}", fix="Was it deleted?")
    newest = rewards_of(held).get(given["name"])
    if newest is not None:
        if all(newest[name] == given[name] for name in ("version", "value", "parts")):
            return False
        earliest = datetime.fromisoformat(newest["at"]) + timedelta(microseconds=1)  # clocks go back, and are coarse
        given = {**given, "at": max(datetime.fromisoformat(given["at"]), earliest).isoformat()}
    saver.put_writes(where, [(REWARD_CHANNEL, dict(given))], str(uuid4()))
    return True


def rewards_of(held: CheckpointTuple | None) -> dict[str, Reward]:
    """The newest reward of each name that stands beside a checkpoint."""
    return {one["name"]: one for one in all_rewards_of(held)}


def all_rewards_of(held: CheckpointTuple | None) -> list[Reward]:
    """Every reward that stands beside a checkpoint, oldest first."""
    return rewards_among((held.pending_writes if held else None) or ())


def rewards_among(writes: Iterable[PendingWrite]) -> list[Reward]:
    """The rewards among the pending writes of a checkpoint, oldest first."""
    found: list[Reward] = [value for _, channel, value in writes if channel == REWARD_CHANNEL]
    return sorted(found, key=lambda one: one["at"])


def _now() -> datetime:
    return datetime.now(UTC)
