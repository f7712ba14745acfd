"""The planner ends a run on evidence in its memory alone. What it does not know how to solve, or could not settle
within the budget, it gives up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from langchain_core.messages import BaseMessage

from ..refusals import FRUITLESS, UNKNOWN, UNTESTABLE, UNVERIFIED
from ..skills import Problem
from ..slips import Action, Slips
from .findings import ONLY_CHECKED, Findings
from .step import Step, attempt, check
from .view import PlannerView

OPENINGS: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("arithmetic", "easy"): ("CALCULATOR",),
    ("arithmetic", "hard"): ("CALCULATOR", "PYTHON"),
    ("equations", "easy"): ("GENERATE_ANSWER",),
    ("equations", "hard"): ("ALGEBRA", "GENERATE_ANSWER"),
    ("game24", "easy"): ("PYTHON",),
    ("game24", "hard"): ("PYTHON", "GENERATE_ANSWER"),
    ("statistics", "easy"): ("PYTHON",),
    ("statistics", "hard"): ("PYTHON", "SELF_CONSISTENCY_ENSEMBLE"),
    ("functions", "easy"): ("GENERATE_ANSWER",),
    ("functions", "hard"): ("GENERATE_ANSWER", "GENERATE_ANSWER"),
    ("word_problems", "easy"): ("GENERATE_ANSWER",),
    ("word_problems", "hard"): ("GENERATE_ANSWER", "CALCULATOR"),
}
"""Tools of the first turn; several run at the same time."""
LADDERS: Final[dict[str, tuple[str, ...]]] = {
    "arithmetic": ("CALCULATOR", "PYTHON", "GENERATE_ANSWER"),
    "equations": ("ALGEBRA", "PYTHON", "GENERATE_ANSWER"),
    "game24": ("PYTHON", "GENERATE_ANSWER"),
    "statistics": ("PYTHON", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE"),
    "functions": ("GENERATE_ANSWER",),
    "word_problems": ("CALCULATOR", "PYTHON", "GENERATE_ANSWER"),
}
"""Tools to turn to afterwards, those that were used least first."""
CHECKED: Final = frozenset({"equations", "game24", "functions"})
"""Families whose results are checked by a program; of the others a second result is wanted, and a check where the two
contradict each other."""
STANDBY: Final = ("Programmer", "GENERATE_ANSWER", "SELF_CONSISTENCY_ENSEMBLE", "DEFAULT")
"""What else can come to an answer where a ladder has one rung or none."""
ENOUGH: Final = 2
"""Calls without an answer after which, with no result at all, there is none to be expected."""
SPARE_CALLS: Final = 3
"""Calls beside a turn's own: the decision being made, the verdict after it, and the final answer."""
MOST: Final = 3
"""Steps of one turn."""


def reply(messages: Sequence[BaseMessage], slips: Slips) -> str:
    """One JSON object; now and then a spoilt one."""
    view = PlannerView.read(messages)
    if view is None:
        return slips.written({"give_up": UNKNOWN}, careful=True)
    action, careful = decide(view), view.said.corrected
    if "steps" not in action:
        return slips.written(action, careful=careful)
    return slips.written(action, careful=careful, key=_wrong_key, operator=_wrong_tool)


def _wrong_key(action: Action) -> None:
    action["steps"][-1]["inputs"] = ["result_final"]


def _wrong_tool(action: Action) -> None:
    action["steps"][-1]["tool"] = "ANSWER_CHECKER"


def decide(view: PlannerView) -> Action:
    """The next steps, the end, or surrender."""
    findings, runs_code = view.findings, view.offers("PYTHON")
    if (settled := findings.settled) is not None:
        return {"finish": findings.reason(settled)}
    if findings.fruitless >= ENOUGH and not findings.groups:
        return {"give_up": FRUITLESS}
    if not runs_code and view.problem.family in ONLY_CHECKED:
        return {"give_up": UNTESTABLE}
    steps = _affordable(view, _next(view, runs_code=runs_code))
    if not steps:
        return {"give_up": UNVERIFIED}
    return {"justification": _why(findings, steps), "steps": [one.as_json() for one in steps]}


def _next(view: PlannerView, *, runs_code: bool) -> list[Step]:
    findings, family = view.findings, view.problem.family
    number = len(findings.calls) + 1
    if runs_code and findings.open and (family in CHECKED or len(findings.groups) > 1):
        answers = ((one, findings.answer(one) or "") for one in findings.open[:MOST])
        return [check(one, answer, number + offset) for offset, (one, answer) in enumerate(answers)]
    tools = _tools(view, OPENINGS[family, view.problem.difficulty] if not findings.calls else ())
    return [attempt(tool, number + offset) for offset, tool in enumerate(tools)]


def _tools(view: PlannerView, opening: Sequence[str]) -> list[str]:
    """Those of the opening that are on offer; else the next one of the ladder."""
    if found := [one for one in opening if view.offers(one)]:
        return found
    used = [one.tool for one in view.findings.calls if one.checks is None]
    ladder = [one for one in LADDERS[view.problem.family] if view.offers(one)]
    ladder = ladder if len(ladder) > 1 else [*ladder, *(one for one in STANDBY if view.offers(one))]
    return sorted(dict.fromkeys(ladder), key=used.count)[:1]


def _affordable(view: PlannerView, steps: list[Step]) -> list[Step]:
    """As many of the first steps as what is left of the budget lets run, with a verdict and an answer after them."""
    operations, calls = view.said.left("operations"), view.said.left("calls") - SPARE_CALLS
    while steps and (len(steps) > operations or sum(one.calls for one in steps) > calls):
        steps = steps[:-1]
    return steps


def _why(findings: Findings, steps: list[Step]) -> str:
    if steps[0].inputs:
        return "nothing has shown yet that this result is right"
    if not findings.calls:
        return opening_reason(findings.problem)
    if not findings.results:
        return "no call has come to an answer; this one goes another way"
    return "a result that was reached in another way shows whether it is right"


def opening_reason(problem: Problem) -> str:
    """Why a family begins as it does."""
    computed = problem.family in ("arithmetic", "statistics", "game24")
    return "an executed computation is worth more than a remembered one" if computed else problem.outline[0]
