"""AgentFlow's run: an analysis, a refused decision and its repair, four calls side by side, a tool that fails beside
one that computes, a labelled step, arguments that do not fit at first, and a verdict that ends it."""

from __future__ import annotations

import json
from typing import Any, Final

from kill_lookup import arguments
from kill_scenario import Scenario, turn_of


def step(tool: str, sub_goal: str, **more: Any) -> dict[str, Any]:
    return {"tool": tool, "sub_goal": sub_goal, **more}


def steps(*several: dict[str, Any]) -> str:
    return json.dumps({"justification": "next", "steps": several})


FAN: Final = steps(
    step("LOOKUP", "look up alpha"),
    step("LOOKUP", "look up beta", arguments={"what": "beta"}),
    step("GENERATE_ANSWER", "a draft"),
    step("GENERATE_ANSWER", "another draft"),
)
MIXED: Final = steps(step("BROKEN", "look up gamma"), step("CALCULATOR", "multiply", arguments={"expression": "6*7"}))
LABELLED: Final = "Justification: one is left\nContext: none\nSub-Goal: look up delta\nTool Name: LOOKUP"


def others(model: str, texts: list[str]) -> str:
    if model == "verifier":
        return json.dumps({"analysis": "so far", "stop": turn_of(texts) == 3})
    return arguments(texts) or "It is plain.\nAnswer: 42"


AGENTFLOW: Final = Scenario(
    designs={(1, 0): steps(step("ORACLE", "know")), (1, 1): FAN, (2, 0): MIXED, (3, 0): LABELLED},
    others=others,
    outcomes=("refused", "plan", "plan", "plan"),
    failing=("BROKEN",),
    calls=17,
    looked_up=4,
    at_once=4,
)
