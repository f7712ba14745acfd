"""Two roles in one super-step: where the second does no I/O, its update joins the first one's, so that a turn costs one
commit less and loses nothing by a kill. Streams tell of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.types import Command

from ..bridge import bridge
from ..budget import spend
from ..state import State
from .role import Role, Update


class Relay(Runnable[Any, Command[str]]):
    """A LangGraph node: `first`, and `second` at once where `first` would go to it."""

    def __init__(self, first: Role, second: Role) -> None:
        """`second` must do no I/O: nothing is on record yet of what `first` did when it starts."""
        self.name = first.name
        self.first = first
        self.second = second

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Command[str]:
        """`ainvoke` for synchronous callers."""
        return bridge().run(self.ainvoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Command[str]:
        """One step of the first role, and of the second where it is next."""
        command = await self.first.ainvoke(input, config)
        if command.goto != self.second.name:
            return command
        update = cast(Update, command.update or {})
        then = await self.second.ainvoke(seen(input, update), config)
        return Command(update=joined(update, cast(Update, then.update)), goto=then.goto)


def seen(state: State, update: Update) -> State:
    """The state as the second role finds it: of what it reads, only plain channels have changed."""
    plain = {name: value for name, value in update.items() if name in ("stage", "stop", "run", "canvas")}
    return cast(State, {**state, **plain})


def joined(first: Update, second: Update) -> Update:
    """One update that does what both would have done, one after the other."""
    both: Update = {**first, **second}
    for name in ("turns", "operations", "memory", "calls", "messages"):
        if name in first and name in second:
            both[name] = [*first[name], *second[name]]
    if "usage" in first and "usage" in second:
        both["usage"] = spend(spend(None, first["usage"]), cast(Mapping[str, float], second["usage"]))
    return both
