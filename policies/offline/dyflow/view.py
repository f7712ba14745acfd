"""The designer knows what its prompt says and nothing else: the problem, the budget, the memory and the feedback."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from langchain_core.messages import BaseMessage

from ..sections import Line, Sections, left

_OPERATOR: Final = re.compile(r"\b(?:[A-Z]{2,}(?:_[A-Z]+)+|DEFAULT|ENSEMBLE)\b")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the memory."""

    key: str
    kind: str
    by: str
    sources: tuple[str, ...] = ()
    answer: str | None = None
    """None: the entry carries no answer."""
    verdict: str | None = None
    """None: not a review, or one without a verdict."""
    passed: bool | None = None
    """None: not a test, or nothing was asserted."""
    support: float | None = None
    """Share of a vote's samples that agree with its answer; None: not a vote."""
    excerpt: str = ""

    @classmethod
    def of(cls, line: Line) -> Entry:
        """The entry in a memory line."""
        return cls(
            key=line["key"], kind=line["kind"], by=line.get("by", ""), sources=tuple(line.get("from", ())),
            answer=line.get("answer"), verdict=line.get("verdict"), passed=line.get("passed"),
            support=line.get("support"), excerpt=line.get("excerpt", ""),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DesignerView:
    """What one prompt tells the designer."""

    problem: str
    budget: Line
    memory: tuple[Entry, ...]
    feedback: tuple[Line, ...]
    offered: frozenset[str] = field(default_factory=frozenset)
    """Operator names the instructions mention; empty: they mention none, so any may be used."""
    corrects: bool = False
    """Whether the prompt goes on with a correction of an earlier reply to it."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> DesignerView | None:
        """The view in a prompt; None: the prompt is not a designer's."""
        found = Sections.read(messages)
        lines = found.lines("memory") if found else ()
        entries = tuple(Entry.of(line) for line in lines if {"key", "kind"} <= line.keys())
        if found is None or not entries:
            return None
        offered = frozenset(_OPERATOR.findall(found.instructions))
        return cls(found.problem, found.budget, entries, found.feedback, offered, found.corrects)

    @property
    def corrected(self) -> bool:
        """Whether a reply was refused a moment ago: then care is taken."""
        return self.corrects or any(one.get("kind") == "policy" for one in self.feedback)

    def left(self, resource: str) -> float:
        """What remains of a limit; infinite where there is none. Of `turns`: those after this one."""
        return left(self.budget, resource)

    def offers(self, operator: str) -> bool:
        """Whether a stage may use `operator`: it is on offer, and was not refused a moment ago."""
        refused = any(
            operator in one.get("message", "") for one in self.feedback if "unknown_op" in one.get("code", "")
        )
        return not refused and (not self.offered or operator in self.offered)
