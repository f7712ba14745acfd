"""A fork runs like any other thread: once, whoever asks how often, and on from where it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple
from langgraph.types import StateSnapshot

from ...errors import FlowwrightError
from ...graphs.build import Graph
from ...graphs.state import Origin
from ..runner import Listener, RunResult, has_work, result_of, resume_run, thread_config
from ..session import first_of
from .decision_point import run_of


@dataclass(frozen=True)
class Fork:
    """A fork, whether it has run or not."""

    thread_id: str
    """`SOURCE.TURN-NUMBER`."""
    origin: Origin
    run: str
    """Id of its run."""
    seed: int

    @property
    def config(self) -> RunnableConfig:
        """What to go on with: `graph.invoke(None, fork.config)`."""
        return thread_config(self.thread_id)


def fork_of(one: CheckpointTuple) -> Fork | None:
    """The fork that a checkpoint belongs to; None: its run began by itself, or it is no run of ours."""
    run = run_of(one)
    origin = run.get("origin") if run else None
    if run is None or origin is None:
        return None
    return Fork(str(one.config["configurable"]["thread_id"]), origin, run["id"], run["seed"])


def unfinished(state: StateSnapshot) -> bool:
    """Whether a run can go on by itself: it has work and waits for nobody, or it found no model."""
    stop = state.values.get("stop")
    return (has_work(state) and not state.interrupts) or (stop is not None and stop["by"] == "provider")


async def run_forks(
    graph: Graph,
    forks: Sequence[Fork],
    *,
    concurrency: int = 8,
    done: Callable[[int, RunResult], Any] | None = None,
    listener: Listener | None = None,
) -> list[RunResult]:
    """Results of the forks in their order, at most `concurrency` running at once; `done` hears of each as it ends. One
    that has ended, or waits for approval, is told as it is."""
    gate = asyncio.Semaphore(concurrency)

    async def one(index: int, fork: Fork) -> RunResult:
        async with gate:
            state = await graph.aget_state(fork.config)
            going = unfinished(state)
            result = await resume_run(graph, fork.thread_id, listener) if going else result_of(state)
        if done is not None:
            done(index, result)
        return result

    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(*pair)) for pair in enumerate(forks)]
    except* FlowwrightError as errors:
        raise first_of(errors) from errors
    return [task.result() for task in running]
