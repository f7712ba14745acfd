"""A scripted model for every kind of prompt that AgentFlow has, and runs with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

from flowwright import Context, Policies, build_graph
from flowwright.checkpoints.runner import faults_of
from flowwright.graphs.agentflow import DEFAULT, AgentFlow
from flowwright.graphs.budget import no_usage
from flowwright.graphs.build import Graph
from flowwright.graphs.memory import entry
from flowwright.graphs.state import State
from flowwright.graphs.system import Reading, Scene
from flowwright.operators.registry import Registry
from flowwright.operators.tools.adapter import tool_operator
from flowwright.policies import Reply
from langchain_core.tools import BaseTool, tool
from langgraph.checkpoint.memory import InMemorySaver
from scripted import Script, ScriptedModel

KINDS: Final = {
    "planner": "You plan how a question gets answered",
    "analysis": "You read a question before anybody works on it",
    "verdict": "You decide whether the work on a question may stop",
    "arguments": "You are the caller of one tool",
    "answer": "You are the DIRECT_ANSWER operator",
    "exposition": "You are the FULL_ANSWER operator",
    "operator": "You are the",
}
FINISH: Final = '{"finish": "it is there"}'
GO_ON: Final = '{"analysis": "not yet", "stop": false}'
STOP: Final = '{"analysis": "all is there", "stop": true}'
OFFERED: Final = Registry.load().allow(DEFAULT.operators)
"""The operators of the default preset."""
SAID: Final = {
    "analysis": "An easy one.", "verdict": GO_ON, "arguments": '{"a": 6, "b": 7}', "operator": "It is 42.",
    "answer": "The product.\nAnswer: 42", "exposition": "Step 1: multiply.\nAnswer: 42",
}  # fmt: skip


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


def kind_of(prompt: str) -> str:
    return next(kind for kind, opening in KINDS.items() if prompt.startswith(opening))


def speaker(planner: str | Sequence[str] | Script, **others: str | Sequence[str] | Script) -> ScriptedModel:
    """A model that says in every role what is given for it: a text, texts in order (the last is repeated), or what a
    script makes of the prompt and the number of the call in that role."""
    said: dict[str, Any] = {**SAID, "planner": planner, **others}
    calls: Counter[str] = Counter()
    lock = Lock()

    def script(prompt: str, _: int) -> str:
        kind = kind_of(prompt)
        with lock:
            number = calls[kind]
            calls[kind] += 1
        part = said[kind]
        if callable(part):
            return str(part(prompt, number))
        return part if isinstance(part, str) else part[min(number, len(part) - 1)]

    return ScriptedModel(script=script)


def asked(model: ScriptedModel, kind: str) -> list[str]:
    """The prompts of one kind, in order."""
    return [prompt for prompt in model.prompts if kind_of(prompt) == kind]


def step(name: str, sub_goal: str = "multiply 6 and 7", **more: Any) -> dict[str, Any]:
    return {"tool": name, "sub_goal": sub_goal, "context": "", "inputs": [], **more}


def steps(*several: dict[str, Any]) -> str:
    """A decision, as a planner writes it."""
    return json.dumps({"justification": "because", "steps": list(several)})


MULTIPLY: Final = steps(step("MULTIPLY"))


def reply(text: str, finish_reason: str = "stop") -> Reply:
    """A model's answer."""
    return Reply(text=text, input_tokens=1, output_tokens=1, finish_reason=finish_reason)


def decide(text: str, finish_reason: str = "stop") -> Reading:
    """What AgentFlow reads from a planner's reply."""
    question = entry("problem@1", "task", "user", "q", [0, 0])
    state: dict[str, Any] = {"run": {"turn": 1}, "budget": {}, "usage": no_usage(), "memory": [question]}
    return AgentFlow().read(reply(text, finish_reason), Scene.of(State(**state), DEFAULT, OFFERED))


def graph_of(model: ScriptedModel, *tools: BaseTool, **options: Any) -> Graph:
    """A graph whose roles are all played by `model`; without `tools` it has `multiply`."""
    registry = Registry.load().extended(map(tool_operator, tools or (multiply,)))
    options = {"checkpointer": InMemorySaver(), "operators": registry, **options}
    return build_graph("agentflow", policies=Policies(designer=model, executor=model), **options)


def finished(graph: Graph, question: str = "What is 6*7?", thread: str = "case", seed: int = 7, **task: Any) -> State:
    """The final state of one run."""
    config: Any = {"configurable": {"thread_id": thread}}
    graph.invoke({"task": {"question": question, **task}}, config, context=Context(seed=seed))
    return State(**graph.get_state(config).values)


def codes(state: State) -> list[str]:
    """The codes of all faults of a run."""
    return [one["code"] for one in faults_of(state)]


def run(model: ScriptedModel, *tools: BaseTool, **task: Any) -> State:
    """The final state of a run of its own."""
    return finished(graph_of(model, *tools), **task)
