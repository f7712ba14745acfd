"""A workflow may finish when it meets every rule; all that are unmet are told at once, each with its code, in one
order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ...operators.flowsteer import CHECKERS, FORMATTERS, REVISERS, SOLVERS
from ..faults import Fault, fault
from .node import Canvas
from .statistics import has_structure, statistics_of

MAY_SOLVE: Final = frozenset({*SOLVERS, *REVISERS, "Aggregate"})
MAY_CHECK: Final = frozenset(CHECKERS)
TESTS: Final = frozenset({"Test"})
FORMATS: Final = frozenset(FORMATTERS)
CONCISE: Final = 60
"""Characters of an answer that needs no formatting."""
STEP: Final = re.compile(r"\bstep\s*\d", re.IGNORECASE)


@dataclass(frozen=True)
class FinishRules:
    """What a workflow must have to be finished. The defaults ask for one operator and nothing else."""

    min_operators: int = 1
    require_structure: bool = False
    """A parallel, a conditional or a loop."""
    require_checker: bool = False
    """An operator that solves and one that checks."""
    require_test: bool = False
    """An operator that runs tests: for tasks that come with one."""
    require_format: bool = False
    """An operator that formats, unless the answer is concise without."""
    solvers: frozenset[str] = MAY_SOLVE
    checkers: frozenset[str] = MAY_CHECK
    testers: frozenset[str] = TESTS
    formatters: frozenset[str] = FORMATS

    @property
    def told(self) -> str:
        """The rules in one sentence, for the director's prompt."""
        wanted = [f"{self.min_operators} operators or more" if self.min_operators != 1 else "an operator"]
        if self.require_structure:
            wanted.append("a parallel, a conditional or a loop")
        if self.require_checker:
            wanted += [_one_of(self.solvers), _one_of(self.checkers)]
        if self.require_test:
            wanted.append(_one_of(self.testers))
        if self.require_format:
            wanted.append(f"{_one_of(self.formatters)} unless the answer is one short line")
        return f"A workflow can finish when it has {'; '.join(wanted)}."


TRAINING_RULES: Final = FinishRules(
    min_operators=5, require_structure=True, require_checker=True, require_format=True
)  # fmt: skip
"""What the published training asks (FlowSteer, arXiv 2602.01664). For a task with a test, set `require_test` too."""


def unmet(canvas: Canvas, rules: FinishRules, *, answer: str | None = None) -> list[Fault]:
    """The rules that the workflow does not meet, in a fixed order; empty: it may finish. `answer` is what it gave
    last; None: it gave none, or it is of a kind that is not read by people, such as a program."""
    return list(_unmet(canvas, rules, answer))


def _unmet(canvas: Canvas, rules: FinishRules, answer: str | None) -> Iterator[Fault]:
    numbers = statistics_of(canvas)
    names, count = numbers["operator_list"], numbers["total_operators"]
    if not names:
        yield _fault("empty", "the workflow is empty", "an operator")
    if count < rules.min_operators:
        yield _fault("too_short", f"the workflow has {count} operators", f"{rules.min_operators} or more")
    if rules.require_structure and not has_structure(numbers):
        yield _fault("no_structure", "the workflow has no structure", "a parallel, a conditional or a loop")
    if rules.require_checker:
        yield from _missing("no_solver", "solves", names, rules.solvers)
        yield from _missing("no_checker", "checks", names, rules.checkers)
    if rules.require_test:
        yield from _missing("no_test", "runs the tests", names, rules.testers)
    if rules.require_format and answer is not None and not concise(answer):
        yield from _missing("not_concise", "makes the answer concise", names, rules.formatters)


def concise(answer: str) -> bool:
    """Whether an answer is one short line and tells no steps."""
    return len(answer) <= CONCISE and "\n" not in answer and STEP.search(answer) is None


def _missing(code: str, does: str, names: list[str], wanted: frozenset[str]) -> Iterator[Fault]:
    if wanted.isdisjoint(names):
        yield _fault(code, f"no operator {does}", _one_of(wanted))


def _one_of(names: frozenset[str]) -> str:
    return f"one of {', '.join(sorted(names))}" if len(names) > 1 else "".join(names)


def _fault(code: str, message: str, expected: str) -> Fault:
    return fault("policy", code, message, expected=expected)
