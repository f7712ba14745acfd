"""A reward is a function of a stored run: equal runs get equal rewards, nothing of the run is run again, and what a
reward cannot tell it does not guess."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver

from ..checkpoints.scoring import Scorer
from ..checkpoints.trajectories.trajectory import Trajectory
from ..digest import digest
from ..errors import UsageError
from ..graphs.canvas.board import Board
from ..graphs.canvas.node import Canvas
from ..graphs.canvas.statistics import FULL, gated_reward, structure_score
from ..operators.normal_form import same_answer
from .tasks import check_answer


@dataclass(frozen=True)
class Sources:
    """What rewards may look at beside the run itself."""

    saver: BaseCheckpointSaver[Any]
    gold: Mapping[str, str] = field(default_factory=dict)
    """Answers by task id; empty: none were given."""

    def canvas(self, run: Trajectory) -> Canvas | None:
        """The workflow that a run ended with; None: its system has none."""
        where = {"thread_id": run.thread_id, "checkpoint_ns": "", "checkpoint_id": run.checkpoint_id}
        held = self.saver.get_tuple({"configurable": where})
        stored = held.checkpoint["channel_values"].get("canvas") if held else None
        return Board.of(stored).canvas if stored else None


@dataclass(frozen=True)
class RewardKind:
    """One reward by name."""

    version: str
    """Raised when it judges differently."""
    says: str
    """One line for a person."""
    scorer: Callable[[Sources], Scorer]
    judges_answers: bool = False
    """Whether gold answers change it; they are then part of its version."""

    def version_with(self, gold: Mapping[str, str]) -> str:
        """The version of this reward with these gold answers."""
        return f"{self.version}+{digest(sorted(gold.items()), 8)}" if gold and self.judges_answers else self.version


def exact(sources: Sources) -> Scorer:
    """1 where the answer is right, 0 where it is wrong or missing: by the exact checker of a generated problem, else by
    the gold answer of the task's id. Cannot tell of a task that has neither."""

    def score(run: Trajectory) -> float | None:
        known = None if run.question is None else check_answer(run.question, run.answer)
        gold = sources.gold.get(run.task) if run.task is not None else None
        if known is None and gold is not None:
            known = run.answer is not None and same_answer(run.answer, gold)
        return None if known is None else float(known)

    return score


def finished(sources: Sources) -> Scorer:
    """1 where the run says that it is finished, a half for its best effort, 0 where it failed."""
    return lambda run: {"finished": 1.0, "best_effort": 0.5}.get(run.status, 0.0)


def structure(sources: Sources) -> Scorer:
    """FlowSteer's reward (arXiv 2602.01664, equation 14): -1 and the score of the workflow's structure, and that of the
    answer only where the structure's is full. Cannot tell of other systems, nor of an answer that `exact` cannot."""
    answered = exact(sources)

    def score(run: Trajectory) -> Mapping[str, float] | None:
        canvas = sources.canvas(run)
        if canvas is None:
            return None
        found = structure_score(canvas)
        answer = answered(run) if found.tenths == FULL else 0.0
        return None if answer is None else {"structure": gated_reward(found, 0.0), "answer": float(answer)}  # type: ignore[arg-type]

    return score


def cost(sources: Sources) -> Scorer:
    """Minus the thousands of tokens that its outcome rests on, those before a fork included."""
    return lambda run: -(run.usage["input_tokens"] + run.usage["output_tokens"]) / 1000


REWARDS: Final[dict[str, RewardKind]] = {
    "exact": RewardKind("1", "1 for a right answer, else 0", exact, judges_answers=True),
    "finished": RewardKind("1", "1 finished, 0.5 best effort, 0 failed", finished),
    "structure": RewardKind("1", "FlowSteer's gated reward of structure and answer", structure, judges_answers=True),
    "cost": RewardKind("1", "minus the thousands of tokens", cost),
}


def reward_named(name: str) -> RewardKind:
    """One of the rewards, or UsageError."""
    if name not in REWARDS:
        raise UsageError(f"there is no reward {name!r}", fix=f"Known: {', '.join(REWARDS)}")
    return REWARDS[name]
