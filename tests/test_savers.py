"""Both savers keep LangGraph's contract, DeltaChannel included, read strictly, and hold the journal."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from flowwright.checkpoints.errors import DamagedRecordError
from flowwright.checkpoints.memory import StrictMemorySaver
from flowwright.checkpoints.open import Saver, open_checkpointer
from flowwright.checkpoints.packing import pack, unpack
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.errors import UsageError
from flowwright.graphs.journal import Journal
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph, add_messages
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, Interrupt, Overwrite, Send, interrupt
from typing_extensions import TypedDict


@pytest.fixture(params=["sqlite", "memory"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Saver]:
    with open_checkpointer(f"sqlite:///{tmp_path}/runs.db" if request.param == "sqlite" else "memory:") as opened:
        yield opened


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as opened:
        yield opened


def config(thread_id: str, **more: str) -> Any:
    return {"configurable": {"thread_id": thread_id, "checkpoint_ns": "", **more}}


def extend(held: list[Any], writes: list[list[Any]]) -> list[Any]:
    return [*held, *(item for write in writes for item in write)]


class Loop(TypedDict):
    """Two growing channels, one that seldom has its snapshot."""

    turn: int
    entries: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=7)]
    rare: Annotated[list[Any], DeltaChannel(extend, snapshot_frequency=50)]


def looping(saver: BaseCheckpointSaver[Any], turns: int, size: int = 10) -> CompiledStateGraph[Any]:
    def step(state: Loop) -> dict[str, Any]:
        turn = state.get("turn", 0) + 1
        return {"turn": turn, "entries": [f"{turn}".ljust(size, ".")], "rare": [turn] if turn % 3 == 0 else []}

    graph = StateGraph(Loop)
    graph.add_node("step", step)
    graph.add_node("rest", lambda state: {})
    graph.add_edge(START, "step")
    graph.add_edge("step", "rest")
    graph.add_conditional_edges("rest", lambda state: END if state["turn"] % turns == 0 else "step", [END, "step"])
    return graph.compile(checkpointer=saver)


def run(saver: BaseCheckpointSaver[Any], thread_id: str, turns: int, **more: Any) -> Any:
    limited = {**config(thread_id), "recursion_limit": 10_000}
    return looping(saver, turns, **more).invoke({}, limited, durability="sync")


class TestContract:
    """LangGraph finds what it stored."""

    async def test_the_stored_saver_passes_every_capability_of_the_conformance_suite(self, tmp_path: Path) -> None:
        paths = (tmp_path / f"{number}.db" for number in range(99))

        @checkpointer_test(name="GroupCommitSaver")
        async def factory() -> AsyncIterator[GroupCommitSaver]:
            async with GroupCommitSaver(next(paths), filter_keys=["score"]) as opened:
                yield opened

        report = await validate(factory)
        assert {name: result.passed for name, result in report.results.items()} == dict.fromkeys(report.results, True)
        assert len(report.results) == 8

    async def test_the_memory_saver_passes_the_base_capabilities(self) -> None:
        @checkpointer_test(name="StrictMemorySaver")
        async def factory() -> AsyncIterator[StrictMemorySaver]:
            yield StrictMemorySaver(filter_keys=["score"])

        report = await validate(factory)
        base = ("put", "put_writes", "get_tuple", "list", "delete_thread")
        assert [report.results[name].passed for name in base] == [True] * 5

    @pytest.mark.parametrize("turns", [1, 6, 7, 8, 30, 61])
    def test_a_delta_channel_is_rebuilt_as_langgraphs_own_saver_rebuilds_it(self, saver: Saver, turns: int) -> None:
        assert run(saver, "a", turns) == run(InMemorySaver(), "a", turns)
        rebuilt = looping(saver, turns).get_state(config("a")).values
        assert rebuilt["entries"] == [f"{turn}".ljust(10, ".") for turn in range(1, turns + 1)]
        assert rebuilt["rare"] == list(range(3, turns + 1, 3))

    async def test_delta_history_equals_the_base_class_walk_at_every_checkpoint(self, saver: Saver) -> None:
        run(saver, "a", 20)
        for row in saver.list(config("a")):
            wanted: Any = {"config": row.config, "channels": ["entries", "rare", "turn", "absent"]}
            walked = BaseCheckpointSaver.get_delta_channel_history(saver, **wanted)
            assert saver.get_delta_channel_history(**wanted) == walked
            assert await saver.aget_delta_channel_history(**wanted) == walked

    def test_forks_of_a_delta_channel_keep_apart(self, saver: Saver) -> None:
        run(saver, "a", 10)
        graph = looping(saver, 20)
        middle = next(one for one in graph.get_state_history(config("a")) if one.values.get("turn") == 5 and one.next)
        forked = graph.update_state(middle.config, {"entries": Overwrite(["fork"])}, as_node="rest")
        done = graph.invoke(None, {**forked, "recursion_limit": 1000})
        assert done["entries"] == ["fork", *(f"{turn}".ljust(10, ".") for turn in range(6, 21))]
        assert len(graph.get_state(middle.config).values["entries"]) == 5

    def test_one_saver_serves_threads_and_loops_at_once(self, saver: Saver) -> None:
        graph = looping(saver, 4)

        async def some(number: int) -> list[Any]:
            runs = (graph.ainvoke({}, config(f"{number}-{one}")) for one in range(5))
            return await asyncio.gather(*runs)

        with ThreadPoolExecutor(6) as pool:
            loops = [pool.submit(asyncio.run, some(number)) for number in range(3)]
            calls = [pool.submit(run, saver, f"sync-{number}", 4) for number in range(5)]
            results = [*(one for loop in loops for one in loop.result()), *(call.result() for call in calls)]
        assert [len(one["entries"]) for one in results] == [4] * 20

    def test_an_interrupted_run_resumes_in_a_new_saver(self, tmp_path: Path) -> None:
        class Asked(TypedDict):
            said: list[str]

        graph = StateGraph(Asked)
        graph.add_node("ask", lambda state: {"said": [interrupt({"question": "go on?"})]})
        graph.add_edge(START, "ask")
        with GroupCommitSaver(tmp_path / "runs.db") as first:
            paused = graph.compile(checkpointer=first).invoke({"said": []}, config("a"))
            assert paused["__interrupt__"][0].value == {"question": "go on?"}
        with GroupCommitSaver(tmp_path / "runs.db") as second:
            resumed = graph.compile(checkpointer=second).invoke(Command(resume="yes"), config("a"))
        assert resumed == {"said": ["yes"]}

    def test_a_listing_may_read_while_it_is_iterated_and_may_be_left(self, saver: Saver) -> None:
        run(saver, "a", 5)
        for row in saver.list(config("a")):
            found = saver.get_tuple(row.config)
            assert found is not None
            assert found.checkpoint == row.checkpoint
            if row.metadata["step"] < 3:
                break
        saver.delete_thread("a")
        assert saver.get_tuple(config("a")) is None

    async def test_an_async_listing_comes_in_order_across_its_pages(self, stored: GroupCommitSaver) -> None:
        await asyncio.to_thread(run, stored, "a", 80)
        ids = [row.checkpoint["id"] async for row in stored.alist(config("a"))]
        assert len(ids) > 128
        assert ids == sorted(ids, reverse=True) == [row.checkpoint["id"] for row in stored.list(config("a"))]

    def test_the_memory_saver_survives_readers_and_writers_on_many_threads(self) -> None:
        saver = StrictMemorySaver()

        def work(number: int) -> int:
            run(saver, f"{number}", 10)
            return sum(1 for _ in saver.list(None)) and len(looping(saver, 10).get_state(config(f"{number}")).values)

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(24))) == [3] * 24


@dataclass
class Foreign:
    """A class of the application; a strict reader does not rebuild it."""

    value: int


MESSAGES: list[AnyMessage] = [
    SystemMessage("s"),
    HumanMessage([{"type": "text", "text": "h"}], id="1"),
    AIMessage("a", tool_calls=[{"name": "f", "args": {"x": 1}, "id": "c", "type": "tool_call"}]),
    ToolMessage("t", tool_call_id="c"),
]


class TestStrictReading:
    """Reading builds nothing but LangGraph's own safe types."""

    @pytest.mark.parametrize(
        "value",
        [
            *MESSAGES,
            Send("node", {"key": "draft@1", "message": HumanMessage("x")}),
            Command(update={"a": 1}, goto="node", resume="yes"),
            Overwrite([1, 2]),
            Interrupt(value={"question": "?"}, id="i"),
            _DeltaSnapshot([{"id": 1}, HumanMessage("x")]),
            {"set": {1, 2}, "bytes": b"\x00\xff", "none": None, "text": "ü\u0000"},
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_what_langgraph_stores_survives(self, saver: Saver, value: Any) -> None:
        checkpoint = {**empty_checkpoint(), "channel_values": {"x": value}, "channel_versions": {"x": "1"}}
        where = saver.put(config("a"), checkpoint, {"step": 0}, {"x": "1"})
        saver.put_writes(where, [("x", value), ("y", [value])], "task")
        found = saver.get_tuple(where)
        assert found is not None
        assert found.checkpoint["channel_values"]["x"] == value
        assert type(found.checkpoint["channel_values"]["x"]) is type(value)
        assert [write[2] for write in found.pending_writes or ()] == [value, [value]]

    def test_a_chat_state_survives_a_graph(self, saver: Saver) -> None:
        class Chat(TypedDict):
            messages: Annotated[list[AnyMessage], add_messages]

        graph = StateGraph(Chat)
        graph.add_node("say", lambda state: {"messages": [AIMessage("hello", id="2")]})
        graph.add_edge(START, "say")
        app = graph.compile(checkpointer=saver)
        app.invoke({"messages": [HumanMessage("hi", id="1")]}, config("a"))
        expected = [HumanMessage("hi", id="1"), AIMessage("hello", id="2")]
        assert app.get_state(config("a")).values["messages"] == expected

    def test_a_foreign_class_comes_back_as_data(self, saver: Saver) -> None:
        checkpoint = {**empty_checkpoint(), "channel_values": {"x": Foreign(3)}, "channel_versions": {"x": "1"}}
        saver.put(config("a"), checkpoint, {"step": 0}, {"x": "1"})
        found = saver.get_tuple(config("a"))
        assert found is not None
        assert found.checkpoint["channel_values"]["x"] == {"value": 3}

    def test_a_pickle_in_the_file_is_refused_not_loaded(self, stored: GroupCommitSaver) -> None:
        stored.put(config("a"), empty_checkpoint(), {"step": 0}, {})
        connection = sqlite3.connect(stored.database.path)
        connection.execute("UPDATE checkpoints SET type = 'pickle', checkpoint = ?", (pickle.dumps(Foreign(3)),))
        connection.commit()
        connection.close()
        with pytest.raises(NotImplementedError, match="pickle"):
            stored.get_tuple(config("a"))

    def test_a_value_that_cannot_be_stored_fails_before_it_is_queued(self, saver: Saver) -> None:
        with pytest.raises(TypeError, match="serializable"):
            saver.put_writes(config("a", checkpoint_id="1"), [("x", object())], "task")
        saver.put(config("a"), empty_checkpoint(), {"step": 0}, {})
        assert saver.get_tuple(config("a")) is not None


class TestFilters:
    """Filters name known keys."""

    def test_allowed_keys_filter(self, saver: Saver) -> None:
        for step in range(4):
            saver.put(config("a"), empty_checkpoint(), {"source": "loop", "step": step}, {})
        assert [row.metadata["step"] for row in saver.list(config("a"), filter={"step": 2, "source": "loop"})] == [2]

    @pytest.mark.parametrize("key", ["score", "step') OR 1=1 --", "a.b", ""])
    async def test_any_other_key_is_refused_before_a_query_exists(self, saver: Saver, key: str) -> None:
        with pytest.raises(UsageError, match="cannot be filtered by"):
            saver.list(None, filter={key: 1})
        with pytest.raises(UsageError, match="filter_keys"):
            [row async for row in saver.alist(None, filter={key: 1})]

    @pytest.mark.parametrize("key", ["a b", "x'", "1a", "ü", ""])
    def test_an_added_key_must_be_a_plain_name(self, key: str) -> None:
        with pytest.raises(UsageError, match="filter key"):
            open_checkpointer("memory:", filter_keys=[key])


class TestJournal:
    """A record is what was recorded first."""

    async def test_the_first_record_of_a_key_stays(self, saver: Saver) -> None:
        assert isinstance(saver, Journal)
        assert saver.recall("k") is None
        saver.record("k", b"first")
        await saver.arecord("k", b"second")
        await saver.arecord("empty", b"")
        assert saver.recall("k") == b"first"
        assert saver.recall("empty") == b""

    def test_records_outlive_the_saver_and_the_thread(self, tmp_path: Path) -> None:
        with GroupCommitSaver(tmp_path / "runs.db") as first:
            first.record("k", b"x" * 10_000)
            first.delete_thread("a")
        with GroupCommitSaver(tmp_path / "runs.db") as second:
            assert second.recall("k") == b"x" * 10_000
        assert (tmp_path / "runs.db").stat().st_size < 60_000

    @given(st.binary(max_size=2000) | st.text(alphabet="ab ", min_size=200, max_size=5000).map(str.encode))
    def test_unpacking_undoes_packing_and_packing_never_grows(self, value: bytes) -> None:
        assert unpack(pack(value), len(value)) == value
        assert len(pack(value)) <= len(value)

    @pytest.mark.parametrize("size", [1, 4999, 5001])
    def test_a_record_of_another_length_is_damaged(self, size: int) -> None:
        with pytest.raises(DamagedRecordError):
            unpack(pack(b"a" * 5000), size)

    def test_a_record_that_is_no_stream_is_damaged(self) -> None:
        with pytest.raises(DamagedRecordError, match="does not unpack"):
            unpack(b"nonsense", 5000)


class TestBesideTheShippedSaver:
    """Either saver reads and continues the other's threads."""

    def test_the_shipped_savers_read_our_file(self, tmp_path: Path) -> None:
        with GroupCommitSaver(tmp_path / "runs.db") as ours:
            run(ours, "a", 20)
            expected = looping(ours, 20).get_state(config("a"))
        connection = sqlite3.connect(tmp_path / "runs.db", check_same_thread=False)
        assert looping(SqliteSaver(connection), 20).get_state(config("a")) == expected
        connection.close()

    async def test_either_saver_continues_the_others_thread(self, tmp_path: Path) -> None:
        """Versions of both lengths stand in one thread, and no node runs too often or too seldom."""
        path = tmp_path / "runs.db"
        for turns in (3, 6, 9, 12):
            if turns % 2:
                async with AsyncSqliteSaver.from_conn_string(str(path)) as shipped:
                    await looping(shipped, turns).ainvoke({}, config("a"))
            else:
                async with GroupCommitSaver(path) as ours:
                    await looping(ours, turns).ainvoke({}, config("a"))
        with GroupCommitSaver(path) as ours:
            assert [entry.strip(".") for entry in looping(ours, 12).get_state(config("a")).values["entries"]] == [
                f"{turn}" for turn in range(1, 13)
            ]

    @given(st.lists(st.booleans(), min_size=1, max_size=40))
    @settings(max_examples=40, deadline=None)
    def test_versions_grow_whoever_counts(self, ours: list[bool]) -> None:
        version, shipped = None, SqliteSaver.get_next_version
        for mine in ours:
            counted = GroupCommitSaver.get_next_version if mine else shipped
            following = counted(GroupCommitSaver.__new__(GroupCommitSaver), version, None)
            assert version is None or following > version
            version = following


class TestHousekeeping:
    """Copies are whole, and deleting takes nothing from what survives."""

    @pytest.mark.parametrize(("turns", "kept"), [(33, 68), (60, 22)])
    def test_pruning_keeps_what_the_latest_state_is_rebuilt_from(
        self, stored: GroupCommitSaver, turns: int, kept: int
    ) -> None:
        """The slower channel has its first snapshot at turn 50: until then all is needed."""
        run(stored, "a", turns)
        before = looping(stored, turns).get_state(config("a"))
        stored.prune(["a"])
        after = looping(stored, turns).get_state(config("a"))
        assert (after.values, after.config) == (before.values, before.config)
        assert len([*stored.list(config("a"))]) == kept
        assert len(looping(stored, turns + 7).invoke({}, config("a"))["entries"]) == turns + 7

    def test_an_unknown_strategy_is_refused(self, stored: GroupCommitSaver) -> None:
        with pytest.raises(UsageError, match="keep_latest"):
            stored.prune(["a"], strategy="all")

    def test_a_copy_is_whole(self, stored: GroupCommitSaver) -> None:
        run(stored, "a", 33)
        stored.copy_thread("a", "b")
        stored.delete_thread("a")
        assert len(looping(stored, 33).get_state(config("b")).values["entries"]) == 33

    async def test_runs_that_others_are_rebuilt_from_are_not_deleted(self, stored: GroupCommitSaver) -> None:
        for number, turns in enumerate((3, 6)):
            settled = {**config("a"), "metadata": {"run_id": f"run-{number}"}}
            await looping(stored, turns).ainvoke({}, settled)
        with pytest.raises(UsageError, match="rebuilt from a run"):
            await stored.adelete_for_runs(["run-0"])
        assert len(looping(stored, 6).get_state(config("a")).values["entries"]) == 6
        stored.delete_for_runs(["run-0", "run-1"])
        assert stored.get_tuple(config("a")) is None
