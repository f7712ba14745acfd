"""An action is one proposal, complete in itself: what it says about a canvas is checked by whoever applies it."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, StrictInt

from .predicate import Predicate
from .spec import ConditionalShape, LoopShape, OperatorShape, ParallelShape, Strict

ActionName = Literal[
    "add", "parallel", "conditional", "loop", "delete", "modify", "set_prompt", "finish", "cancel", "undo", "inspect"
]
ACTIONS: Final[tuple[ActionName, ...]] = get_args(ActionName)
PART: Final = r"^(then|otherwise|body|new_branch|branch_[1-9][0-9]?)$"


class Slot(Strict):
    """A sequence inside a structure."""

    node: str
    """Id of the structure."""
    part: Annotated[str, Field(pattern=PART)]
    """`then` or `otherwise` of a conditional, `body` of a loop, `branch_1` and so on of a parallel, or `new_branch`."""


class _Placed(Strict):
    """Where a new node goes; nothing said: to the end of the workflow."""

    after: str | None = None
    """Id of the node that it follows, wherever that is; None: `into` and `position` decide."""
    into: Slot | None = None
    """None: the workflow itself."""
    position: StrictInt | None = None
    """Index in the sequence, from 0; its length or more, or None: the end."""


class Add(OperatorShape, _Placed):
    """Add an operator."""

    action: Literal["add"] = "add"


class AddParallel(ParallelShape, _Placed):
    """Add a parallel with all its branches."""

    action: Literal["parallel"] = "parallel"


class AddConditional(ConditionalShape, _Placed):
    """Add a conditional with both its branches."""

    action: Literal["conditional"] = "conditional"


class AddLoop(LoopShape, _Placed):
    """Add a loop with its body."""

    action: Literal["loop"] = "loop"


class Delete(Strict):
    """Remove a node and all it holds."""

    action: Literal["delete"] = "delete"
    target: str


class Modify(Strict):
    """Change a node in place; its id stays. What is None stays as it is."""

    action: Literal["modify"] = "modify"
    target: str
    operator: str | None = None
    """Of an operator node."""
    prompt: str | None = None
    """Of an operator node."""
    times: StrictInt | None = None
    """Of a loop."""
    until: Predicate | Literal["never"] | None = None
    """Of a loop; `never`: it runs all its passes."""
    when: Predicate | None = None
    """Of a conditional."""


class SetPrompt(Strict):
    """Give an operator node another prompt."""

    action: Literal["set_prompt"] = "set_prompt"
    target: str
    prompt: str


class Finish(Strict):
    """Stop editing."""

    action: Literal["finish"] = "finish"
    answer: str | None = None
    """What the director believes the answer to be: kept on record, never used. None: it said nothing."""


class Cancel(Strict):
    """Take back the edit that waits for a prompt."""

    action: Literal["cancel"] = "cancel"


class Undo(Strict):
    """Take back the latest edits."""

    action: Literal["undo"] = "undo"
    edits: StrictInt = 1


class Inspect(Strict):
    """Look at what a node gave, in full."""

    action: Literal["inspect"] = "inspect"
    node: str
    span: tuple[StrictInt, StrictInt] | None = None
    """First character and the one after the last; None: from the start, as far as the reader goes."""


Addition: TypeAlias = Add | AddParallel | AddConditional | AddLoop
EditAction: TypeAlias = Addition | Delete | Modify | SetPrompt
"""What changes a canvas."""
Action: TypeAlias = Annotated[EditAction | Finish | Cancel | Undo | Inspect, Field(discriminator="action")]
