"""The verifier stops a run only where the planner could have ended it; it errs on the side of going on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from langchain_core.messages import BaseMessage

from ..dice import Dice
from ..refusals import CANNOT
from .findings import Findings
from .view import PlannerView


def reply(messages: Sequence[BaseMessage], dice: Dice, rates: Mapping[str, float]) -> str:
    """What is settled, and whether to stop."""
    view = PlannerView.read(messages)
    if view is None:
        return _said(CANNOT, stop=False)
    settled = view.findings.settled
    if settled is None:
        return _said(missing(view.findings), stop=False)
    if dice.happens("doubt", rates["verdict.doubt"]):
        return _said(f"{settled.key} may be right; I am not sure that it answers all of the question.", stop=False)
    return _said(f"Settled: {view.findings.reason(settled)}.", stop=True)


def missing(findings: Findings) -> str:
    """What keeps the matter open."""
    if not findings.results:
        return "No call has come to an answer of the question yet."
    refuted = [one.key for one in findings.results if findings.held(one) is False]
    if len(refuted) == len(findings.results):
        return f"Every result was refuted by a check: {', '.join(refuted)}."
    if len(findings.groups) > 1:
        return f"{' and '.join(group[-1].key for group in findings.groups)} contradict each other."
    return f"{findings.results[-1].key} stands alone: no executed check of it passed, and no other tool agrees."


def _said(analysis: str, *, stop: bool) -> str:
    return json.dumps({"analysis": analysis, "stop": stop}, ensure_ascii=False)
