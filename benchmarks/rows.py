"""What runs come to as rows of training data, and what reading a store of them costs.

Runs of the three systems are made with scripted replies and a small tokenizer that does what real ones do: what is
sampled is cut into other tokens than the same text is when it is rendered. Two policies are compared: one that takes a
conversation's earlier tokens as they were (`bridged`, as `vllm:` and `local:` do), and one that renders every prompt
from its text. The store is made of copies of one such run.

    python benchmarks/rows.py                    # results/rows.json
    python benchmarks/rows.py --turns 1000 --turns 3000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright import Context, Policies, build_graph
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.runner import start_run
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.rows import tree_rows
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.checkpoints.trajectories.token_row import prompt_ids
from flowwright.checkpoints.trajectories.trajectory import TaskTree, Trajectory
from flowwright.graphs.budget import Budget
from flowwright.graphs.state import State, Task
from flowwright.policies.prefix import Prefix
from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from pydantic import PrivateAttr
from rich.console import Console
from rich.table import Table
from scripted_replies import question, reply

RESULTS: Final = Path(__file__).parent / "results" / "rows.json"
SYSTEMS: Final = ("dyflow", "agentflow", "flowsteer")
TURNS: Final = (3, 10)
"""Turns that a run is asked to take."""
QUESTIONS: Final = 4
UNLIMITED: Final = Budget(turns=None, operations=None, calls=None, seconds=None)
STORED: Final = "dyflow"
"""System whose run the store is made of."""


class TokenChat(BaseChatModel):
    """Scripted replies in tokens."""

    bridges: bool = True
    rendered: int = 4
    """Characters in a token of a rendered prompt."""
    sampled: int = 3
    """Characters in a token of a reply."""
    _vocabulary: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        prefix: Prefix | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = reply([(message.type, str(message.text)) for message in messages])
        known, ids = (prefix.messages, prefix.ids) if prefix else (0, [])
        rendered = "".join(f"<|{message.type}|>{message.text}<|end|>" for message in messages[known:])
        sampled = self._tokens(text, self.sampled)
        record = {
            "prompt_token_ids": [*ids, *self._tokens(f"{rendered}<|ai|>", self.rendered)], "token_ids": sampled,
            "logprobs": [-0.125] * len(sampled), "logprobs_mode": "processed", "version": "scripted-1",
        }  # fmt: skip
        message = AIMessage(text, response_metadata={"finish_reason": "stop", "flowwright": record})
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _tokens(self, text: str, length: int) -> list[int]:
        pieces = (text[start : start + length] for start in range(0, len(text), length))
        return [self._vocabulary.setdefault(piece, len(self._vocabulary)) for piece in pieces]


# Rows of runs.


async def made(saver: BaseCheckpointSaver[Any], system: str, turns: int, questions: int, chat: TokenChat) -> None:
    """Runs of one system."""
    graph = build_graph(system, policies=Policies(designer=chat, executor=chat), checkpointer=saver)
    for number in range(questions):
        task = Task(question=question(number, turns), id=str(number), budget=UNLIMITED)
        await start_run(graph, task, f"{system}-{number}", Context(seed=number))


def sequences(run: Trajectory, role: str | None) -> list[list[int]]:
    """Prompt and completion of each call."""
    calls = [one for one in run.calls if role is None or one["role"] == role]
    return [[*prompt_ids(one, run.by_id), *(one["token_ids"] or ())] for one in calls]


def unique(found: Sequence[list[int]]) -> int:
    """Tokens of the prefix tree: in sorted order each sequence adds what it does not share with the last."""
    ordered = sorted(found)
    shared = sum(common(one, other) for one, other in pairwise(ordered))
    return sum(map(len, ordered)) - shared


def common(one: list[int], other: list[int]) -> int:
    """Length of the common prefix."""
    most = min(len(one), len(other))
    return next((place for place in range(most) if one[place] != other[place]), most)


def told(trees: Sequence[TaskTree], role: str | None) -> dict[str, Any]:
    """Rows, why they begin, and tokens of the runs."""
    selection = Selection() if role is None else Selection(roles=(role,))
    ledger, starts = Ledger(), dict[str, int]()
    rows = [row for tree in trees for row in tree_rows(tree, selection, ledger)]
    for row in rows:
        starts[row.start] = starts.get(row.start, 0) + 1
    runs = [run for tree in trees for run in tree.trajectories]
    spoken = [sequences(run, role) for run in runs]
    apart, tree = sum(len(one) for run in spoken for one in run), sum(map(unique, spoken))
    return {
        "runs": len(runs), "turns": sum(run.usage["turns"] for run in runs) / len(runs),
        "calls": ledger.trained / len(runs), "rows": len(rows) / len(runs), "starts": starts,
        "tokens_one_row_a_call": apart, "tokens_in_rows": sum(len(row.ids) for row in rows), "tokens_of_the_tree": tree,
        "sampled_tokens": ledger.sampled_tokens, "shared": round(1 - tree / apart, 4),
        "over_tree": round(apart / tree, 3), "unaccounted": ledger.unaccounted,
    }  # fmt: skip


def sharing() -> Iterator[dict[str, Any]]:
    """Every system, length and way of prompting."""
    for system in SYSTEMS:
        for turns in TURNS:
            for bridged in (True, False):
                saver = StrictMemorySaver()
                asyncio.run(made(saver, system, turns, QUESTIONS, TokenChat(bridges=bridged)))
                trees = [*load_trajectories(saver)]
                for role in ("designer", None):
                    yield {"system": system, "asked": turns, "bridged": bridged, "role": role, **told(trees, role)}


# Reading a store.


def copied(path: Path, turns: int) -> int:
    """A store of so many turns at least, made of copies of one run under other names; how many there are."""
    with GroupCommitSaver(path) as saver:
        asyncio.run(made(saver, STORED, TURNS[-1], 1, TokenChat(rendered=12, sampled=9)))
        (tree,) = load_trajectories(saver)
        length = len(tree.trajectories[0].turns)
        with saver.cursor() as cursor:
            rows = cursor.execute("SELECT * FROM checkpoints").fetchall()
        decoded = [(row, saver.serde.loads_typed(row[4:6])) for row in rows]
        copies = -(-turns // length)
        for start in range(1, copies, 50):
            numbers = range(start, min(start + 50, copies))
            saver.database.writer.commit([one for number in numbers for one in copy(saver, decoded, number)])
    return copies * length


def copy(saver: GroupCommitSaver, rows: Sequence[tuple[Any, Any]], number: int) -> Iterator[Any]:
    """The change that adds a copy, a run of its own."""
    thread, made = f"copy-{number}", []
    for row, checkpoint in rows:
        values = checkpoint["channel_values"]
        if "run" in values:
            values = {**values, "run": {**values["run"], "id": f"run{number}", "task": f"task{number}"}}
        kind, blob = saver.serde.dumps_typed({**checkpoint, "channel_values": values})
        made.append((thread, *row[1:4], kind, blob, row[6]))
    yield "INSERT INTO checkpoints VALUES (?, ?, ?, ?, ?, ?, ?)", made
    columns = "checkpoint_ns, checkpoint_id, task_id, task_path, idx, channel, type, value"
    yield (
        f"INSERT INTO writes (thread_id, {columns}) SELECT ?, {columns} FROM writes WHERE thread_id = ?",
        [(thread, f"{STORED}-0")],
    )


def read(path: Path) -> dict[str, Any]:
    """Everything once, as rows; runs in a process of its own."""
    idle = peak_MB()
    began, ledger, rows = time.perf_counter(), Ledger(), 0
    first: float | None = None
    with GroupCommitSaver(path, create=False) as saver:
        for tree in load_trajectories(saver, Selection(), ledger):
            first = first or time.perf_counter() - began
            rows += sum(1 for _ in tree_rows(tree, ledger=ledger))
    seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 2), "to_first_tree": round(first or 0.0, 2), "rows": rows, "calls": ledger.read,
        "runs": ledger.trajectories, "tokens": ledger.sampled_tokens + ledger.context_tokens,
        "calls_per_second": round(ledger.read / seconds), "imports_MB": idle, "peak_MB": peak_MB(),
        "unaccounted": ledger.unaccounted,
    }  # fmt: skip


def peak_MB() -> float:  # noqa: N802 -- the unit
    """Most memory of this process so far; `getrusage` would count the process that started it."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def history(path: Path, runs: int) -> dict[str, Any]:
    """The naive way: `get_state_history` over every checkpoint of some threads."""
    with sqlite3.connect(path) as connection:
        threads = [one for (one,) in connection.execute("SELECT DISTINCT thread_id FROM checkpoints LIMIT ?", (runs,))]
    graph = StateGraph(State)
    graph.add_node("designer", lambda state: {})
    graph.add_edge(START, "designer")
    graph.add_edge("designer", END)
    with GroupCommitSaver(path, create=False) as saver:
        reader, began, states = graph.compile(checkpointer=saver), time.perf_counter(), 0
        for thread in threads:
            states += sum(1 for _ in reader.get_state_history({"configurable": {"thread_id": thread}}))
    return {"runs": len(threads), "states": states, "seconds": round(time.perf_counter() - began, 2)}


