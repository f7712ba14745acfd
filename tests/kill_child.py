"""The process that gets killed: one run against a server in another process, checkpointed in a file. All that it needs
is imported and built once before the fork, so that a life begins within milliseconds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any, Final

from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import has_work
from flowwright.graphs.build import Graph
from flowwright.operators.registry import Registry
from flowwright.operators.tools.adapter import tool_operator
from kill_lookup import lookup_tools

Boundary = tuple[int, str]
"""(n, "before" | "after"): just before or after the n-th time that something is handed over to be made durable."""
BOUNDARIES: Final = ("aput", "aput_writes", "arecord")
ROLES: Final = ("designer", "executor", "verifier")


def graph_of(system: str, url: str, saver: Any = None) -> Graph:
    """The graph whose roles but the summarizer's are models of one server, and whose tools ask it too."""
    policies = Policies(**{role: f"vllm:{role}@{url}" for role in ROLES})
    registry = Registry.load().extended([tool_operator(one) for one in lookup_tools(url)])
    return build_graph(system, policies=policies, operators=registry, checkpointer=saver)


graph_of("dyflow", "http://127.0.0.1:9/v1")  # what is imported when it is first needed is needed here


def run(system: str, path: str, url: str, boundary: Boundary | None = None, count_to: Any = None) -> None:
    """Start the run on thread `t`, or go on with it. `boundary`: die there. `count_to`: tell how many boundaries the
    run crossed."""
    crossed = asyncio.run(_run(system, path, url, boundary))
    if count_to is not None:
        count_to.send(crossed)


async def _run(system: str, path: str, url: str, boundary: Boundary | None) -> int:
    with open_checkpointer(f"sqlite:///{path}") as saver:
        crossed = [0]
        for name in BOUNDARIES:
            setattr(saver, name, deadly(getattr(saver, name), crossed, boundary))
        graph = graph_of(system, url, saver)
        config = {"configurable": {"thread_id": "t"}}
        state = await graph.aget_state(config)
        if has_work(state) or not state.values.get("run"):
            given = None if has_work(state) else {"task": {"question": "What is 6*7?"}}
            await graph.ainvoke(given, config, context=Context(seed=11))
    return crossed[0]


def deadly(method: Callable[..., Any], crossed: list[int], boundary: Boundary | None) -> Callable[..., Any]:
    """`method`, with death just before or just after its n-th call of all."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        crossed[0] += 1
        here = boundary[1] if boundary is not None and boundary[0] == crossed[0] else None
        if here == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await method(*args, **kwargs)
        if here == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return call
