"""Where in which graph something happens is read off the enclosing task itself, never guessed from names or clocks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from time import time_ns
from typing import Any, Final

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.checkpoint.base import BaseCheckpointSaver

_EXECUTIONS: Final = 512
"""Executions of tasks that are remembered, to number what happens in each."""


class Execution:
    """One execution of one task, and the numbers of what happens in it."""

    def __init__(self) -> None:
        """It begins now; its name sorts after those of earlier ones."""
        self.name = f"{time_ns():015x}"
        self._numbers = count()

    def next(self) -> str:
        """`NAME.NUMBER`, from 0."""
        return f"{self.name}.{next(self._numbers)}"


@dataclass(frozen=True)
class Place:
    """A task of a running graph, or none (an orphan: called outside a graph, or from a bare thread)."""

    saver: BaseCheckpointSaver[Any] | None = field(default=None, repr=False)
    """Where the graph's checkpoints go; None: nowhere, or not before the run ends."""
    why: str = "outside a graph"
    """Why there is no saver; empty: there is one."""
    orphan: bool = True
    """Whether the task is not known for certain: called outside a graph, or in a thread without its context."""
    thread: str | None = None
    """None: the graph has no threads."""
    run: str = ""
    """The thread, else the run's own id; empty: an orphan."""
    root: str | None = None
    """The root graph's checkpoint that the step began from; None: the saver has none of it."""
    checkpoint: str | None = None
    """The checkpoint that the task itself started from, of its own graph."""
    namespace: str = ""
    task: str | None = None
    attempt: int = 1
    step: int = 0
    branch: str = ""
    """Index of the `Send` that made the task, or `pull`."""
    execution: Execution = field(default_factory=lambda: Execution())
    """It is another one when the task is run again after an error, an interrupt or a crash."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes from the root to here."""
        parts = (part.rpartition(":") for part in self.namespace.split("|") if not part.isdigit())
        return tuple(name or rest for name, _, rest in parts if name or rest)

    @property
    def node(self) -> str:
        """Name of the node; empty: an orphan."""
        return self.nodes[-1] if self.nodes else ""


def here(run_manager: Any = None) -> Place:
    """The place of the caller. `run_manager` (None: none) says what is known where the context was lost: LangChain
    hands the metadata of a config on to threads that know nothing of the task."""
    config: Mapping[str, Any] = var_child_runnable_config.get() or {}
    told = config.get("configurable") or {}
    info = getattr(told.get("__pregel_runtime"), "execution_info", None)
    metadata = getattr(run_manager, "metadata", None) or {}
    namespace = metadata.get("langgraph_checkpoint_ns")
    if info is None or (namespace and namespace != info.checkpoint_ns):
        return _from_metadata(metadata)
    metadata = config.get("metadata") or {}
    saver, why = _saver(told)
    return Place(
        saver=saver, why=why, orphan=False, thread=info.thread_id, run=str(info.thread_id or info.run_id or ""),
        root=(told.get("checkpoint_map") or {}).get("", info.checkpoint_id) if saver else None,
        checkpoint=info.checkpoint_id if saver else None, namespace=info.checkpoint_ns, task=info.task_id,
        attempt=info.node_attempt, step=metadata.get("langgraph_step", 0), branch=_branch(metadata),
        execution=_executions.of(told.get("__pregel_scratchpad"), info.task_id, info.node_attempt),
    )  # fmt: skip


def _from_metadata(metadata: Mapping[str, Any]) -> Place:
    namespace = metadata.get("langgraph_checkpoint_ns")
    if not namespace:
        return Place()
    thread = metadata.get("thread_id")
    return Place(
        why="in a thread without the task's context", thread=thread, run=str(thread or ""), namespace=namespace,
        task=namespace.rpartition(":")[2], step=metadata.get("langgraph_step", 0), branch=_branch(metadata),
    )  # fmt: skip


def _saver(told: Mapping[str, Any]) -> tuple[BaseCheckpointSaver[Any] | None, str]:
    saver = told.get("__pregel_checkpointer")
    if not isinstance(saver, BaseCheckpointSaver):
        return None, "in a graph without a checkpointer"
    if told.get("__pregel_durability") == "exit":
        return None, 'in a run with durability="exit", whose steps are not stored'
    return saver, ""


def _branch(metadata: Mapping[str, Any]) -> str:
    path: Sequence[Any] = metadata.get("langgraph_path") or ()
    if path and path[0] == "__pregel_push":
        return str(next((part for part in reversed(path) if type(part) is int), ""))
    return "pull" if path else ""


class _Executions:
    """Those that go on. LangGraph gives each a scratchpad of its own, which is held as long as it is known here: no
    other can have its identity."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[tuple[int, str, int], tuple[object, Execution]] = OrderedDict()

    def of(self, scratchpad: object, task: str, attempt: int) -> Execution:
        key = (id(scratchpad), task, attempt)
        with self._lock:
            _, execution = self._known.setdefault(key, (scratchpad, Execution()))
            self._known.move_to_end(key)
            while len(self._known) > _EXECUTIONS:
                self._known.popitem(last=False)
        return execution


_executions: Final = _Executions()
