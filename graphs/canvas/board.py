"""A board is a canvas with the edits that made it: replayed from an empty canvas they give the same nodes with the
same ids, so an undo is a replay of fewer of them. It is JSON-native and frozen; every change gives another board."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from .action import Add, AddConditional, Addition, AddLoop, AddParallel, EditAction, Modify
from .change import changed
from .node import Canvas, OperatorNode
from .spec import operators_of, with_operators


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Edit(_Record):
    """One accepted edit, with every name as the registry has it and every prompt filled in."""

    first: int
    """Number that its first new node got; with it a replay gives the same ids, whatever was undone in between."""
    action: Annotated[EditAction, Field(discriminator="action")]


class Pending(_Record):
    """An edit that waits for the prompts of its operators, one after another."""

    first: int
    """As in Edit."""
    action: Annotated[Add | AddParallel | AddConditional | AddLoop | Modify, Field(discriminator="action")]
    """Checked in everything but the prompts that are to come."""
    prompts: tuple[str, ...] = ()
    """Those that came, in the order of its operators."""


class Awaited(NamedTuple):
    """The operator whose prompt is awaited."""

    operator: str
    node: str | None
    """Its id; None: it gets one with its prompt."""
    number: int
    """Which of the prompts of this edit, from 1."""
    of: int
    """Prompts of this edit in all."""


class Board(_Record):
    """All that a run keeps of its workflow."""

    canvas: Canvas = Canvas()
    edits: tuple[Edit, ...] = ()
    """Accepted and not undone, oldest first."""
    pending: Pending | None = None
    """None: no prompt is awaited."""

    @classmethod
    def empty(cls) -> Board:
        """A board on which nothing was done."""
        return cls()

    @classmethod
    def of(cls, json: dict[str, Any]) -> Board:
        """The board that `as_json` gave."""
        return cls.model_validate(json)

    def as_json(self) -> dict[str, Any]:
        """The board in JSON-native values."""
        return self.model_dump(mode="json")

    @property
    def awaited(self) -> Awaited | None:
        """Whose prompt comes next; None: none is awaited."""
        return None if self.pending is None else _awaited(self.pending, self.canvas)


def replayed(edits: Iterable[Edit]) -> Canvas:
    """The canvas that the edits make of an empty one."""
    canvas = Canvas()
    for edit in edits:
        canvas = changed(canvas.model_copy(update={"next_number": edit.first}), edit.action)
    return canvas


def missing_prompts(action: Addition | Modify) -> int:
    """Prompts that the edit still lacks. A new operator in an old node wants a new prompt."""
    if isinstance(action, Modify):
        return int(action.operator is not None and action.prompt is None)
    return sum(one.prompt is None for one in operators_of(action))


def filled(action: Addition | Modify, prompts: Iterable[str]) -> Addition | Modify:
    """The edit with `prompts` given to the operators that have none, in their order, as far as they go."""
    rest = iter(prompts)
    if isinstance(action, Modify):
        return action.model_copy(update={"prompt": next(rest, None)})
    return with_operators(action, lambda name, prompt: (name, next(rest, None) if prompt is None else prompt))


def _awaited(pending: Pending, canvas: Canvas) -> Awaited:
    given, action = len(pending.prompts), pending.action
    total = missing_prompts(action)
    if isinstance(action, Modify):
        return Awaited(action.operator or "", action.target, given + 1, total)
    waiting = [index for index, one in enumerate(operators_of(action)) if one.prompt is None]
    operator = list(operators_of(action))[waiting[given]].operator
    return Awaited(operator, _node_at(pending, canvas, waiting[given]), given + 1, total)


def _node_at(pending: Pending, canvas: Canvas, index: int) -> str | None:
    """Id of the operator at `index` of a structure that is on the canvas already."""
    inside = [one for one in canvas.walk() if int(one.id.removeprefix("node_")) >= pending.first]
    operators = [one.id for one in inside if isinstance(one, OperatorNode)]
    return operators[index] if operators else None
