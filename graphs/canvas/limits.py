"""A limit is a number that an edit is checked against; what was accepted under it can always be run whole, because
nothing is cut off later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class CanvasLimits:
    """How large a canvas may grow."""

    operators: int = 16
    """Operator nodes on the whole canvas, a loop's body counted once."""
    branches: int = 5
    """Branches of one parallel."""
    passes: int = 5
    """Passes of one loop."""
    depth: int = 3
    """Structures around an operator; 1: nothing nests."""
    prompt: int = 2_000
    """Characters of one prompt."""
    min_prompt: int = 1
    """Characters a prompt has at least."""

    @property
    def default_passes(self) -> int:
        """Passes of a loop whose number nobody gave: 3, or fewer where fewer are allowed."""
        return min(3, self.passes)


DEFAULT_LIMITS: Final = CanvasLimits()
PUBLISHED_LIMITS: Final = CanvasLimits(operators=40, branches=30, passes=10, depth=1, min_prompt=5)
"""The published numbers: FlowSteer, arXiv 2602.01664. There is no published limit on operators; 40 hold the widest
parallel and more than twenty rounds can put around it."""
