"""Who is a solver, a checker or an aggregator is data: sets of operator names that rules and rewards are made of
(FlowSteer, arXiv 2602.01664)."""

from __future__ import annotations

from typing import Final

PUBLISHED_OPERATORS: Final = (
    "Plan", "Decompose", "Programmer", "Custom", "AnswerGenerate", "Test", "Review", "Verify", "Revise", "ScEnsemble",
    "Aggregate", "Format",
)  # fmt: skip
"""The twelve operators of the paper."""

SOLVERS: Final = frozenset({"Custom", "Programmer", "AnswerGenerate", "Aggregate", "Revise"})
CHECKERS: Final = frozenset({"Verify", "Test", "Review"})
TESTERS: Final = frozenset({"Test"})
FORMATTERS: Final = frozenset({"Format"})
AGGREGATORS: Final = frozenset({"ScEnsemble", "Aggregate", "MdEnsemble", "ENSEMBLE"})
"""They compare what several branches gave, so within one branch they have nothing to compare."""
