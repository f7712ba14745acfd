"""How a run's answer comes about is stated before anything is asked: what it rests on, and who words it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Closing:
    """The making of one answer."""

    candidate: str | None
    """Memory key of the entry that it rests on; None: it rests on no single one."""
    operator: str | None = None
    """Operator by which the generator words it; None: the candidate's own words are the answer."""
    instruction: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What the operator is shown: text by display key."""

    fallback: str | None = None
    """Memory key of the entry that stands in where there is no candidate and no model can be asked; None: none."""
