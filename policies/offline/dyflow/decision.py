"""The designer claims a candidate only on evidence in its memory: an executed check, or an accepting review and
agreement. What it does not know how to solve, or could not verify in time, it gives up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from langchain_core.messages import BaseMessage

from ..refusals import FRUITLESS, UNKNOWN, UNTESTABLE, UNVERIFIED
from ..skills import Problem, recognise
from ..slips import Action, Slips
from . import tactics
from .evidence import Evidence
from .stage import Stage, Step
from .view import DesignerView

ENOUGH: Final = 2
"""Attempts without an answer after which, with no other candidate, there is none to be expected."""
EXECUTED: Final = frozenset({"equations", "game24"})
"""Families whose answers are claimed on an executed check alone, where code can be run."""
ONLY_EXECUTED: Final = frozenset({"game24", "functions"})
"""Families that are never claimed where code cannot be run."""


def reply(messages: Sequence[BaseMessage], slips: Slips) -> str:
    """One JSON object; now and then a spoilt one."""
    view = DesignerView.read(messages)
    if view is None:
        return UNKNOWN
    action = decide(view)
    if "operators" not in action:
        return slips.written(action, careful=view.corrected)
    return slips.written(action, careful=view.corrected, key=_wrong_key, operator=_wrong_operator)


def _wrong_key(action: Action) -> None:
    action["operators"][-1]["params"]["input_keys"][-1] = "solution_final"


def _wrong_operator(action: Action) -> None:
    action["operators"][-1]["params"]["instruction_type"] = "VERIFY_ANSWER"


def decide(view: DesignerView) -> Action:
    """The next stage, the end, or surrender."""
    problem = recognise(view.problem)
    if problem is None:
        return {"give_up": UNKNOWN}
    evidence = Evidence(view.memory, code=problem.family == "functions")
    runs_code = view.offers("TEST_CODE")
    proven = evidence.proven(executed=problem.family in EXECUTED and runs_code)
    if proven is not None and (runs_code or problem.family not in ONLY_EXECUTED):
        return {"finish": proven.key, "reason": _reason(evidence, proven.key)}
    if evidence.fruitless >= ENOUGH and not evidence.candidates:
        return {"give_up": FRUITLESS}
    if not runs_code and problem.family in ONLY_EXECUTED and evidence.candidates:
        return {"give_up": UNTESTABLE}
    stage = _next(problem, view, evidence, runs_code=runs_code).offered(view)
    return stage.as_json() if stage.fits(view) else {"give_up": UNVERIFIED}


def _next(problem: Problem, view: DesignerView, evidence: Evidence, *, runs_code: bool) -> Stage:
    source = next((one.key for one in view.memory if one.kind == "task"), "problem")
    if runs_code and problem.family in EXECUTED:
        return tactics.next_executed(problem, source, evidence)
    if problem.family == "functions":
        stage = tactics.next_program(problem, source, evidence)
        return stage if runs_code else Stage(stage.description, _untested(stage))
    looping = any(one.get("code") in ("review_loop", "repeated_stage") for one in view.feedback)
    reviews = sum(1 for one in view.memory if one.kind == "review")
    stuck = runs_code and (looping or reviews >= tactics.STUCK)
    return tactics.next_compared(problem, source, evidence, stuck=stuck)


def _untested(stage: Stage) -> tuple[Step, ...]:
    return tuple(step for step in stage.steps if step.operator != "TEST_CODE")


def _reason(evidence: Evidence, key: str) -> str:
    candidate = next(one for one in evidence.candidates if one.key == key)
    if evidence.tested(candidate):
        passed = next(one.key for one in reversed(evidence.tests(candidate)) if one.passed)
        return f"{passed}: an executed check of {key} passed"
    return f"a review accepted {key}, and independent attempts agree"
