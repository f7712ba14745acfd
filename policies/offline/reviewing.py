"""A review recomputes the candidate first and errs second: its findings are its own, its errors are draws."""

from __future__ import annotations

from typing import Final

from .answering import NO_CANDIDATE
from .job import Job, fenced

FAULTED: Final = ("major_issues", "reject")
DOUBTED: Final = ("minor_issues", "major_issues", "reject")
ACCEPTED: Final = "I recomputed the result and compared it with the question; everything agrees.\nVerdict: accept"
_VERIFIED: Final = """\
{work}
Answer: {answer}
Confidence: {confidence}
Verdict: {verdict}"""


def review(job: Job) -> str:
    """REVIEW_SOLUTION: what was found, and a verdict on the last line."""
    if job.candidate is None:
        return f"{NO_CANDIDATE}\nVerdict: reject"
    objection = job.problem.objection(job.candidate)
    if objection is None:
        return _doubted(job) if job.dice.happens("review", job.rates["review.false_reject"]) else ACCEPTED
    if job.dice.happens("review", job.rates["review.false_accept"]):
        return ACCEPTED
    return f"I recomputed the result. {objection}\nVerdict: {job.dice.pick('severity', FAULTED)}"


def _doubted(job: Job) -> str:
    return f"My own recomputation comes to something else.\nVerdict: {job.dice.pick('severity', DOUBTED)}"


def verify(job: Job) -> str:
    """VERIFY: a derivation of its own, which may slip; the verdict says whether the candidate comes to the same. Where
    many answers are right, the candidate is put into the question instead."""
    own = job.problem.attempt(job.dice, job.rates["verify.slip"])
    if job.candidate is None or own is None:
        return _VERIFIED.format(work=NO_CANDIDATE, answer="none", confidence=0, verdict="reject")
    slipped = job.problem.objection(own.answer) is not None
    same = job.problem.in_form(own.answer) == job.problem.in_form(job.candidate)
    agrees = same if slipped else job.problem.objection(job.candidate) is None
    answer = job.candidate if agrees else own.answer
    return _VERIFIED.format(
        work=f"{own.work}\n{fenced(answer)}" if job.writes_code else own.work,
        answer="the code above" if job.writes_code else answer,
        confidence=0.9 if agrees else 0.8,
        verdict="accept" if agrees else "reject",
    )
