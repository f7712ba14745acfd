"""The designer knows what its prompt says and nothing else: the problem, the budget, the memory and the feedback."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from langchain_core.messages import BaseMessage

_PROBLEM: Final = re.compile(r"^<problem>\n(.*)^</problem>$", re.DOTALL | re.MULTILINE)
_SECTION: Final = "^<{0}>\n(.*?)^</{0}>$"
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
    def of(cls, line: dict[str, Any]) -> Entry:
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
    budget: dict[str, Any]
    memory: tuple[Entry, ...]
    feedback: tuple[dict[str, Any], ...]
    offered: frozenset[str] = field(default_factory=frozenset)
    """Operator names the instructions mention; empty: they mention none, so any may be used."""
    corrects: bool = False
    """Whether the prompt goes on with a correction of an earlier reply to it."""

    @classmethod
    def read(cls, messages: Sequence[BaseMessage]) -> DesignerView | None:
        """The view in a prompt; None: the prompt is not a designer's."""
        for position in reversed(range(len(messages))):
            text = messages[position].text
            if problem := _PROBLEM.search(text):
                said = [message.text for message in messages[:position]] + [text[: problem.start()]]
                view = cls._of(problem[1].strip(), text[problem.end() :], "\n".join(said))
                return replace(view, corrects=position + 1 < len(messages)) if view else None
        return None

    @classmethod
    def _of(cls, problem: str, state: str, instructions: str) -> DesignerView | None:
        budget, memory = _lines(state, "budget"), _lines(state, "memory")
        entries = tuple(Entry.of(line) for line in memory if {"key", "kind"} <= line.keys())
        if not entries:
            return None
        offered = frozenset(_OPERATOR.findall(instructions))
        return cls(problem, budget[0] if budget else {}, entries, _lines(state, "feedback"), offered)

    @property
    def corrected(self) -> bool:
        """Whether a reply was refused a moment ago: then care is taken."""
        return self.corrects or any(one.get("kind") == "policy" for one in self.feedback)

    def left(self, resource: str) -> float:
        """What remains of a limit; infinite where there is none. Of `turns`: those after this one."""
        limit, used = self.budget.get(f"{resource}_limit"), self.budget.get(resource, 0)
        if resource == "turns":
            limit, used = self.budget.get("turns"), self.budget.get("turn", 1)
        return float("inf") if limit is None else limit - used

    def offers(self, operator: str) -> bool:
        """Whether a stage may use `operator`: it is on offer, and was not refused a moment ago."""
        refused = any(
            operator in one.get("message", "") for one in self.feedback if "unknown_op" in one.get("code", "")
        )
        return not refused and (not self.offered or operator in self.offered)


def _lines(text: str, section: str) -> tuple[dict[str, Any], ...]:
    match = re.search(_SECTION.format(section), text, re.DOTALL | re.MULTILINE)
    lines = [json.loads(line) for line in match[1].splitlines() if line.startswith("{")] if match else []
    return tuple(line for line in lines if isinstance(line, dict))
