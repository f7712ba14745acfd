"""The calls of a task as cleaned rows of text, each with what the runtime and the reward say of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ...graphs.call_record import CallRecord, Message
from ..trajectories.rows import TextRow, text_rows
from ..trajectories.text_rows import Sample
from ..trajectories.trajectory import TaskTree, Trajectory
from .columns import Row
from .layout import Export
from .reward import reward_of


@dataclass(frozen=True)
class Judged:
    """A call and its worth."""

    row: TextRow
    origin: Row
    """The columns `columns.ORIGIN`."""
    reward: float | None
    """Of its run; None: it has none."""

    @property
    def accepted(self) -> bool | None:
        """Whether the runtime took the reply and what it asked for went well; None: nothing judges it."""
        return self.row.label

    @property
    def refused(self) -> bool:
        """Whether the policy is to blame: the runtime refused its reply or could not read it. What a tool, the model's
        server or a limit did is not."""
        faults = self.origin["faults"]
        return self.row.label is False and (not faults or "policy/" in faults)


def judged(tree: TaskTree, export: Export) -> Iterator[Judged]:
    """Every selected call of the selected runs of a task, once."""
    seen: set[Sample] = set()
    for trajectory in tree.trajectories:
        if not export.request.selection.admits(trajectory):
            continue
        reward, faults = reward_of(trajectory, export.request.reward), faults_of(trajectory)
        for row in text_rows(trajectory, export.request.selection, export.ledger, seen=seen):
            if _unanswered(trajectory.by_id[row.call]):
                export.ledger.lose_row("unanswered", 1)
                continue
            yield Judged(row, _origin(tree, trajectory, row, faults.get(row.call, "")), reward)


def _unanswered(call: CallRecord) -> bool:
    return call["error"] is not None and not call["reply"] and call["message"] is None


def faults_of(trajectory: Trajectory) -> dict[str, str]:
    """What was wrong with replies, `kind/code` separated by commas, by call."""
    found = {
        turn["call"]: ",".join(f"{one['kind']}/{one['code']}" for one in turn["faults"]) for turn in trajectory.turns
    }
    failed = {
        one["id"]: f"{one['fault']['kind']}/{one['fault']['code']}" for one in trajectory.operations if one["fault"]
    }
    executed = {one["id"]: failed[one["place"]] for one in trajectory.calls if one["place"] in failed}
    return {**executed, **found}


def _origin(tree: TaskTree, trajectory: Trajectory, row: TextRow, faults: str) -> Row:
    call = trajectory.by_id[row.call]
    return {
        "task": tree.key, "system": row.system, "role": row.role, "thread": row.thread, "run": row.run,
        "turn": row.turn, "place": row.place, "call": row.call, "policy": row.policy, "version": row.version or "",
        "finish": row.finish or "", "status": row.status or "", "faults": faults, "feedback": "\n".join(row.feedback),
        "input_tokens": call["input_tokens"], "output_tokens": call["output_tokens"],
    }  # fmt: skip


def plain(messages: list[Message]) -> list[dict[str, Any]]:
    """Messages with the fields that trainers read: role and content always, the rest where they have it."""
    return [_plain(one) for one in messages]


def _plain(message: Message) -> dict[str, Any]:
    content = message.get("content")
    told: dict[str, Any] = {"role": message["role"], "content": content if isinstance(content, str) else _text(content)}
    for name in ("name", "tool_calls", "tool_call_id"):
        if message.get(name):
            told[name] = message[name]
    return told


def _text(content: Any) -> str:
    """The text of content in parts; of content that is not there, nothing."""
    parts = content if isinstance(content, list) else []
    return "".join(str(one.get("text", "")) for one in parts if isinstance(one, dict))
