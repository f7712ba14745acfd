"""What a run did, told once: the lines after k turns are the first lines after k + 1, whatever the texts hold, so that
a model server can keep what it has read. What is long is cut when its line is first written, never later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ..operators.context import excerpt
from .memory import Entry
from .operation import Operation
from .section import inert_json
from .system import Scene
from .turn import Turn

RESULT: Final = 2_000
"""Characters of one result."""
PHRASE: Final = 600
"""Characters of a sub-goal, a verdict or an argument list."""


def chronicle(scene: Scene) -> list[str]:
    """One JSON object a line: the calls, verdicts and refused decisions of every turn that is over. No text in it opens
    or closes a section of a prompt."""
    return [
        inert_json(json.dumps(line, ensure_ascii=False))
        for turn in range(1, scene.state["run"]["turn"] + 1)
        for line in turn_lines(scene, turn)
    ]


def turn_lines(scene: Scene, turn: int) -> Iterator[dict[str, Any]]:
    """The lines of one turn, in order; none while it has not been decided."""
    yield from (refused_line(one) for one in last_attempt(scene, turn) if one["outcome"] == "refused")
    by_key = {one["key"]: one for one in scene.memory.entries}
    for operation in scene.state.get("operations", []):
        if operation["turn"] == turn:
            yield call_line(operation, by_key.get(operation["output"]))
    for one in scene.memory.entries:
        if one["kind"] == "verdict" and one["at"][0] == turn:
            word = "stop" if one["data"].get("stop") else "continue"
            yield {"turn": turn, "verdict": word, "analysis": excerpt(one["content"], PHRASE)}


def last_attempt(scene: Scene, turn: int) -> list[Turn]:
    """The last reply of a turn that is over; the replies of the turn being decided are no history yet."""
    if turn == scene.state["run"]["turn"] and not scene.state.get("stop"):
        return []
    return [one for one in scene.state.get("turns", []) if one["turn"] == turn][-1:]


def refused_line(turn: Turn) -> dict[str, Any]:
    """A turn of which nothing ran."""
    faults = [
        {name: excerpt(one[name] or "", PHRASE) for name in ("code", "message", "expected") if one[name]}
        for one in turn["faults"]
    ]
    return {"turn": turn["turn"], "refused": faults}


def call_line(operation: Operation, made: Entry | None) -> dict[str, Any]:
    """One call and what it gave."""
    line: dict[str, Any] = {
        "turn": operation["turn"], "key": operation["output"], "tool": operation["operator"],
        "sub_goal": excerpt(operation["instruction"], PHRASE), "status": operation["status"],
    }  # fmt: skip
    if operation["arguments"] is not None:
        line["arguments"] = excerpt(json.dumps(operation["arguments"], ensure_ascii=False), PHRASE)
    if operation["fault"] is not None:
        line["fault"] = {name: operation["fault"][name] for name in ("code", "message", "expected")}
    if made is not None:
        line["result"] = excerpt(made["content"], RESULT)
        line |= {name: made[name] for name in ("answer", "verdict", "passed") if made[name] is not None}
        if "answer" in line:
            line["answer"] = excerpt(line["answer"], PHRASE)
    return line
