"""Stored runs are scored again under another reward without a single step of them being run; a reward that cannot tell
says so, and no run is given one by default."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver

from .annotation import annotate, reward
from .trajectories.ledger import Ledger
from .trajectories.load import load_trajectories
from .trajectories.selection import Selection
from .trajectories.trajectory import Trajectory

Scorer = Callable[[Trajectory], float | Mapping[str, float] | None]
"""A reward: a number, or its parts by name, whose sum it is; None: it cannot tell of this run."""


@dataclass(frozen=True)
class Scored:
    """One run and what it was given."""

    trajectory: Trajectory
    value: float | None
    """None: the reward could not tell."""
    parts: Mapping[str, float]
    stored: bool
    """Whether that is news; False: it had this reward already, or there is none."""


def score_runs(
    saver: BaseCheckpointSaver[Any], scorer: Scorer, *, name: str, version: str, selection: Selection | None = None,
    by: str = "", ledger: Ledger | None = None,
) -> Iterator[Scored]:  # fmt: skip
    """The selected runs that have ended, each with its reward, which is stored as the iteration comes to it. The
    rewards that a run had before stay readable. Raises UsageError for a reward that is not a finite number."""
    for tree in load_trajectories(saver, selection, ledger):
        for trajectory in tree.trajectories:
            if trajectory.status != "running":
                yield _scored(saver, trajectory, scorer(trajectory), name, version, by)


def _scored(
    saver: BaseCheckpointSaver[Any], trajectory: Trajectory, given: float | Mapping[str, float] | None, name: str,
    version: str, by: str,
) -> Scored:  # fmt: skip
    if given is None:
        return Scored(trajectory, None, {}, stored=False)
    parts = given if isinstance(given, Mapping) else {}
    value = math.fsum(parts.values()) if isinstance(given, Mapping) else given
    made = reward(name, version, value, parts=parts, by=by)
    stored = annotate(saver, trajectory.thread_id, trajectory.checkpoint_id, made)
    return Scored(trajectory, made["value"], made["parts"], stored=stored)
