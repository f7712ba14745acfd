"""Export of stored runs: rows per second and peak memory by format, for two numbers of turns, against walking
`get_state_history` naively.

Synthetic runs of ten turns go into a file of the project's own saver, a checkpoint and a task's writes a turn, token
ids and log-probs included; every task has four runs with different rewards. Each export runs in a process of its own,
whose peak memory is the kernel's figure (`ru_maxrss`); its processor time says more than the clock on a busy machine.

    python benchmarks/export.py [--turns 10000 100000] [--walk 10000] [--out benchmarks/results/export.json]
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
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright.checkpoints.annotation import REWARD_CHANNEL, reward
from flowwright.checkpoints.export.export import export
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.statements import put_checkpoint, put_writes
from flowwright.graphs.budget import no_usage
from flowwright.graphs.call_packing import packed
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.memory import PROBLEM, entry
from flowwright.graphs.prompt_delta import Spoken, told
from flowwright.graphs.state import Run
from flowwright.graphs.turn import Turn
from langgraph.checkpoint.base import Checkpoint

TURNS = 10
SAMPLES = 4
PROMPT, ADDED, SAMPLED = 200, 40, 60
"""Tokens of the first prompt, of what each later prompt adds, and of a reply."""
FORMATS = ("sft", "kto", "dpo", "grpo", "atif")
PARQUET = ("grpo",)
"""Measured as Parquet files too."""
START = datetime(2026, 1, 1, tzinfo=UTC)
DELTAS = ("messages", "turns", "operations", "memory", "calls")


def words(rng: random.Random, tokens: int) -> str:
    """Text of about so many tokens."""
    return " ".join(
        rng.choices(("plan", "solve", "check", "the", "value", "of", "x", "is", "seven", "stage"), k=tokens)
    )


def conversation(run: str, rng: random.Random, question: str) -> Iterator[CallRecord]:
    """The calls of one run: prompts that go on where the reply before ended."""
    parent: Spoken | None = None
    for turn in range(1, TURNS + 1):
        before, tokens = (parent.conversation, parent.tokens or []) if parent else ([], [])
        new = PROMPT if parent is None else ADDED
        said = question if parent is None else words(rng, ADDED)
        prompt, ids = [*before, {"role": "user", "content": said}], [*tokens, *rng.choices(range(32_000), k=new)]
        sampled, reply = rng.choices(range(32_000), k=SAMPLED), words(rng, SAMPLED)
        id = f"{run}/{turn}/designer/0/0.0"
        yield CallRecord(
            id=id, at=[turn, 1, 0, 0, 0], run=run, turn=turn, role="designer", place="0", key="k", checkpoint=None,
            namespace="designer:t", task="t", attempt=1, policy="vllm:tiny", model="tiny", version="tiny@3",
            sampling={"temperature": 1.0}, schema=None, sent=None, prompt=told(prompt, ids, parent), reply=reply,
            message=None, token_ids=sampled, logprobs=[-rng.random() for _ in sampled], logprobs_mode="processed",
            constrained=False, incomplete=False, finish_reason="stop", input_tokens=len(ids), output_tokens=SAMPLED,
            estimated=False, money=None, began=float(turn), seconds=0.5, error=None,
        )  # fmt: skip
        parent = Spoken(id, prompt, {"role": "assistant", "content": reply}, ids, sampled)


def write_run(saver: GroupCommitSaver, number: int, rng: random.Random) -> None:
    """A thread as LangGraph would leave it: a checkpoint a turn, and beside it what its tasks wrote."""
    task, run = number // SAMPLES, f"{number:016x}"
    question = f"task {task}: {words(random.Random(task), PROMPT)}"
    state: dict[str, Any] = {
        "run": Run(
            id=run, seed=0, turn=1, origin=None, task=f"t{task}", number=1, system="flowsteer", preset="default",
            operators=None, policies={"designer": "vllm:tiny"}, approvals=[], attempt=0, messages=0,
        ),
        "status": "running", "usage": no_usage(), "answer": None, "budget": {}, "stop": None, "evidence": None,
    }  # fmt: skip
    change: list[Any] = []
    parent: dict[str, Any] = {"thread_id": run, "checkpoint_ns": ""}
    calls = [*conversation(run, rng, question)]
    for step in range(TURNS + 1):
        last = step == TURNS
        values = {**state, "status": "finished", "answer": "42"} if last else state
        checkpoint = _checkpoint(number, step, values)
        metadata: Any = {
            "source": "loop" if step else "input", "step": step - 1, "parents": {},
            "counters_since_delta_snapshot": {name: [step, step] for name in DELTAS},
        }  # fmt: skip
        statements, config = put_checkpoint(saver.serde, {"configurable": parent}, checkpoint, metadata)
        change += statements
        parent = dict(config["configurable"])
        if not last:
            writes = [("calls", [packed(calls[step])]), ("turns", [_turn(calls[step])])]
            if step == 0:
                writes.append(("memory", [entry(PROBLEM, "task", "user", question, at=[0, 0])]))
            change += put_writes(saver.serde, config, writes, f"task-{step}", "")
        else:
            given = {**reward("exact", "1", float((number * 7) % SAMPLES) / (SAMPLES - 1)), "at": checkpoint["ts"]}
            change += put_writes(saver.serde, config, [(REWARD_CHANNEL, given)], "reward", "")
    saver.database.writer.commit(change)


def _checkpoint(number: int, step: int, values: dict[str, Any]) -> Checkpoint:
    moment = START + timedelta(seconds=number * 60 + step)
    id = str(UUID(int=(number * 100 + step) << 64 | 6 << 76 | 2 << 62))
    versions = dict.fromkeys((*values, *DELTAS), f"+{step + 1:08}")
    return Checkpoint(
        v=4, id=id, ts=moment.isoformat(), channel_values=values, channel_versions=versions, versions_seen={},
        updated_channels=None,
    )  # fmt: skip


def _turn(call: CallRecord) -> Turn:
    return Turn(
        at=[call["turn"], 0], turn=call["turn"], attempt=0, call=call["id"], reply=call["reply"], action={}, notices=[],
        outcome="plan", faults=[], operations=[], description="", observation="", model="tiny", usage=no_usage(),
    )  # fmt: skip


def fill(path: Path, turns: int) -> dict[str, float]:
    """A file with so many turns."""
    rng, began = random.Random(0), time.perf_counter()
    with GroupCommitSaver(path) as saver:
        for number in range(turns // TURNS):
            write_run(saver, number, rng)
    return {"seconds": round(time.perf_counter() - began, 1), "megabytes": round(path.stat().st_size / 1e6, 1)}


def exported(path: Path, out: Path, format: str) -> dict[str, Any]:
    """One export, in this process."""
    idle, began = peak(), time.perf_counter()
    with GroupCommitSaver(path, create=False) as saver:
        done = export(saver, out, format=format)
    seconds = time.perf_counter() - began
    return {
        "rows": sum(done.rows.values()), "seconds": seconds, "calls": done.ledger.read,
        "megabytes_out": round(out.stat().st_size / 1e6, 1), "peak_mb": peak(), "idle_mb": idle,
        "cpu_seconds": round(time.process_time(), 2),
    }  # fmt: skip


def walked(path: Path, out: Path) -> dict[str, Any]:
    """What one would write without a loader: each thread's history through LangGraph, a row a call that is new in it.
    Channels hold only the calls that a later prompt rests on, so all states of a thread have to be looked at."""
    from flowwright.checkpoints.threads import list_threads
    from flowwright.graphs.call_packing import unpacked
    from flowwright.graphs.prompt_delta import spoken
    from flowwright.graphs.state import State
    from langgraph.graph import END, START, StateGraph

    idle, began, count = peak(), time.perf_counter(), 0
    with GroupCommitSaver(path, create=False) as saver, out.open("w") as file:
        builder = StateGraph(State)
        builder.add_node("designer", lambda state: {})
        builder.add_edge(START, "designer")
        builder.add_edge("designer", END)
        graph = builder.compile(checkpointer=saver)
        everything = []
        for thread in list_threads(saver):
            known: dict[str, Any] = {}
            for snapshot in graph.get_state_history({"configurable": {"thread_id": thread.thread_id}}):
                known |= {one["id"]: unpacked(one) for one in snapshot.values.get("calls", [])}
            everything += [said for _, said in spoken(sorted(known.values(), key=lambda one: one["at"]))]
        for said in everything:
            file.write(json.dumps({"prompt": said.messages, "completion": [said.reply]}) + "\n")
            count += 1
    return {
        "rows": count, "seconds": time.perf_counter() - began, "megabytes_out": round(out.stat().st_size / 1e6, 1),
        "peak_mb": peak(), "idle_mb": idle, "cpu_seconds": round(time.process_time(), 2),
    }  # fmt: skip


def peak() -> float:
    """Peak resident memory of this process so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


