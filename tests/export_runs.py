"""Stores of runs with known records, for tests of the export: what is said is decided by the test, how it is stored by
the channels of `graphs.state.State`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from flowwright.checkpoints.annotation import annotate, reward
from flowwright.graphs.budget import no_usage
from flowwright.graphs.call_packing import packed
from flowwright.graphs.call_record import CallRecord, Message
from flowwright.graphs.faults import fault
from flowwright.graphs.memory import PROBLEM, entry
from flowwright.graphs.operation import Operation
from flowwright.graphs.prompt_delta import Spoken, told
from flowwright.graphs.state import Origin, Run, State
from flowwright.graphs.turn import Turn
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph

Saver = BaseCheckpointSaver[Any]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def call(
    run: str, turn: int, prompt: Sequence[Message], reply: str, *, ids: list[int] | None = None,
    sampled: list[int] | None = None, parent: Spoken | None = None, **given: Any,
) -> tuple[CallRecord, Spoken]:  # fmt: skip
    """A model call as it is stored, and as it was."""
    role, place = given.get("role", "designer"), given.get("place", "0")
    made = CallRecord(
        id=f"{run}/{turn}/{role}/{place}/0.0", at=[turn, 1, 0, 0, 0], run=run, turn=turn, role=role, place=place, key="k",
        checkpoint=f"c{turn}", namespace=f"{role}:t", task="t", attempt=1, policy="vllm:tiny", model="tiny",
        version="tiny@1", sampling={"temperature": 1.0}, schema=None, sent=None,
        prompt=told([*prompt], ids, parent), reply=reply, message=None, token_ids=sampled,
        logprobs=None if sampled is None else [-0.25 - id / 64 for id in sampled], logprobs_mode="processed",
        constrained=False, incomplete=False, finish_reason="stop", input_tokens=len(ids or ()),
        output_tokens=len(sampled or ()), estimated=False, money=None, began=1000.0 + turn, seconds=0.5, error=None,
    )  # fmt: skip
    made = cast(CallRecord, {**made, **given})
    answer = made["message"] or {"role": "assistant", "content": reply}
    return made, Spoken(made["id"], [*prompt], answer, ids, sampled)


def conversation(
    run: str, turns: int, *, first: int = 1, parent: Spoken | None = None, salt: int = 0
) -> list[CallRecord]:
    """Calls of one designer, each prompt of which begins with all of the one before: one row of tokens."""
    calls = []
    for turn in range(first, first + turns):
        before, tokens = (parent.conversation, parent.tokens or []) if parent else ([], [])
        prompt, ids = [*before, user(f"turn {turn}")], [*tokens, 1000 + turn, 2000 + turn]
        made, parent = call(
            run, turn, prompt, f"reply {turn} of {run}", ids=ids, sampled=[salt + turn, salt + turn + 1], parent=parent
        )
        calls.append(made)
    return calls


def decided(one: CallRecord, outcome: str = "plan", *, operations: Sequence[str] = ()) -> Turn:
    """The turn that a designer's call was."""
    refused = outcome == "refused"
    faults = [fault("policy", "schema", "it has no operators", expected="operators")] if refused else []
    return Turn(
        at=[one["turn"], int(one["place"])], turn=one["turn"], attempt=int(one["place"]), call=one["id"],
        reply=one["reply"], action=None if refused else {}, notices=[], outcome=cast(Any, outcome), faults=faults,
        operations=[*operations], description="d", observation="", model="tiny", usage=no_usage(),
    )  # fmt: skip


def operation(id: str, operator: str, status: str = "ok", **given: Any) -> Operation:
    """What became of a planned operation."""
    broken = fault("tool", "fatal", "it broke") if status == "failed" else None
    made = Operation(
        id=id, at=[1, 1], operator=operator, instruction="do it", inputs=[PROBLEM], output="draft@1", arguments=None,
        node=None, turn=1, version="1", key="k", status=cast(Any, status), fault=broken, usage=no_usage(), model=None,
        began=None,
    )  # fmt: skip
    return cast(Operation, {**made, **given})


@dataclass
class Stored:
    """One run."""

    run: str
    calls: Sequence[CallRecord]
    task: str | None = None
    question: str = "what?"
    system: str = "flowsteer"
    rewards: Mapping[str, float] = field(default_factory=dict)
    origin: Origin | None = None
    status: str = "finished"
    outcomes: Mapping[str, str] = field(default_factory=dict)
    """Of designers' calls, by id; else `plan`."""
    operations: Sequence[Operation] = ()
    planned: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Ids of the operations that a call planned."""


def store(saver: Saver, one: Stored, thread: str | None = None) -> str:
    """Write a run on a thread of its own; its last checkpoint."""

    def written(state: State) -> dict[str, Any]:
        run = Run(
            id=one.run, seed=0, turn=1, origin=one.origin, task=one.task, number=1, system=one.system, preset="default",
            operators=None, policies={"designer": "vllm:tiny"}, approvals=[], attempt=0, messages=0,
        )  # fmt: skip
        mine = [call for call in one.calls if call["run"] == one.run and call["role"] == "designer"]
        turns = [
            decided(call, one.outcomes.get(call["id"], "plan"), operations=one.planned.get(call["id"], ()))
            for call in mine
        ]
        return {
            "run": run, "status": one.status, "answer": "42", "turns": turns, "operations": [*one.operations],
            "memory": [entry(PROBLEM, "task", "user", one.question, at=[0, 0])],
            "calls": [packed(call) for call in one.calls],
        }  # fmt: skip

    builder = StateGraph(State)
    builder.add_node("write", written)
    builder.add_edge(START, "write")
    builder.add_edge("write", END)
    graph = builder.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": thread or one.run}}
    graph.invoke({"task": {"question": one.question}}, config, durability="sync")
    checkpoint = graph.get_state(config).config["configurable"]["checkpoint_id"]
    for name, value in one.rewards.items():
        annotate(saver, thread or one.run, checkpoint, reward(name, "1", value))
    return str(checkpoint)


def forked(saver: Saver, trunk: Stored, at: int, samples: Sequence[float], *, turns: int = 2) -> list[Stored]:
    """Forks of a stored run before turn `at`, each going on in its own way, one a reward."""
    before = [one for one in trunk.calls if one["turn"] < at]
    parent = None
    for one in before:
        parent = _spoken(one, parent)
    made = []
    for sample, value in enumerate(samples, 1):
        run = f"{trunk.run}-fork{sample}"
        origin = Origin(thread=trunk.run, checkpoint=f"k{at}", run=trunk.run, turn=at, sample=sample)
        calls = [*before, *conversation(run, turns, first=at, parent=parent, salt=100 * sample)]
        made.append(Stored(run, calls, trunk.task, trunk.question, trunk.system, {"exact": value}, origin))
        store(saver, made[-1])
    return made


def _spoken(one: CallRecord, parent: Spoken | None) -> Spoken:
    from flowwright.graphs.prompt_delta import restored

    return restored(one, parent)
