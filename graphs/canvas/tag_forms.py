"""How each action is written in tags is data: which tags it must have, which it may have, and what they make."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from .action import (
    Action,
    Add,
    AddConditional,
    AddLoop,
    AddParallel,
    Cancel,
    Delete,
    Finish,
    Inspect,
    Modify,
    SetPrompt,
    Undo,
)
from .dsl import DONE
from .spec import OperatorSpec, SequenceSpec

Fields = Mapping[str, str]
NUMBER: Final = re.compile(r"[+-]?\d{1,9}")
SPAN: Final = re.compile(r"(\d{1,9})\s*(?:-|,|\.\.|\s)\s*(\d{1,9})")


@dataclass(frozen=True)
class Form:
    """How one action is written."""

    build: Callable[[Fields], Action]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    example: str


def plain_word(text: str) -> str:
    """A word in small letters, with `_` for blanks and hyphens."""
    return re.sub(r"[\s-]+", "_", text.strip().casefold())


def _several(text: str) -> tuple[OperatorSpec, ...]:
    """Operators between commas, semicolons or blanks."""
    return tuple(OperatorSpec(operator=name) for name in re.split(r"[\s,;]+", text) if name)


def _number(fields: Fields, name: str) -> int | None:
    return int(fields[name]) if name in fields else None


def _parallel(fields: Fields) -> Action:
    branches = tuple((one,) for one in _several(fields["operators"]))
    return AddParallel(branches=branches, position=_number(fields, "position"))


def _conditional(fields: Fields) -> Action:
    """The first branch mends what the condition refused, as published."""
    no = fields.get("false", "")
    otherwise: SequenceSpec = () if plain_word(no) in ("", DONE) else (OperatorSpec(operator=no),)
    return AddConditional(
        condition=OperatorSpec(operator=fields["condition"]),
        then=(OperatorSpec(operator=fields["true"]),),
        otherwise=otherwise,
        position=_number(fields, "position"),
    )


def _loop(fields: Fields) -> Action:
    times, position = _number(fields, "count"), _number(fields, "position")
    return AddLoop(body=_several(fields["operators"]), times=times, position=position)


def _add(fields: Fields) -> Action:
    return Add(operator=fields["operator"], prompt=fields.get("prompt"), position=_number(fields, "position"))


def _modify(fields: Fields) -> Action:
    operator, prompt, times = fields.get("operator"), fields.get("prompt"), _number(fields, "count")
    return Modify(target=fields["target"], operator=operator, prompt=prompt, times=times)


def _delete(fields: Fields) -> Action:
    return Delete(target=fields["target"])


def _set_prompt(fields: Fields) -> Action:
    return SetPrompt(target=fields["target"], prompt=fields["prompt"])


def _finish(fields: Fields) -> Action:
    return Finish(answer=fields.get("answer"))


def _cancel(_: Fields) -> Action:
    return Cancel()


def _undo(fields: Fields) -> Action:
    count = _number(fields, "count")
    return Undo() if count is None else Undo(edits=count)


def _inspect(fields: Fields) -> Action:
    found = SPAN.fullmatch(fields.get("span", ""))
    return Inspect(node=fields["target"], span=(int(found[1]), int(found[2])) if found else None)


def _example(action: str, **fields: str) -> str:
    return "".join(f"<{name}>{text}</{name}>" for name, text in {"action": action, **fields}.items())


STRUCTURES: Final = ("parallel", "conditional", "loop")
FORMS: Final[dict[str, Form]] = {
    "add": Form(_add, ("operator",), ("prompt", "position"), _example("add", operator="NAME")),
    "parallel": Form(
        _parallel, ("operators",), ("structure", "position"),
        _example("add", structure="parallel", operators="NAME, NAME"),
    ),
    "conditional": Form(
        _conditional, ("condition", "true"), ("structure", "false", "position"),
        _example("add", structure="conditional", condition="NAME", true="NAME", false="done"),
    ),
    "loop": Form(
        _loop, ("operators",), ("structure", "count", "position"),
        _example("add", structure="loop", operators="NAME, NAME", count="3"),
    ),
    "delete": Form(_delete, ("target",), (), _example("delete", target="node_1")),
    "modify": Form(
        _modify, ("target",), ("operator", "prompt", "count"), _example("modify", target="node_1", operator="NAME")
    ),
    "set_prompt": Form(
        _set_prompt, ("target", "prompt"), (), _example("set_prompt", target="node_1", prompt="...")
    ),
    "finish": Form(_finish, (), ("answer",), _example("finish")),
    "cancel": Form(_cancel, (), (), _example("cancel")),
    "undo": Form(_undo, (), ("count",), _example("undo", count="1")),
    "inspect": Form(_inspect, ("target",), ("span",), _example("inspect", target="node_1", span="0-500")),
}  # fmt: skip
"""The published actions, a structure also under its own name, and the three that are ours."""
