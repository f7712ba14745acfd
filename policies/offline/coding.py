"""Programs hold real assertions about the candidate they check; where writing one goes wrong it crashes, so that a slip
never makes a test pass."""

from __future__ import annotations

from .answering import NO_SOLUTION
from .job import Job, fenced
from .programming import broken
from .skills import Solution
from .skills.functions import Function


def generate(job: Job) -> str:
    """GENERATE_CODE: the function asked for with its examples as a test, or a program that checks the candidate."""
    return _function(job, job.problem, job.attempt()) if isinstance(job.problem, Function) else _check(job)


def refine(job: Job) -> str:
    """REFINE_CODE: written anew in view of what failed."""
    if isinstance(job.problem, Function):
        return _function(job, job.problem, job.problem.attempt(job.dice, job.rates["refine.code"]))
    return _check(job)


def _function(job: Job, problem: Function, solution: Solution | None) -> str:
    assert solution is not None, "every function of the table has a body"
    edges = "edge" in job.call.instruction.lower()
    return f"{solution.work}\n{fenced(problem.tested(solution.answer, edges=edges))}"


def _check(job: Job) -> str:
    """A program that asserts the candidate, or an attempt of its own where the context has none."""
    own = None if job.candidate is not None else job.attempt()
    claimed = job.candidate if job.candidate is not None else own.answer if own else None
    if claimed is None:
        return NO_SOLUTION
    program = job.problem.check_program(claimed)
    if job.dice.happens("crash", job.rates["check.crash"]):
        program = broken(program)
    return f"`solve()` checks the result {claimed} with assertions.\n{fenced(program)}"
