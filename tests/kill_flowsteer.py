"""FlowSteer's run: a refused action and its repair, a parallel, a conditional whose branch is taken, a loop with a tool
in it, a node that fails, its undo, an inspection, a finish."""

from __future__ import annotations

import json
from typing import Any, Final

from kill_lookup import arguments
from kill_scenario import Scenario, operator_of


def node(operator: str, prompt: str = "Work it out.") -> dict[str, Any]:
    return {"kind": "operator", "operator": operator, "prompt": prompt}


def action(name: str, **fields: Any) -> str:
    return json.dumps({"action": name, **fields})


LOOKUP: Final = node("LOOKUP", "look up alpha")
BRANCHES: Final = [[node("Custom")], [node("AnswerGenerate")], [LOOKUP]]


def others(_: str, texts: list[str]) -> str:
    if operator_of(texts) == "REVIEW_SOLUTION":
        return "not quite\nVerdict: reject"
    return arguments(texts) or "It is plain.\nAnswer: 42"


FLOWSTEER: Final = Scenario(
    designs={
        (1, 0): action("add", operator="Oracle", prompt="Know it."),
        (1, 1): action("parallel", branches=BRANCHES),
        (2, 0): action("conditional", condition=node("Review"), then=[node("Revise")]),
        (3, 0): action("loop", body=[LOOKUP, node("Revise")], times=2),
        (4, 0): action("add", operator="BROKEN", prompt="look up gamma"),
        (5, 0): action("undo"),
        (6, 0): action("inspect", node="node_7"),
        (7, 0): action("finish"),
    },
    others=others,
    outcomes=("refused", *["plan"] * 6, "finish"),
    failing=("BROKEN",),
    calls=22,
    looked_up=4,
    at_once=3,
)
