"""The verifier joins what ran, starts what became possible, and at the turn's end says whether the run goes on. The
runtime's rules come first: no model can talk it out of a limit, and a model that is asked can only stop or go on."""

from __future__ import annotations

from typing import Final

from langgraph.runtime import Runtime
from langgraph.types import Command

from ...policies.faults import ProviderError
from ...policies.reply import Reply
from ..budget import Budget, Resource, Usage, exhausted, spend
from ..context import Context
from ..dispatch import next_layer, unfinished
from ..faults import BudgetExhausted, fault_of
from ..judgement import Judgement
from ..memory import Entry, entry
from ..operation import Operation, Planned
from ..services import Services
from ..state import Stage, State, Stop
from ..steps import out_of_steps
from ..system import Scene
from .role import Update

PAID: Final[tuple[Resource, ...]] = ("calls", "tokens", "money", "seconds")
LAST: Final = 1_000_000
"""Index of a turn's verdict in its turn: after all operations."""


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
            scene = self.services.scene(state)
            pending = unfinished(stage["operations"], operations) or self.added(stage, scene)
            usage = spend(state["usage"], update["usage"])
            layer = next_layer(pending, scene.memory, scene.registry, state["run"], state["budget"], usage)
            if layer.skipped:
                update["operations"] = layer.skipped
            if layer.ready and out_of_steps(state) is None:
                known = {one["id"] for one in stage["operations"]}
                planned = [*stage["operations"], *(one for one in pending if one["id"] not in known)]
                update["stage"] = Stage(id=stage["id"], operations=planned, running=layer.running)
                return Command(update=update, goto=layer.ready)
            update["stage"] = None
        return await self.conclude(state, update, runtime)

    def added(self, stage: Stage, scene: Scene) -> list[Planned]:
        """What the results so far made possible. Nothing once an operation was skipped: a limit ended the turn."""
        ids = {one["id"] for one in stage["operations"]}
        cut = any(one["id"] in ids and one["status"] == "skipped" for one in scene.state.get("operations", []))
        return [] if cut else self.services.system.more(scene)

    async def conclude(self, state: State, update: Update, runtime: Runtime[Context]) -> Command[str]:
        """The turn is over: go on, or stop with a reason."""
        usage = spend(state["usage"], update.get("usage", {}))
        stop = state.get("stop") or out_of_steps(state)
        if stop is None and exhausted(state["budget"], usage, PAID) is None:
            stop = await self.review(state, update, runtime)
        stop = stop or out_of_budget(state["budget"], usage)
        if stop is None:
            return Command(update=update, goto="summarizer")
        return Command(update={**update, "stop": stop}, goto="generator")

    async def review(self, state: State, update: Update, runtime: Runtime[Context]) -> Stop | None:
        """What the verifier's model says, where the system asks it, kept as a memory entry; a stop where it says so.
        Its failure is on record and ends nothing."""
        scene, run = self.services.scene(state), state["run"]
        question = self.services.system.review(scene)
        if question is None:
            return None
        caller = self.services.asking(state, runtime, "verifier", "verdict")
        made = entry(scene.memory.next_key("verdict"), "verdict", "verifier", "(no verdict)", at=[run["turn"], LAST])
        judgement = None
        try:
            reply = Reply.of(await caller.model_for(question.sampling, 0, question.schema).ainvoke(question.messages))
            judgement = self.services.system.judge(reply, scene)
            made = kept(made, judgement)
        except (ProviderError, BudgetExhausted) as error:
            made["data"] = {"stop": False, "fault": dict(fault_of(error))}
        cost = spend(caller.usage, {"seconds": caller.active_seconds})
        update |= {"memory": [made], "usage": spend(cost, update.get("usage", {})), "calls": caller.records}
        if judgement is None or not judgement.stop:
            return None
        return Stop(by="verifier", settled=True, reason=judgement.analysis, candidate=None)


def kept(made: Entry, judgement: Judgement) -> Entry:
    """The entry of a judgement."""
    flag = {} if judgement.flag is None else {"flag": judgement.flag}
    return {**made, "content": judgement.analysis or made["content"], "data": {"stop": judgement.stop, **flag}}


def out_of_budget(budget: Budget, usage: Usage) -> Stop | None:
    """The reason to stop when a limit is reached; operations that need no model may go on without calls."""
    order: tuple[Resource, ...] = ("turns", "operations", "calls", "tokens", "money", "seconds")
    spent_out = exhausted(budget, usage, order)
    return (
        Stop(by="budget", settled=False, reason=f"the budget of {spent_out} is used up", candidate=None)
        if spent_out
        else None
    )


def layer_seconds(operations: list[Operation], layer: list[str]) -> float:
    """Wall-clock seconds of a layer: its operations ran side by side, so the longest counts."""
    return max((one["usage"]["seconds"] for one in operations if one["id"] in layer), default=0.0)
