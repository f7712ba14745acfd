"""How the result of a canvas stands follows from the flow: a check is about the candidates before it, and a new
candidate leaves the checks of the old one behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ..skills import Problem
from ..skills.numbers import meaning
from .node import AGGREGATORS, CHECKERS, JUDGES, MAKERS, Node

EXECUTED: Final = frozenset({"equations", "game24"})
"""Families whose answers are claimed on a passed test alone, where tests can be run."""
ONLY_TESTED: Final = frozenset({"game24", "functions"})
"""Families that are never claimed without a passed test."""


@dataclass(frozen=True)
class Standing:
    """What is up for the result at one point of the flow, and what is known about it."""

    made: tuple[Node, ...] = ()
    """Nodes whose results are the candidates; the last one is the result."""
    checks: tuple[Node, ...] = ()
    """Checks of these candidates, in order."""
    lead: int = 1
    """Of an aggregated result: how many more of those before it came to the same than to any other."""
    aggregated: bool = False
    """Whether several results were made into this one."""

    @property
    def tested(self) -> bool | None:
        """Outcome of the last test that asserted anything; None: there is none."""
        said = [one.passed for one in self.checks if one.operator == "Test" and one.passed is not None]
        return said[-1] if said else None

    @property
    def judged(self) -> list[bool]:
        """Whether each review or verification accepted."""
        return [one.verdict == "accept" for one in self.checks if one.operator in JUDGES and one.verdict]

    @property
    def accepted(self) -> bool:
        """Whether most verdicts accept, the last one among them."""
        return bool(self.judged) and self.judged[-1] and 2 * sum(self.judged) > len(self.judged)

    @property
    def corroborated(self) -> bool:
        """Whether independent work came to the same: other branches, or a verification beside another verdict."""
        verified = any(one.operator == "Verify" and one.verdict == "accept" for one in self.checks)
        return self.lead > 1 or (verified and sum(self.judged) > 1)

    def proven(self, problem: Problem, *, tests: bool) -> bool:
        """Whether the result may be claimed. `tests`: whether tests can be run."""
        if not self.made or self.made[-1].answer is None:
            return False
        if problem.family in EXECUTED and tests:
            return self.tested is True
        if problem.family in ONLY_TESTED:
            return self.tested is True and self.accepted
        return self.tested is not False and self.accepted and self.corroborated


@dataclass(frozen=True)
class Flow:
    """Follows the nodes of one canvas."""

    problem: Problem
    nodes: Mapping[str, Node]

    def after(self, sequence: Sequence[str], before: Standing) -> Standing:
        """The standing behind a sequence."""
        for id in sequence:
            before = self._behind(self.nodes[id], before)
        return before

    def _behind(self, node: Node, before: Standing) -> Standing:
        match node.kind:
            case "parallel":
                return self._joined(node, before)
            case "conditional":
                return self._chosen(node, before)
            case "loop":
                return self.after(node.inside[0], before)
        if not node.ok:
            return before
        if node.operator in CHECKERS:
            return replace(before, checks=(*before.checks, node))
        return self._made(node, before) if node.operator in MAKERS else before

    def _made(self, node: Node, before: Standing) -> Standing:
        if node.operator in AGGREGATORS:
            votes = Counter(self.form(one) for one in before.made)
            mine = votes.pop(self.form(node), 0)
            return Standing((node,), lead=mine - max(votes.values(), default=0), aggregated=True)
        if node.operator == "Format" and before.made and self.form(before.made[-1]) == self.form(node):
            return replace(before, made=(node,))
        return Standing((node,))

    def _joined(self, node: Node, before: Standing) -> Standing:
        ends = [self.after(branch, before) for branch in node.inside]
        made = tuple(one for end in ends if end.made != before.made for one in end.made)
        return Standing(made) if made else before

    def _chosen(self, node: Node, before: Standing) -> Standing:
        (condition,), *branches = node.inside
        checked = self._behind(self.nodes[condition], before)
        end = self.after(branches[0 if node.branch == "then" else 1], checked)
        again = end.made != checked.made and self.nodes[condition].operator == "Test"
        return replace(end, checks=(*end.checks, self.nodes[condition])) if again else end

    def form(self, node: Node) -> object:
        """What the answers of two nodes are compared by; of none, the node itself."""
        return node if node.answer is None else meaning(self.problem.in_form(node.answer))
