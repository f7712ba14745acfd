"""Runs are compared with those that could have gone the way they went, and with no others: samples of one task from its
start by one system, or what followed one and the same checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..trajectories.trajectory import TaskTree, Trajectory, group_name
from .group_advantage import group_advantages


@dataclass(frozen=True)
class Standing:
    """A run in its group."""

    group: str
    size: int
    """Runs of the group that have a reward."""
    reward: float
    advantage: float


def standings(tree: TaskTree, rewards: Sequence[float | None]) -> tuple[list[Standing | None], list[list[float]]]:
    """Each run of a task in its group (None: it has no reward), and the rewards of every group. `rewards` and what is
    found are those of `tree.trajectories`. A fork's group is the forks of its checkpoint and what the forked run itself
    came to; a run that was not forked is compared with the others of its system and preset that were not."""
    rated = [(run, reward) for run, reward in zip(tree.trajectories, rewards, strict=True) if reward is not None]
    groups: dict[str, list[tuple[Trajectory, float]]] = {}
    for run, reward in rated:
        groups.setdefault(group_of(tree, run), []).append((run, reward))
    found: dict[int, Standing] = {}
    compared: list[list[float]] = []
    for name, members in groups.items():
        others = [reward for run, reward in rated if name in _forked_names(run, members)]
        known = [*others, *(reward for _, reward in members)]
        compared.append(known)
        advantages = group_advantages(known)[len(others) :]
        for (run, reward), advantage in zip(members, advantages, strict=True):
            found[id(run)] = Standing(name, len(known), reward, advantage)
    return [found.get(id(run)) for run in tree.trajectories], compared


def group_of(tree: TaskTree, run: Trajectory) -> str:
    """Name of the group whose members a run is compared with."""
    if run.origin is not None:
        return group_name(run.origin["thread"], run.origin["checkpoint"])
    return f"{tree.key}/{run.system}/{run.preset}"


def _forked_names(run: Trajectory, members: Sequence[tuple[Trajectory, float]]) -> set[str]:
    """Names of the groups among these that forked this run."""
    origins = [one.origin for one, _ in members if one.origin is not None]
    return {group_name(one["thread"], one["checkpoint"]) for one in origins if one["run"] == run.run}
