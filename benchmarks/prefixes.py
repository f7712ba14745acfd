"""How much of what a designer reads it has read before: what a model server with a prefix cache need not encode again.

Prompts are recorded by a callback on real runs. Characters are counted, as in the published figures, over the whole
prompt (system part first). A cache that keeps every prompt seen so far serves, of a new one, its longest common prefix
with any of them; over a set of prompts that leaves exactly the characters of their prefix tree to encode.

    python benchmarks/prefixes.py                       # scripted replies of a planner's length, up to ten turns
    python benchmarks/prefixes.py --model offline       # rules on generated tasks: real content, shorter runs

Tables are printed; both results lie in benchmarks/results/prefixes.json, by model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

os.environ.setdefault("LANGSMITH_TRACING", "false")

from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.runner import start_run
from flowwright.graphs.budget import Budget
from flowwright.graphs.state import Task
from flowwright.training.tasks import FAMILIES
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from rich.console import Console
from rich.table import Table
from scripted_replies import MARKS, Said, first_line, question, reply

RESULTS: Final = Path(__file__).parent / "results" / "prefixes.json"
SYSTEMS: Final = ("dyflow", "agentflow", "flowsteer")
DECIDERS: Final = ("designer", "planner", "director")
QUESTIONS: Final = 8
SEEDS: Final = 4
TURNS: Final = 10
FIRST: Final = 3
"""Turns of a training rollout in the published set-up."""
UNLIMITED: Final = Budget(turns=None, operations=None, calls=None, seconds=None)
PUBLISHED: Final = {
    "what": "AgentFlow (arXiv 2510.05592), 14 published traces, planner prompts of up to ten turns",
    "over_unique": 3.11, "over_unique_first_3": 1.95, "served_in_run": 0.679, "served_first_3": 0.488,
    "common_to_questions": 125, "first_prompt": 12_600, "growth": 1316,
}  # fmt: skip
"""Shares served are 1 - 1/ratio, the same quantity as here; header and growth a turn are means in characters."""


class ScriptedChat(BaseChatModel):
    """The scripted replies in process; runs of different `seed` are worded differently."""

    seed: int = 0

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        text = reply(said(messages), variant=self.seed % 1000)
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages)


def said(messages: Sequence[BaseMessage]) -> Said:
    """Speakers and texts."""
    return [(message.type, str(message.text)) for message in messages]


@dataclass(eq=False)
class Recorder(AsyncCallbackHandler):
    """Counts the model calls of a run and keeps the prompts of the role that decides, in order."""

    prompts: list[str] = field(default_factory=list)
    calls: int = 0

    async def on_chat_model_start(
        self, serialized: dict[str, Any], messages: list[list[BaseMessage]], *, run_id: UUID, **kwargs: Any
    ) -> None:
        """Called by LangChain before each call of a chat model."""
        self.calls += len(messages)
        for prompt in messages:
            if MARKS.get(first_line(str(prompt[0].text))) in DECIDERS:
                self.prompts.append("".join(f"<|{speaker}|>{text}" for speaker, text in said(prompt)))


# What a set of prompts comes to.


def common(left: str, right: str) -> int:
    """Characters that both begin with."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left.startswith(right[:middle]):
            low = middle
        else:
            high = middle - 1
    return low


def unique(prompts: Iterable[str]) -> int:
    """Characters of the prefix tree of `prompts`: in sorted order each adds what it does not share with the last."""
    ordered = sorted(prompts)
    shared = sum(common(left, right) for left, right in pairwise(ordered))
    return sum(map(len, ordered)) - shared


def sharing(prompts: Sequence[str]) -> dict[str, float]:
    """All characters, those of the prefix tree, their ratio, and the share that a cache serves."""
    everything, tree = sum(map(len, prompts)), unique(prompts)
    return {"all": everything, "unique": tree, "over_unique": everything / tree, "served": 1 - tree / everything}


def pooled(groups: Sequence[Sequence[str]]) -> dict[str, float]:
    """`sharing` within each group, summed up over the groups."""
    told = [sharing(group) for group in groups]
    everything, tree = (sum(one[name] for one in told) for name in ("all", "unique"))
    return {"all": everything, "unique": tree, "over_unique": everything / tree, "served": 1 - tree / everything}


def kept(prompts: Sequence[str]) -> float:
    """Mean share of a prompt that stands at the start of the next one: 1.0 where prompts only grow."""
    shares = [common(earlier, later) / len(earlier) for earlier, later in pairwise(prompts)]
    return statistics.mean(shares) if shares else 1.0


def common_to_all(prompts: Sequence[str]) -> int:
    """Characters that all of them begin with."""
    return common(min(prompts), max(prompts))


# The runs.


def tasks(model: str) -> list[Task]:
    """Different questions for the model."""
    if model == "scripted":
        return [Task(question=question(number, TURNS), budget=UNLIMITED) for number in range(QUESTIONS)]
    made = [family.generate(0, 2) for family in FAMILIES.values()]
    return [Task(question=one.question) for family in made for one in family][:QUESTIONS]


