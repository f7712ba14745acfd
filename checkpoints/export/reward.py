"""A run's reward is one that is stored with it: none is made up, and where a run has several somebody says which."""

from __future__ import annotations

from ...errors import UsageError
from ..trajectories.trajectory import Trajectory

SUCCESS_AT = 0.5
"""Rewards from here on are a success, where nothing else is said."""


def reward_of(trajectory: Trajectory, name: str | None) -> float | None:
    """The reward called `name` (None: the run's only one); None: the run has none. Raises UsageError for a run with
    several of which none is named."""
    if name is not None:
        return trajectory.rewards.get(name)
    if len(trajectory.rewards) > 1:
        known = ", ".join(sorted(trajectory.rewards))
        raise UsageError(f"run {trajectory.thread_id!r} has several rewards: {known}", fix="Name one with --reward")
    return next(iter(trajectory.rewards.values()), None)
