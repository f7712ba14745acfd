"""A director's view never exceeds its token budget: detail is given up in one fixed order, the oldest first, until the
view fits, and what was left out is counted. No length of a run, a reply or a result makes it fail."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..operators.context import excerpt
from .state import State
from .turn import Turn

BYTES_PER_TOKEN: Final = 3
"""Of UTF-8. Text in the languages that tokenizers were made for has four; the smaller number errs to the safe side."""


def tokens_of(text: str) -> int:
    """Tokens that `text` counts as: a third of its UTF-8 bytes, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN)


@dataclass(frozen=True)
class Detail:
    """How much of everything is shown."""

    verbatim: int
    """Latest turns shown with their reply."""
    reply: int
    """Characters of such a reply."""
    lines: int
    """Older turns shown as one line each; those before are only counted."""
    excerpt: int
    """Characters of what a node gave."""
    problem: int
    """Characters of the problem."""
    faults: int
    """Faults of the last turn that are told."""


LEVELS: Final = (
    Detail(verbatim=3, reply=2_000, lines=200, excerpt=600, problem=24_000, faults=40),
    Detail(verbatim=2, reply=1_000, lines=60, excerpt=400, problem=16_000, faults=20),
    Detail(verbatim=1, reply=600, lines=30, excerpt=240, problem=8_000, faults=10),
    Detail(verbatim=1, reply=300, lines=12, excerpt=120, problem=4_000, faults=6),
    Detail(verbatim=0, reply=0, lines=6, excerpt=0, problem=2_000, faults=4),
    Detail(verbatim=0, reply=0, lines=0, excerpt=0, problem=800, faults=2),
)
"""What is given up, in this order."""


@dataclass(frozen=True)
class View:
    """The parts of a director's prompt that change from task to task and from turn to turn."""

    problem: str
    state: str

    @property
    def tokens(self) -> int:
        """What both count as."""
        return tokens_of(self.problem) + tokens_of(self.state)


def fitted(view: Callable[[Detail], View], budget: int) -> View:
    """The view with the most detail that fits into `budget` tokens; of the last level the state is cut in its middle if
    even that is too long."""
    for detail in LEVELS:
        shown = view(detail)
        if shown.tokens <= budget:
            return shown
    room = len(shown.state)
    while shown.tokens > budget and room > 0:
        room = room * 3 // 4
        shown = View(shown.problem, excerpt(shown.state, room))
    return shown


def history_lines(state: State, detail: Detail) -> Iterator[str]:
    """One JSON object a turn, which is the same in every later view, then the latest replies."""
    turns = [one for one in state.get("turns", []) if one["turn"] < state["run"]["turn"]]
    shown = turns[len(turns) - detail.lines :] if detail.lines else []
    if len(shown) < len(turns):
        yield _line({"turns_left_out": len(turns) - len(shown)})
    yield from (_line(turn_facts(one)) for one in shown)
    for one in turns[len(turns) - detail.verbatim :] if detail.verbatim else []:
        yield _line({"turn": one["turn"], "reply": excerpt(one["reply"] or "", detail.reply)})


def turn_facts(turn: Turn) -> dict[str, Any]:
    """A turn in one line: what it did, or why it was refused."""
    facts: dict[str, Any] = {"turn": turn["turn"]} | ({"repair": turn["attempt"]} if turn["attempt"] else {})
    if turn["outcome"] in ("refused", "unanswered"):
        return {**facts, turn["outcome"]: [one["code"] for one in turn["faults"]]}
    return {**facts, "did": turn["description"]} | ({"notices": turn["notices"]} if turn["notices"] else {})


def _line(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False)


def counted(lines: Sequence[str], most: int) -> list[str]:
    """The first `most` lines, and how many are missing."""
    return [*lines[:most], *([_line({"left_out": len(lines) - most})] if len(lines) > most else [])]
