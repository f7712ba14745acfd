"""Call records lose nothing on the way to the checkpoint and back, whatever a prompt has in common with the one before,
and grow with the run and not with its square."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
from canvas_script import FINISH, add, director, executor
from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.graphs.call_packing import packed, unpacked
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.open_calls import open_calls
from flowwright.graphs.prompt_delta import Spoken, restored, spoken, spoken_of, told
from flowwright.graphs.text_pieces import in_pieces, joined
from hypothesis import given
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

lines = st.lists(st.sampled_from(["", "a", "b", "<canvas>", '{"node": 1}', "é\r", "x y"]), max_size=12).map("\n".join)
texts = lines | st.text(max_size=20)
tokens = st.lists(st.integers(0, 3), max_size=12)
messages = st.lists(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["system", "user", "assistant"]), texts),
    min_size=1, max_size=5,
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn, turn: int = 1, parent: Spoken | None = None) -> CallRecord:
    role = draw(st.sampled_from(["designer", "verifier", "executor"]))
    place, ids = draw(st.sampled_from(["0", "op_1_1"])), draw(st.none() | tokens)
    sampled = draw(st.none() | tokens)
    id = f"run/{turn}/{role}/{place}/0.0"
    return CallRecord(
        id=id, at=[turn, 1, 0, 0, 0], run="run", turn=turn, role=role, place=place,
        key=draw(st.sampled_from([f"run/{turn}/{role}/{place}/0/beef", "elsewhere"])),
        checkpoint=draw(st.none() | st.just("1f1e")), namespace=draw(st.sampled_from(["", "designer:t1", "a:t0|b:t2"])),
        task=draw(st.sampled_from([None, "t1", "t2"])), attempt=draw(st.integers(1, 2)), policy=draw(st.sampled_from("pq")),
        model=draw(st.none() | st.just("m")), version=draw(st.none() | st.just("m-000001")),
        sampling={"temperature": 1.0, "seed": 3}, schema=None, sent=draw(st.none() | st.just({"seed": 3})),
        prompt=told(draw(messages), ids, parent), reply=draw(texts), message=None, token_ids=sampled,
        logprobs=None if sampled is None else [-0.5] * len(sampled), logprobs_mode=draw(st.sampled_from([None, "raw"])),
        constrained=draw(st.booleans()), incomplete=False, finish_reason="stop", input_tokens=1, output_tokens=0,
        estimated=draw(st.booleans()), money=draw(st.none() | st.just(0.0)), began=1.5, seconds=0.25,
        error=draw(st.none() | st.just("timeout: slow")),
    )  # fmt: skip


@st.composite
def runs(draw: st.DrawFn) -> list[CallRecord]:
    """Records of one run, each told relative to the last one of its role and policy, as a run tells them."""
    made: list[CallRecord] = []
    last: dict[tuple[str, str], Spoken] = {}
    for turn in range(1, draw(st.integers(1, 8)) + 1):
        record = draw(records(turn=turn))
        line = (record["role"], record["policy"])
        whole = restored(record, None)
        parent = last.get(line) if record["role"] != "executor" else None
        made.append({**record, "prompt": told(whole.messages, whole.prompt_ids, parent)})
        if record["error"] is None:
            last[line] = restored(made[-1], parent)
    return made


@given(texts, texts)
def test_a_text_told_in_pieces_of_another_is_the_text(text: str, other: str) -> None:
    assert joined(in_pieces(text, other), other) == text


def test_a_window_that_slides_costs_what_is_new() -> None:
    before, after = ("\n".join(f"line {number}" for number in range(start, start + 40)) for start in (0, 1))
    assert in_pieces(after, before) == [[1, 39], "line 40"]


@given(st.data(), messages, st.none() | tokens)
def test_a_prompt_told_relative_to_another_is_the_prompt(data: st.DataObject, said: Any, ids: list[int] | None) -> None:
    parent = restored(data.draw(records()), None)
    prompt = told(said, ids, parent)
    whole = restored({**data.draw(records(turn=2)), "prompt": prompt}, parent)
    assert (whole.messages, whole.prompt_ids) == (said, ids)
    known = parent.tokens
    assert prompt["continues"] == (ids is not None and known is not None and ids[: len(known)] == known)


def test_a_prompt_is_restored_from_its_own_parent_only() -> None:
    parent = Spoken(
        "run/1/designer/0/0.0", [{"role": "user", "content": "q"}], {"role": "assistant", "content": "a"}, [1], [2]
    )
    record: Any = {"id": "x", "prompt": told([{"role": "user", "content": "q"}], [1, 2, 3], parent)}
    with pytest.raises(ValueError, match=r"told relative to run/1/designer/0/0\.0, not to None"):
        restored(record, None)
    with pytest.raises(ValueError, match="which is not there"):
        spoken_of(record, {})


@given(records())
def test_a_record_packed_is_the_record(record: CallRecord) -> None:
    assert unpacked(json.loads(json.dumps(packed(record)))) == record
    assert unpacked(packed(unpacked(packed(record)))) == record


@given(runs(), st.data())
def test_the_state_keeps_the_last_call_of_each_role_in_full_however_writes_are_batched(
    made: list[CallRecord], data: st.DataObject
) -> None:
    writes = [[packed(one)] for one in made]
    cut = data.draw(st.integers(0, len(writes)))
    at_once = open_calls([], writes)
    assert open_calls(open_calls([], writes[:cut]), writes[cut:]) == at_once
    full = {one["id"]: whole for one, whole in spoken(made)}
    kept = [unpacked(one) for one in at_once]
    answered = {
        (one["role"], one["policy"]): one["id"] for one in made if one["error"] is None and one["role"] != "executor"
    }
    assert {(one["role"], one["policy"]): one["id"] for one in kept} == answered
    assert all(restored(one, None) == full[one["id"]] for one in kept)


# -- in a saver


def played(saver: Any, turns: int = 5) -> tuple[Any, Any]:
    actions = [add("Custom", f"attempt {number}") for number in range(turns - 1)]
    policies = Policies(designer=director(*actions, FINISH), executor=executor())
    graph = build_graph("flowsteer", policies=policies, checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"task": {"question": "What is 6*7?"}}, config, context=Context(seed=1))
    return graph, config


@pytest.fixture(params=["ours", "memory", "langgraph"])
def saver(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Any]:
    if request.param == "langgraph":
        yield InMemorySaver()
        return
    with closing(open_checkpointer(f"sqlite:///{tmp_path}/r.db" if request.param == "ours" else "memory:")) as opened:
        yield opened


def test_all_calls_are_found_in_any_saver_and_of_the_last_question_only(saver: Any) -> None:
    graph, config = played(saver)
    first = calls_of(saver, config)
    state = graph.get_state(config).values
    assert len(first) == state["usage"]["calls"] > len(state["calls"]) == 1
    assert [one["at"] for one in first] == sorted(one["at"] for one in first)
    assert [one["id"] for one in first if one["role"] == "designer"] == [turn["call"] for turn in state["turns"]]
    graph.invoke({"task": {"question": "What is 7*6?"}}, config, context=Context(seed=2))
    second = calls_of(saver, config)
    assert {one["run"] for one in second}.isdisjoint(one["run"] for one in first)
    assert len(second) == graph.get_state(config).values["usage"]["calls"]


def test_calls_of_an_earlier_checkpoint_are_those_made_before_it() -> None:
    saver = open_checkpointer("memory:")
    graph, config = played(saver)
    histories = [(one.config, one.values.get("usage", {}).get("calls", 0)) for one in graph.get_state_history(config)]
    assert [len(calls_of(saver, where)) for where, _ in histories] == [calls for _, calls in histories]


def test_calls_of_a_branch_that_time_travel_left_are_not_its_own(saver: Any) -> None:
    graph, config = played(saver, turns=4)
    second = next(
        one.config for one in graph.get_state_history(config)
        if one.next == ("designer",) and one.values["run"]["turn"] == 2
    )  # fmt: skip
    edited = graph.update_state(second, {"answer": "edited"}, as_node="designer")
    assert [one["turn"] for one in calls_of(saver, edited)] == [1] * len(calls_of(saver, edited))
    assert len(calls_of(saver, edited)) == graph.get_state(edited).values["usage"]["calls"]
    graph.invoke(None, second)
    again = calls_of(saver, config)
    assert len(again) == len({one["id"] for one in again}) == graph.get_state(config).values["usage"]["calls"]


def test_a_conversation_is_stored_in_linear_size() -> None:
    saver = open_checkpointer("memory:")
    _, config = played(saver, turns=12)
    sizes = [len(json.dumps(packed(one))) for one in calls_of(saver, config) if one["role"] == "designer"]
    assert max(sizes[1:]) < sizes[0] / 2
    assert all(abs(later - earlier) < 300 for earlier, later in pairwise(sizes[2:-1]))


async def test_langgraphs_own_sqlite_saver_holds_them_too(tmp_path: Any) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "theirs.db")) as saver:
        policies = Policies(designer=director(add("Custom"), FINISH), executor=executor())
        graph = build_graph("flowsteer", policies=policies, checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "t"}}
        await graph.ainvoke({"task": {"question": "What is 6*7?"}}, config)
        calls = (await graph.aget_state(config)).values["usage"]["calls"]
    with open_checkpointer(f"sqlite:///{tmp_path}/theirs.db") as ours:
        assert len(calls_of(ours, config)) == calls
