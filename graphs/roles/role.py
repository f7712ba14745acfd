"""A role is one coroutine from state to update, the same under `invoke` and `ainvoke`, that tells the stream when it
starts and what it did."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import Command, Overwrite

from ..bridge import bridge
from ..context import Context

Update = dict[str, Any]
Step = Callable[[Any, Runtime[Context]], Awaitable[Command[str]]]


class Role(Runnable[Any, Command[str]]):
    """A LangGraph node. Streams `{"role", "event": "start" | "end", ...}` in stream mode `custom`."""

    def __init__(self, name: str, step: Step) -> None:
        """`step` takes what the node is given and the runtime."""
        self.name = name
        self.step = step

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Command[str]:
        """`ainvoke` for synchronous callers."""
        return bridge().run(self.ainvoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Command[str]:
        """One step of the role."""
        runtime = get_runtime(Context)
        place = input["operation"]["id"] if "operation" in input else None
        event = {"role": self.name} | (
            {"operation": place, "operator": input["operation"]["operator"]} if place else {}
        )
        runtime.stream_writer({**event, "event": "start"})
        began = time.monotonic()
        command = await self.step(input, runtime)
        seconds = round(time.monotonic() - began, 4)
        runtime.stream_writer({**event, "event": "end", "seconds": seconds, **news(command.update)})
        return command


def news(update: Any) -> dict[str, Any]:
    """The part of an update that a person watching wants to see."""
    if not isinstance(update, Mapping):
        return {}
    update = {name: value.value if isinstance(value, Overwrite) else value for name, value in update.items()}
    told: dict[str, Any] = {}
    if turns := update.get("turns"):
        told |= {name: turns[-1][name] for name in ("turn", "attempt", "outcome", "description", "faults")}
    if operations := update.get("operations"):
        told["operations"] = [{k: one[k] for k in ("id", "operator", "status", "fault")} for one in operations]
    if entries := update.get("memory"):
        told["memory"] = [{k: one[k] for k in ("key", "kind", "verdict", "passed")} for one in entries]
    return told | {name: update[name] for name in ("status", "answer") if update.get(name) is not None}
