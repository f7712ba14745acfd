"""A result is kept as it stands or it is replaced by another one that stands beside it: nothing is solved here."""

from __future__ import annotations

from collections import Counter

from .answering import NO_CANDIDATE, told
from .job import Job, fenced
from .skills import Solution


def aggregate(job: Job) -> str:
    """AGGREGATE: the result that most of them share; between equals one that holds, or by mistake another."""
    results = [job.problem.in_form(one) for one in job.results]
    if not results:
        return NO_CANDIDATE
    counted = Counter(results)
    most = max(counted.values())
    leading = [one for one, count in counted.items() if count == most]
    sound = [one for one in leading if job.problem.objection(one) is None]
    wrong = [one for one in leading if one not in sound]
    if wrong and (not sound or job.dice.happens("choice", job.rates["choice.wrong"])):
        kept = job.dice.pick("any", wrong)
    else:
        kept = sound[0]
    return told(job, Solution(f"Of {len(results)} results {counted[kept]} come to this one.", kept))


def formatted(job: Job) -> str:
    """FORMAT: the candidate's final answer and nothing else."""
    if job.candidate is None:
        return NO_CANDIDATE
    return fenced(job.candidate) if job.writes_code else f"Answer: {job.problem.in_form(job.candidate)}"
