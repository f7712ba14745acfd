"""The arguments of a tool come from the question and from what the instruction says of a candidate; where writing them
goes wrong, a figure is miscopied, a program does not start, or an argument has another name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import BaseMessage

from ..dice import Dice
from ..job import Job
from ..programming import broken
from ..refusals import CANNOT
from ..skills.equations import Equations
from ..skills.functions import Function
from ..tool_request import ToolRequest
from .call import CHECK

NO_ARGUMENTS: Final = "I am a rule-based offline model and know no arguments for {tool} that serve this sub-goal."
_CANDIDATE: Final = re.compile(r"^Context: The candidate is (.+)$", re.MULTILINE)
_CHECK: Final = CHECK.format(key="")
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What one call is for."""

    job: Job
    careful: bool
    """Whether an earlier reply did not fit: then no slip is made."""

    @property
    def candidate(self) -> str | None:
        """What is to be checked: named in the instruction, or a program among the inputs. None: nothing is."""
        if not self.job.call.instruction.startswith(_CHECK):
            return None
        named = _CANDIDATE.search(self.job.call.instruction)
        return self.job.candidate if self.job.writes_code or named is None else named[1].strip()

    @property
    def slip(self) -> Dice | None:
        """Draws of a slip; None: there is none in this call."""
        return self.job.dice.other("call") if self._happens("slip") else None

    def _happens(self, slip: str) -> bool:
        return not self.careful and self.job.dice.happens(slip, self.job.rates[f"call.{slip}"])

    @property
    def crashes(self) -> bool:
        """Whether what is written does not parse."""
        return self._happens("crash")

    @property
    def misnamed(self) -> bool:
        """Whether an argument gets a name that the schema does not have."""
        return self._happens("arguments")


def reply(messages: Sequence[BaseMessage], dice: Dice, rates: Mapping[str, float]) -> str:
    """The arguments as JSON; in plain words where there are none to give."""
    asked = ToolRequest.read(messages)
    job = Job.of(asked.call, dice, rates) if asked else None
    if asked is None or job is None:
        return CANNOT
    wanted = Wanted(job, asked.corrected)
    write = WRITERS.get(asked.call.operator)
    arguments = write(wanted) if write else None
    if arguments is None:
        return NO_ARGUMENTS.format(tool=asked.call.operator)
    if wanted.misnamed:
        arguments["input"] = arguments.popitem()[1]
    return json.dumps(arguments, ensure_ascii=False)


def python(wanted: Wanted) -> Arguments | None:
    """A program that checks the candidate, or one that works the answer out."""
    problem, candidate = wanted.job.problem, wanted.candidate
    if isinstance(problem, Function):
        if candidate is None:
            return None
        code = f"{problem.tested(candidate, edges=True)}\nprint('every assertion holds')"
    else:
        code = problem.program(wanted.slip) if candidate is None else problem.check_program(candidate)
    return {"code": broken(code) if wanted.crashes else code}


def calculator(wanted: Wanted) -> Arguments | None:
    """The whole computation as one expression."""
    expression = wanted.job.problem.expression(wanted.slip)
    if expression is None:
        return None
    return {"expression": f"{expression} +" if wanted.crashes else expression}


def algebra(wanted: Wanted) -> Arguments | None:
    """The equations and their unknowns."""
    problem = wanted.job.problem
    if not isinstance(problem, Equations):
        return None
    expressions = problem.written(wanted.slip)
    if wanted.crashes:
        expressions[-1] += " ="
    return {"operation": "solve", "variables": [*problem.unknowns], "expressions": expressions}


WRITERS: Final[Mapping[str, Callable[[Wanted], Arguments | None]]] = {
    "PYTHON": python,
    "CALCULATOR": calculator,
    "ALGEBRA": algebra,
}
"""Tools whose arguments can be written."""
