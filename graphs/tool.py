"""A graph as a tool: the calling agent gets the answer and what it is worth, the application gets the whole result."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_core.tools import StructuredTool

from .build import Graph

DESCRIPTION = (
    "Solves one self-contained problem by designing and running a workflow for it. Give the complete question; "
    "the answer comes back with its status: finished, best_effort (a limit was hit) or failed."
)


def as_tool(graph: Graph, *, name: str = "solve", description: str = DESCRIPTION) -> StructuredTool:
    """`graph` as a LangChain tool with one argument, `question`. The tool message holds answer and status; its
    artifact holds the whole output. Inside a LangGraph graph the run is part of the caller's thread; elsewhere each
    call is a thread of its own (or the one in `configurable.thread_id`)."""

    def solve(question: str, config: RunnableConfig) -> tuple[str, dict[str, Any]]:
        return told(graph.invoke({"task": {"question": question}}, threaded(config)))

    async def asolve(question: str, config: RunnableConfig) -> tuple[str, dict[str, Any]]:
        return told(await graph.ainvoke({"task": {"question": question}}, threaded(config)))

    return StructuredTool.from_function(
        func=solve, coroutine=asolve, name=name, description=description, response_format="content_and_artifact"
    )


def threaded(config: RunnableConfig | None) -> RunnableConfig:
    """`config` with a thread to run on."""
    settled = ensure_config(config)
    if settled["configurable"].get("thread_id") is None:
        settled["configurable"] = {**settled["configurable"], "thread_id": f"tool-{uuid4().hex}"}
    return settled


def told(result: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """What the calling model reads, and the artifact."""
    return f"status: {result['status']}\nanswer: {result['answer']}", result
