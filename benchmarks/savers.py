"""Durable super-steps per second: the group-commit saver against LangGraph's own AsyncSqliteSaver, side by side.

The same five-role graph, without model I/O, at 1 and at 64 concurrent runs. Rounds are interleaved, each measurement
has a process of its own, and ratios are of the two measurements of one round, so that a busy machine hits both.

    python benchmarks/savers.py [--rounds 5] [--out benchmarks/results/savers.json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright.checkpoints.open import open_checkpointer
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from typing_extensions import TypedDict

TURNS = 5
STEPS = 4 * TURNS + 1  # four roles a turn and the generator
ENTRY = "x" * 1000
SHIPPED, GROUP, MEMORY = "AsyncSqliteSaver", "GroupCommitSaver", "StrictMemorySaver"
CONCURRENCY = (1, 64)


def extend(held: list[str], writes: list[list[str]]) -> list[str]:
    """A list that grows: the reducer of the delta channels."""
    return [*held, *(item for write in writes for item in write)]


Growing = Annotated[list[str], DeltaChannel(extend, snapshot_frequency=100)]


class State(TypedDict):
    """The parts of a run that cost bytes: three growing lists of 1 kB entries and a few values."""

    turn: int
    view: str
    turns: Growing
    operations: Growing
    memory: Growing
    answer: str


async def summarizer(state: State) -> dict[str, Any]:
    """Next turn."""
    return {"turn": state.get("turn", 0) + 1, "view": f"{len(state.get('operations', []))} operations so far"}


async def designer(state: State) -> dict[str, Any]:
    """One entry."""
    return {"turns": [ENTRY]}


async def executor(state: State) -> dict[str, Any]:
    """One entry."""
    return {"operations": [ENTRY]}


async def verifier(state: State) -> dict[str, Any]:
    """One entry."""
    return {"memory": [ENTRY]}


async def generator(state: State) -> dict[str, Any]:
    """The end."""
    return {"answer": f"{len(state['operations'])} operations"}


async def after_verifier(state: State) -> str:
    """Loop or end."""
    return "generator" if state["turn"] >= TURNS else "summarizer"


def build() -> StateGraph[State]:
    """Five roles, nodes and edges all asynchronous: a plain function would cost a visit to a thread."""
    graph = StateGraph(State)
    for node in (summarizer, designer, executor, verifier, generator):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "summarizer")
    graph.add_edge("summarizer", "designer")
    graph.add_edge("designer", "executor")
    graph.add_edge("executor", "verifier")
    graph.add_conditional_edges("verifier", after_verifier, ["summarizer", "generator"])
    graph.add_edge("generator", END)
    return graph


@asynccontextmanager
async def opened(kind: str, path: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    """One of the savers; both SQLite ones in WAL mode with synchronous=FULL."""
    if kind == SHIPPED:
        async with AsyncSqliteSaver.from_conn_string(str(path)) as shipped:
            yield shipped
        return
    async with open_checkpointer("memory:" if kind == MEMORY else f"sqlite:///{path}") as ours:
        yield ours


async def measure(kind: str, concurrency: int, path: Path) -> dict[str, float]:
    """Drive the runs (after a warm-up) and count steps by wall and by CPU time of this process."""
    async with opened(kind, path) as saver:
        graph = build().compile(checkpointer=saver)

        async def run(name: str) -> None:
            await graph.ainvoke({"turn": 0}, {"configurable": {"thread_id": name}}, durability="sync")

        await asyncio.gather(*(run(f"warm-{i}") for i in range(min(concurrency, 8))))
        runs = 20 if concurrency == 1 else concurrency
        wall, cpu = time.perf_counter(), time.process_time()
        if concurrency == 1:
            for i in range(runs):
                await run(f"run-{i}")
        else:
            await asyncio.gather(*(run(f"run-{i}") for i in range(runs)))
        steps = runs * STEPS
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"steps_per_s": steps / wall, "wall_ms": 1e3 * wall / steps, "cpu_ms": 1e3 * cpu / steps}


def spawn(kind: str, concurrency: int) -> dict[str, float]:
    """One measurement in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        os.sync()  # what the measurement before left to the disk is not this one's
        command = [sys.executable, __file__, "--measure", kind, str(concurrency), f"{directory}/runs.db"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def summary(values: list[float]) -> dict[str, float]:
    """Median and range."""
    return {
        "median": round(statistics.median(values), 3),
        "min": round(min(values), 3),
        "max": round(max(values), 3),
    }


def compare(rounds: int) -> dict[str, Any]:
    """All savers at all concurrencies, round by round."""
    rows: dict[tuple[str, int], list[dict[str, float]]] = {}
    for number in range(rounds):
        for concurrency in CONCURRENCY:
            for kind in (SHIPPED, GROUP, MEMORY) if number % 2 else (MEMORY, GROUP, SHIPPED):
                rows.setdefault((kind, concurrency), []).append(spawn(kind, concurrency))
    table = [
        {"saver": kind, "concurrency": concurrency, **{key: summary([one[key] for one in found]) for key in found[0]}}
        for (kind, concurrency), found in sorted(rows.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    ratios = {
        str(concurrency): {
            "throughput": summary([g["steps_per_s"] / s["steps_per_s"] for g, s in pairs]),
            "cpu": summary([g["cpu_ms"] / s["cpu_ms"] for g, s in pairs]),
        }
        for concurrency in CONCURRENCY
        for pairs in [list(zip(rows[GROUP, concurrency], rows[SHIPPED, concurrency], strict=True))]
    }
    return {"rounds": rounds, "turns": TURNS, "super_steps": STEPS, "rows": table, "group_over_shipped": ratios}


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "savers.json")
    parser.add_argument("--measure", nargs=3, metavar=("SAVER", "CONCURRENCY", "PATH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        kind, concurrency, path = given.measure
        print(json.dumps(asyncio.run(measure(kind, int(concurrency), Path(path)))))
        return
    result = compare(given.rounds)
    print(f"{'saver':18} {'runs':>4} {'steps/s':>8} {'ms/step':>8} {'CPU ms/step':>12}")
    for row in result["rows"]:
        numbers = (row["steps_per_s"]["median"], row["wall_ms"]["median"], row["cpu_ms"]["median"])
        print(f"{row['saver']:18} {row['concurrency']:4} {numbers[0]:8.0f} {numbers[1]:8.2f} {numbers[2]:12.2f}")
    for concurrency, ratio in result["group_over_shipped"].items():
        said = (f"{key} x{one['median']} ({one['min']} to {one['max']})" for key, one in ratio.items())
        print(f"group commit over shipped at {concurrency}: {', '.join(said)}")
    result["versions"] = {
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        **{name: version(name) for name in ("langgraph", "langgraph-checkpoint", "langgraph-checkpoint-sqlite")},
    }
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
