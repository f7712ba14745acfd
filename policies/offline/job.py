"""One operator call with everything a reply may depend on: the prompt's own words, the draws and the rates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .dice import Dice
from .operator_call import Input, OperatorCall
from .rates import PLAN_RELIEF
from .skills import Problem, Solution, recognise
from .skills.functions import implementation

PLAN: Final = "Plan:"
SUBTASKS: Final = "Sub-tasks:"
_ANSWER: Final = re.compile(r"^[^\w\n]{0,9}Answer:[ \t]*(\S.*)$", re.MULTILINE)
_VERDICT: Final = re.compile(r"^[^\w\n]{0,9}Verdict:\s*(accept|minor_issues|major_issues|reject)\b", re.MULTILINE)
_FENCE: Final = re.compile(r"```(?:python)?[ \t]*\n(.*?)```", re.DOTALL)
_DEFINITION: Final = re.compile(r"^def \w+\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Job:
    """A call about a problem that is understood."""

    call: OperatorCall
    problem: Problem
    dice: Dice
    rates: Mapping[str, float]

    @classmethod
    def of(cls, call: OperatorCall, dice: Dice, rates: Mapping[str, float]) -> Job | None:
        """The job in a call; None: no input is a problem of a known family."""
        found = (recognise(one.text) for one in call.inputs)
        problem = next((one for one in found if one is not None), None)
        return None if problem is None else cls(call, problem, dice, rates)

    @property
    def writes_code(self) -> bool:
        """Whether an answer to the problem is a program."""
        return self.problem.family == "functions"

    @property
    def candidate(self) -> str | None:
        """Final answer of the last input that has one: a result, or the source of a function. None: there is none."""
        return next(iter(reversed(self.results)), None)

    @property
    def results(self) -> list[str]:
        """Final answers of all inputs but reviews, in order."""
        found = [self.answer_in(one) for one in self.call.inputs if verdict_in(one.text) is None]
        return [one for one in found if one is not None]

    @property
    def review(self) -> str | None:
        """Verdict of the last review among the inputs; None: there is no review."""
        found = [verdict_in(one.text) for one in self.call.inputs]
        return next((one for one in reversed(found) if one is not None), None)

    def attempt(self, dice: Dice | None = None) -> Solution | None:
        """A solution that errs at the rate of an answer; None: the problem has none."""
        return self.problem.attempt(dice or self.dice, self.answer_rate)

    @property
    def answer_rate(self) -> float:
        """How often an answer to this problem errs; half as often where there is a plan."""
        planned = any(one.text.lstrip().startswith((PLAN, SUBTASKS)) for one in self.call.inputs)
        rate = self.rates[f"answer.{self.problem.family}.{self.problem.difficulty}"]
        return rate * (PLAN_RELIEF if planned else 1.0)

    def answer_in(self, one: Input) -> str | None:
        """The final answer in one input; None: it has none."""
        if self.writes_code:
            code = None if recognise(one.text) else code_in(one.text)
            return None if code is None else implementation(code)
        lines = _ANSWER.findall(one.text)
        return lines[-1].strip() if lines else None


def verdict_in(text: str) -> str | None:
    """Word of the last `Verdict:` line; None: the text is no review."""
    words = _VERDICT.findall(text)
    return words[-1] if words else None


def code_in(text: str) -> str | None:
    """The last fenced block, or the whole text where it is bare code; None: there is no code."""
    blocks = _FENCE.findall(text)
    if blocks:
        return str(blocks[-1]).strip()
    return text.strip() if _DEFINITION.match(text.strip()) else None


def fenced(source: str) -> str:
    """`source` as a Python block."""
    return f"```python\n{source.strip()}\n```"
