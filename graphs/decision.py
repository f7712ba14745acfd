"""A decision is what the runtime made of a designer's action: typed, complete, with ids and keys of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .operation import Planned


@dataclass(frozen=True)
class Plan:
    """Go on: run these operations, by data dependence. None of them: the next turn follows at once."""

    operations: list[Planned]
    description: str
    canvas: dict[str, Any] | None = None
    """The canvas from now on; None: as it was."""
    notices: Sequence[str] = ()
    """What was read otherwise than it was written; kept with the turn."""
    observation: str = ""
    """What the decision itself brought to light, such as an inspected output; empty: nothing."""


@dataclass(frozen=True)
class Finish:
    """Stop: the answer is there."""

    key: str | None
    """Memory entry that holds it; None: it is written from all that memory holds."""
    reason: str


@dataclass(frozen=True)
class GiveUp:
    """Stop without a candidate of the designer's choice."""

    reason: str


Decision = Plan | Finish | GiveUp
