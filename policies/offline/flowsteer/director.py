"""The director finishes on evidence that the canvas shows, and on nothing else. This system knows no surrender: a
problem that nobody here can solve gets a canvas without a candidate, and the turns run out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from langchain_core.messages import BaseMessage

from ..refusals import UNKNOWN
from ..skills import Problem
from ..slips import Action, Slips, Spoil, as_json
from .mending import Mend
from .node import MAKERS
from .plans import lacking, plan_for
from .prompts import PROMPTS, prompt_for
from .shape import add
from .standing import Flow, Standing
from .tags import PROMPT, as_tags
from .view import CanvasView

HOPELESS: Final = 3
"""New attempts after which, with no answer on the canvas, there is none to be expected."""
NO_OPERATOR: Final = "Solver"
NO_NODE: Final = "node_99"


def reply(messages: Sequence[BaseMessage], slips: Slips) -> str:
    """One action; now and then a spoilt one."""
    view = CanvasView.read(messages)
    if view is None:
        return UNKNOWN
    action, careful = decide(view), view.said.corrected or view.awaited is not None
    render = as_tags if view.tags else as_json
    return slips.written(action, careful=careful, key=_wrong_node(action), operator=_wrong_name(action), render=render)


def _wrong_node(action: Action) -> Spoil | None:
    place = next((name for name in ("target", "node") if name in action), None)
    return None if place is None else lambda said: said.update({place: NO_NODE})


def _wrong_name(action: Action) -> Spoil | None:
    return (lambda said: next(_named(said)).update(operator=NO_OPERATOR)) if any(_named(action)) else None


def _named(part: Any) -> Iterator[Action]:
    """The operators in an action, in order."""
    if isinstance(part, dict) and "operator" in part:
        yield part
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for one in inner:
        yield from _named(one)


def decide(view: CanvasView) -> Action:
    """The next edit, a look, a prompt, or the end."""
    problem = view.problem
    if view.awaited is not None:
        text = PROMPTS["Plan"] if problem is None else prompt_for(view.awaited, problem, view.turn)
        return {"action": PROMPT, "prompt": text}
    if problem is None:
        return idle(view)
    standing = Flow(problem, view.nodes).after([one.id for one in view.top], Standing())
    if view.result is not None and standing.proven(problem, tests=view.offers("Test")):
        wanted = lacking(view)
        return {"action": "finish"} if wanted is None else wanted.as_json(lambda name: prompted(name, problem, view))
    if view.top and view.said.left("turns") < 1:
        return idle(view)
    if fruitless(view):
        return cleared(view)
    plan = plan_for(problem, view)
    if len(view.top) < len(plan):
        return plan[len(view.top)].as_json(lambda name: prompted(name, problem, view))
    return Mend(problem, view, standing).action()


def prompted(operator: str, problem: Problem, view: CanvasView) -> str:
    """The prompt for a node of this turn."""
    return prompt_for(operator, problem, view.turn)


def fruitless(view: CanvasView) -> bool:
    """Whether attempt after attempt has come to no answer at all."""
    attempts = sum(1 for line in view.done if line.startswith("~"))
    return attempts >= HOPELESS and not any(one.answer for one in view.operators if one.operator in MAKERS)


def cleared(view: CanvasView) -> Action:
    """What came to nothing is taken off the canvas, so that it does not pass for an answer."""
    rest = next((one for one in view.top if one.operator not in ("Plan", "Decompose")), None)
    return idle(view) if rest is None else {"action": "delete", "target": rest.id}


def idle(view: CanvasView) -> Action:
    """An action that claims nothing: a plan where there is no node, else a look at the first one."""
    if not view.top:
        return add("Plan").as_json(lambda name: PROMPTS[name])
    return {"action": "inspect", "node": view.top[0].id}
