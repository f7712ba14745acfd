"""A JSON action is read whole or refused with one line for every unmet constraint; nothing in it is guessed, and a
name that nobody knows is answered with the nearest one."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from .action import ACTIONS, Action
from .placing import SHOWN, named

ACTION: Final[TypeAdapter[Action]] = TypeAdapter(Action)
MEANT: Final = {
    "remove": "delete", "drop": "delete", "insert": "add", "append": "add", "create": "add", "branch": "parallel",
    "if": "conditional", "condition": "conditional", "repeat": "loop", "replace": "modify", "update": "modify",
    "edit": "modify", "change": "modify", "prompt": "set_prompt", "done": "finish", "stop": "finish", "end": "finish",
    "submit": "finish", "abort": "cancel", "revert": "undo", "rollback": "undo", "show": "inspect", "view": "inspect",
}  # fmt: skip
"""Words that models use for actions, and the actions."""
MOST_LINES: Final = 8


def read_json(action: dict[str, Any]) -> Action:
    """The action in `action`. Raises ValueError with one line for every unmet constraint, eight at most."""
    name = action.get("action")
    if name not in ACTIONS:
        raise ValueError(f"action: {unknown_action(name)}")
    try:
        return ACTION.validate_python(action)
    except ValidationError as error:
        lines = dict.fromkeys(_line(one["loc"], one["msg"]) for one in error.errors(include_url=False))
        raise ValueError("; ".join(list(lines)[:MOST_LINES])) from error


def unknown_action(name: object) -> str:
    """What is wrong with an action of this name, and which one may be meant."""
    if not isinstance(name, str) or not name.strip():
        return f"missing; one of {', '.join(ACTIONS)}"
    meant = meant_action(name)
    return f"there is no action {named(name)}; {f'did you mean {meant}? ' if meant else ''}one of {', '.join(ACTIONS)}"


def meant_action(name: str) -> str | None:
    """The action that a wrong name may stand for; None: none comes near."""
    word = name[:SHOWN].strip().casefold().replace("-", "_").replace(" ", "_")
    near = get_close_matches(word, [*ACTIONS, *MEANT], n=1, cutoff=0.7)
    return MEANT.get(near[0], near[0]) if near else None


def _line(place: tuple[str | int, ...], message: str) -> str:
    """One problem; the action's own name, which opens its place, is left out."""
    return f"{'.'.join(str(part) for part in place[1:]) or 'action'}: {message}"
