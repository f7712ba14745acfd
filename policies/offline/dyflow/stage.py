"""A stage is wired by names: each step reads memory keys, or outputs of steps of the same stage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from .view import DesignerView

SUBSTITUTES: Final = {
    "SELF_CONSISTENCY_ENSEMBLE": ("ENSEMBLE", "GENERATE_ANSWER"),
    "DECOMPOSE_PROBLEM": ("GENERATE_PLAN",),
    "GENERATE_PLAN": ("DECOMPOSE_PROBLEM",),
    "REFINE_ANSWER": ("GENERATE_ANSWER",),
    "REFINE_CODE": ("GENERATE_CODE",),
}
"""What else can do an operator's work where it is not on offer."""
CALLS: Final = {"TEST_CODE": 0, "SELF_CONSISTENCY_ENSEMBLE": 6}
"""Model calls an operator may take, where it is not one."""
SPARE_CALLS: Final = 3
"""Calls beside a stage's own: the decision being made, the one after it, and the final answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a stage."""

    operator: str
    inputs: tuple[str, ...]
    output: str
    usage: str
    """The instruction."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A sub-goal and the steps towards it."""

    description: str
    steps: tuple[Step, ...]

    @property
    def calls(self) -> int:
        """Model calls it may take at most."""
        return sum(CALLS.get(step.operator, 1) for step in self.steps)

    def offered(self, view: DesignerView) -> Stage:
        """The stage with operators that are not on offer replaced; a step nothing can replace is left as it is, and
        the answer to that is feedback."""
        return replace(self, steps=tuple(replace(one, operator=_available(one.operator, view)) for one in self.steps))

    def fits(self, view: DesignerView) -> bool:
        """Whether what is left of the budget lets all of it run, and one more decision after it."""
        return (
            view.left("turns") >= 1
            and view.left("operations") >= len(self.steps)
            and view.left("calls") >= self.calls + SPARE_CALLS
        )

    def as_json(self) -> dict[str, Any]:
        """The stage as the designer's reply has it."""
        operators = [
            {
                "operator_description": f"{step.operator.replace('_', ' ').lower()} from {', '.join(step.inputs)}",
                "params": {
                    "instruction_type": step.operator,
                    "input_keys": list(dict.fromkeys(step.inputs)),
                    "output_key": step.output,
                    "input_usage": step.usage,
                },
            }
            for step in self.steps
        ]
        return {"stage_description": self.description, "operators": operators}


def _available(operator: str, view: DesignerView) -> str:
    options = (operator, *SUBSTITUTES.get(operator, ()))
    return next((one for one in options if view.offers(one)), operator)
