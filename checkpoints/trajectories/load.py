"""All runs of a store, one tree per task, one tree at a time: what is held in memory is one task's runs.

Invariant: a thread that cannot be read is a line in the ledger, and every other thread is read all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver

from ...errors import FlowwrightError
from ...graphs.budget import no_usage
from ...graphs.call_record import CallRecord
from ..annotation import rewards_among
from ..errors import is_lock
from .calls import calls_of
from .ledger import Ledger
from .run_ends import RunEnd, RunEnds
from .selection import EVERYTHING, Selection
from .state_reader import checkpoint_config, question_of, read_checkpoint
from .text_rows import Sample, sample_of
from .trajectory import TaskTree, Trajectory

_READ: Final = ("turns", "operations", "memory")


def load_trajectories(
    saver: BaseCheckpointSaver[Any], selection: Selection | None = None, ledger: Ledger | None = None
) -> Iterator[TaskTree]:
    """The selected runs of any saver, one tree per task, the oldest task first. `ledger` is told what was left out and
    what could not be read. Raises UsageError for a store that cannot be listed at all."""
    selection, ledger = selection or EVERYTHING, ledger or Ledger()
    with RunEnds(saver, selection, ledger) as ends:
        for key, found in ends.trees():
            loader = _Loader(saver, ledger)
            kept = [one for end in _in_order(found) for one in loader.trajectories(end) if loader.check(one, selection)]
            if kept := loader.without_superseded(kept):
                ledger.trees += 1
                ledger.trajectories += len(kept)
                yield TaskTree(key, kept)


@dataclass
class _Loader:
    """Reads the runs of one task; a call that several of them rest on is one object."""

    saver: BaseCheckpointSaver[Any]
    ledger: Ledger
    known: dict[Sample, CallRecord] = field(default_factory=dict)

    def trajectories(self, end: RunEnd) -> list[Trajectory]:
        """The run, or the branches of a foreign thread; none, and a line in the ledger, where it cannot be read."""
        try:
            if end.run is None:
                from ..recording.foreign import foreign_trajectories

                return [*foreign_trajectories(self.saver, end.thread_id)]
            return [self._run(end)]
        except FlowwrightError:
            raise
        except Exception as error:
            if isinstance(error, sqlite3.Error) and is_lock(error):
                raise
            self.ledger.damage(end.thread_id, f"{type(error).__name__}: {error}")
            return []

    def check(self, trajectory: Trajectory, selection: Selection) -> bool:
        """Whether the run is selected; the ledger is told."""
        admitted = selection.admits(trajectory)
        self.ledger.unselected += not admitted
        return admitted

    def without_superseded(self, found: list[Trajectory]) -> list[Trajectory]:
        """`found` without the ends that their own run went on from and that decided nothing since; of several ends of a
        run those that have ended come first."""
        kept = [one for one in found if not any(_supersedes(other, one) for other in found)]
        self.ledger.superseded += len(found) - len(kept)
        places = {(one.thread_id, one.run): place for place, one in reversed([*enumerate(kept)])}
        return sorted(kept, key=lambda one: (places[one.thread_id, one.run], one.status == "running"))

    def _run(self, end: RunEnd) -> Trajectory:
        stored = read_checkpoint(self.saver, end.thread_id, end.checkpoint_id, _READ)
        if stored is None:
            raise LookupError("its last checkpoint was deleted while it was read")
        values, run = stored.values, stored.values["run"]
        calls = calls_of(self.saver, checkpoint_config(end.thread_id, end.checkpoint_id))
        return Trajectory(
            thread_id=end.thread_id, checkpoint_id=end.checkpoint_id, run=run["id"], task=run["task"],
            question=question_of(values), system=run["system"], preset=run["preset"],
            status=values.get("status", "running"), answer=values.get("answer"), evidence=values.get("evidence"),
            usage=values.get("usage") or no_usage(), policies=run["policies"], origin=run.get("origin"),
            calls=[self.known.setdefault(sample_of(one), one) for one in calls], turns=values["turns"],
            operations=values["operations"], created=end.created, updated=stored.stamp,
            rewards={one["name"]: one["value"] for one in rewards_among(stored.writes)},
        )  # fmt: skip


def _in_order(ends: list[RunEnd]) -> list[RunEnd]:
    """Sources before their forks; else by thread in order of creation, and of several ends of a run the newest first:
    the calls that they share are its."""
    origins = {end.run["id"]: end.run.get("origin") for end in ends if end.run}

    def depth(run: str) -> int:
        passed = [run]
        while (origin := origins.get(passed[-1])) and origin["run"] in origins and origin["run"] not in passed:
            passed.append(origin["run"])
        return len(passed)

    newest = sorted(ends, key=lambda end: end.checkpoint_id, reverse=True)
    return sorted(
        newest,
        key=lambda end: (
            depth(end.run["id"]) if end.run else 0, end.created or "", end.thread_id,
            end.run["number"] if end.run else 0,
        ),
    )  # fmt: skip


def _supersedes(other: Trajectory, one: Trajectory) -> bool:
    """Whether the run of `one` went on in `other` and nothing was said in `one` that is not in `other`."""
    same_run = (other.run, other.thread_id) == (one.run, one.thread_id) and one.system != "foreign"
    if other is one or not same_run or one.status == "finished":
        return False
    mine, theirs = {sample_of(call) for call in one.calls}, {sample_of(call) for call in other.calls}
    return mine < theirs or (mine == theirs and other.checkpoint_id > one.checkpoint_id)
