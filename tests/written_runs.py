"""Runs with known records, written through LangGraph and a real saver: what was said in a run is decided by the test,
how it is stored is decided by the channels of `graphs.state.State`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from flowwright.checkpoints.lineage import FORKED_FROM
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.graphs.budget import no_usage
from flowwright.graphs.call_packing import packed
from flowwright.graphs.call_record import CallRecord, Message
from flowwright.graphs.memory import PROBLEM, entry
from flowwright.graphs.prompt_delta import Spoken, told
from flowwright.graphs.state import Origin, Run, State
from flowwright.graphs.turn import Turn
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.base.id import uuid6
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Overwrite, StateSnapshot


def record(
    run: str,
    turn: int,
    prompt: list[Message],
    prompt_ids: list[int] | None,
    reply: str,
    token_ids: list[int] | None,
    parent: Spoken | None = None,
    **given: Any,
) -> tuple[CallRecord, Spoken]:
    """A call as it is stored, and as it was."""
    role, place = given.get("role", "designer"), given.get("place", "0")
    made = CallRecord(
        id=f"{run}/{turn}/{role}/{place}/0.0", at=[turn, 1, 0, 0, 0], run=run, turn=turn, role=role, place=place, key="k",
        checkpoint="c", namespace=f"{role}:t", task="t", attempt=1, policy="vllm:tiny", model="tiny", version="tiny-1",
        sampling={"temperature": 1.0}, schema=None, sent=None, prompt=told(prompt, prompt_ids, parent), reply=reply,
        message=None, token_ids=token_ids, logprobs=None if token_ids is None else [-0.5 - id / 1000 for id in token_ids],
        logprobs_mode="processed", constrained=False, incomplete=False, finish_reason="stop", input_tokens=1,
        output_tokens=1, estimated=False, money=None, began=float(turn), seconds=0.1, error=None,
    )  # fmt: skip
    made = cast(CallRecord, {**made, **given})
    answer = made["message"] or {"role": "assistant", "content": reply}
    return made, Spoken(made["id"], prompt, answer, prompt_ids, token_ids)


def chain(run: str, turns: int, *, start: int = 1, parent: Spoken | None = None, salt: int = 0) -> list[CallRecord]:
    """Calls of one designer, each prompt of which begins with all of the one before."""
    calls = []
    for turn in range(start, start + turns):
        before, tokens = (parent.conversation, parent.tokens or []) if parent else ([], [])
        prompt = [*before, {"role": "user", "content": f"turn {turn}"}]
        ids = [*tokens, 1000 + turn, 2000 + turn]
        call, parent = record(run, turn, prompt, ids, f"reply {turn} of {run}", [salt + turn, salt + turn + 1], parent)
        calls.append(call)
    return calls


def turn_of(call: CallRecord, outcome: str = "plan") -> Turn:
    """The decision that a designer's call was."""
    return Turn(
        at=[call["turn"], 0], turn=call["turn"], attempt=0, call=call["id"], reply=call["reply"], action={}, notices=[],
        outcome=cast(Any, outcome), faults=[], operations=[], description="d", observation=f"seen {call['turn']}",
        model="tiny", usage=no_usage(),
    )  # fmt: skip


@dataclass
class Written:
    """One run: its calls, a super-step each."""

    run: str
    calls: Sequence[CallRecord]
    task: str | None = None
    question: str = "what?"
    number: int = 1
    system: str = "flowsteer"
    origin: Origin | None = None
    status: str = "finished"
    before: int = 0
    """Turns before its fork."""
    fail_at: int | None = None
    """Index of the call at which the process dies; None: it does not."""

    def opened(self, state: State) -> dict[str, Any]:
        """What the first step of a run writes."""
        run = Run(
            id=self.run, seed=0, turn=1, origin=self.origin, task=self.task, number=self.number, system=self.system,
            preset="default", operators=None, policies={"designer": "vllm:tiny"}, approvals=[], attempt=0, messages=0,
        )  # fmt: skip
        fresh = {"memory": [entry(PROBLEM, "task", "user", self.question, at=[0, 0])], "turns": [], "calls": []}
        if self.number > 1:
            fresh = {name: Overwrite(value) for name, value in fresh.items()}  # type: ignore[assignment]
        return {"run": run, "status": "running", **fresh}

    def said(self, state: State) -> Command[str]:
        """One call."""
        place = len(state.get("turns", [])) - self.before
        if place == self.fail_at:
            raise KeyboardInterrupt
        if place == len(self.calls):
            return Command(update={"status": self.status, "answer": "42"}, goto=END)
        call = self.calls[place]
        return Command(update={"calls": [packed(call)], "turns": [turn_of(call)]}, goto="designer")


def graph_of(written: Written, saver: BaseCheckpointSaver[Any]) -> Any:
    """A graph that writes the run."""
    graph = StateGraph(State)
    graph.add_node("summarizer", written.opened)
    graph.add_node("designer", written.said, destinations=("designer", END))
    graph.add_edge(START, "summarizer")
    graph.add_edge("summarizer", "designer")
    return graph.compile(checkpointer=saver)


def write(saver: BaseCheckpointSaver[Any], thread_id: str, written: Written) -> Any:
    """Write the run on a thread; the graph that did it."""
    graph = graph_of(written, saver)
    config = {"configurable": {"thread_id": thread_id}, "recursion_limit": 400}
    with suppress(KeyboardInterrupt):
        graph.invoke({"task": {"question": written.question}}, config, durability="sync")
    return graph


def fork(saver: BaseCheckpointSaver[Any], snapshot: StateSnapshot, thread_id: str, written: Written) -> Any:
    """Write a run on a thread of its own whose first checkpoint stands for that of `snapshot`; the graph that did it."""
    held = saver.get_tuple(snapshot.config)
    assert held is not None
    run = {**held.checkpoint["channel_values"]["run"], "id": written.run, "origin": written.origin}
    shares = isinstance(saver, GroupCommitSaver)
    whole = {} if shares else {name: snapshot.values[name] for name in ("turns", "memory", "calls")}
    values = {**held.checkpoint["channel_values"], **whole, "run": run}
    stamp = "2000-01-01T00:00:00+00:00"  # of a machine whose clock is behind
    first: Any = {**held.checkpoint, "id": str(uuid6(clock_seq=1)), "ts": stamp, "channel_values": values}
    told: Any = {"source": "fork", "step": held.metadata["step"], "parents": {}}
    where: Any = {"configurable": {"thread_id": thread_id, "checkpoint_ns": ""}}
    if isinstance(saver, GroupCommitSaver):
        source = snapshot.config["configurable"]
        told["counters_since_delta_snapshot"] = held.metadata.get("counters_since_delta_snapshot")
        told[FORKED_FROM] = {"thread_id": source["thread_id"], "checkpoint_id": source["checkpoint_id"]}
        saver.put_forks(snapshot.config, [(thread_id, first, told)])
    else:
        saver.put(where, first, told, first["channel_versions"])
    graph = graph_of(written, saver)
    graph.invoke(None, {"configurable": {"thread_id": thread_id}}, durability="sync")
    return graph
