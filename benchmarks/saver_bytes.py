"""Bytes of a run on disk, and the time to read its last state, by table layout, page size and snapshot frequency.

A loop of five nodes per turn appends 1 kB a turn to one delta channel and a reference to two others. Layouts are made
beforehand and adopted by the saver under test; sizes are taken after the log is folded into the file.

    python benchmarks/saver_bytes.py [--turns 400] [--out benchmarks/results/saver_bytes.json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright.checkpoints.schema import DDL
from flowwright.checkpoints.sqlite import GroupCommitSaver
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from typing_extensions import TypedDict

NODES = 5
LAYOUTS = {"rowid": (), "writes without rowid": (1,), "both without rowid": (0, 1)}  # which of the two tables
LETTERS = "abcdefghijklmnopqrstuvwxyz "


def extend(held: list[Any], writes: list[list[Any]]) -> list[Any]:
    """A list that grows: the reducer of the delta channels."""
    return [*held, *(item for write in writes for item in write)]


def build(turns: int, size: int, frequency: int, saver: BaseCheckpointSaver[Any]) -> CompiledStateGraph[Any]:
    """`turns` turns of five nodes, one entry of `size` characters a turn, a snapshot per `frequency` entries."""
    growing = Annotated[list, DeltaChannel(extend, snapshot_frequency=frequency)]
    fields = {"turn": int, "view": str, "turns": growing, "operations": growing, "memory": growing, "answer": str}
    graph = StateGraph(TypedDict("State", fields))  # type: ignore[operator] # its fields depend on the frequency
    letters = random.Random(0)
    steps = {
        "summarizer": lambda state: {"turn": state.get("turn", 0) + 1, "view": "v" * 200},
        "designer": lambda state: {"turns": ["".join(letters.choices(LETTERS, k=size))]},
        "executor": lambda state: {"operations": [{"id": state["turn"]}]},
        "verifier": lambda state: {"memory": [{"key": f"draft@{state['turn']}"}]},
        "generator": lambda state: {"answer": "none yet"},
    }
    names = [START, *steps]
    for before, (name, step) in zip(names, steps.items(), strict=False):
        graph.add_node(name, step)
        graph.add_edge(before, name)
    graph.add_conditional_edges("generator", lambda state: END if state["turn"] >= turns else "summarizer")
    return graph.compile(checkpointer=saver)


def lay_out(path: Path, layout: str, page_size: int) -> None:
    """Make the two tables in a given layout."""
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA page_size = {page_size}")
    for position, statement in enumerate(DDL[:2]):
        connection.execute(statement + (" WITHOUT ROWID" if position in LAYOUTS[layout] else ""))
    connection.close()


def measure(saver: SqliteSaver, path: Path, *, turns: int, size: int, frequency: int) -> dict[str, float]:
    """Bytes per turn after `turns` turns, and the best time of `get_state` one turn earlier, before any snapshot."""
    run = {"configurable": {"thread_id": "6f8ad1d6-32a9-4a6b-8d4c-5b27b5ab7d20"}, "recursion_limit": NODES * turns + 9}
    build(turns - 1, size, frequency, saver).invoke({"turn": 0}, run, durability="sync")
    graph = build(turns, size, frequency, saver)
    latencies = []
    for _ in range(15):
        start = time.perf_counter()
        graph.get_state(run)
        latencies.append(1e3 * (time.perf_counter() - start))
    graph.invoke({"answer": "one more"}, run, durability="sync")
    if isinstance(saver, GroupCommitSaver):
        saver.close()
    else:
        saver.conn.close()
    kilobytes = path.stat().st_size / 1000
    return {"kB_per_turn": round(kilobytes / turns, 2), "get_state_ms": round(min(latencies), 2)}


def layouts(turns: int, size: int) -> list[dict[str, Any]]:
    """Every layout and page size with our saver, and the shipped saver as it is."""
    rows = []
    for page_size in (4096, 8192, 16384):
        for layout in LAYOUTS:
            with tempfile.TemporaryDirectory() as directory:
                path = Path(directory) / "runs.db"
                lay_out(path, layout, page_size)
                found = measure(GroupCommitSaver(path), path, turns=turns, size=size, frequency=100)
            rows.append({"saver": "GroupCommitSaver", "layout": layout, "page_size": page_size, "entry": size, **found})
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "runs.db"
        saver = SqliteSaver(sqlite3.connect(path, check_same_thread=False))
        found = measure(saver, path, turns=turns, size=size, frequency=100)
    rows.append({"saver": "SqliteSaver", "layout": "rowid", "page_size": 4096, "entry": size, **found})
    return rows


def frequencies(turns: int) -> list[dict[str, Any]]:
    """What snapshots cost and save."""
    rows = []
    for frequency in (50, 100, 150, 200, 500, 1000):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "runs.db"
            found = measure(GroupCommitSaver(path), path, turns=turns, size=1000, frequency=frequency)
        rows.append({"snapshot_frequency": frequency, **found})
    return rows


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=400)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "saver_bytes.json")
    given = parser.parse_args()
    result = {
        "turns": given.turns,
        "nodes_per_turn": NODES,
        "layouts": [*layouts(given.turns, 1000), *layouts(given.turns // 4, 4000)],
        "frequencies": frequencies(given.turns),
    }
    for rows in (result["layouts"], result["frequencies"]):
        for row in rows:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
