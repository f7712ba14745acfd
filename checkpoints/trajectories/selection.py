"""A selection says which runs and which of their calls are read; what it says nothing about is not left out.

Invariant: `admits` looks at the run alone and `takes` at the call alone, so that every call that is not taken belongs
to a run that was, and can be counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from difflib import get_close_matches
from typing import Any, Final, Self, get_args

from ...errors import UsageError
from ...graphs.call_record import CallRecord
from ...graphs.state import Status
from .trajectory import Trajectory

_SINGULAR: Final = {
    "system": "systems", "role": "roles", "policy": "policies", "version": "versions", "status": "statuses",
    "task": "tasks", "thread": "threads",
}  # fmt: skip
FILTERS: Final = (*_SINGULAR, "since", "until", "reward")
"""Names of the filters as a person writes them."""
_BOUND: Final = re.compile(
    r"(?:(?P<low>[^<>=]+)<=)?(?P<name>[A-Za-z][^<>=]*)(?:(?P<sign>>=|<=|==?)(?P<value>[^<>=]+))?"
)


@dataclass(frozen=True)
class RewardRange:
    """Runs that have a reward of this name, between two values, both included."""

    name: str
    least: float | None = None
    """None: as low as it may be."""
    most: float | None = None
    """None: as high as it may be."""

    @classmethod
    def parsed(cls, text: str) -> Self:
        """`exact`, `exact>=0.5`, `exact<=0.5`, `exact=1` or `0.2<=exact<=0.5`. Raises UsageError for another form."""
        found = _BOUND.fullmatch(text.replace(" ", ""))
        if found is None or (found["low"] and found["sign"] != "<="):
            raise _no_range(text)
        try:
            value = float(found["value"]) if found["value"] else None
            low = float(found["low"]) if found["low"] else None
        except ValueError:
            raise _no_range(text) from None
        least = low if found["sign"] == "<=" else value
        return cls(found["name"], least, None if found["sign"] == ">=" else value)

    def holds(self, rewards: Mapping[str, float]) -> bool:
        """Whether there is such a reward and it lies between the two."""
        value = rewards.get(self.name)
        if value is None:
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


@dataclass(frozen=True)
class Selection:
    """Which runs, and which of their calls. Every filter that is empty or None lets all pass; names are compared
    whole."""

    systems: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    """Of calls."""
    policies: tuple[str, ...] = ()
    """Public names, of calls."""
    versions: tuple[str, ...] = ()
    """What exactly answered, of calls."""
    statuses: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    """Ids of tasks."""
    threads: tuple[str, ...] = ()
    since: str | None = None
    """Date, or date and time, in ISO 8601; without an offset it is UTC. Runs whose last checkpoint is not older."""
    until: str | None = None
    """The same for runs whose last checkpoint is not newer; a date means the whole day."""
    reward: RewardRange | None = None
    """A run without that reward is left out."""

    def __post_init__(self) -> None:
        """Raises UsageError for a time that is none and an unknown status."""
        for name in ("since", "until"):
            if (given := getattr(self, name)) is not None:
                _moment(given, name, whole_day=name == "until")
        for status in self.statuses:
            if status not in get_args(Status):
                raise _unknown("status", status, get_args(Status))

    @classmethod
    def parsed(cls, given: Mapping[str, str | Iterable[str]]) -> Self:
        """The selection of filters as a person writes them: `{"system": "dyflow,agentflow", "reward": "exact>=0.5"}`;
        several values of one filter are separated by commas. Raises UsageError for an unknown filter, time or status
        and for a filter without a value."""
        found: dict[str, Any] = {}
        for name, value in given.items():
            if name not in FILTERS and name not in _SINGULAR.values():
                raise _unknown("filter", name, FILTERS)
            values = tuple(one.strip() for one in (value.split(",") if isinstance(value, str) else value))
            if not all(values) or not values:
                raise UsageError(f"the filter {name!r} has no value", fix=f"for instance: {name}=VALUE")
            if name in ("since", "until", "reward"):
                if len(values) > 1:
                    raise UsageError(f"the filter {name!r} takes one value, not {len(values)}", fix="leave one")
                found[name] = RewardRange.parsed(values[0]) if name == "reward" else values[0]
            else:
                found[_SINGULAR.get(name, name)] = values
        return cls(**found)

    def admits(self, trajectory: Trajectory) -> bool:
        """Whether the run is selected: system, status, task, thread, time and reward."""
        run = trajectory
        if not self.may_admit(run.system, run.status, run.task, run.thread_id, run.updated):
            return False
        return self.reward is None or self.reward.holds(run.rewards)

    def may_admit(self, system: str, status: str, task: str | None, thread: str, updated: str | None) -> bool:
        """As `admits`, before its rewards are known."""
        pairs = [(self.systems, system), (self.statuses, status), (self.tasks, task), (self.threads, thread)]
        return self._in_time(updated) and not any(wanted and value not in wanted for wanted, value in pairs)

    def takes(self, call: CallRecord) -> bool:
        """Whether a call of a selected run is: role, policy and version."""
        pairs = [(self.roles, call["role"]), (self.policies, call["policy"]), (self.versions, call["version"])]
        return not any(wanted and value not in wanted for wanted, value in pairs)

    def as_json(self) -> dict[str, Any]:
        """The filters that are set, JSON-native: what a data card states."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        told = {name: [*value] if isinstance(value, tuple) else value for name, value in found.items() if value}
        if self.reward is not None:
            told["reward"] = {"name": self.reward.name, "least": self.reward.least, "most": self.reward.most}
        return told

    def _in_time(self, stamp: str | None) -> bool:
        if self.since is None and self.until is None:
            return True
        if stamp is None:
            return False
        moment = _moment(stamp, "time of a checkpoint", whole_day=False)
        if self.since is not None and moment < _moment(self.since, "since", whole_day=False):
            return False
        return self.until is None or moment <= _moment(self.until, "until", whole_day=True)


EVERYTHING: Final = Selection()


def _moment(text: str, name: str, *, whole_day: bool) -> datetime:
    try:
        if "T" not in text and " " not in text:
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=1, microseconds=-1) if whole_day else day
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{name} {text!r} is no time", fix="Write it as 2026-11-20 or 2026-11-20T18:30:00+00:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _unknown(kind: str, name: str, known: Iterable[str]) -> UsageError:
    known = [*known]
    near = get_close_matches(name.casefold(), known, n=1, cutoff=0.5)
    meant = f"Did you mean {near[0]}? " if near else ""
    return UsageError(f"there is no {kind} {name!r}", fix=f"{meant}There are {', '.join(known)}")


def _no_range(text: str) -> UsageError:
    return UsageError(
        f"{text!r} is no bound of a reward", fix="Write exact>=0.5, exact<=0.5, exact=1 or 0.2<=exact<=0.5"
    )
