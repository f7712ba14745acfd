"""A call knows the checkpoint and the task it is made in, so that no later guess joins tokens to checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from langgraph.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Where:
    """A place in LangGraph."""

    checkpoint: str | None = None
    """Checkpoint that the task starts from; None: nothing is checkpointed."""
    namespace: str = ""
    task: str | None = None
    attempt: int = 1

    @classmethod
    def of(cls, runtime: Runtime[Any]) -> Self:
        """The task that `runtime` belongs to."""
        info = runtime.execution_info
        if info is None:
            return cls()
        kept = info.thread_id is not None
        return cls(info.checkpoint_id if kept else None, info.checkpoint_ns, info.task_id, info.node_attempt)
