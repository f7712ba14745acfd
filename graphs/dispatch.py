"""Operations run by data dependence, layer by layer: whatever is ready runs in parallel, each as a task of its own,
and an operation whose input never came is skipped with the reason, never run on less than it asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

from langgraph.types import Send
from typing_extensions import TypedDict

from ..operators.registry import Registry
from .budget import Budget, Usage, exhausted, left, no_usage
from .faults import Fault, fault
from .memory import Memory
from .operation import Operation, Planned
from .state import Place, Run
from .tool_call import model_calls


class Work(TypedDict):
    """What one executor task is given: all it needs, so that it runs without the rest of the state."""

    operation: Planned
    inputs: dict[str, str]
    """Text by memory key."""
    run: Place
    calls: float | None
    """Model calls it may make; None: unlimited."""
    seconds: float | None


@dataclass
class Layer:
    """What can start now, and what never will."""

    ready: list[Send] = field(default_factory=list)
    skipped: list[Operation] = field(default_factory=list)

    @property
    def running(self) -> list[str]:
        """Ids of the operations that can start."""
        return [send.arg["operation"]["id"] for send in self.ready]


@dataclass
class Purse:
    """What is left to hand out within one layer; None: unlimited."""

    operations: float | None
    calls: float | None

    def grant(self, wanted: int) -> float | None:
        """Claim one operation and up to `wanted` calls; None when nothing limits the calls."""
        if self.operations is not None:
            self.operations -= 1
        if self.calls is None:
            return None
        granted = min(wanted, self.calls)
        self.calls -= granted
        return granted


def next_layer(
    pending: list[Planned], memory: Memory, registry: Registry, run: Run, budget: Budget, usage: Usage
) -> Layer:
    """The operations of `pending` that can start, with their inputs and their share of the budget."""
    layer, purse = Layer(), Purse(left(budget, usage, "operations"), left(budget, usage, "calls"))
    coming = {planned["output"] for planned in pending}
    for planned in pending:
        missing = [key for key in planned["inputs"] if key not in memory]
        if any(key in coming for key in missing):
            continue
        template = registry[planned["operator"]]
        wanted = model_calls(template, planned["arguments"])
        reason = _obstacle(planned, missing, needs_model=wanted > 0, purse=purse, budget=budget, usage=usage)
        if reason is not None:
            coming.discard(planned["output"])
            layer.skipped.append(skipped(planned, run, reason))
            continue
        work = Work(
            operation=planned,
            inputs=given(planned, memory, stateful=template.stateful),
            run=Place(id=run["id"], turn=run["turn"], seed=run["seed"]),
            calls=purse.grant(wanted),
            seconds=left(budget, usage, "seconds"),
        )
        layer.ready.append(Send("executor", work))
    return layer


def given(planned: Planned, memory: Memory, *, stateful: bool) -> dict[str, str]:
    """Text of an operation's inputs by key; of a stateful operator its earlier results come first."""
    earlier = [one["key"] for one in memory.entries if stateful and one["by"] == planned["operator"]]
    return {key: memory[key]["content"] for key in (*earlier, *planned["inputs"])}


def _obstacle(
    planned: Planned, missing: list[str], *, needs_model: bool, purse: Purse, budget: Budget, usage: Usage
) -> Fault | None:
    if missing:
        message = f"{planned['operator']} ({planned['id']}) did not run: {', '.join(missing)} was never produced"
        return fault("tool", "missing_input", message, where=planned["id"])
    spent_out = exhausted(budget, usage, ("tokens", "money", "seconds"))
    if purse.operations is not None and purse.operations < 1:
        spent_out = "operations"
    if needs_model and purse.calls is not None and purse.calls < 1:
        spent_out = "calls"
    if spent_out is None:
        return None
    message = f"{planned['operator']} ({planned['id']}) did not run: the budget of {spent_out} is used up"
    return fault("budget", "exhausted", message, where=planned["id"])


def skipped(planned: Planned, run: Run, reason: Fault) -> Operation:
    """The record of an operation that did not run."""
    return Operation(
        **planned,
        turn=run["turn"],
        version="",
        key="",
        status="skipped",
        fault=reason,
        usage=no_usage(),
        model=None,
        began=None,
    )


def unfinished(planned: list[Planned], operations: list[Operation]) -> list[Planned]:
    """The operations of a stage that have no record yet."""
    done = {one["id"] for one in operations}
    return [one for one in planned if one["id"] not in done]
