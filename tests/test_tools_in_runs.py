"""Tools inside runs: approvals, kept state, faults, and the same tool in all three systems."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import flowwright as fw
import pytest
from canvas_script import FINISH, THREAD, add, director, executor
from flowwright.graphs.build import Graph
from flowwright.operators.registry import Registry
from flowwright.operators.template import OperatorTemplate
from flowwright.operators.tools.adapter import tool_operator
from flowwright.operators.tools.python import PYTHON_SESSION
from langchain_core.tools import ToolException, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command
from scripted import ScriptedModel, finish, operator, stage


def step(tool: str, sub_goal: str = "do it", **more: Any) -> dict[str, Any]:
    return {"tool": tool, "sub_goal": sub_goal, "context": "", "inputs": [], **more}


def agent(*turns: list[dict[str, Any]], arguments: str = "{}") -> ScriptedModel:
    """Plays every role of AgentFlow: these steps turn by turn, then the end."""
    decisions = [json.dumps({"justification": "", "steps": steps}) for steps in turns] + ['{"finish": "done"}']
    asked: list[str] = []

    def script(prompt: str, _: int) -> str:
        if prompt.startswith("You plan how"):
            asked.append(prompt)
            return decisions[min(len(asked) - 1, len(decisions) - 1)]
        if prompt.startswith("You decide whether"):
            return '{"analysis": "more", "stop": false}'
        return arguments if prompt.startswith("You are the caller") else "Seen.\nAnswer: 42"

    return ScriptedModel(script=script)


def graph_of(model: ScriptedModel, *tools: OperatorTemplate, saver: Any = None, system: str = "agentflow") -> Graph:
    return fw.build_graph(
        system, policies=fw.Policies(designer=model, executor=model), operators=Registry.load().extended(tools),
        checkpointer=saver or InMemorySaver(),
    )  # fmt: skip


@pytest.fixture
def sent() -> list[str]:
    return []


@pytest.fixture
def mail(sent: list[str]) -> OperatorTemplate:
    @tool
    def send_mail(to: str) -> str:
        """Send a mail."""
        sent.append(to)
        return f"sent to {to}"

    return tool_operator(send_mail, approval=True)


TWO = [step("SEND_MAIL", arguments={"to": "ann"}), step("SEND_MAIL", arguments={"to": "bob"})]


@pytest.mark.parametrize("journaled", [True, False])
def test_calls_wait_for_approval_and_are_answered_one_by_one(
    journaled: bool, mail: OperatorTemplate, sent: list[str], tmp_path: Path
) -> None:
    saver = fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") if journaled else InMemorySaver()
    graph = graph_of(agent(TWO), mail, saver=saver)
    paused = graph.invoke({"task": {"question": "Tell them."}}, THREAD)
    asked = {one.value["arguments"]["to"]: one for one in paused["__interrupt__"]}
    assert set(asked) == {"ann", "bob"}
    assert sent == []
    yes = {"approved": True, "key": asked["bob"].value["key"]}
    still = graph.invoke(Command(resume={asked["bob"].id: yes}), THREAD)
    assert [one.value["arguments"]["to"] for one in still["__interrupt__"]] == ["ann"]
    assert sent == ["bob"]
    no = {"approved": False, "reason": "not today"}
    result = graph.invoke(Command(resume={asked["ann"].id: no}), THREAD)
    assert sent == ["bob"]
    assert result["status"] == "finished"
    records = graph.get_state(THREAD).values["operations"]
    assert [(one["arguments"]["to"], one["status"]) for one in records] == [("ann", "failed"), ("bob", "ok")]
    assert "not approved: not today" in records[0]["fault"]["message"]
    if journaled:
        saver.close()


def test_an_approval_without_a_journal_has_to_name_the_call_it_is_for(mail: OperatorTemplate, sent: list[str]) -> None:
    graph = graph_of(agent(TWO[:1]), mail)
    paused = graph.invoke({"task": {"question": "Tell her."}}, THREAD)
    graph.invoke(Command(resume={paused["__interrupt__"][0].id: True}), THREAD)
    assert sent == []
    (record,) = graph.get_state(THREAD).values["operations"]
    assert "for another call" in record["fault"]["message"]


def test_with_a_journal_a_plain_yes_is_enough(mail: OperatorTemplate, sent: list[str], tmp_path: Path) -> None:
    with fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as saver:
        model = agent([step("SEND_MAIL", "write to ann")], arguments='{"to": "ann"}')
        graph = graph_of(model, mail, saver=saver)
        paused = graph.invoke({"task": {"question": "Tell her."}}, THREAD)
        before = sum(prompt.startswith("You are the caller") for prompt in model.prompts)
        graph.invoke(Command(resume={paused["__interrupt__"][0].id: True}), THREAD)
        after = sum(prompt.startswith("You are the caller") for prompt in model.prompts)
    assert sent == ["ann"]
    assert before == after == 1


def test_a_python_session_sees_what_its_earlier_scripts_defined() -> None:
    first = step("PYTHON_SESSION", arguments={"code": "def double(x):\n    return 2 * x\nprint('once')"})
    second = step("PYTHON_SESSION", arguments={"code": "print(double(21))"})
    graph = graph_of(agent([first], [second]), PYTHON_SESSION)
    graph.invoke({"task": {"question": "What is 2*21?"}}, THREAD)
    state = graph.get_state(THREAD).values
    results = [one for one in state["memory"] if one["by"] == "PYTHON_SESSION"]
    assert results[1]["answer"] == "42"
    assert "once" not in results[1]["content"].partition("```\n")[2]


@tool
def flaky(reason: str) -> str:
    """Fails."""
    raise ToolException(reason)


def test_a_tool_that_fails_is_a_typed_record_and_the_planner_sees_it() -> None:
    model = agent([step("FLAKY", arguments={"reason": "out of order"})], [step("DEFAULT")])
    graph = graph_of(model, tool_operator(flaky))
    graph.invoke({"task": {"question": "Try."}}, THREAD)
    records = graph.get_state(THREAD).values["operations"]
    assert (records[0]["status"], records[0]["fault"]["kind"], records[0]["fault"]["code"]) == (
        "failed",
        "tool",
        "fatal",
    )
    later = [prompt for prompt in model.prompts if prompt.startswith("You plan how")][1]
    assert "out of order" in later


def test_a_tools_price_counts_as_money() -> None:
    @tool
    def oracle() -> str:
        """Costs."""
        return "yes"

    graph = graph_of(agent([step("ORACLE", arguments={})]), tool_operator(oracle, cost=0.25))
    result = graph.invoke({"task": {"question": "Is it?"}}, THREAD)
    assert result["usage"]["money"] == 0.25


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


def test_one_tool_serves_all_three_systems() -> None:
    operators = Registry.load().extended([tool_operator(multiply)])
    caller = executor(lambda name, prompt, _: '{"a": 6, "b": 7}' if "caller of one tool" in prompt else "Answer: 42")
    designers = {
        "dyflow": director(stage(operator("MULTIPLY", ["problem"], "product")), finish("product@1")),
        "agentflow": agent([step("MULTIPLY", "multiply 6 by 7")]),
        "flowsteer": director(add("MULTIPLY", "multiply 6 by 7"), add("Custom"), FINISH),
    }
    for system, designer in designers.items():
        graph = fw.build_graph(
            system, policies=fw.Policies(designer=designer, executor=caller), operators=operators,
            checkpointer=InMemorySaver(),
        )  # fmt: skip
        graph.invoke({"task": {"question": "What is 6*7?"}}, THREAD)
        (record,) = [one for one in graph.get_state(THREAD).values["operations"] if one["operator"] == "MULTIPLY"]
        assert (record["arguments"], record["status"]) == ({"a": 6, "b": 7}, "ok"), system
