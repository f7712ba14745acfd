"""Driving runs from outside: a run that is stopped at any moment can be taken up again, and a run that ended cannot be
started over by mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import Command, StateSnapshot

from ..errors import UsageError
from ..graphs.approval import Asked
from ..graphs.budget import Usage
from ..graphs.build import Graph
from ..graphs.context import Context
from ..graphs.faults import Fault
from ..graphs.state import Evidence, State, Status, Task

Listener = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class RunResult:
    """What one run came to."""

    task_id: str | None
    """Id of the task; None: it had none."""
    thread_id: str
    status: Status
    answer: str | None
    evidence: Evidence | None
    usage: Usage
    faults: list[Fault]
    """Every refusal and failure on the way, in order."""
    waiting: dict[str, Asked]
    """Tool calls that wait for approval, by interrupt id; empty: none does."""

    def as_json(self) -> dict[str, Any]:
        """The result as one JSON object."""
        return asdict(self)


def thread_config(thread_id: str) -> RunnableConfig:
    """The config that names a thread."""
    return {"configurable": {"thread_id": thread_id}}


def faults_of(state: State) -> list[Fault]:
    """Every fault that the records of a run hold: the designer's by decision, then the operations'."""
    refused = [one for turn in state.get("turns", []) for one in turn["faults"]]
    return [*refused, *(op["fault"] for op in state.get("operations", []) if op["fault"] is not None)]


def result_of(snapshot: StateSnapshot) -> RunResult:
    """The result that a snapshot holds."""
    state, thread_id = cast(State, snapshot.values), snapshot.config["configurable"]["thread_id"]
    return RunResult(
        task_id=state["run"]["task"],
        thread_id=thread_id,
        status=state["status"],
        answer=state.get("answer"),
        evidence=state.get("evidence"),
        usage=state["usage"],
        faults=faults_of(state),
        waiting={one.id: one.value for one in snapshot.interrupts},
    )


def has_work(snapshot: StateSnapshot) -> bool:
    """Whether the thread's run can go on. `snapshot.next` would not do: it leaves out tasks that are done but whose
    super-step was not closed when the process died."""
    return bool(snapshot.tasks)


async def start_run(
    graph: Graph, task: Task, thread_id: str, context: Context, listener: Listener | None = None
) -> RunResult:
    """Run `task` on a thread of its own. Raises UsageError when the thread is taken."""
    if (await graph.aget_state(thread_config(thread_id))).values.get("run"):
        raise UsageError(f"thread {thread_id!r} exists already", fix="resume it, or name another thread")
    return await _drive(graph, {"task": task}, thread_config(thread_id), context, listener)


async def resume_run(
    graph: Graph, thread_id: str, listener: Listener | None = None, answers: Mapping[str, Any] | None = None
) -> RunResult:
    """Go on where the thread stopped. `answers` says what becomes of calls that wait for approval, by interrupt id
    (None: no answer yet; calls without one go on waiting). A run that ended because its model could not be reached goes
    on from the decision that found no model. Raises UsageError when there is no such thread, its run has ended
    otherwise, or an answer is for a call that does not wait."""
    config = thread_config(thread_id)
    state = await graph.aget_state(config)
    if not state.values and not has_work(state):
        raise UsageError(f"there is no thread {thread_id!r}", fix="`flowwright runs` lists the threads")
    if not has_work(state):
        stop, status = state.values.get("stop"), state.values.get("status")
        if stop is None or stop["by"] != "provider":
            raise UsageError(f"the run on thread {thread_id!r} has ended ({status})", fix="`flowwright show` shows it")
        config = await _last_decision(graph, config)
    return await _drive(graph, _answered(state, answers), config, Context(), listener)


def _answered(state: StateSnapshot, answers: Mapping[str, Any] | None) -> Command[str] | None:
    waiting = [one.id for one in state.interrupts]
    for id in answers or ():
        if id not in waiting:
            fix = f"waiting: {', '.join(waiting)}" if waiting else "none waits"
            raise UsageError(f"no call waits for approval under the id {id!r}", fix=fix)
    return Command(resume=dict(answers)) if answers else None


async def _last_decision(graph: Graph, config: RunnableConfig) -> RunnableConfig:
    """The checkpoint from which the thread's last decision was made."""
    async for snapshot in graph.aget_state_history(config):
        if "designer" in snapshot.next:
            return snapshot.config
    raise UsageError("the thread holds no decision to go on from")


async def _drive(
    graph: Graph, given: Any, config: RunnableConfig, context: Context, listener: Listener | None
) -> RunResult:
    thread_id = config["configurable"]["thread_id"]
    async for event in graph.astream(given, config, context=context, stream_mode="custom"):
        if listener is not None:
            listener(event)
    return result_of(await graph.aget_state(thread_config(thread_id)))
