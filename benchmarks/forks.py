"""What forks cost before their first call: bytes in the file, and the time to the first new token.

A run with token records is forked at turn 3 with 8 samples. Bytes are those of the rows that the forks add, before any
of them has called a model: as they share what came before, as they hold it themselves (`whole`), and as LangGraph's own
time travel writes them into the source's thread. Seconds are from the request to the end of the first decision, against
a server that answers at once, and against running everything before anew; every model call that a fork saves saves its
latency too.

    python benchmarks/forks.py [--rounds 5] [--out benchmarks/results/forks.json]
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
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.forks.decision_point import decision_of
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.forks.forked import run_forks
from flowwright.checkpoints.runner import start_run, thread_config
from flowwright.graphs.build import Graph
from scripted_replies import course, question

HERE: Final = Path(__file__).parent
SYSTEMS: Final = ("dyflow", "agentflow", "flowsteer")
TURN: Final = 3
SAMPLES: Final = 8
TURNS: Final = {"short": 6, "long": 40}
"""Turns of the source by the length of its run; the long one is forked at its last but one turn, too."""
_SIZE: Final = """
SELECT (SELECT COALESCE(SUM(LENGTH(checkpoint) + LENGTH(metadata)), 0) FROM checkpoints)
     + (SELECT COALESCE(SUM(LENGTH(value)), 0) FROM writes)
"""
_FORKED: Final = """
SELECT SUM(LENGTH(checkpoint) + LENGTH(metadata)) FROM checkpoints
WHERE json_extract(CAST(metadata AS TEXT), '$.source') = 'fork'
"""


def graph_of(system: str, url: str, saver: Any) -> Graph:
    """The system with the scripted server as its model."""
    policies = Policies(designer=f"vllm:scripted@{url}", executor=f"vllm:scripted@{url}")
    return build_graph(system, policies=policies, checkpointer=saver)


def size_of(path: Path, query: str = _SIZE) -> int:
    """Bytes of all that checkpoints and writes hold."""
    with closing(sqlite3.connect(path)) as database:
        (size,) = database.execute(query).fetchone()
    return int(size)


def bytes_added(system: str, url: str, source: Path, turn: int) -> dict[str, float]:
    """Bytes a fork, by way of forking."""
    found = {}
    for way in ("shared", "whole", "langgraph"):
        with tempfile.TemporaryDirectory() as folder:
            path = copied(source, Path(folder) / "runs.db")
            before = size_of(path)
            with open_checkpointer(f"sqlite:///{path}") as saver:
                graph = graph_of(system, url, saver)
                if way == "langgraph":
                    config = decision_of(saver, "source", turn).config
                    for _ in range(SAMPLES):
                        asyncio.run(graph.ainvoke(None, config, interrupt_after=["designer"]))
                else:
                    fork_runs(graph, "source", at=turn, samples=SAMPLES, whole=way == "whole")
            # LangGraph's goes on at once; what it wrote before its first step is its checkpoint of source `fork`.
            added = size_of(path, _FORKED) if way == "langgraph" else size_of(path) - before
            found[way] = round(added / SAMPLES)
    return found


def copied(source: Path, target: Path) -> Path:
    """A copy of the file, its log folded in."""
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(target)) as copy:
        database.backup(copy)
    return target


async def first_decision(graph: Graph, turn: int, forked: bool, number: int) -> float:
    """Seconds until the first new decision of `turn` is there: by a fork, or by running all before it anew."""
    began, ended = time.perf_counter(), list[float]()

    def listen(event: dict[str, Any]) -> None:
        if event["role"] == "designer" and event["event"] == "end" and event.get("turn") == turn:
            ended.append(time.perf_counter())

    if forked:
        forks = await asyncio.to_thread(fork_runs, graph, "source", at=turn, samples=1)
        await run_forks(graph, forks, listener=listen)
    else:
        task = {"question": question(1, TURNS["short"])}
        await start_run(graph, task, f"anew-{number}", Context(seed=number), listen)  # type: ignore[arg-type]
    return ended[0] - began


async def seconds_of(system: str, url: str, source: Path, rounds: int) -> dict[str, Any]:
    """Both ways, side by side, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        path = copied(source, Path(folder) / "runs.db")
        with open_checkpointer(f"sqlite:///{path}") as saver:
            graph = graph_of(system, url, saver)
            await first_decision(graph, TURN, forked=True, number=-1)  # imports, connections
            pairs = [
                [await first_decision(graph, TURN, forked=forked, number=number) for forked in (True, False)]
                for number in range(rounds)
            ]
    fork, anew = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
    ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
    return {"fork_ms": round(1e3 * fork, 1), "anew_ms": round(1e3 * anew, 1), "anew_over_fork": round(ratio, 2)}


async def run_source(system: str, url: str, path: Path, turns: int) -> dict[str, int]:
    """The run to be forked, on thread `source`."""
    with open_checkpointer(f"sqlite:///{path}") as saver:
        graph = graph_of(system, url, saver)
        task = {"question": question(1, turns), "budget": {"turns": turns + 1, "operations": None, "calls": None}}
        await start_run(graph, task, "source", Context(seed=1))  # type: ignore[arg-type]
        usage = (await graph.aget_state(thread_config("source"))).values["usage"]
    return {"turns": usage["turns"], "calls": usage["calls"]}


def measured(system: str, url: str, rounds: int) -> Iterator[dict[str, Any]]:
    """One row a length of run and turn."""
    for length, turns in TURNS.items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "source.db"
            ran = asyncio.run(run_source(system, url, source, turns))
            for turn in (TURN,) if length == "short" else (TURN, turns - 1):
                row = {"system": system, **ran, "forked_at": turn, "source_bytes": size_of(source)}
                row["bytes_a_fork"] = bytes_added(system, url, source, turn)
                if length == "short":
                    before = course(system, turns).calls - course(system, turns - TURN + 1).calls
                    row |= {"calls_saved": before, **asyncio.run(seconds_of(system, url, source, rounds))}
                yield row


@contextmanager
def serving() -> Iterator[str]:
    """The URL of a server that answers at once."""
    with tempfile.TemporaryDirectory() as folder:
        port = Path(folder) / "port"
        command = [sys.executable, str(HERE / "scripted_endpoint.py"), "--port-file", str(port), "--latency", "0"]
        with subprocess.Popen(command) as server:
            try:
                while not port.exists():
                    time.sleep(0.05)
                yield f"http://127.0.0.1:{port.read_text()}/v1"
            finally:
                server.terminate()


def main() -> None:
    """Prints the rows, and stores them with `--out`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with serving() as url:
        rows = []
        for system in SYSTEMS:
            for row in measured(system, url, options.rounds):
                print(json.dumps(row), flush=True)
                rows.append(row)
    result = {"samples": SAMPLES, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "rows": rows}
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
