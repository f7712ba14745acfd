"""A run as a Mermaid flowchart. Only ids, keys and operator names go into it, all of them the runtime's, so no text of
a model can break the diagram or the page it stands on."""

from __future__ import annotations

from collections.abc import Iterator

from ..graphs.memory import PROBLEM
from ..graphs.operation import Operation
from ..graphs.state import State


def mermaid(state: State) -> str:
    """One subgraph a turn, one node an operation, edges by data."""
    return "\n".join(("flowchart TD", '  problem["problem@1"]', *_stages(state), *_ending(state)))


def _stages(state: State) -> Iterator[str]:
    producers = {PROBLEM: "problem"} | {one["output"]: one["id"] for one in state.get("operations", [])}
    by_turn: dict[int, list[Operation]] = {}
    for one in state.get("operations", []):
        by_turn.setdefault(one["turn"], []).append(one)
    for turn, operations in by_turn.items():
        yield f'  subgraph stage_{turn}["stage {turn}"]'
        yield from (f'    {one["id"]}["{one["operator"]}<br/>{one["output"]} ({one["status"]})"]' for one in operations)
        yield "  end"
    for one in state.get("operations", []):
        yield from (f"  {producers[key]} --> {one['id']}" for key in one["inputs"] if key in producers)


def _ending(state: State) -> Iterator[str]:
    evidence = state.get("evidence")
    if evidence is not None:
        yield f'  answer(["{state["status"]}"])'
        made = {one["output"]: one["id"] for one in state.get("operations", [])}
        if evidence["candidate"] in made:
            yield f"  {made[evidence['candidate']]} --> answer"
