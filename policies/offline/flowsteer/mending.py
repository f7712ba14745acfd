"""What is not proven is looked at, judged once more, revised or made anew, in this order; what made it worse is taken
back. No edit repeats one that changed nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..skills import Problem
from ..slips import Action
from .node import JUDGES, SOLVERS, Node
from .plans import available
from .prompts import prompt_for
from .shape import add
from .standing import EXECUTED, Standing
from .view import CanvasView

OPINIONS: Final = 4
"""Verdicts on one result at most."""
BRANCHES: Final = 4
"""Branches of a parallel at most."""
_REVISED: Final = re.compile(r"^\+ node_\d+ Revise\b")


@dataclass(frozen=True)
class Mend:
    """Finds the next edit of a canvas whose result is not proven."""

    problem: Problem
    view: CanvasView
    standing: Standing

    def action(self) -> Action:
        """The edit."""
        steps = (self.look, self.widen, self.test, self.judge, self.revise, self.take_back)
        return next((found for step in steps if (found := step()) is not None), None) or self.anew()

    def look(self) -> Action | None:
        """Of a hard problem, one look at what the last check found."""
        refuting = [one for one in self.standing.checks if one.passed is False or one.verdict not in (None, "accept")]
        looked = any(line.startswith("inspect") for line in self.view.done)
        if looked or not refuting or self.problem.difficulty == "easy":
            return None
        return {"action": "inspect", "node": refuting[-1].id}

    def widen(self) -> Action | None:
        """Another branch where those there are do not settle it; another operator where there are branches enough."""
        if not self.standing.aggregated or self.standing.corroborated:
            return None
        around = next((one for one in self.view.top if one.kind == "parallel"), None)
        operator = available("Custom", self.view)
        if around is None or operator is None:
            return None
        if len(around.inside) < BRANCHES and not self.view.tags:
            place = {"node": around.id, "part": "new_branch"}
            return {"action": "add", "operator": operator, "prompt": self.prompt(operator), "into": place}
        return self.replaced(around, operator)

    def replaced(self, around: Node, operator: str) -> Action:
        """Another operator in a branch that has another one; else another attempt."""
        inside = [self.view.nodes[branch[0]] for branch in around.inside]
        other = next((one for one in inside if one.operator not in (operator, "Programmer")), None)
        if other is None:
            return self.anew()
        return {"action": "modify", "target": other.id, "operator": operator, "prompt": self.prompt(operator)}

    def test(self) -> Action | None:
        """A test where the result has none and can only be claimed with one."""
        wanted = self.problem.family in EXECUTED or self.problem.family == "functions"
        if not wanted or not self.view.offers("Test") or any(one.operator == "Test" for one in self.standing.checks):
            return None
        return self.added("Test")

    def judge(self) -> Action | None:
        """A verdict, or another opinion where one is against it and none or one is for it."""
        if self.problem.family in EXECUTED and self.view.offers("Test"):
            return None
        against = self.standing.judged.count(False)
        if self.standing.tested is False or against > 1 or len(self.standing.judged) >= OPINIONS:
            return None
        last = next((one.operator for one in reversed(self.standing.checks) if one.operator in JUDGES), "Review")
        operator = available("Review" if last == "Verify" else "Verify", self.view)
        return None if operator is None else self.added(operator)

    def revise(self) -> Action | None:
        """A revision, once, of what verdicts refused."""
        tried = any(_REVISED.match(line) for line in self.view.done)
        if tried or self.standing.tested is False or not self.view.offers("Revise") or not self.standing.judged:
            return None
        return self.added("Revise")

    def take_back(self) -> Action | None:
        """A revision that was refused goes."""
        last = self.standing.made[-1] if self.standing.made else None
        if last is None or last.operator != "Revise" or last not in self.view.top:
            return None
        edits = [line for line in self.view.done if not line.startswith("inspect")]
        place = next((back for back, line in enumerate(reversed(edits), 1) if _REVISED.match(line)), None)
        if place is not None and self.problem.difficulty == "hard" and not self.view.tags:
            return {"action": "undo", "edits": place}
        return {"action": "delete", "target": last.id}

    def anew(self) -> Action:
        """Another attempt by the operators that solve, and by the last one that refused, in turn; all that depends on
        it runs again by itself."""
        solvers = [one for one in self.view.operators if one.operator in SOLVERS]
        refusing = [one for one in self.standing.checks if one.verdict not in (None, "accept")][-1:]
        turns = [*solvers, *refusing]
        return self.again(turns[self.view.turn % len(turns)]) if solvers else self.added("AnswerGenerate")

    def again(self, node: Node) -> Action:
        """The node with a prompt for another attempt."""
        return {"action": "set_prompt", "target": node.id, "prompt": self.prompt(node.operator)}

    def added(self, operator: str) -> Action:
        """One more node at the end."""
        return add(operator).as_json(self.prompt)

    def prompt(self, operator: str) -> str:
        """The prompt for a node of this turn."""
        return prompt_for(operator, self.problem, self.view.turn)
