"""What Flowwright adds to a bare LangGraph loop of the same nodes on the same saver, and how a run grows on disk.

    python benchmarks/overhead.py            # prints tables, writes benchmarks/results/overhead.json

The two graphs run side by side, round by round, in one process; only ratios mean anything. The bare loop has the same
five nodes, the same channels and writes records of the same sizes, and does nothing else: no prompt, no parsing, no
validation, no budget, no journal.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.graphs.state import State
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send

RESULTS = Path(__file__).parent / "results" / "overhead.json"
STAGE = json.dumps(
    {
        "stage_description": "work",
        "operators": [
            {
                "operator_description": "",
                "params": {
                    "instruction_type": "DEFAULT",
                    "input_keys": ["problem"],
                    "output_key": "note",
                    "input_usage": "write",
                },
            }
        ],
    }
)
KILOBYTE = "x" * 1000
TURNS = (50, 100, 200, 400)


class Constant(BaseChatModel):
    """Answers at once."""

    text: str

    @property
    def _llm_type(self) -> str:
        return "constant"

    def _result(self) -> ChatResult:
        usage = {"input_tokens": 100, "output_tokens": 100, "total_tokens": 200}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.text, usage_metadata=usage))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._result()


def bare_loop(saver: Any, turns: int, sample: dict[str, Any]) -> Any:
    """Five nodes that write records like those of a real run and nothing else."""

    async def summarizer(state: Any) -> Command[str]:
        run = {**sample["run"], "turn": state["run"]["turn"] + 1 if state.get("run") else 1}
        return Command(update={"run": run, "usage": {"turns": 1}, "status": "running"}, goto="designer")

    async def designer(state: Any) -> Command[str]:
        update = {"turns": [sample["turn"]], "stage": sample["stage"], "usage": {"calls": 1}}
        return Command(update=update, goto=[Send("executor", {"operation": sample["stage"]["operations"][0]})])

    async def executor(state: Any) -> Command[str]:
        update = {"operations": [sample["operation"]], "memory": [sample["entry"]], "usage": {"operations": 1}}
        return Command(update=update)

    async def verifier(state: Any) -> Command[str]:
        goto = "summarizer" if state["run"]["turn"] < turns else "generator"
        return Command(update={"stage": None, "usage": {"seconds": 0.0}}, goto=goto)

    async def generator(state: Any) -> Command[str]:
        return Command(update={"status": "best_effort", "answer": "x"}, goto=END)

    graph = StateGraph(State)
    graph.add_node("summarizer", summarizer, destinations=("designer",))
    graph.add_node("designer", designer, destinations=("executor",))
    graph.add_node("executor", executor)
    graph.add_node("verifier", verifier, destinations=("summarizer", "generator"))
    graph.add_node("generator", generator, destinations=(END,))
    graph.add_edge(START, "summarizer")
    graph.add_edge("executor", "verifier")
    return graph.compile(checkpointer=saver)


def real_graph(saver: Any) -> Any:
    """DyFlow with models that answer at once; each turn adds one entry of 1 kB."""
    policies = Policies(designer=Constant(text=STAGE), executor=Constant(text=KILOBYTE))
    return build_graph("dyflow", policies=policies, checkpointer=saver)


def budget(turns: int) -> dict[str, Any]:
    """No limit but the turns."""
    return {"turns": turns, "operations": None, "calls": None, "seconds": None}


async def drive(graph: Any, given: Any, thread: str, context: Context | None = None) -> float:
    """Wall-clock seconds of one run."""
    config = {"configurable": {"thread_id": thread}, "recursion_limit": 100_000}
    began = time.perf_counter()
    await graph.ainvoke(given, config, context=context, durability="sync")
    return time.perf_counter() - began


async def growth(folder: Path) -> list[dict[str, Any]]:
    """Bytes on disk, and the time to read the last state, by number of turns."""
    rows = []
    for turns in TURNS:
        path = folder / f"{turns}.db"
        with open_checkpointer(f"sqlite:///{path}") as saver:
            graph = real_graph(saver)
            await drive(graph, {"task": {"question": "q", "budget": budget(turns)}}, "t")
            reads = []
            for _ in range(20):
                began = time.perf_counter()
                await graph.aget_state({"configurable": {"thread_id": "t"}})
                reads.append(time.perf_counter() - began)
        size = path.stat().st_size
        row = {"turns": turns, "bytes": size, "bytes_a_turn": size // turns, "read_ms": statistics.median(reads) * 1e3}
        rows.append(row)
    return rows


async def overhead(folder: Path, rounds: int = 5, turns: int = 50) -> dict[str, Any]:
    """Milliseconds a super-step of both graphs, and their ratio, round by round."""
    with open_checkpointer(f"sqlite:///{folder}/overhead.db") as saver:
        graph = real_graph(saver)
        given = {"task": {"question": "q", "budget": budget(turns)}}
        await drive(graph, given, "sample")
        state = (await graph.aget_state({"configurable": {"thread_id": "sample"}})).values
        planned = {
            name: state["operations"][0][name] for name in ("id", "at", "operator", "instruction", "inputs", "output")
        }
        sample = {
            "run": state["run"], "turn": state["turns"][0], "operation": state["operations"][0],
            "entry": state["memory"][1], "stage": {"id": "stage_1", "operations": [planned], "running": ["op_1_1"]},
        }  # fmt: skip
        bare = bare_loop(saver, turns, sample)
        steps = 4 * turns + 1
        pairs = []
        for number in range(rounds):
            ours = await drive(graph, given, f"ours-{number}")
            theirs = await drive(bare, {"task": {"question": "q"}}, f"bare-{number}")
            pairs.append((ours / steps * 1e3, theirs / steps * 1e3))
    ratios = sorted(ours / theirs for ours, theirs in pairs)
    return {
        "turns": turns, "super_steps": steps, "rounds": rounds,
        "flowwright_ms": statistics.median(one for one, _ in pairs),
        "bare_ms": statistics.median(one for _, one in pairs),
        "ratio": statistics.median(ratios), "ratio_range": [ratios[0], ratios[-1]],
    }  # fmt: skip


async def main() -> None:
    """Measure, print, store."""
    with tempfile.TemporaryDirectory() as name:
        result = {"growth": await growth(Path(name)), "overhead": await overhead(Path(name))}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
