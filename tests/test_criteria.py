"""The seven trajectory criteria on graphs of ours, with tokens: a run that calls a tool server and a sandbox side by side,
and runs of the other systems."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import trajectory_criteria as criteria
from agentflow_script import STOP, kind_of, step, steps
from canvas_script import FINISH as DONE
from canvas_script import add
from flowwright import Context, Policies, build_graph, load_trajectories, open_checkpointer
from flowwright.checkpoints.trajectories.trajectory import Trajectory
from flowwright.digest import digest
from flowwright.operators.registry import Registry
from flowwright.operators.tools.adapter import tool_operator
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from scripted import ANSWER, finish
from scripted_server import Request, ScriptedServer
from scripted_template import Template

BOTH = steps(
    step("ADD", arguments={"a": 40, "b": 2}),
    step("PYTHON", arguments={"code": "print(6 * 7)"}),
)
SAID = {"planner": BOTH, "analysis": "An easy one.", "verdict": STOP, "answer": "So.\nAnswer: 42"}
DIRECTOR = [json.dumps(one) for one in (add("Custom"), add("Review"), DONE)]


def reply(request: Request) -> str:
    """What each role of each system says, by its prompt alone."""
    said = request.messages
    prompt, decided = said[0]["content"], sum(one["role"] == "assistant" for one in said)
    if prompt.startswith("You direct a workflow"):
        return DIRECTOR[decided]
    if prompt.startswith("You design"):
        return ANSWER if "draft@1" not in said[1]["content"] else finish("draft@1")
    if prompt.startswith("You are the REVIEW"):
        return "Checked.\nVerdict: accept"
    return SAID.get(kind_of(prompt), "It follows.\nAnswer: 42")


async def run_of(system: str, template: Template, tools: list[Any]) -> Trajectory:
    saver = open_checkpointer("memory:")
    with ScriptedServer(reply, template=template) as server:
        model = f"vllm:m@{server.url}"
        graph = build_graph(
            system, policies=Policies(designer=model, executor=model), checkpointer=saver,
            operators=Registry.load().extended([tool_operator(one) for one in tools]),
        )  # fmt: skip
        config: Any = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke(
            {"task": {"question": "What is 40+2?", "budget": {"turns": 3}}}, config, context=Context(seed=1)
        )
    (tree,) = load_trajectories(saver)
    (run,) = tree.trajectories
    return run


@pytest.fixture(scope="module", params=["dyflow", "agentflow", "flowsteer"])
def system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def with_server(system: str) -> Trajectory:
    command: Any = {
        "transport": "stdio", "command": sys.executable, "args": [str(Path(__file__).with_name("mcp_server.py")), "stdio"],
    }  # fmt: skip
    async with MultiServerMCPClient({"calc": command}).session("calc") as session:
        offered = [one for one in await load_mcp_tools(session) if one.name == "add"]
        return await run_of(system, Template(), offered)


@pytest.fixture
async def run(system: str) -> Trajectory:
    return await with_server(system)


async def test_call_schema_token_counts_and_identity(run: Trajectory) -> None:
    assert run.status == "finished"
    criteria.has_call_schema(run)
    criteria.has_token_counts(run)
    criteria.has_identity_per_turn(run)


async def test_the_history_can_be_told_again(run: Trajectory) -> None:
    for call in run.calls:
        whole, sent = run.spoken(call["id"]), call["sent"] or {}
        if "messages" in sent:
            assert digest(whole.messages) == sent["messages"]["digest"]
        else:  # a conversation that went on in tokens
            assert digest(whole.prompt_ids) == sent["prompt"]["digest"]
            assert call["prompt"]["continues"]


async def test_tools_of_a_server_and_of_the_sandbox_are_timed_side_by_side() -> None:
    run = await with_server("agentflow")
    ran = [one for one in run.operations if one["operator"] in ("ADD", "PYTHON")]
    assert {one["operator"] for one in ran} == {"ADD", "PYTHON"}
    decided = next(one for one in run.calls if one["role"] == "designer")
    judged = next(one for one in run.calls if one["role"] == "verifier")
    for one in ran:
        assert one["began"] is not None
        assert one["usage"]["seconds"] > 0
        assert one["began"] >= decided["began"] + decided["seconds"] - 1e-3
        assert one["began"] + one["usage"]["seconds"] <= judged["began"] + 1e-3
        assert (one["status"], one["fault"]) == ("ok", None)
    begins, ends = [one["began"] or 0 for one in ran], [(one["began"] or 0) + one["usage"]["seconds"] for one in ran]
    assert max(begins) < min(ends)


async def test_parallel_branches_are_branches_of_one_step(run: Trajectory) -> None:
    calls = [one for one in run.calls if one["role"] == "executor"]
    assert len({one["place"] for one in calls}) == len({one["task"] for one in calls})
