"""A run is a function of its records: replayed from them, with no model and no tool at hand, it comes to the same
state, byte for byte, or says where it differs.

What is done again is everything that Flowwright itself does: prompts are written, replies read, decisions checked,
operations planned, results joined, budgets counted, the answer chosen. What a model or a tool said is taken as it was.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple

from ..errors import FlowwrightError, UsageError
from ..graphs.build import Graph, preset_named, role_graph, system_named
from ..graphs.call_packing import packed
from ..graphs.call_record import CallRecord
from ..graphs.kept import kept_operations
from ..graphs.prompt_delta import shared
from ..graphs.services import Services
from ..graphs.state import State
from ..graphs.system import System
from ..operators.registry import Registry
from ..policies.policy import Policy
from .memory import StrictMemorySaver
from .runner import has_work, thread_config
from .serializer import strict_serializer
from .trajectories.calls import calls_of


class UnrecordedCall(FlowwrightError):
    """A replay came to a model call that the run had not made."""


class NoModel(BaseChatModel):
    """Stands where a model was."""

    @property
    def _llm_type(self) -> str:
        return "no-model"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> NoReturn:
        raise UnrecordedCall("the replay asks a model something that the run did not ask")


class Records:
    """The journal of a replay: the calls of the run, by their keys."""

    def __init__(self, calls: Iterable[CallRecord]) -> None:
        """Calls that failed for good are among them, and fail again."""
        self._by_key = {one["key"]: json.dumps(packed(one)).encode() for one in calls}

    def recall(self, key: str) -> bytes | None:
        """The record; None: no such call was made."""
        return self._by_key.get(key)

    def record(self, key: str, value: bytes) -> None:
        """Nothing new comes up in a replay."""

    async def arecord(self, key: str, value: bytes) -> None:
        """As `record`."""


@dataclass(frozen=True)
class Replayed:
    """What a replay came to."""

    thread_id: str
    calls: int
    operations: int
    differences: tuple[str, ...]
    """Where the two states differ; empty: nowhere."""

    @property
    def equal(self) -> bool:
        """Whether the state is the same, byte for byte."""
        return not self.differences


async def replay(
    saver: BaseCheckpointSaver[Any],
    thread_id: str,
    *,
    system: System | None = None,
    operators: Registry | None = None,
) -> Replayed:
    """Replay the last run on a thread in memory; nothing is written to `saver`. `system` None: the published one that
    the run names. `operators` None: all that are installed. Raises UsageError for a thread without a finished run of
    ours, and where an operator of the run is not installed."""
    reader = role_graph(_services("dyflow", "default", {}, operators)).compile(checkpointer=saver)
    head = await reader.aget_state(thread_config(thread_id))
    if "run" not in head.values:
        raise UsageError(f"there is no run on thread {thread_id!r}", fix="`flowwright runs` lists the threads")
    state, run = cast(State, head.values), head.values["run"]
    if has_work(head) or state["status"] == "running":
        raise UsageError(f"the run on thread {thread_id!r} has not ended", fix=f"flowwright resume {thread_id}")
    calls = await asyncio.to_thread(calls_of, saver, head.config)
    services = replace(
        _services(system or run["system"], run["preset"], run["policies"], operators),
        journal=Records(calls), kept=kept_operations(state, calls),
    )  # fmt: skip
    memory = StrictMemorySaver()
    graph = role_graph(services).compile(checkpointer=memory)
    await _plant(await _beginning(saver, head.config, run["id"]), reader, memory)
    try:
        await graph.ainvoke(None, thread_config(thread_id))
        found = (await graph.aget_state(thread_config(thread_id))).values
        differences = tuple(differing(dict(head.values), found))
    except UnrecordedCall as error:
        differences = (error.message,)
    return Replayed(thread_id, len(calls), len(state.get("operations", [])), differences)


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterable[str]:
    """The channels of which two states hold other bytes, and for lists how many records are the same."""
    serde = strict_serializer()
    for channel in dict.fromkeys((*one, *other)):
        ours, theirs = one.get(channel), other.get(channel)
        if serde.dumps_typed(ours) == serde.dumps_typed(theirs):
            continue
        if isinstance(ours, list) and isinstance(theirs, list):
            same = shared(ours, theirs)
            yield f"{channel}: the first {same} of {len(ours)} records are the same ({len(theirs)} replayed)"
        else:
            yield f"{channel}: {ours!r} became {theirs!r}"[:300]


def _services(system: str | System, preset: str, policies: Mapping[str, str], operators: Registry | None) -> Services:
    chosen = system_named(system) if isinstance(system, str) else system
    return Services(
        system=chosen,
        preset=preset_named(chosen, preset),
        registry=Registry.load() if operators is None else operators,
        policies={role: Policy(name, NoModel()) for role, name in policies.items()},
        journal=Records(()),
    )


async def _beginning(saver: BaseCheckpointSaver[Any], head: RunnableConfig, run: str) -> CheckpointTuple:
    """The first checkpoint of a run, on the line of parents that leads to `head`."""
    found: CheckpointTuple | None = None
    config: RunnableConfig | None = head
    while config is not None and (row := await saver.aget_tuple(config)) is not None:
        if row.checkpoint["channel_values"].get("run", {}).get("id") != run:
            break
        found, config = row, row.parent_config
    if found is None:
        raise UsageError("the run's first checkpoint is not stored any more", fix="A pruned run cannot be replayed")
    return found


async def _plant(row: CheckpointTuple, reader: Graph, memory: StrictMemorySaver) -> None:
    """Puts a checkpoint into `memory` with the whole of what its delta channels hold."""
    values = (await reader.aget_state(row.config)).values
    whole = {**row.checkpoint["channel_values"], **{name: values[name] for name in _growing(reader) if name in values}}
    checkpoint = {**row.checkpoint, "channel_values": whole}
    where = {**row.config["configurable"]}
    where.pop("checkpoint_id")
    metadata = {name: value for name, value in row.metadata.items() if name in ("source", "step", "parents")}
    memory.put({"configurable": where}, cast(Any, checkpoint), cast(Any, metadata), row.checkpoint["channel_versions"])


def _growing(graph: Graph) -> list[str]:
    from langgraph.channels import DeltaChannel

    return [name for name, channel in graph.channels.items() if isinstance(channel, DeltaChannel)]
