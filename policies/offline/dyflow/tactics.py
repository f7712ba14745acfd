"""What to do next follows from the family, the difficulty and the evidence so far; no step repeats one that failed in
the same words."""

from __future__ import annotations

import re
from typing import Final

from ..skills import Problem
from .evidence import AGAINST, Evidence
from .stage import Stage, Step
from .view import Entry

SOLVE = "Solve the problem step by step and end with the answer."
ANOTHER = "Solve the problem independently of every other attempt (attempt {number})."
JUDGE = "Recompute the result on your own and compare it with the candidate (review {number})."
REPAIR = "Correct the candidate in view of what was found (repair {number})."
PROGRAM = "Write a program whose solve() checks the candidate's answer with assertions (program {number})."
RUN = "Run it and report every assertion."
EDGES = "Write the function; assert the examples and the edge cases of the description after it ({number})."
EXAMPLES = "Write the function, and assert the examples after it ({number})."
STUCK = 3
"""Reviews after which the answer is checked by a program."""
_ASSERTED: Final = re.compile(r"\bfailed\b|AssertionError|^\W*assert ", re.MULTILINE)
"""What a test's report says when an assertion did not hold, as opposed to a program that did not run."""


def checked_by_program(problem: str, candidate: str, number: int, suffix: str = "") -> tuple[Step, Step]:
    """A program about one candidate, and its run."""
    code = f"program{suffix}"
    return (
        Step("GENERATE_CODE", (problem, candidate), code, PROGRAM.format(number=number)),
        Step("TEST_CODE", (code,), f"check{suffix}", RUN),
    )


def next_executed(problem: Problem, source: str, evidence: Evidence) -> Stage:
    """Equations and game of 24: an attempt counts once a program has checked it."""
    tried = evidence.candidates
    number = len(tried) + evidence.fruitless + 1
    if not tried:
        attempts = ("", "_b") if problem.difficulty == "hard" else ("",)
        return Stage("Make a candidate and check it by a program", _attempts(source, attempts, number))
    last = tried[-1]
    tests = evidence.tests(last)
    if not tests:
        return Stage("Check the open candidate by a program", checked_by_program(source, last.key, number))
    if _crashed(tests[-1]):
        return Stage("Repair the checking program", _rewritten(source, last, tests[-1], len(tests)))
    if last.by != "REFINE_ANSWER":
        repair = Step("REFINE_ANSWER", (source, last.key, tests[-1].key), "draft", REPAIR.format(number=number))
        return Stage("Repair what failed its check", (repair, *checked_by_program(source, "draft", number)))
    return Stage("Start afresh and check the new candidates", _attempts(source, ("", "_b"), number))


def _attempts(source: str, suffixes: tuple[str, ...], number: int) -> tuple[Step, ...]:
    steps: list[Step] = []
    for offset, suffix in enumerate(suffixes):
        draft = f"draft{suffix}"
        steps.append(Step("GENERATE_ANSWER", (source,), draft, ANOTHER.format(number=number + offset)))
        steps += checked_by_program(source, draft, number + offset, suffix)
    return tuple(steps)


def _rewritten(source: str, candidate: Entry, test: Entry, number: int) -> tuple[Step, Step]:
    inputs = (source, candidate.key, *test.sources[:1], test.key)
    return (
        Step("REFINE_CODE", inputs, "program", REPAIR.format(number=number)),
        Step("TEST_CODE", ("program",), "check", RUN),
    )


def _crashed(test: Entry) -> bool:
    """Whether the program failed before it could assert anything about the candidate."""
    return test.passed is None or _ASSERTED.search(test.excerpt) is None


