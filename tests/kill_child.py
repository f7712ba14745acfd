"""The process that gets killed: one DyFlow run against a server in another process, checkpointed in a file."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

import langchain_openai  # noqa: F401  # a forked child need not import it again
from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import has_work

BOUNDARIES = ("aput", "aput_writes", "arecord")
"""Where a run hands something over to be made durable."""


def run(path: str, url: str, boundary: tuple[int, str] | None = None, count_to: Any = None) -> None:
    """Start the run on thread `t`, or go on with it. `boundary` (n, "before" | "after"): die there. `count_to`: tell
    how many boundaries the run crossed."""
    asyncio.run(_run(path, url, boundary, count_to))


async def _run(path: str, url: str, boundary: tuple[int, str] | None, count_to: Any) -> None:
    policies = Policies(designer=f"vllm:designer@{url}", executor=f"vllm:executor@{url}")
    with open_checkpointer(f"sqlite:///{path}") as saver:
        crossed = [0]
        for name in BOUNDARIES:
            setattr(saver, name, deadly(getattr(saver, name), crossed, boundary))
        graph = build_graph("dyflow", policies=policies, checkpointer=saver)
        config = {"configurable": {"thread_id": "t"}}
        state = await graph.aget_state(config)
        if has_work(state) or not state.values.get("run"):
            given = None if has_work(state) else {"task": {"question": "What is 6*7?"}}
            await graph.ainvoke(given, config, context=Context(seed=11))
    if count_to is not None:
        count_to.send(crossed[0])


def deadly(method: Callable[..., Any], crossed: list[int], boundary: tuple[int, str] | None) -> Callable[..., Any]:
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
