"""The verifier joins what ran, starts the next layer of the stage, and at the stage's end says whether the run goes on.
Its rules are the runtime's: no model can talk it out of a limit."""

from __future__ import annotations

from langgraph.runtime import Runtime
from langgraph.types import Command

from ..budget import Budget, Resource, Usage, exhausted, spend
from ..context import Context
from ..dispatch import next_layer, unfinished
from ..operation import Operation
from ..services import Services
from ..state import State, Stop
from ..steps import out_of_steps
from .role import Update


class Verifier:
    """Role node body; see the module."""

    def __init__(self, services: Services) -> None:
        """Bind to one graph's services."""
        self.services = services

    async def __call__(self, state: State, runtime: Runtime[Context]) -> Command[str]:
        """Next layer, next turn, or the end."""
        update: Update = {}
        stage = state.get("stage")
        if stage is not None:
            operations = state.get("operations", [])
            update["usage"] = {"seconds": layer_seconds(operations, stage["running"])}
            pending = unfinished(stage["operations"], operations)
            scene = self.services.scene(state)
            usage = spend(state["usage"], update["usage"])
            layer = next_layer(pending, scene.memory, scene.registry, state["run"], state["budget"], usage)
            if layer.skipped:
                update["operations"] = layer.skipped
            if layer.ready and out_of_steps(state) is None:
                update["stage"] = {**stage, "running": layer.running}
                return Command(update=update, goto=layer.ready)
            update["stage"] = None
        return self.conclude(state, update)

    def conclude(self, state: State, update: Update) -> Command[str]:
        """The stage is over: go on, or stop with a reason."""
        usage = spend(state["usage"], update.get("usage", {}))
        stop = state.get("stop") or out_of_budget(state["budget"], usage) or out_of_steps(state)
        if stop is None:
            return Command(update=update, goto="summarizer")
        return Command(update={**update, "stop": stop}, goto="generator")


def out_of_budget(budget: Budget, usage: Usage) -> Stop | None:
    """The reason to stop when a limit is reached; operations that need no model may go on without calls."""
    order: tuple[Resource, ...] = ("turns", "operations", "calls", "tokens", "money", "seconds")
    spent_out = exhausted(budget, usage, order)
    return Stop(by="budget", reason=f"the budget of {spent_out} is used up", candidate=None) if spent_out else None


def layer_seconds(operations: list[Operation], layer: list[str]) -> float:
    """Wall-clock seconds of a layer: its operations ran side by side, so the longest counts."""
    return max((one["usage"]["seconds"] for one in operations if one["id"] in layer), default=0.0)
