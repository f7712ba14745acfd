"""The numbers of a workflow and the structural part of its reward, each counted once. Rewards are sums of tenths, so
that a full score is exactly full (FlowSteer, arXiv 2602.01664, equations 12 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from typing_extensions import TypedDict

from ...operators.flowsteer import CHECKERS, FLOWSTEER_OPERATORS, FORMATTERS
from .dsl import canvas_of, dsl_of
from .node import Canvas, ConditionalNode, LoopNode, OperatorNode, ParallelNode

Mode = Literal["published", "corrected"]
FULL: Final = 10
"""Tenths of a full structural score."""
ENOUGH: Final[dict[Mode, int]] = {"published": 6, "corrected": 5}
"""Operators that earn their part: the paper says 5, its numbers were made with 6."""
NAMES: Final = re.compile(rf"\b({'|'.join(operator.name for operator in FLOWSTEER_OPERATORS)})\b")
PUBLISHED_LOOP: Final = re.compile(r"x\s*\d+")
"""What the published numbers take for a loop. No canvas prints it."""


class Statistics(TypedDict):
    """The published numbers of a workflow."""

    total_operators: int
    """Operator nodes, conditions among them; a loop's body counts once."""
    unique_types: int
    operator_list: list[str]
    """Their names, in order."""
    has_parallel: bool
    has_conditional: bool
    has_loop: bool
    node_count: int
    """Nodes of the workflow itself, a structure counting as one."""
    dsl_length: int
    """Characters of the text form."""


def statistics_of(canvas: Canvas) -> Statistics:
    """The numbers of a workflow."""
    nodes = list(canvas.walk())
    names = [node.operator for node in nodes if isinstance(node, OperatorNode)]
    return Statistics(
        total_operators=len(names),
        unique_types=len(set(names)),
        operator_list=names,
        has_parallel=any(isinstance(node, ParallelNode) for node in nodes),
        has_conditional=any(isinstance(node, ConditionalNode) for node in nodes),
        has_loop=any(isinstance(node, LoopNode) for node in nodes),
        node_count=len(canvas.nodes),
        dsl_length=len(dsl_of(canvas)),
    )


def has_structure(numbers: Statistics) -> bool:
    """Whether there is a parallel, a conditional or a loop."""
    return numbers["has_parallel"] or numbers["has_conditional"] or numbers["has_loop"]


@dataclass(frozen=True)
class StructureScore:
    """What a workflow earns by its structure, part by part."""

    checker: bool
    """An operator checks: 2 tenths."""
    format: bool
    """An operator puts the answer into form: 2 tenths."""
    operators: bool
    """There are enough of them: 2 tenths."""
    control: bool
    """There is a parallel, a conditional or a loop: 4 tenths."""

    @property
    def tenths(self) -> int:
        """0 to 10."""
        return 2 * (self.checker + self.format + self.operators) + 4 * self.control

    @property
    def value(self) -> float:
        """The score of equation 12, 0 to 1."""
        return self.tenths / FULL


def structure_score(workflow: Canvas | str, mode: Mode = "corrected") -> StructureScore:
    """The structural score of a workflow or of its text form.

    `published` looks for words in the text, wants six operators of the twelve, and knows no loop that a canvas prints:
    it makes the published numbers again. `corrected` counts the nodes, wants five, and knows loops. Raises DslError
    for a text that `corrected` cannot read."""
    if mode == "published":
        return _published(workflow if isinstance(workflow, str) else dsl_of(workflow))
    numbers = statistics_of(canvas_of(workflow) if isinstance(workflow, str) else workflow)
    names = set(numbers["operator_list"])
    return StructureScore(
        checker=not names.isdisjoint(CHECKERS),
        format=not names.isdisjoint(FORMATTERS),
        operators=numbers["total_operators"] >= ENOUGH[mode],
        control=has_structure(numbers),
    )


def _published(text: str) -> StructureScore:
    brackets = any(all(mark in text for mark in pair) for pair in ("[]", "?:"))
    return StructureScore(
        checker=any(name in text for name in CHECKERS),
        format=any(name in text for name in FORMATTERS),
        operators=published_count(text) >= ENOUGH["published"],
        control=brackets or PUBLISHED_LOOP.search(text) is not None,
    )


def published_count(text: str) -> int:
    """How often the twelve published names stand in a text form."""
    return len(NAMES.findall(text))


def gated_reward(score: StructureScore, answer_score: float) -> float:
    """Equation 14: -1 and the structural score, and the answer's score only where the structural one is full."""
    return (score.tenths - FULL) / FULL + (answer_score if score.tenths == FULL else 0.0)
