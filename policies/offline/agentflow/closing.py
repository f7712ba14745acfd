"""The answer is the result that the findings support best, word for word; where they support none there is none."""

from __future__ import annotations

from typing import Final

from ..answering import told
from ..job import Job
from ..sections import json_lines
from ..skills import Solution
from .call import Call, calls_in
from .findings import Findings

MEMORY: Final = "memory"
NOTHING: Final = "Nothing in memory answers the problem, so there is no answer to give."


def direct(job: Job) -> str:
    """DIRECT_ANSWER: which result carries the answer, and the answer."""
    findings = findings_of(job)
    best = findings.best
    return NOTHING if best is None else told(job, Solution(_support(findings, best), findings.answer(best) or ""))


def full(job: Job) -> str:
    """FULL_ANSWER: what was done, in order, and the answer."""
    findings = findings_of(job)
    steps = [f"{number}. {one.tool}: {one.sub_goal} {_gave(one)}" for number, one in enumerate(findings.calls, 1)]
    best = findings.best
    if best is None:
        return "\n".join((*steps, NOTHING))
    work = "\n".join((*steps, _support(findings, best)))
    return told(job, Solution(work, findings.answer(best) or ""))


def findings_of(job: Job) -> Findings:
    """What the memory among the inputs says."""
    memory = next((one.text for one in job.call.inputs if one.key == MEMORY), "")
    return Findings(job.problem, calls_in(json_lines(memory)))


def _support(findings: Findings, best: Call) -> str:
    if findings.settled is not None:
        return f"{best.key} carries the answer. {findings.reason(best)}."
    return f"{best.key} is supported best; nothing has confirmed it."


def _gave(call: Call) -> str:
    if not call.ok:
        return "It failed."
    return "It gave no answer." if call.answer is None else f"It gave {call.answer.splitlines()[0]}."
