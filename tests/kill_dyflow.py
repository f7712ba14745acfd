"""DyFlow's run: a refused stage and its repair, three drafts side by side with a review, a vote beside an executed
check, a finish."""

from __future__ import annotations

from typing import Final

from kill_scenario import Scenario, operator_of
from scripted import finish, operator, stage

FAN: Final = stage(
    *(operator("GENERATE_ANSWER", ["problem"], f"draft{i}") for i in range(3)),
    operator("REVIEW_SOLUTION", ["problem", "draft0"], "review"),
)
VOTE: Final = stage(
    operator("SELF_CONSISTENCY_ENSEMBLE", ["problem"], "vote"),
    operator("GENERATE_CODE", ["problem", "draft1"], "code"),
    operator("TEST_CODE", ["code"], "check"),
)
SAYS: Final = {
    "REVIEW_SOLUTION": "fine\nVerdict: accept",
    "GENERATE_CODE": "```python\ndef solve():\n    return 42\nassert solve() == 42\n```",
}

DYFLOW: Final = Scenario(
    designs={(1, 0): '{"operators": "all of them"}', (1, 1): FAN, (2, 0): VOTE, (3, 0): finish("vote@1")},
    others=lambda _, texts: SAYS.get(operator_of(texts), "Answer: 42"),
    outcomes=("refused", "plan", "plan", "finish"),
    failing=(),
    calls=15,
    looked_up=0,
    at_once=6,
)
