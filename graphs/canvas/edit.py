"""An edit is a transaction: it is applied whole or refused with every unmet constraint, and a refusal leaves the board
as it was. From every board some action succeeds: a pending edit can be cancelled, a node deleted, an edit undone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

from ..faults import Refused, fault
from .action import Action, Cancel, EditAction, Finish, Inspect, Modify, SetPrompt, Undo
from .board import Board, Edit, Pending, filled, missing_prompts, replayed
from .change import changed
from .check import Rules
from .diff import diff
from .limits import DEFAULT_LIMITS, CanvasLimits
from .node import Canvas
from .placing import node_called
from .vet import Operators, Vetting, prompt_faults


@dataclass(frozen=True)
class Applied:
    """What an accepted action did."""

    board: Board
    changed: bool
    """Whether the workflow is another one now and has to run."""
    nodes: list[str] = field(default_factory=list)
    """Ids of the nodes it made or changed; of an inspection, the node looked at."""
    description: str = ""
    """One line, such as `+ node_3 Verify after node_2`."""
    notices: list[str] = field(default_factory=list)
    """What was read otherwise than it was written."""
