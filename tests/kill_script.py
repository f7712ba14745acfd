"""What the scripted server says to the runs that get killed: a function of the prompt alone, so that a repeated request
gets the same answer whoever asks. `Answer` is given by the server."""

from __future__ import annotations

import json
import re
from typing import Any


def operator(name: str, inputs: list[str], output: str) -> dict[str, Any]:
    params = {"instruction_type": name, "input_keys": inputs, "output_key": output, "input_usage": "do it"}
    return {"operator_description": "", "params": params}


def stage(*operators: dict[str, Any]) -> str:
    return json.dumps({"stage_description": "work", "operators": operators})


FAN = stage(
    *(operator("GENERATE_ANSWER", ["problem"], f"draft{i}") for i in range(3)),
    operator("REVIEW_SOLUTION", ["problem", "draft0"], "review"),
)
VOTE = stage(
    operator("SELF_CONSISTENCY_ENSEMBLE", ["problem"], "vote"),
    operator("GENERATE_CODE", ["problem", "draft1"], "code"),
    operator("TEST_CODE", ["code"], "check"),
)
CODE = "```python\ndef solve():\n    return 42\nassert solve() == 42\n```"


def designer(prompt: str, *, refused: bool) -> str:
    if '"vote@1"' in prompt:
        return '{"finish": "vote@1", "reason": "voted"}'
    if '"draft0@1"' in prompt:
        return VOTE
    return FAN if refused else '{"operators": "all of them"}'


def reply(request: Any) -> str:
    texts = [str(message["content"]) for message in request.body["messages"]]
    found = re.search(r"You are the (\w+) operator", texts[0])
    if found is None:
        return designer(texts[1], refused=len(texts) > 2)
    says = {"REVIEW_SOLUTION": "fine\nVerdict: accept", "GENERATE_CODE": CODE}
    return says.get(found.group(1), "Answer: 42")
