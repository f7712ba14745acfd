"""The seven trajectory criteria on a graph that is not ours, with two parallel thinkers and a sub-agent with tools: of a
tool server and of a sandbox in one run, of plain functions in the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import foreign_graph
import pytest
import trajectory_criteria as criteria
from flowwright.checkpoints.recording.foreign import foreign_trajectories
from flowwright.checkpoints.recording.recorder import recorded
from flowwright.checkpoints.trajectories.trajectory import Trajectory
from flowwright.operators.sandbox import open_sandbox
from flowwright.policies.transport import async_client
from langchain_core.runnables import RunnableConfig
from langchain_core.tools import BaseTool, tool
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr
from scripted_server import ScriptedServer

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t1"}}


@tool
async def weigh(thing: str) -> str:
    """Weigh a thing, in a sandbox."""
    return str((await open_sandbox().arun(f"def solve():\n    return len({thing!r})")).value)


async def with_servers(graph_of: Callable[[list[BaseTool]], Any]) -> None:
    """Runs a graph with a tool of an MCP server in a process of its own, and one of the sandbox."""
    command: Any = {
        "transport": "stdio",
        "command": sys.executable,
        "args": [str(Path(__file__).with_name("mcp_server.py")), "stdio"],
    }
    client = MultiServerMCPClient({"calc": command})
    async with client.session("calc") as session:
        offered = [one for one in await load_mcp_tools(session) if one.name == "add"]
        await graph_of([*offered, weigh]).ainvoke({"task": "lift stones"}, CONFIG)


@cache
def trajectory(kind: str) -> Trajectory:
    saver = InMemorySaver()
    with ScriptedServer(foreign_graph.reply) as server:
        llm = recorded(
            ChatOpenAI(model="m", base_url=server.url, api_key=SecretStr("x"), http_async_client=async_client())
        )
        if kind == "functions":
            foreign_graph.build(llm, saver, flaky=True).invoke({"task": "lift stones"}, CONFIG)
        else:
            asyncio.run(with_servers(lambda tools: foreign_graph.build(llm, saver, tools=tools)))
    (run,) = foreign_trajectories(saver, "t1")
    return run


both = pytest.mark.parametrize("kind", ["functions", "servers"])


@both
@pytest.mark.parametrize(
    "criterion",
    [
        criteria.has_call_schema,
        criteria.has_token_counts,
        criteria.has_identity_per_turn,
        criteria.has_reconstructable_history,
        criteria.has_tool_timing,
        criteria.has_parallel_tool_timing,
    ],
    ids=lambda criterion: criterion.__name__,
)
def test_a_foreign_run_meets(criterion: Callable[[Trajectory], None], kind: str) -> None:
    criterion(trajectory(kind))


def test_a_foreign_run_serves_tool_servers_and_sandboxes() -> None:
    criteria.serves_tool_servers_and_sandboxes(trajectory("servers"), "add", "weigh")


@both
def test_the_two_thinkers_are_branches_of_one_step(kind: str) -> None:
    thinkers = [one for one in trajectory(kind).calls if one["role"] == "think"]
    assert sorted(one["place"] for one in thinkers) == ["0", "1"]
    assert len({one["checkpoint"] for one in thinkers}) == 1
    assert len({one["task"] for one in thinkers}) == 2
