"""The offline designer claims a candidate only on evidence in its memory: an executed check, or an accepting review and
agreement. What it does not know how to solve, or could not verify in time, it gives up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from langchain_core.messages import BaseMessage

from . import tactics
from .designer_view import DesignerView
from .dice import Dice
from .evidence import Evidence
from .model import OfflineChat
from .skills import Problem, recognise
from .stage import Stage, Step

UNKNOWN: Final = "I am a rule-based offline designer and know no way to solve this kind of problem."
UNVERIFIED: Final = "No candidate could be verified within the budget."
UNTESTABLE: Final = "Without an operator that runs code, no candidate of this kind can be verified."
FRUITLESS: Final = "Repeated attempts came to no answer at all."
ENOUGH: Final = 2
"""Attempts without an answer after which, with no other candidate, there is none to be expected."""
EXECUTED: Final = frozenset({"equations", "game24"})
"""Families whose answers are claimed on an executed check alone, where code can be run."""
ONLY_EXECUTED: Final = frozenset({"game24", "functions"})
"""Families that are never claimed where code cannot be run."""
Action = dict[str, Any]


class OfflineDesigner(OfflineChat):
    """A rule-based chat model for the designer role of `dyflow`. Plans for the families of
    `flowwright.policies.offline.skills`; gives up on everything else."""

    model_name: ClassVar[str] = "offline-designer"

    def reply(self, messages: Sequence[BaseMessage], dice: Dice) -> str:
        """One JSON object; now and then a spoilt one, at the rates `design.*`."""
        view = DesignerView.read(messages)
        if view is None:
            return UNKNOWN
        text = json.dumps(action := decide(view), ensure_ascii=False)
        if view.corrected:
            return text
        return self._spoilt(text, action, dice)

    def _spoilt(self, text: str, action: Action, dice: Dice) -> str:
        if dice.happens("json", self.rates["design.malformed_json"]):
            return text[:-2]
        if "operators" in action and dice.happens("key", self.rates["design.unknown_key"]):
            action["operators"][-1]["params"]["input_keys"][-1] = "solution_final"
        elif "operators" in action and dice.happens("operator", self.rates["design.unknown_operator"]):
            action["operators"][-1]["params"]["instruction_type"] = "VERIFY_ANSWER"
        return json.dumps(action, ensure_ascii=False)


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
