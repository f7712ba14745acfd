"""A designer's slips are drawn apart from its decision: the decision is made first and spoilt afterwards, so that a
slip is always something the runtime refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .dice import Dice

Action = dict[str, Any]
Spoil = Callable[[Action], None]
"""Puts something wrong into an action, in place."""


def as_json(action: Action) -> str:
    """An action as a reply."""
    return json.dumps(action, ensure_ascii=False)


@dataclass(frozen=True)
class Slips:
    """Draws and rates for one decision."""

    dice: Dice
    rates: Mapping[str, float]

    def written(
        self,
        action: Action,
        *,
        careful: bool,
        key: Spoil | None = None,
        operator: Spoil | None = None,
        render: Callable[[Action], str] = as_json,
    ) -> str:
        """The action as a reply, spoilt at the rates `design.*`: cut short, with a key that does not exist, or with an
        operator that does not exist. `key` and `operator` None: the action names none. `careful`: nothing is spoilt."""
        if careful:
            return render(action)
        if self.dice.happens("json", self.rates["design.malformed_json"]):
            return render(action)[:-2]
        said = deepcopy(action)
        if key and self.dice.happens("key", self.rates["design.unknown_key"]):
            key(said)
        elif operator and self.dice.happens("operator", self.rates["design.unknown_operator"]):
            operator(said)
        return render(said)
