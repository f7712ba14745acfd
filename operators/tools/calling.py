"""A tool is one coroutine from a job to an outcome, and the runnable made of it gives the same whether it is awaited,
called from a thread, or called from inside a running event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from langchain_core.runnables import Runnable, RunnableLambda

from ..outcome import Outcome
from ..template import Builder, Job

Call = Callable[[Job], Awaitable[Outcome]]


def calling(call: Call) -> Builder:
    """The builder of a tool that is carried out by `call`."""

    def build(job: Job) -> Runnable[dict[str, Any], Outcome]:
        async def acall(_: dict[str, Any]) -> Outcome:
            return await call(job)

        def plain(given: dict[str, Any]) -> Outcome:
            return _wait_for(lambda: asyncio.run(acall(given)))

        return RunnableLambda(plain, acall)

    return build


def arguments_of(job: Job) -> Mapping[str, Any]:
    """The arguments of a job whose template has `parameters`."""
    assert job.arguments is not None, "bind gives arguments to every template with parameters"
    return job.arguments


def _wait_for(work: Callable[[], Outcome]) -> Outcome:
    """The result of `work`, which starts an event loop: here, or in a thread where one runs here already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, thread_name_prefix="tool") as pool:
        return pool.submit(copy_context().run, work).result()