def child(*arguments: str) -> dict[str, Any]:
    """What this script says when it runs one thing in a process of its own."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(turns: int, walk: bool, kinds: list[str]) -> list[dict[str, Any]]:
    """All formats on one file."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "runs.db"
        print(f"{turns} turns written: {fill(path, turns)}", flush=True)
        for kind in kinds:
            for suffix in ("jsonl", "parquet") if kind in PARQUET else ("jsonl",):
                found = child("--one", kind, "--db", str(path), "--file", f"{directory}/x_{kind}.{suffix}")
                rows.append(report(turns, f"{kind} {suffix}", found))
                for left in Path(directory).glob("x_*"):
                    left.unlink()
        if walk:
            found = child("--one", "walk", "--db", str(path), "--file", f"{directory}/walk.jsonl")
            rows.append(report(turns, "get_state_history", found))
    return rows


def report(turns: int, what: str, found: dict[str, Any]) -> dict[str, Any]:
    """One measurement, told and kept."""
    seconds = found.pop("seconds")
    row = {"turns": turns, "what": what, **found, "seconds": round(seconds, 2)}
    row |= {"rows_per_second": round(found["rows"] / seconds), "turns_per_second": round(turns / seconds)}
    print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    return row


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--walk", type=int, nargs="*", default=[10_000], help="turns at which the naive way is tried")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "export.json")
    for name in ("--one", "--db", "--file"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        path, out = Path(given.db), Path(given.file)
        print(json.dumps(walked(path, out) if given.one == "walk" else exported(path, out, given.one)))
        return
    shape = {"turns_a_run": TURNS, "runs_a_task": SAMPLES, "prompt": PROMPT, "added": ADDED, "sampled": SAMPLED}
    found = [row for turns in given.turns for row in measure(turns, turns in given.walk, given.formats)]
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps({"shape": shape, "measured": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
