"""Whole runs of a system with offline models, and replies of these models to prompts of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.graphs.budget import Budget
from flowwright.graphs.state import State
from flowwright.operators.sandbox import SandboxUnavailable, open_sandbox
from flowwright.policies.offline import OfflineDesigner, OfflineExecutor

FOREIGN = "Who was the first to cross the river?"
IMPOSSIBLE = "Use each of the numbers 1, 1, 1, 1 exactly once, with +, -, *, / and parentheses, to make 24."
REPLIES = """
import asyncio, json, sys
from offline_systems import replies_of, solved
system, preset, questions = json.load(sys.stdin)
print(json.dumps([replies_of(asyncio.run(solved(system, one, seed=3, preset=preset))) for one in questions]))
"""


def need_sandbox() -> None:
    """Skips where there is no sandbox."""
    try:
        open_sandbox()
    except SandboxUnavailable as why:
        pytest.skip(str(why))


async def solved(
    system: str,
    question: str,
    *,
    seed: int = 0,
    preset: str = "default",
    rates: Mapping[str, float] | None = None,
    budget: Budget | None = None,
    operators: Sequence[str] | None = None,
) -> State:
    """The final state of one run."""
    policies = Policies(designer=OfflineDesigner(error_rates=rates), executor=OfflineExecutor(error_rates=rates))
    graph = build_graph(system, preset=preset, policies=policies, checkpointer=open_checkpointer("memory:"))
    config = {"configurable": {"thread_id": "one"}}
    task: dict[str, Any] = {"question": question} | ({} if operators is None else {"operators": [*operators]})
    await graph.ainvoke({"task": task}, config, context=Context(seed=seed, budget=budget or Budget()))
    state: State = (await graph.aget_state(config)).values
    return state


def replies_of(state: State) -> list[Any]:
    """All that models wrote in a run, and what came of it."""
    said = [one["reply"] for one in state["turns"]]
    made = [[one["key"], one["answer"], one["verdict"], one["passed"]] for one in state["memory"]]
    calls = [[one["operator"], one["arguments"]] for one in state["operations"]]
    return [said, made, calls, state["status"], state["answer"]]


def replies_elsewhere(system: str, preset: str, questions: Sequence[str], hash_seed: str) -> list[Any]:
    """`replies_of` runs in another process."""
    here = str(Path(__file__).parent)
    other = subprocess.run(
        [sys.executable, "-c", REPLIES], input=json.dumps([system, preset, [*questions]]), text=True,
        capture_output=True, env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": here}, check=True,
    )  # fmt: skip
    found: list[Any] = json.loads(other.stdout)
    return found


def refused(state: State) -> list[str]:
    """Codes of what was refused, in order."""
    return [one["code"] for turn in state["turns"] for one in turn["faults"]]
