"""One command's worth of work: a saver, a graph on it, and runs that can be taken up again after any interruption."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, cast

from ..errors import FlowwrightError, UsageError
from ..graphs.budget import Budget
from ..graphs.build import Graph, build_graph
from ..graphs.context import Context
from ..graphs.operation import derived_seed
from ..graphs.state import State, Task
from ..operators.registry import Registry
from ..policies.policies import Policies
from .open import open_checkpointer
from .runner import Listener, RunResult, has_work, result_of, resume_run, start_run, thread_config


def first_of(errors: BaseExceptionGroup[FlowwrightError]) -> FlowwrightError:
    """The first error of a group of groups."""
    found = errors.exceptions[0]
    return first_of(found) if isinstance(found, BaseExceptionGroup) else found


@dataclass
class Session(AbstractContextManager["Session"]):
    """Runs of one system with one set of policies on one saver."""

    location: str
    policies: Policies
    system: str = "dyflow"
    preset: str = "default"
    create: bool = True
    """False: the file must exist."""
    operators: Registry | None = None
    """None: all that are installed."""
    timeout: float = 10.0
    """Seconds to wait for a database that another process has locked."""
    offline: bool = field(init=False, default=False)
    graph: Graph = field(init=False)

    def __enter__(self) -> Self:
        """Open the saver and build the graph."""
        resolved = self.policies.resolve()
        self.offline = any(policy.offline for policy in resolved.values())
        self.saver = open_checkpointer(self.location, create=self.create, busy_timeout=self.timeout)
        try:
            self.graph = build_graph(
                self.system, policies=self.policies, preset=self.preset, operators=self.operators,
                checkpointer=self.saver,
            )  # fmt: skip
        except UsageError:
            self.saver.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the saver; what was acknowledged is durable."""
        self.saver.close()

    def waiting(self, thread_id: str) -> list[str]:
        """Ids of the tool calls on a thread that wait for approval."""
        return [one.id for one in self.graph.get_state(thread_config(thread_id)).interrupts]

    def check_operators(self, names: Iterable[str]) -> None:
        """Raises UsageError for a name that no operator of this session has."""
        (Registry.load() if self.operators is None else self.operators).allow(names)

    def state(self, thread_id: str) -> State:
        """The state of a thread, or UsageError."""
        values = self.graph.get_state(thread_config(thread_id)).values
        if "run" not in values:
            raise UsageError(f"there is no thread {thread_id!r}", fix="`flowwright runs` lists the threads")
        return cast(State, values)

    async def take_up(self, task: Task, thread_id: str, context: Context, listener: Listener | None) -> RunResult:
        """The result of `task` on `thread_id`: as it is if the run has ended, resumed if it was interrupted, started
        if there is none."""
        state = await self.graph.aget_state(thread_config(thread_id))
        if not state.values.get("run") and not has_work(state):
            return await start_run(self.graph, task, thread_id, context, listener)
        if has_work(state) and not state.interrupts:
            return await resume_run(self.graph, thread_id, listener)
        return result_of(state)

    async def run_all(
        self,
        tasks: Sequence[tuple[str, Task]],
        *,
        seed: int,
        budget: Budget,
        concurrency: int,
        done: Callable[[int, RunResult], Any],
    ) -> list[RunResult]:
        """Results of `(thread id, task)` pairs in their order, at most `concurrency` at once; `done` hears of each as
        it ends. Each run has a seed of its own, derived from `seed` and the task's id."""
        gate = asyncio.Semaphore(concurrency)

        async def one(index: int, thread_id: str, task: Task) -> RunResult:
            async with gate:
                context = Context(seed=derived_seed(seed, task.get("id", str(index))), budget=budget)
                result = await self.take_up(task, thread_id, context, None)
            done(index, result)
            return result

        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(one(index, *pair)) for index, pair in enumerate(tasks)]
        except* FlowwrightError as errors:
            raise first_of(errors) from errors
        return [task.result() for task in running]
