"""A turn is one decision of the designer, kept whether or not it was accepted: rejected designs are data too."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from .budget import Usage
from .faults import Fault

Outcome = Literal["plan", "finish", "give_up", "refused", "unanswered"]


class Turn(TypedDict):
    """One reply of the designer and what the runtime made of it."""

    at: list[int]
    """[turn, attempt]: place in the run."""
    turn: int
    attempt: int
    """0 for the first reply, 1.. for repairs of the same decision."""
    call: str
    """Id of the model call in `calls`, which has what was really sent and sampled; empty: none was answered."""
    reply: str | None
    """The text as sampled; None: the provider gave none."""
    action: dict[str, Any] | None
    """The action read from it, as the system understands it; None: none was found."""
    notices: list[str]
    """What had to be put right to read it; empty: nothing."""
    outcome: Outcome
    faults: list[Fault]
    """Why it was refused; empty when it was accepted."""
    operations: list[str]
    """Ids of the operations it planned."""
    description: str
    """The stage's sub-goal, the edit, or the reason for stopping."""
    observation: str
    """What the decision itself brought to light; empty: nothing."""
    model: str | None
    """Model that answered; None: no answer."""
    usage: Usage
