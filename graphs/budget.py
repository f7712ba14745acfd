"""Budgets are state: what a run may spend and has spent travels in its checkpoints, through resumes and forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast, get_args

from typing_extensions import TypedDict

from ..errors import UsageError

Resource = Literal["turns", "operations", "calls", "tokens", "money", "seconds"]
RESOURCES: Final[tuple[Resource, ...]] = get_args(Resource)


class Budget(TypedDict, total=False):
    """Limits of one run. None or absent: unlimited. `turns`, `operations` and `calls` are never exceeded; `tokens`,
    `money` and `seconds` are checked before each call, so the call in flight is the most that can go over."""

    turns: int | None
    """Decisions of the designer; a repaired decision counts once."""
    operations: int | None
    """Operations started."""
    calls: int | None
    """Model calls of all roles, repairs and ensemble samples included."""
    tokens: int | None
    """Input and output tokens of all calls."""
    money: float | None
    """USD."""
    seconds: float | None
    """Active wall-clock seconds; time between a kill and its resume does not count."""
    repairs: int | None
    """Repair attempts for one decision."""


class Usage(TypedDict):
    """What a run has spent. Adds up over parallel tasks."""

    turns: int
    operations: int
    calls: int
    input_tokens: int
    output_tokens: int
    money: float
    unpriced: int
    """Calls to models without a known price: `money` leaves them out."""
    seconds: float


def no_usage() -> Usage:
    """Nothing spent."""
    return Usage(turns=0, operations=0, calls=0, input_tokens=0, output_tokens=0, money=0.0, unpriced=0, seconds=0.0)


def spend(current: Usage | None, more: Mapping[str, float]) -> Usage:
    """Reducer: the sum, field by field. Order does not matter, so parallel operations may report in any order.
    `None`, what a channel holds before its first write, is nothing spent."""
    total: dict[str, Any] = {**(current or no_usage())}
    for name, amount in more.items():
        total[name] = round(total[name] + amount, 9)
    return cast(Usage, total)


def spent(usage: Usage, resource: Resource) -> float:
    """Amount of `resource` used so far, in the unit of its limit."""
    return usage["input_tokens"] + usage["output_tokens"] if resource == "tokens" else usage[resource]


def left(budget: Budget, usage: Usage, resource: Resource) -> float | None:
    """What remains, never below 0; None: unlimited."""
    limit = budget.get(resource)
    return None if limit is None else max(0.0, limit - spent(usage, resource))


def exhausted(budget: Budget, usage: Usage, resources: Sequence[Resource] = RESOURCES) -> Resource | None:
    """The first of `resources` with nothing left; None when the run may go on."""
    return next((name for name in resources if left(budget, usage, name) == 0), None)


def checked(budget: Mapping[str, object]) -> Budget:
    """`budget` as given by a caller, or UsageError naming the entry that is not a limit."""
    known = {*RESOURCES, "repairs"}
    for name, value in budget.items():
        if name not in known:
            raise UsageError(f"unknown budget {name!r}", fix=f"known: {', '.join(sorted(known))}")
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
            raise UsageError(f"budget {name!r} is {value!r}", fix="give a number of at least 0, or leave it out")
    return cast(Budget, dict(budget))
