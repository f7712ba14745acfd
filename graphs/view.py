"""The state view z_t is a pure function of the state, bounded in size, and hides no failure: what was refused or
broke in the last turn is always in it (DyFlow, arXiv 2509.26062, f_summary; ours is deterministic)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..operators.context import excerpt
from .budget import Resource, spent
from .evidence import CANDIDATES
from .faults import Fault
from .memory import PROBLEM, Entry
from .section import inert
from .state import State
from .system import Scene

EXCERPT: Final = 400
"""Characters of an entry shown in full view."""
DETAILED: Final = 12
"""Latest entries shown with an excerpt; older ones are one line of facts."""
LISTED: Final = 60
"""Entries listed at all; older ones that are no candidates are only counted."""
PROBLEM_LIMIT: Final = 24_000
CONVERSATION: Final = 6_000
"""Characters of the conversation before a question."""


def problem_text(scene: Scene) -> str:
    """The question, within the size a prompt can carry, and unable to open or close a section of it."""
    return inert(excerpt(scene.memory[PROBLEM]["content"], PROBLEM_LIMIT))


def question_text(scene: Scene, limit: int = PROBLEM_LIMIT) -> str:
    """The question after what was said before it, where it came in a conversation; inert as `problem_text` is."""
    question = excerpt(scene.memory[PROBLEM]["content"], limit)
    said = next((one["content"] for one in scene.memory.entries if one["kind"] == "conversation"), None)
    if said is None:
        return inert(question)
    return inert(f"Said before:\n{excerpt(said, min(limit, CONVERSATION))}\n\nThe question now:\n{question}")


def budget_line(state: State) -> str:
    """What is spent and what the limits are, as one JSON object. `turn` is the decision being made. Time is told in
    tenths of its limit only: a prompt that showed the clock would be another one in every run of the same seed."""
    budget, usage, run = state["budget"], state["usage"], state["run"]
    line: dict[str, Any] = {"turn": run["turn"], "turns": budget.get("turns")}
    shown: tuple[Resource, ...] = ("operations", "calls", "tokens", "money")
    for name in shown:
        limit = budget.get(name)
        line |= {name: _short(spent(usage, name))} | ({} if limit is None else {f"{name}_limit": limit})
    if limit := budget.get("seconds"):
        line["time_used"] = f"{min(10, int(usage['seconds'] / limit * 10))}/10"
    return json.dumps(line)


def _short(amount: float) -> float:
    return amount if amount == int(amount) else round(amount, 3)


def memory_lines(scene: Scene) -> Iterator[str]:
    """One JSON object per entry, oldest first; what is left out is counted, never silently dropped."""
    entries = scene.memory.entries
    recent = {one["key"] for one in entries[-LISTED:]}
    listed = [one for one in entries if one["key"] in recent or one["kind"] in (*CANDIDATES, "task")][-2 * LISTED :]
    if len(listed) < len(entries):
        yield json.dumps({"older_entries_left_out": len(entries) - len(listed)})
    detailed = {one["key"] for one in listed[-DETAILED:]}
    for one in listed:
        yield json.dumps(entry_facts(one, detailed=one["key"] in detailed), ensure_ascii=False)


def entry_facts(one: Entry, *, detailed: bool) -> dict[str, Any]:
    """What the designer is told of an entry."""
    facts: dict[str, Any] = {"key": one["key"], "kind": one["kind"], "by": one["by"]}
    if one["inputs"]:
        facts["from"] = one["inputs"]
    facts["size"] = len(one["content"])
    facts |= {name: one[name] for name in ("answer", "verdict", "passed") if one[name] is not None}
    facts |= {name: one["data"][name] for name in ("support", "truncated") if name in one["data"]}
    if "answer" in facts:
        facts["answer"] = excerpt(facts["answer"], EXCERPT)
    if detailed and one["key"] != PROBLEM:
        facts["excerpt"] = excerpt(one["content"], EXCERPT)
    return facts


def feedback(scene: Scene, warnings: Sequence[Fault] = ()) -> list[Fault]:
    """What went wrong since the last accepted decision, and `warnings`."""
    state = scene.state
    turns = state.get("turns", [])
    last = turns[-1]["turn"] if turns else 0
    refused = [one for turn in turns if turn["turn"] == last for one in turn["faults"]]
    failed = [op["fault"] for op in state.get("operations", []) if op["turn"] == last and op["fault"]]
    return [*refused, *failed, *warnings]


def feedback_lines(scene: Scene, warnings: Sequence[Fault]) -> Iterator[str]:
    """One JSON object per fault, without its empty parts."""
    for one in feedback(scene, warnings):
        yield json.dumps({name: value for name, value in one.items() if value is not None}, ensure_ascii=False)


def state_view(scene: Scene, warnings: Sequence[Fault] = ()) -> str:
    """z_t: memory, budget and feedback, as sections of JSON lines; what only grows comes first, so that a model server
    can keep what it has read."""
    return "\n".join(
        (
            "\n".join(("<memory>", *memory_lines(scene), "</memory>")),
            f"<budget>\n{budget_line(scene.state)}\n</budget>",
            "\n".join(("<feedback>", *feedback_lines(scene, warnings), "</feedback>")),
        )
    )
