"""A review recomputes the candidate first and errs second: its findings are its own, its errors are draws."""

from __future__ import annotations

from .answering import NO_CANDIDATE
from .job import Job

FAULTED = ("major_issues", "reject")
DOUBTED = ("minor_issues", "major_issues", "reject")


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


ACCEPTED = "I recomputed the result and compared it with the question; everything agrees.\nVerdict: accept"


def _doubted(job: Job) -> str:
    return f"My own recomputation comes to something else.\nVerdict: {job.dice.pick('severity', DOUBTED)}"
