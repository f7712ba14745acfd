"""A run to fork: five turns of one draft each, whatever is sampled, and a finish."""

from __future__ import annotations

import re
from typing import Any

import flowwright as fw
from flowwright.checkpoints.runner import thread_config
from flowwright.graphs.build import Graph
from langgraph.checkpoint.base import BaseCheckpointSaver
from scripted import ANSWER, ScriptedModel, answering, finish

A = thread_config("a")


def designer(turns: int = 4) -> ScriptedModel:
    def script(prompt: str, _: int) -> str:
        turn = int(re.findall(r'"turn": (\d+), "turns"', prompt)[-1])
        return ANSWER if turn <= turns else finish("draft@1")

    return ScriptedModel(script=script)


def graph_on(
    saver: BaseCheckpointSaver[Any] | None, plans: ScriptedModel | None = None, works: ScriptedModel | None = None
) -> Graph:
    policies = fw.Policies(designer=plans or designer(), executor=works or answering())
    return fw.build_graph("dyflow", policies=policies, checkpointer=saver)


def ran(saver: BaseCheckpointSaver[Any], thread: str = "a", seed: int = 7, question: str = "What is 6*7?") -> Graph:
    graph = graph_on(saver)
    task = {"task": {"question": question, "id": "t1"}}
    graph.invoke(task, thread_config(thread), context=fw.Context(seed=seed))
    return graph


def values(graph: Graph, config: Any) -> dict[str, Any]:
    found = dict(graph.get_state(config).values)
    return {**found, "messages": [message.text for message in found["messages"]]}


def without_run(state: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in state.items() if name != "run"}
