"""Stores of every kind that runs are read from, each a real saver."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.checkpoints.trajectories.trajectory import Trajectory
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

Saver = BaseCheckpointSaver[Any]
KINDS = ("ours", "memory", "shipped", "shipped memory")


def opened(kind: str, directory: Path) -> Saver:
    if kind == "ours":
        return GroupCommitSaver(directory / "ours.db")
    if kind == "shipped":
        return SqliteSaver(sqlite3.connect(directory / "shipped.db", check_same_thread=False))
    return StrictMemorySaver() if kind == "memory" else InMemorySaver()


def close(saver: Saver) -> None:
    if isinstance(saver, GroupCommitSaver):
        saver.close()
    elif isinstance(saver, SqliteSaver):
        saver.conn.close()


def all_runs(saver: Saver, selection: Selection | None = None, ledger: Ledger | None = None) -> list[Trajectory]:
    return [one for tree in load_trajectories(saver, selection, ledger) for one in tree.trajectories]


def where(thread_id: str, **more: Any) -> Any:
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": 1000, **more}


def before_turn(graph: Any, thread_id: str, turn: int) -> Any:
    """The checkpoint from which the call of that turn was made."""
    history = graph.get_state_history(where(thread_id))
    return next(one for one in history if len(one.values.get("turns", [])) == turn - 1 and one.next == ("designer",))
