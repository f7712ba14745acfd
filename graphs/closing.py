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

    @property
    def possible(self) -> bool:
        """Whether there is anything to answer from."""
        return self.candidate is not None or self.operator is not None
