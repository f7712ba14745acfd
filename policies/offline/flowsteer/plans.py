"""Families and difficulties get canvases of different shapes; what is not on offer is replaced or left out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from ..skills import Problem
from .shape import Shape, add, parallel, unless, until
from .view import CanvasView

PLANS: Final[dict[tuple[str, str], tuple[Shape, ...]]] = {
    ("arithmetic", "easy"): (add("Programmer"), add("Verify"), add("Review")),
    ("arithmetic", "hard"): (parallel("AnswerGenerate", "Programmer"), add("ScEnsemble"), add("Verify")),
    ("equations", "easy"): (add("Programmer"), add("Test")),
    ("equations", "hard"): (add("Programmer"), unless("Test", "Programmer")),
    ("game24", "easy"): (add("Programmer"), unless("Test", "Programmer")),
    ("game24", "hard"): (add("Plan"), until("Programmer", "Test")),
    ("statistics", "easy"): (add("Programmer"), add("Verify"), add("Review")),
    ("statistics", "hard"): (parallel("Programmer", "AnswerGenerate", "Custom"), add("Aggregate"), add("Review")),
    ("functions", "easy"): (add("Programmer"), unless("Test", "Revise"), add("Review")),
    ("functions", "hard"): (add("Plan"), until("Programmer", "Test"), add("Review")),
    ("word_problems", "easy"): (add("AnswerGenerate"), unless("Verify", "Revise"), add("Review")),
    ("word_problems", "hard"): (
        add("Decompose"), parallel("AnswerGenerate", "Programmer"), add("Aggregate"), add("Verify"),
    ),
}  # fmt: skip
"""The nodes of a canvas, in the order in which they are put on it."""
_VOTED: Final = (parallel("AnswerGenerate", "Programmer"), add("ScEnsemble"), add("Verify"))
_TESTED: Final = (add("Plan"), add("Programmer"), unless("Test", "Programmer"))
STRUCTURED: Final[dict[str, tuple[Shape, ...]]] = {
    "arithmetic": _VOTED,
    "equations": _TESTED,
    "game24": _TESTED,
    "statistics": _VOTED,
    "functions": (add("Plan"), add("Programmer"), unless("Test", "Revise"), add("Review")),
    "word_problems": (add("Plan"), *_VOTED),
}
"""The nodes where a finish needs a structure and actions are in tags, which know no `until`."""
SUBSTITUTES: Final = {
    "Programmer": ("AnswerGenerate", "Custom"),
    "AnswerGenerate": ("Custom", "Programmer"),
    "Custom": ("AnswerGenerate", "Programmer"),
    "Verify": ("Review",),
    "Review": ("Verify",),
    "ScEnsemble": ("Aggregate",),
    "Aggregate": ("ScEnsemble",),
    "Plan": ("Decompose",),
    "Decompose": ("Plan",),
    "Revise": ("AnswerGenerate", "Custom"),
}
"""What else can do an operator's work where it is not on offer."""
PADS: Final = ("Format", "Verify", "Review", "Verify", "Review")
"""What is added at the end where a finish needs more operators."""


def plan_for(problem: Problem, view: CanvasView) -> list[Shape]:
    """The nodes for a problem, of operators that are on offer."""
    strict = view.structured or view.tags
    plan = STRUCTURED[problem.family] if strict else PLANS[problem.family, problem.difficulty]
    return [shape for one in plan if (shape := offered(one, view)) is not None]


def offered(shape: Shape, view: CanvasView) -> Shape | None:
    """The shape with operators that are on offer; None: one of them cannot be replaced."""
    names = [available(name, view) for name in shape.operators]
    found = tuple(name for name in names if name is not None)
    return replace(shape, operators=found) if len(found) == len(names) else None


def available(operator: str, view: CanvasView) -> str | None:
    """The operator, or what can do its work; None: nothing on offer can."""
    options = (operator, *SUBSTITUTES.get(operator, ()))
    return next((name for name in options if view.offers(name)), None)


def lacking(view: CanvasView) -> Shape | None:
    """What the canvas needs before it may be finished; None: nothing."""
    names = [one.operator for one in view.operators]
    wanted = next((group for group in view.groups if not {*group} & {*names}), None)
    if wanted is not None:
        return add(next((name for name in ("Programmer", "Verify") if name in wanted), wanted[0]))
    if len(names) >= view.least:
        return None
    pads = [name for name in PADS if view.offers(name)]
    return next((add(name) for name in pads if name not in names), add(pads[-1]) if pads else None)
