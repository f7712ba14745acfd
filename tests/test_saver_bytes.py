"""Storage of a run is small and close to linear in its length, whatever LangGraph keeps about versions."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Annotated, Any

from flowwright.checkpoints.sqlite import GroupCommitSaver
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict


def extend(held: list[Any], writes: list[list[Any]]) -> list[Any]:
    return [*held, *(item for write in writes for item in write)]


Growing = Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=100)]


class State(TypedDict):
    """A run with three growing channels."""

    turn: int
    view: str
    turns: Growing
    operations: Growing
    memory: Growing
    answer: str


def drive(saver: BaseCheckpointSaver[Any], turns: int) -> None:
    """Five nodes a turn, 1 kB of text that does not compress into a growing channel, references into two more."""
    letters = random.Random(0)
    steps = {
        "summarizer": lambda state: {"turn": state["turn"] + 1, "view": "v" * 200},
        "designer": lambda state: {"turns": ["".join(letters.choices("abcdefghijklmnop", k=1000))]},
        "executor": lambda state: {"operations": [{"id": state["turn"]}]},
        "verifier": lambda state: {"memory": [{"key": f"draft@{state['turn']}"}]},
        "generator": lambda state: {"answer": "none yet"},
    }
    graph = StateGraph(State)
    for before, (name, step) in zip([START, *steps], steps.items(), strict=False):
        graph.add_node(name, step)
        graph.add_edge(before, name)
    graph.add_conditional_edges("generator", lambda state: END if state["turn"] >= turns else "summarizer")
    where: Any = {"configurable": {"thread_id": "6f8ad1d6-32a9-4a6b-8d4c-5b27b5ab7d20"}, "recursion_limit": 10_000}
    graph.compile(checkpointer=saver).invoke({"turn": 0}, where, durability="sync")


def stored(path: Path, turns: int) -> int:
    with GroupCommitSaver(path) as saver:
        drive(saver, turns)
    return path.stat().st_size


def test_400_turns_of_a_kilobyte_take_at_most_6_megabytes_and_grow_about_linearly(tmp_path: Path) -> None:
    half, whole = stored(tmp_path / "half.db", 200), stored(tmp_path / "whole.db", 400)
    assert whole <= 6_000_000
    assert whole / half < 2.25


def test_short_versions_save_a_fifth_of_the_shipped_savers_bytes(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "shipped.db", check_same_thread=False)
    drive(SqliteSaver(connection), 60)
    connection.close()
    assert stored(tmp_path / "ours.db", 60) < 0.8 * (tmp_path / "shipped.db").stat().st_size
