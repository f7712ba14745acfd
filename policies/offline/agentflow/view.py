"""Planner and verifier know what their prompt says and nothing else: the problem, the calls and the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from ..sections import Sections
from ..skills import Problem, recognise
from .call import calls_in
from .findings import Findings


@dataclass(frozen=True)
class PlannerView:
    """What one prompt tells."""

    said: Sections
    findings: Findings
    turn: int
    """The turn being decided."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> PlannerView | None:
        """The view in a prompt; None: it has no problem of a known family."""
        said = Sections.read(messages)
        problem = recognise(said.problem) if said else None
        if said is None or problem is None:
            return None
        findings = Findings(problem, calls_in(said.lines("memory")))
        return cls(said, findings, int(said.budget.get("turn", 1)))

    @property
    def problem(self) -> Problem:
        """What is to be solved."""
        return self.findings.problem

    def offers(self, tool: str) -> bool:
        """Whether a tool is in the list, and was not said to be unknown a moment ago."""
        return tool in self.said.listed and not self.said.refuses(tool)
