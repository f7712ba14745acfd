"""Work that is on record is not done again: an operation with the same content key has the same result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .call_packing import packed
from .call_record import CallRecord
from .memory import Entry
from .operation import Operation
from .state import State


@dataclass(frozen=True)
class KeptOperation:
    """An operation as it was, with all that it left."""

    operation: Operation
    entry: Entry | None
    """What it made; None: nothing."""
    calls: Sequence[CallRecord] = field(default_factory=list)

    def update(self) -> dict[str, Any]:
        """What its executor wrote."""
        update: dict[str, Any] = {"operations": [self.operation], "usage": {**self.operation["usage"], "seconds": 0.0}}
        if self.entry is not None:
            update["memory"] = [self.entry]
        if self.calls:
            update["calls"] = [packed(one) for one in self.calls]
        return update


def kept_operations(state: State, made: Iterable[CallRecord]) -> Mapping[str, KeptOperation]:
    """The operations of a run that did something, by id; `made` are the run's calls."""
    entries = {one["operation"]: one for one in state.get("memory", []) if one["operation"]}
    calls: dict[str, list[CallRecord]] = {}
    for call in made:
        if call["role"] == "executor":
            calls.setdefault(call["place"], []).append(call)
    return {
        one["id"]: KeptOperation(one, entries.get(one["id"]), calls.get(one["id"], []))
        for one in state.get("operations", [])
        if one["status"] != "skipped"
    }
