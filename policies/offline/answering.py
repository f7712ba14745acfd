"""Every reply that answers ends in one final answer, and a reply that has none says why and claims nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Final

from .job import Job, fenced
from .skills import Solution

NO_SOLUTION: Final = "I went through every way to combine the numbers, and none of them works: there is no solution."
NO_CANDIDATE: Final = "The context holds no candidate to work with."
LETTER: Final = re.compile("[A-Z]")
APPROACHES: Final = 3
"""Attempts in one ENSEMBLE reply."""


def answer(job: Job) -> str:
    """GENERATE_ANSWER: a worked solution."""
    return told(job, job.attempt())


def refine(job: Job) -> str:
    """REFINE_ANSWER: the candidate as it is where a review accepted it; otherwise worked again."""
    if job.review == "accept" and job.candidate is not None:
        return told(job, Solution("The review found nothing to change.", job.candidate))
    rate = job.rates["refine.code" if job.writes_code else "refine.answer"]
    return "Worked again in view of what was found.\n" + told(job, job.problem.attempt(job.dice, rate))


def vote(job: Job) -> str:
    """SELF_CONSISTENCY_ENSEMBLE: one sample; or, where inputs are lettered candidates, the letter of one that holds,
    as a JSON object."""
    lettered = {one.key: job.answer_in(one) for one in job.call.inputs if LETTER.fullmatch(one.key)}
    if not lettered:
        return answer(job)
    sound = [letter for letter, said in lettered.items() if said and job.problem.objection(said) is None]
    rest = [letter for letter in lettered if letter not in sound]
    wrong = rest and job.dice.happens("choice", job.rates["choice.wrong"])
    chosen = job.dice.pick("any", rest) if wrong or not sound else sound[0]
    return json.dumps({"reason": "its result comes closest to my recomputation", "choice": chosen})


def ensemble(job: Job) -> str:
    """ENSEMBLE: several attempts in one reply, each with its result, and the result most of them share."""
    attempts = [job.attempt(job.dice.other(f"approach {number}")) for number in range(APPROACHES)]
    parts = [f"Approach {number}:\n{told(job, one)}" for number, one in enumerate(attempts, 1)]
    results = Counter(one.answer for one in attempts if one is not None)
    if not results:
        return NO_SOLUTION
    shared, votes = results.most_common(1)[0]
    if job.writes_code:
        return "\n\n".join([*parts, f"Final code\n{fenced(shared)}"])
    parts = [part.replace("Answer:", "Result:") for part in parts]
    return "\n\n".join([*parts, f"{votes} of {APPROACHES} approaches agree.\nAnswer: {shared}"])


def organize(job: Job) -> str:
    """ORGANIZE_SOLUTION: the candidate as the final answer, unchanged."""
    if job.candidate is None:
        return NO_CANDIDATE
    return told(job, Solution(f"The candidate follows this way:\n{numbered(job.problem.outline)}", job.candidate))


def decompose(job: Job) -> str:
    """DECOMPOSE_PROBLEM and GENERATE_PLAN: the way, with nothing solved."""
    return f"{'Sub-tasks' if job.call.operator == 'DECOMPOSE_PROBLEM' else 'Plan'}:\n{numbered(job.problem.outline)}"


def told(job: Job, solution: Solution | None) -> str:
    """A solution as a reply."""
    if solution is None:
        return NO_SOLUTION
    if job.writes_code:
        return f"{solution.work}\n{fenced(solution.answer)}"
    return f"{solution.work}\nAnswer: {solution.answer}"


def numbered(lines: tuple[str, ...]) -> str:
    """One line each, from 1."""
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
