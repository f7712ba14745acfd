"""A director and an executor by script, for runs of FlowSteer."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import flowwright as fw
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.graphs.build import Graph
from flowwright.graphs.state import State
from langgraph.checkpoint.memory import InMemorySaver
from scripted import ScriptedModel, operator_of

THREAD: Any = {"configurable": {"thread_id": "t"}}


def node(operator: str, prompt: str = "do it") -> dict[str, Any]:
    return {"kind": "operator", "operator": operator, "prompt": prompt}


def add(operator: str, prompt: str = "do it", **place: Any) -> dict[str, Any]:
    return {"action": "add", "operator": operator, "prompt": prompt, **place}


FINISH = {"action": "finish"}


def director(*actions: dict[str, Any] | str) -> ScriptedModel:
    """Says these actions in order, then repeats the last."""
    said = [one if isinstance(one, str) else json.dumps(one) for one in actions]
    return ScriptedModel(script=lambda _, number: said[min(number, len(said) - 1)])


def executor(says: Callable[[str, str, int], str] | None = None) -> ScriptedModel:
    """Answers every operator; `says(operator, prompt, number of the call)` decides what."""

    def script(prompt: str, number: int) -> str:
        name = operator_of(prompt)
        if says is not None:
            return says(name, prompt, number)
        return "Checked.\nVerdict: accept" if name in ("REVIEW_SOLUTION", "VERIFY") else "It follows.\nAnswer: 42"

    return ScriptedModel(script=script)


def play(
    actions: Sequence[dict[str, Any] | str],
    says: Callable[[str, str, int], str] | None = None,
    *,
    preset: str = "default",
    question: str = "What is 6*7?",
    budget: dict[str, Any] | None = None,
) -> tuple[State, ScriptedModel, ScriptedModel]:
    """The final state of a run with these actions, all its calls in it, and both models."""
    designer, worker, saver = director(*actions), executor(says), InMemorySaver()
    graph: Graph = fw.build_graph(
        "flowsteer",
        preset=preset,
        policies=fw.Policies(designer=designer, executor=worker),
        checkpointer=saver,
    )
    task: Any = {"question": question} | ({"budget": budget} if budget else {})
    graph.invoke({"task": task}, THREAD)
    head = graph.get_state(THREAD)
    return {**head.values, "calls": calls_of(saver, head.config)}, designer, worker  # type: ignore[return-value]


def outcomes(state: State) -> list[str]:
    return [one["outcome"] for one in state["turns"]]


def codes(state: State, turn: int) -> list[str]:
    return [fault["code"] for one in state["turns"] if one["turn"] == turn for fault in one["faults"]]