@dataclass(frozen=True)
class Recorded:
    """One run and what its deciding role read."""

    prompts: list[str]
    calls: int
    status: str
    answer: str | None


async def recorded(system: str, model: str, task: Task, seed: int) -> Recorded:
    """One run."""
    recorder = Recorder()
    chat: str | BaseChatModel = ScriptedChat() if model == "scripted" else model
    with open_checkpointer("memory:") as saver:
        graph = build_graph(system, policies=Policies(designer=chat, executor=chat), checkpointer=saver)
        graph = graph.with_config(callbacks=[recorder])
        result = await start_run(graph, task, "run", Context(seed=seed))
    return Recorded(recorder.prompts, recorder.calls, result.status, result.answer)


async def measured(system: str, model: str) -> dict[str, Any]:
    """One system: over turns, over questions, over runs of one question."""
    asked = tasks(model)
    over_tasks = [await recorded(system, model, task, seed=0) for task in asked]
    over_seeds = [await recorded(system, model, asked[0], seed=seed) for seed in range(SEEDS)]
    runs, again = ([run.prompts for run in group] for group in (over_tasks, over_seeds))
    first = [run[0] for run in runs]
    return {
        "runs": len(runs), "finished": sum(run.status == "finished" for run in over_tasks),
        "prompts": sum(map(len, runs)), "turns": statistics.mean(map(len, runs)),
        "first_prompt": statistics.mean(map(len, first)),
        "growth": statistics.mean([len(b) - len(a) for run in runs for a, b in pairwise(run)] or [0]),
        "in_run": pooled(runs), "in_run_first_3": pooled([run[:FIRST] for run in runs]),
        "kept_to_next_turn": statistics.mean(kept(run) for run in runs if len(run) > 1),
        "common_to_questions": common_to_all(first),
        "common_to_questions_share": common_to_all(first) / statistics.mean(map(len, first)),
        "over_questions": sharing([prompt for run in runs for prompt in run]),
        "over_runs_of_one_question": sharing([prompt for run in again for prompt in run]),
        "common_to_runs_of_one_question": common_to_all([run[-1] for run in again]),
    }  # fmt: skip


def table_of(model: str, told: dict[str, dict[str, Any]]) -> Table:
    """One column a system, beside the published one."""
    table = Table(title=f"Prompt prefixes of the deciding role, replies {model}", title_justify="left")
    for name in ("characters", *told, "AgentFlow as published"):
        table.add_column(name, justify="left" if name == "characters" else "right")
    lines: list[tuple[str, Any, str]] = [
        ("runs, finished", lambda one: f"{one['runs']}, {one['finished']}", "14"),
        ("turns a run", lambda one: f"{one['turns']:.1f}", "up to 10"),
        ("first prompt", lambda one: f"{one['first_prompt']:,.0f}", "12,600"),
        ("growth a turn", lambda one: f"{one['growth']:+,.0f}", "+1,316"),
        ("one run: read / unique", lambda one: f"{one['in_run']['over_unique']:.2f}x", "3.11x"),
        ("one run: served by a cache", lambda one: f"{one['in_run']['served']:.1%}", "67.9%"),
        ("first 3 turns: read / unique", lambda one: f"{one['in_run_first_3']['over_unique']:.2f}x", "1.95x"),
        ("first 3 turns: served", lambda one: f"{one['in_run_first_3']['served']:.1%}", "48.8%"),
        ("of a prompt, start of the next turn's", lambda one: f"{one['kept_to_next_turn']:.1%}", ""),
        ("common to different questions", lambda one: f"{one['common_to_questions']:,}", "125"),
        ("... of the first prompt", lambda one: f"{one['common_to_questions_share']:.1%}", "1.0%"),
        ("all questions: read / unique", lambda one: f"{one['over_questions']['over_unique']:.2f}x", "3.11x + 125"),
        ("all questions: served", lambda one: f"{one['over_questions']['served']:.1%}", ""),
        ("runs of one question: served", lambda one: f"{one['over_runs_of_one_question']['served']:.1%}", ""),
        ("runs of one question: common", lambda one: f"{one['common_to_runs_of_one_question']:,}", ""),
    ]
    for name, cell, published in lines:
        table.add_row(name, *(cell(one) for one in told.values()), published)
    return table


async def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="scripted", help="`scripted`, or the address of a model, such as `offline`")
    parser.add_argument("--systems", default=",".join(SYSTEMS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    told = {system: await measured(system, given.model) for system in given.systems.split(",")}
    Console(width=140).print(table_of(given.model, told))
    stored = json.loads(given.out.read_text()) if given.out.exists() else {"published": PUBLISHED}
    given.out.write_text(json.dumps({**stored, given.model: told}, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
