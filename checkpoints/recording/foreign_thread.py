"""What a thread of any graph left behind: its steps, and at each what was recorded in it. A call is judged by what came
of the step it was made in, never by where it began: a replay starts from a copy of a step that others started from too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ...graphs.call_record import CallRecord
from ...graphs.tool_record import ToolRecord
from ..annotation import rewards_of
from ..attach import CALL, TOOL, attached

Fate = Literal["live", "pending", "repeated", "failed", "abandoned"]
"""`live`: its step ended and the branch goes on from there; `pending`: its step has not ended; `repeated`: its task ran
again (a retry, an interrupt, a crash); `failed`: there was no reply; `abandoned`: the branch went on without its step.
"""


@dataclass(frozen=True)
class Step:
    """A checkpoint of the root graph."""

    id: str
    parent: str | None
    source: str
    number: int
    stamp: str | None
    open: bool
    """Whether something was left to do."""
    calls: Sequence[CallRecord]
    """Made in the step that began here, in order."""
    tools: Sequence[ToolRecord]
    rewards: dict[str, float]


@dataclass
class ForeignThread:
    """The steps of a thread, by id."""

    steps: dict[str, Step] = field(default_factory=dict)

    @classmethod
    def read(cls, saver: BaseCheckpointSaver[Any], thread_id: str) -> ForeignThread:
        """All of it; what a graph keeps in its state is not held. Nested graphs have their records at the step of the
        root graph that they ran in."""
        rows = saver.list({"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}})
        return cls({step.id: step for step in map(_step, rows)})

    @cached_property
    def after(self) -> Mapping[str, Sequence[Step]]:
        """The steps that follow on a step, by its id: the one that a run went on with first, else in order of
        creation."""
        found: dict[str, list[Step]] = {}
        for step in sorted(self.steps.values(), key=lambda one: (one.source in ("fork", "update"), one.id)):
            if step.parent in self.steps:
                found.setdefault(step.parent, []).append(step)
        return found

    def leaves(self) -> list[Step]:
        """Where the branches end, in order of creation."""
        return [self.steps[id] for id in sorted(self.steps) if id not in self.after]

    def line(self, leaf: Step) -> list[Step]:
        """From the thread's first step to `leaf`."""
        found = [leaf]
        while (above := self.steps.get(found[-1].parent or "")) is not None:
            found.append(above)
        return found[::-1]

    def fates(self, line: Sequence[Step]) -> Iterator[tuple[Step, CallRecord, Fate]]:
        """The calls of a branch's steps, and what became of them in it."""
        for step, after in zip(line, [*line[1:], None], strict=True):
            for call in step.calls:
                yield step, call, self.fate(step, call, after)

    def fate(self, step: Step, call: CallRecord, after: Step | None) -> Fate:
        """Of a call of `step` in a branch that goes on with `after`, None where it ends with `step`."""
        if call["token_ids"] is None and call["error"] is not None and not call["reply"]:
            return "failed"
        if after is not None and after.source != "loop":
            return "abandoned"
        last = max(_execution(one) for one in step.calls if one["namespace"] == call["namespace"])
        if _execution(call) != last:
            return "repeated"
        return "live" if after is not None else "pending"


def _execution(call: CallRecord) -> str:
    """Which execution of its task a call was made in; later ones sort later."""
    return call["id"].rpartition("/")[2].partition(".")[0]


def _step(row: CheckpointTuple) -> Step:
    calls: list[CallRecord] = sorted(attached(row, CALL), key=lambda one: one["at"])
    return Step(
        id=row.checkpoint["id"],
        parent=((row.parent_config or {}).get("configurable") or {}).get("checkpoint_id"),
        source=str(row.metadata.get("source", "")), number=int(row.metadata.get("step", 0)),
        stamp=row.checkpoint.get("ts") or None, open=_is_open(row.checkpoint.get("channel_values") or {}),
        calls=calls, tools=sorted(attached(row, TOOL), key=lambda one: one["began"]),
        rewards={name: one["value"] for name, one in rewards_of(row).items()},
    )  # fmt: skip


def _is_open(values: dict[str, Any]) -> bool:
    """Whether a task waits, by the channels with which LangGraph starts tasks."""
    waits = any(name.startswith("branch:to:") or name == "__start__" for name in values)
    return waits or bool(values.get("__pregel_tasks"))
