"""A program computes its answer from the data of the question; where writing one goes wrong it computes something
else, or does not start."""

from __future__ import annotations

import re
from typing import Final

from .job import Job, fenced

LAST: Final = "last-attempt"
"""Key under which a program that failed is shown to its author."""
_FIRST_COLON: Final = re.compile(r"\):$", re.MULTILINE)


def program(job: Job) -> str:
    """PROGRAMMER: the function asked for, or a `solve()` that works the answer out."""
    keys = {one.key for one in job.call.inputs}
    again = job.candidate is not None or LAST in keys
    rate = job.rates["refine.code"] if again else job.answer_rate
    slip = job.dice.other("program") if job.dice.happens("slip", rate) else None
    source = job.problem.program(slip)
    if LAST not in keys and job.dice.happens("crash", job.rates["check.crash"]):
        source = broken(source)
    return f"{job.problem.outline[0]}\n{fenced(source)}"


def broken(source: str) -> str:
    """The source with a colon forgotten: it does not start."""
    return _FIRST_COLON.sub(")", source, count=1)
