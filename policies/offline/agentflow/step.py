"""A step names a tool and a sub-goal, carries all that its call needs, and never repeats the words of an earlier
one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from .call import CHECK, EXECUTING, Call

CALLS: Final = dict.fromkeys(EXECUTING, 2) | {"Programmer": 3, "SELF_CONSISTENCY_ENSEMBLE": 6}
"""Model calls a step may take, where it is not one: a tool's arguments may be asked for twice."""
GOALS: Final = {
    "CALCULATOR": "Evaluate what the question asks for as one exact expression",
    "PYTHON": "Compute the answer by a program that returns it",
    "ALGEBRA": "Solve the equations of the question for their unknowns",
    "Programmer": "Write a program that works the answer out, and run it",
    "SELF_CONSISTENCY_ENSEMBLE": "Solve the question several times and keep what most attempts agree on",
}
SOLVE: Final = "Solve the question step by step and end with the answer"
CHECKS: Final = "by assertions that fail unless it is right (check {number})."
CANDIDATE: Final = "The candidate is {answer}"
"""How a context names what is to be checked."""
PROGRAM: Final = "the program of {key}; the edge cases of the description belong to the check."


@dataclass(frozen=True, slots=True)
class Step:
    """One call to be made."""

    tool: str
    sub_goal: str
    context: str = ""
    inputs: tuple[str, ...] = ()

    @property
    def calls(self) -> int:
        """Model calls it may take."""
        return CALLS.get(self.tool, 1)

    def as_json(self) -> dict[str, Any]:
        """The step as a decision has it."""
        return {
            "tool": self.tool, "sub_goal": self.sub_goal, "context": self.context, "inputs": [*self.inputs],
        }  # fmt: skip


def attempt(tool: str, number: int) -> Step:
    """A step towards an answer of its own."""
    return Step(tool, f"{GOALS.get(tool, SOLVE)} (attempt {number}).")


def check(call: Call, answer: str, number: int) -> Step:
    """A step that has a result checked by a program."""
    long = "\n" in answer
    context = CANDIDATE.format(answer=PROGRAM.format(key=call.key) if long else answer)
    return Step("PYTHON", f"{CHECK.format(key=call.key)} {CHECKS.format(number=number)}", context, (call.key,))
