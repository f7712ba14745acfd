"""Turns a second that are indexed, peak memory, and the time of a pass that finds nothing new, at 10^4 and 10^5 turns.

A store of runs of ten turns, each with a decision, an operation and three calls with token ids, is made by copying a
few runs that LangGraph wrote. Each indexing is a process of its own, whose peak resident memory is its own.

    python benchmarks/index.py [--turns 10000 100000] [--out benchmarks/results/index.json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright.checkpoints.index.build import build_index
from flowwright.checkpoints.index.search import search_index
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.graphs.budget import no_usage
from flowwright.graphs.call_packing import packed
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.memory import PROBLEM, entry
from flowwright.graphs.operation import Operation
from flowwright.graphs.prompt_delta import told
from flowwright.graphs.state import Run, State
from flowwright.graphs.turn import Turn
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command

TURNS = 10
"""Turns of a run."""
BASES = 20
"""Runs that differ."""
ROLES = ("designer", "executor", "verifier")
PROMPT, REPLY = 200, 60
"""Token ids that a prompt adds, and of a reply."""


def words(letters: random.Random, count: int) -> str:
    """Text of a small vocabulary, as replies have one."""
    return " ".join(f"word{int(letters.paretovariate(0.6)) % 5000}" for _ in range(count))


def call(run: str, turn: int, role: str, letters: random.Random) -> CallRecord:
    """One call with ids."""
    ids = letters.choices(range(50_000), k=PROMPT)
    return CallRecord(
        id=f"{run}/{turn}/{role}/0/0.0", at=[turn, ROLES.index(role), 0, 0, 0], run=run, turn=turn, role=role,
        place="0", key="k", checkpoint="c", namespace=f"{role}:t", task="t", attempt=1, policy="vllm:model",
        model="model", version="model-000001", sampling={"temperature": 1.0}, schema=None, sent=None,
        prompt=told([{"role": "user", "content": words(letters, 120)}], ids, None), reply=words(letters, 40),
        message=None, token_ids=letters.choices(range(50_000), k=REPLY),
        logprobs=[-letters.random() for _ in range(REPLY)], logprobs_mode="processed", constrained=False,
        incomplete=False, finish_reason="stop", input_tokens=PROMPT, output_tokens=REPLY, estimated=False, money=None,
        began=float(turn), seconds=0.1, error=None,
    )  # fmt: skip


def turn_of(one: CallRecord, letters: random.Random) -> tuple[Turn, Operation]:
    """The decision and its operation."""
    number, id = one["turn"], f"op_{one['turn']}_1"
    turn = Turn(
        at=[number, 0], turn=number, attempt=0, call=one["id"], reply=one["reply"], action={"steps": []}, notices=[],
        outcome="plan", faults=[], operations=[id], description=words(letters, 8), observation="", model="model",
        usage=no_usage(),
    )  # fmt: skip
    operation = Operation(
        id=id, at=[number, 1], operator="GENERATE_ANSWER", instruction=words(letters, 20), inputs=["problem@1"],
        output=f"answer@{number}", arguments=None, node=None, turn=number, version="1", key=f"k{number}", status="ok",
        fault=None, usage=no_usage(), model="model", began=1.0,
    )  # fmt: skip
    return turn, operation


def write_base(saver: GroupCommitSaver, number: int) -> str:
    """One run through LangGraph."""
    letters, run = random.Random(number), f"run{number}"

    def opened(state: State) -> dict[str, Any]:
        first = Run(
            id=run, seed=0, turn=1, origin=None, task=str(number), number=1, system="dyflow", preset="default",
            operators=None, policies={}, approvals=[], attempt=0, messages=0,
        )  # fmt: skip
        question = entry(PROBLEM, "task", "user", words(letters, 30), at=[0, 0])
        return {"run": first, "status": "running", "memory": [question]}

    def step(state: State) -> Command[str]:
        number = len(state.get("turns", [])) + 1
        if number > TURNS:
            return Command(update={"status": "finished", "answer": words(letters, 10)}, goto=END)
        made = [call(run, number, role, letters) for role in ROLES]
        turn, operation = turn_of(made[0], letters)
        update = {"calls": [packed(one) for one in made], "turns": [turn], "operations": [operation]}
        return Command(update=update, goto="designer")

    graph = StateGraph(State)
    graph.add_node("summarizer", opened)
    graph.add_node("designer", step, destinations=("designer", END))
    graph.add_edge(START, "summarizer")
    graph.add_edge("summarizer", "designer")
    thread = f"base-{number}"
    config = {"configurable": {"thread_id": thread}, "recursion_limit": 100}
    graph.compile(checkpointer=saver).invoke({"task": {"question": "?"}}, cast(Any, config), durability="sync")
    return thread


def write_store(path: Path, turns: int) -> None:
    """A store of `turns` turns."""
    with GroupCommitSaver(path) as saver:
        bases = [write_base(saver, number) for number in range(BASES)]
        for number in range(BASES, turns // TURNS):
            saver.copy_thread(bases[number % BASES], f"copy-{number}")


def index(path: Path, store: Path) -> dict[str, Any]:
    """One indexing in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", str(store), str(path)], capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def child(store: str, path: str) -> None:
    """The process: seconds and peak memory, that of the imports apart."""
    imported = peak()
    with GroupCommitSaver(store, create=False) as saver:
        report = build_index(saver, path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    seconds = usage.ru_utime + usage.ru_stime
    print(json.dumps({"report": report.as_json(), "peak_mb": peak(), "imports_mb": imported, "cpu_seconds": seconds}))


def peak() -> float:
    """Highest resident memory of this process, MB. `ru_maxrss` would be that of the process before, where higher."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(folder: Path, turns: int) -> dict[str, Any]:
    """All figures of one size."""
    store, path = folder / f"{turns}.db", folder / f"{turns}.index.db"
    write_store(store, turns)
    whole = index(path, store)
    nothing = index(path, store)
    with GroupCommitSaver(store) as saver:
        saver.copy_thread("base-0", "new")
    new = index(path, store)
    began = time.perf_counter()
    search_index(path, "word17 word250")
    rows = sum(whole["report"]["written"].values())
    seconds = whole["report"]["seconds"]
    return {
        "turns": turns, "runs": whole["report"]["runs"], "rows": rows, "seconds": round(seconds, 2),
        "cpu_seconds": round(whole["cpu_seconds"], 2),
        "turns_per_second": round(turns / seconds), "rows_per_second": round(rows / seconds),
        "peak_mb": round(whole["peak_mb"], 1), "imports_mb": round(whole["imports_mb"], 1),
        "unchanged_seconds": round(nothing["report"]["seconds"], 3), "unchanged_peak_mb": round(nothing["peak_mb"], 1),
        "one_new_run_seconds": round(new["report"]["seconds"], 3),
        "search_ms": round(1000 * (time.perf_counter() - began), 1),
        "store_mb": round(store.stat().st_size / 1e6, 1), "index_mb": round(path.stat().st_size / 1e6, 1),
    }  # fmt: skip


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "index.json")
    parser.add_argument("--child", nargs=2)
    options = parser.parse_args()
    if options.child:
        child(*options.child)
        return
    found = []
    for turns in options.turns:
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(Path(folder), turns))
        print(json.dumps(found[-1]), flush=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
