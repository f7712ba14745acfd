"""An edit is a transaction: it is applied whole or refused with every unmet constraint, and a refusal leaves the board
as it was. From every board some action succeeds: a pending edit can be cancelled, a node deleted, an edit undone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..faults import Fault, Refused, fault
from .action import Action, Add, Addition, Cancel, Delete, EditAction, Finish, Inspect, Modify, SetPrompt, Undo
from .board import Board, Edit, Pending, filled, missing_prompts, replayed
from .change import changed
from .check import Rules
from .diff import diff
from .dsl import operator_text
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
    nodes: list[str]
    """Ids of the nodes it made, changed or moved; of an inspection, the node looked at."""
    description: str
    """One line, such as `+ node_3 Verify after node_2`."""
    notices: list[str] = field(default_factory=list)
    """What was read otherwise than it was written."""


def apply(
    board: Board,
    action: Action,
    *,
    operators: Operators,
    limits: CanvasLimits = DEFAULT_LIMITS,
    two_step: bool = False,
) -> Applied:
    """What `action` makes of `board`. `two_step`: an edit without prompts waits for them on the board; else it is
    refused. Whether a finish is accepted is for `unmet` to say: here it changes nothing. Raises Refused."""
    if board.pending is not None:
        return _cancelled(board, action)
    match action:
        case Finish():
            return Applied(board, False, [], "finish")
        case Inspect():
            return _inspected(board, action)
        case Cancel():
            raise Refused([fault("policy", "nothing_pending", "nothing waits for a prompt", expected="an edit")])
        case Undo():
            return _undone(board, action)
        case _:
            return _edited(board, action, Vetting(operators, limits, two_step))


def give_prompt(board: Board, text: str, *, limits: CanvasLimits = DEFAULT_LIMITS) -> Applied:
    """The board with `text` as the prompt it waits for; the edit is complete with the last one. Raises Refused for a
    text that is no prompt, and where none is awaited."""
    awaited, pending = board.awaited, board.pending
    if awaited is None or pending is None:
        raise Refused([fault("policy", "nothing_pending", "no prompt is awaited", expected="an action")])
    prompt = text.strip()
    if faults := prompt_faults(prompt, f"the prompt of {awaited.operator}", limits):
        raise Refused(faults)
    pending = pending.model_copy(update={"prompts": (*pending.prompts, prompt)})
    action = filled(pending.action, pending.prompts)
    if awaited.number == awaited.of:
        return _recorded(board, pending.first, action)
    canvas = _made(board, pending.first, action)
    return _waiting(board.model_copy(update={"canvas": canvas, "pending": pending}), [])


def _edited(board: Board, proposed: EditAction, vetting: Vetting) -> Applied:
    canvas, action = board.canvas, vetting.of(proposed)
    faults = vetting.faults
    rules = Rules(vetting.operators, vetting.limits, known=canvas.next_number)
    try:
        after = changed(canvas, action)
    except Refused as refused:
        raise Refused([*faults, *refused.faults, *_wherever(canvas, action, rules)]) from refused
    faults += rules.faults(after)
    waiting = _without_prompts(action) if vetting.two_step else None
    if after == canvas and waiting is None:
        faults.append(_no_effect(action))
    if faults:
        raise Refused(faults)
    if waiting is None:
        return _recorded(board, canvas.next_number, action, vetting.notices)
    return _begun(board, waiting, after, vetting.notices)


def _wherever(canvas: Canvas, action: EditAction, rules: Rules) -> list[Fault]:
    """What would be wrong with a new node in any place."""
    if isinstance(action, Delete | Modify | SetPrompt):
        return []
    placeless = action.model_copy(update={"after": None, "into": None, "position": None})
    return rules.faults(changed(canvas, placeless))


def _without_prompts(action: EditAction) -> Addition | Modify | None:
    """The action, if operators of it have no prompt yet."""
    if isinstance(action, Delete | SetPrompt) or not missing_prompts(action):
        return None
    return action


def _no_effect(action: EditAction) -> Fault:
    target = "the canvas" if isinstance(action, Addition) else action.target
    return fault("policy", "no_effect", f"{target} is so already", expected="an edit that changes something")


def _begun(board: Board, action: Addition | Modify, after: Canvas, notices: list[str]) -> Applied:
    """The board that waits for prompts. A structure is on its canvas at once, an operator with its prompt."""
    pending = Pending(first=board.canvas.next_number, action=action)
    canvas = board.canvas if isinstance(action, Add | Modify) else after
    return _waiting(board.model_copy(update={"canvas": canvas, "pending": pending}), notices)


def _waiting(board: Board, notices: list[str]) -> Applied:
    awaited = board.awaited
    assert awaited is not None, "a board that waits knows for whom"
    who = operator_text(awaited.operator) + (f" ({awaited.node})" if awaited.node else "")
    description = f"? prompt {awaited.number} of {awaited.of}, for {who}"
    return Applied(board, False, [awaited.node] if awaited.node else [], description, notices)


def _recorded(board: Board, first: int, action: EditAction, notices: Sequence[str] = ()) -> Applied:
    """The board with one more edit."""
    before = replayed(board.edits)
    canvas = _made(board, first, action)
    edits = (*board.edits, Edit(first=first, action=action))
    return _applied(Board(canvas=canvas, edits=edits), before, notices)


def _made(board: Board, first: int, action: EditAction) -> Canvas:
    """The canvas with one more edit, whatever of it is there already."""
    return changed(replayed(board.edits).model_copy(update={"next_number": first}), action)


def _undone(board: Board, action: Undo) -> Applied:
    if not 1 <= action.edits <= len(board.edits):
        expected = f"1 to {len(board.edits)}" if board.edits else "an edit: nothing was done yet"
        raise Refused([fault("policy", "out_of_range", f"{action.edits} edits to undo", expected=expected)])
    return _back(board, board.edits[: -action.edits])


def _cancelled(board: Board, action: Action) -> Applied:
    """The board without its pending edit, which never ran. Raises Refused for any other action."""
    awaited = board.awaited
    assert awaited is not None, "a board that waits knows for whom"
    if not isinstance(action, Cancel):
        message = f"{action.action} came while the prompt of {awaited.operator} is awaited"
        raise Refused([fault("policy", "expected_prompt", message, expected="the text of the prompt, or cancel")])
    back = _back(board, board.edits)
    line = f"cancelled {operator_text(awaited.operator)}" if board.canvas == back.board.canvas else back.description
    return replace(back, changed=False, description=line)


def _back(board: Board, edits: tuple[Edit, ...]) -> Applied:
    """The board as `edits` make it; numbers that were given stay given."""
    canvas = replayed(edits).model_copy(update={"next_number": board.canvas.next_number})
    return _applied(Board(canvas=canvas, edits=edits), board.canvas)


def _applied(board: Board, before: Canvas, notices: Sequence[str] = ()) -> Applied:
    difference = diff(before, board.canvas)
    line = difference.line or "nothing changed"
    return Applied(board, before.nodes != board.canvas.nodes, difference.nodes, line, list(notices))


def _inspected(board: Board, action: Inspect) -> Applied:
    node = node_called(board.canvas, action.node)
    if action.span is not None and not 0 <= action.span[0] < action.span[1]:
        message = f"the span {action.span[0]} to {action.span[1]} holds nothing"
        raise Refused([fault("policy", "out_of_range", message, expected="a start from 0 and a later end")])
    return Applied(board, False, [node.id], f"inspect {node.id}")