def next_program(problem: Problem, source: str, evidence: Evidence) -> Stage:
    """Functions: write, run the examples, and have the code read; repair in view of what failed."""
    tried = evidence.candidates
    number = len(tried) + 1
    usage = (EDGES if problem.difficulty == "hard" else EXAMPLES).format(number=number)
    if not tried and problem.difficulty == "hard":
        plan = Step("GENERATE_PLAN", (source,), "plan", "List the edge cases and the idea; do not write the code yet.")
        write = Step("GENERATE_CODE", (source, "plan"), "code", usage)
        return Stage("Plan, write and test the function", (plan, write, *_examined(source, "code", number)))
    if tried and len(tried) % 3:
        last = tried[-1]
        if not evidence.tests(last):
            return Stage("Test the code", _examined(source, last.key, number))
        found = (*(one.key for one in evidence.tests(last)[-1:]), *(one.key for one in evidence.reviews(last)[-1:]))
        write = Step("REFINE_CODE", (source, last.key, *found), "code", f"{REPAIR.format(number=number)} {usage}")
        return Stage("Repair the code and test it again", (write, *_examined(source, "code", number)))
    write = Step("GENERATE_CODE", (source,), "code", usage)
    return Stage("Write and test the function", (write, *_examined(source, "code", number)))


def _examined(source: str, code: str, number: int) -> tuple[Step, Step]:
    return (
        Step("TEST_CODE", (code,), "check", RUN),
        Step("REVIEW_SOLUTION", (source, code), "review", JUDGE.format(number=number)),
    )


def next_compared(problem: Problem, source: str, evidence: Evidence, *, stuck: bool) -> Stage:
    """Numbers: review and agreement; where that does not settle it, a program."""
    leader = evidence.leader()
    if leader is None:
        return _opening(problem, source, len(evidence.memory))
    number = len(evidence.memory)
    if stuck and evidence.tested(leader) is None:
        return Stage("Check the leading answer by a program", checked_by_program(source, leader.key, number))
    if evidence.accepted(leader) is None:
        judge = Step("REVIEW_SOLUTION", (source, leader.key), "review", JUDGE.format(number=number))
        return Stage("Review the leading answer", (judge,))
    if not evidence.accepted(leader):
        found = [one.key for one in (*evidence.tests(leader), *evidence.reviews(leader)) if _against(one)]
        repair = Step("REFINE_ANSWER", (source, leader.key, *found[-1:]), "draft", REPAIR.format(number=number))
        return Stage("Repair the rejected answer beside a fresh one", (repair, *_fresh(source, number, "draft")))
    return Stage("Look for an independent attempt that agrees", _fresh(source, number, "second"))


def _opening(problem: Problem, source: str, number: int) -> Stage:
    """Families differ: an ensemble for easy slips, a decomposition for long expressions, a plan for stories."""
    judge = Step("REVIEW_SOLUTION", (source, "vote"), "review", JUDGE.format(number=1))
    vote = Step("SELF_CONSISTENCY_ENSEMBLE", (source,), "vote", SOLVE)
    if problem.family == "arithmetic" and problem.difficulty == "hard":
        split = Step("DECOMPOSE_PROBLEM", (source,), "subtasks", "Split the evaluation into ordered sub-tasks.")
        vote = Step("SELF_CONSISTENCY_ENSEMBLE", (source, "subtasks"), "vote", SOLVE)
        return Stage("Decompose, vote, review", (split, vote, judge))
    if problem.family == "statistics":
        return Stage("Vote and review", (vote, judge))
    if problem.family == "word_problems":
        plan = Step("GENERATE_PLAN", (source,), "plan", "Plan the steps from the text to the number.")
        draft = Step("GENERATE_ANSWER", (source, "plan"), "draft", SOLVE)
        return Stage("Plan, solve twice, review", (plan, draft, *_fresh(source, number, "draft")))
    draft = Step("GENERATE_ANSWER", (source,), "draft", SOLVE)
    return Stage("Solve twice and review", (draft, *_fresh(source, number, "draft")))


def _fresh(source: str, number: int, reviewed: str) -> tuple[Step, Step]:
    return (
        Step("GENERATE_ANSWER", (source,), "second", ANOTHER.format(number=number)),
        Step("REVIEW_SOLUTION", (source, reviewed), "review", JUDGE.format(number=number)),
    )


def _against(entry: Entry) -> bool:
    return entry.verdict in AGAINST or entry.passed is False