def child(way: str, path: Path, *more: str) -> dict[str, Any]:
    """One measurement in a fresh process."""
    command = [sys.executable, __file__, "--child", way, "--store", str(path), *more]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return found


def reading(sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Stores of several sizes; the naive way on some threads of each, and what that would come to for all."""
    for turns in sizes:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "runs.db"
            count = copied(path, turns)
            whole, naive = child("rows", path), child("history", path)
            naive["extrapolated_seconds"] = round(naive["seconds"] * whole["runs"] / naive["runs"], 1)
            faster = round(naive["extrapolated_seconds"] / whole["seconds"], 1)
            size = round(path.stat().st_size / 1e6, 1)
        yield {"turns": count, "store_MB": size, **whole, "get_state_history": naive, "times_faster": faster}


def show(result: dict[str, Any]) -> None:
    """Two tables."""
    shown = Table(title="Rows of one run", title_justify="left")
    for name in ("system", "turns", "prompts", "role", "calls", "rows", "why", "shared", "a row a call / tree"):
        shown.add_column(name)
    for one in result["sharing"]:
        why = ", ".join(f"{name} {count / one['runs']:.3g}" for name, count in one["starts"].items())
        cells = (
            one["system"], f"{one['turns']:.1f}", "bridged" if one["bridged"] else "rendered", one["role"] or "all",
            f"{one['calls']:.1f}", f"{one['rows']:.1f}", why, f"{one['shared']:.1%}", f"{one['over_tree']:.2f}x",
        )  # fmt: skip
        shown.add_row(*cells)
    Console(width=150).print(shown)
    for one in result["reading"]:
        Console(width=150).print(one)


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, action="append", help="turns of a store; may be given several times")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--child", choices=("rows", "history"), help=argparse.SUPPRESS)
    parser.add_argument("--store", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        sys.stdout.write(json.dumps(read(given.store) if given.child == "rows" else history(given.store, 20)))
        return
    result = {"sharing": [*sharing()], "reading": [*reading(given.turns or (10_000, 100_000))]}
    show(result)
    given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
