"""A trajectory is one line of decisions from a question to an answer, as its thread's checkpoints have it; all
trajectories of one task are one tree, in which a fork shares what came before it with the run that was forked.

Invariant: a trajectory holds every model call that its outcome rests on, those before a fork included, in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ...graphs.budget import Usage
from ...graphs.call_record import CallRecord
from ...graphs.operation import Operation
from ...graphs.prompt_delta import Spoken, spoken_of
from ...graphs.state import Evidence, Origin, Status
from ...graphs.tool_record import ToolRecord
from ...graphs.turn import Turn


@dataclass(frozen=True)
class Trajectory:
    """One run, or one branch of a thread of a graph that is not ours."""

    thread_id: str
    checkpoint_id: str
    """Its last checkpoint."""
    run: str
    """Id of the run; of a foreign graph the thread's id, or of a branch that left another its first checkpoint's."""
    task: str | None
    """Id of the task; None: it had none."""
    question: str | None
    """None: a foreign graph, of which no channel says so."""
    system: str
    """`dyflow`, `agentflow`, `flowsteer`, the name of another system of ours, or `foreign`."""
    preset: str
    status: Status
    """Of a foreign graph: `finished` where nothing is left to do, else `running`."""
    answer: str | None
    evidence: Evidence | None
    usage: Usage
    policies: Mapping[str, str]
    """Policy names by role; empty for a foreign graph."""
    origin: Origin | None
    """Where it was forked from; None: nowhere."""
    calls: Sequence[CallRecord]
    """All of them, in order; those before a fork are the forked run's."""
    turns: Sequence[Turn]
    operations: Sequence[Operation]
    rewards: Mapping[str, float] = field(default_factory=dict)
    """By name of the reward; see `annotation.py`."""
    created: str | None = None
    """ISO 8601, of the thread's first checkpoint; None: it does not say."""
    updated: str | None = None
    tools: Sequence[ToolRecord] = ()
    """Tools that ran, of a foreign graph."""

    @cached_property
    def by_id(self) -> Mapping[str, CallRecord]:
        """The calls by their ids."""
        return {one["id"]: one for one in self.calls}

    def spoken(self, call: str) -> Spoken:
        """Prompt and reply of a call in full. Raises KeyError for a call of another trajectory."""
        return spoken_of(self.by_id[call], self.by_id)

    @property
    def group(self) -> str:
        """Name of the counterfactual group it belongs to: forks of one checkpoint; by itself, its own thread."""
        return group_name(self.origin["thread"], self.origin["checkpoint"]) if self.origin else self.thread_id

    @property
    def own(self) -> Sequence[CallRecord]:
        """The calls that it shares with nobody: those after its fork."""
        return self.calls if self.origin is None else [one for one in self.calls if one["run"] == self.run]


@dataclass(frozen=True)
class TaskTree:
    """All trajectories of one task."""

    key: str
    """The task's id, else a digest of its question, else the thread."""
    trajectories: Sequence[Trajectory]
    """A forked run comes before its forks; else in order of creation."""

    @property
    def question(self) -> str | None:
        """What is asked; None: a foreign graph."""
        return next((one.question for one in self.trajectories if one.question is not None), None)


def group_name(thread: str, checkpoint: str) -> str:
    """Name of the group of all forks of a checkpoint."""
    return f"{thread}@{checkpoint}"
