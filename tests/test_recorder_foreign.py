"""A thread of any graph, whatever was done to it, reads as one trajectory a branch: every call is in one or set aside,
every prompt is what was sent, and a trajectory weighs 1 however many rows it has."""

from __future__ import annotations

import difflib
import math
import runpy
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import foreign_graph
import pytest
from flowwright.checkpoints.annotation import annotate, reward
from flowwright.checkpoints.attach import CALL, attached
from flowwright.checkpoints.recording.foreign import foreign_trajectories, set_aside
from flowwright.checkpoints.recording.recorder import recorded
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.rows import rows_of, tree_rows
from flowwright.checkpoints.trajectories.trajectory import Trajectory, group_name
from flowwright.digest import digest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.types import Send
from pydantic import SecretStr
from scripted_server import ScriptedServer, prompt_ids

CONFIG: RunnableConfig = {"configurable": {"thread_id": "t1"}}


def chat(server: ScriptedServer) -> ChatOpenAI:
    return ChatOpenAI(model="m", base_url=server.url, api_key=SecretStr("x"), max_retries=0)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(foreign_graph.reply) as running:
        yield running


def roles(run: Trajectory) -> list[str]:
    return [one["role"] for one in run.calls]


def stored(saver: BaseCheckpointSaver[Any]) -> list[dict[str, Any]]:
    rows = [*saver.list({"configurable": {"thread_id": "t1", "checkpoint_ns": ""}})]
    return sorted((call for row in rows for call in attached(row, CALL)), key=lambda one: one["at"])


def check(saver: BaseCheckpointSaver[Any], server: ScriptedServer) -> list[Trajectory]:
    """What holds for any thread."""
    runs = [*foreign_trajectories(saver, "t1")]
    aside = {one["id"] for one, _ in set_aside(saver, "t1")}
    records = {one["id"]: one for one in stored(saver)}
    bodies = {digest(request.body["messages"]): request.body for request in server.requests}
    assert {one["id"] for run in runs for one in run.calls} | aside == records.keys()
    assert len(records) == len(server.requests)
    for run in runs:
        assert aside.isdisjoint(run.by_id)
        assert [one["at"] for one in run.calls] == sorted(one["at"] for one in run.calls)
        for call in run.calls:
            whole = run.spoken(call["id"])
            body = bodies[records[call["id"]]["sent"]["messages"]["digest"]]
            assert whole.messages == body["messages"]
            assert whole.prompt_ids == prompt_ids(body)
        rows = [*rows_of(run)]
        assert sum(len(row.spans) for row in rows) == len(run.own)
        if rows:
            assert math.isclose(sum(row.weight for row in rows), 1.0)
    return runs


def test_a_replay_and_two_edits_are_three_branches_of_one_group(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    graph = foreign_graph.build(recorded(chat(server)), saver)
    graph.invoke({"task": "lift stones"}, CONFIG)
    before = next(one for one in graph.get_state_history(CONFIG) if one.next == ("join",))
    graph.invoke(None, before.config)
    for number in range(2):
        graph.invoke(None, graph.update_state(before.config, {"thoughts": [f"edit {number}"]}, as_node="think"))
    first, *forks = runs = check(saver, server)
    whole = ["plan", "think", "think", "join", "model", "model", "model", "check"]
    assert [roles(run) for run in runs] == [whole] * 4
    assert [len(run.own) for run in runs] == [8, 5, 5, 5]
    assert len(server.requests) == 8 + 3 * 5
    checkpoint = before.config["configurable"]["checkpoint_id"]
    assert [one.group for one in forks] == [group_name("t1", checkpoint)] * 3
    assert [one.origin and one.origin["sample"] for one in runs] == [None, 1, 2, 3]
    assert len({one.run for one in runs}) == 4
    assert [one.status for one in runs] == ["finished"] * 4
    shared = {one["id"] for one in first.calls} & {one["id"] for one in forks[0].calls}
    assert {one.partition(":")[0] for one in shared} == {"t1/plan", "t1/think"}
    (tree,) = load_trajectories(saver)
    assert len(tree.trajectories) == 4
    spans = Counter(span.call for row in tree_rows(tree) for span in row.spans)
    assert set(spans.values()) == {1}
    assert len(spans) == 23


def test_a_branch_whose_parent_call_is_on_another_tells_its_prompt_itself(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    llm = recorded(chat(server))

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    for word in ("one", "two"):
        graph.invoke({"messages": [("user", word)]}, CONFIG)
    before = next(one for one in graph.get_state_history(CONFIG) if one.next == ("ask",))
    graph.invoke(None, before.config)
    raw = {one["id"]: one for one in stored(saver)}
    first, second = check(saver, server)
    foreign = [one for one in second.own if raw[one["id"]]["prompt"]["parent"] not in second.by_id]
    assert foreign, "the replayed call was stored relative to the one it replays"
    assert all(one["prompt"]["parent"] in {None, *second.by_id} for one in second.calls)
    assert [row.start for row in rows_of(first)] == ["first"]
    assert [len(row.spans) for row in rows_of(first)] == [2]


def test_a_reward_beside_the_last_checkpoint_is_the_branchs(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    foreign_graph.build(recorded(chat(server)), saver).invoke({"task": "lift stones"}, CONFIG)
    (run,) = foreign_trajectories(saver, "t1")
    assert annotate(saver, "t1", run.checkpoint_id, reward("exact", "1", 0.5))
    (again,) = check(saver, server)
    assert (again.rewards, again.checkpoint_id) == ({"exact": 0.5}, run.checkpoint_id)
    assert (again.usage["calls"], again.usage["output_tokens"]) == (
        8,
        sum(len(c["token_ids"] or []) for c in run.calls),
    )


def test_a_graph_without_recorded_calls_has_trajectories_without_calls(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    foreign_graph.build(chat(server), saver).invoke({"task": "lift stones"}, CONFIG)
    (run,) = foreign_trajectories(saver, "t1")
    assert (list(run.calls), list(run.tools), set_aside(saver, "t1")) == ([], [], [])
    assert list(foreign_trajectories(saver, "nobody")) == []


def test_a_call_without_its_parent_is_kept_and_says_so(server: ScriptedServer) -> None:
    saver = InMemorySaver()
    llm = recorded(chat(server))

    def ask(state: MessagesState) -> dict[str, Any]:
        return {"messages": [llm.invoke(state["messages"])]}

    graph = StateGraph(MessagesState).add_node("ask", ask).add_edge(START, "ask").compile(saver)
    for word in ("one", "two"):
        graph.invoke({"messages": [("user", word)]}, CONFIG)
    last = graph.get_state(CONFIG).parent_config
    assert last is not None
    kept = last["configurable"]["checkpoint_id"]
    for key in [key for key in saver.writes if key[2] < kept]:
        del saver.writes[key]  # as pruning does
    (run,) = foreign_trajectories(saver, "t1")
    assert len(run.calls) == 1
    with pytest.raises(ValueError, match="which is not there"):
        run.spoken(run.calls[0]["id"])


Deed = tuple[str, int]
deeds = st.lists(st.tuples(st.sampled_from(["ask", "replay", "edit", "leave"]), st.integers(0, 30)), max_size=6)


@settings(max_examples=25, deadline=None)
@given(deeds)
def test_whatever_is_done_to_a_thread_its_branches_are_whole(done: list[Deed]) -> None:
    with ScriptedServer(foreign_graph.reply) as server:
        saver = InMemorySaver()
        llm = recorded(chat(server))

        def think(state: MessagesState) -> dict[str, Any]:
            return {"messages": [llm.invoke(state["messages"])]}

        def fan(state: MessagesState) -> list[Send]:
            return [Send("think", {"messages": state["messages"][-3:]}) for _ in range(2)]

        builder = StateGraph(MessagesState).add_node("ask", think).add_node("think", think)
        graph = builder.add_edge(START, "ask").add_conditional_edges("ask", fan, ["think"]).compile(saver)
        graph.invoke({"messages": [("user", "begin")]}, CONFIG)
        for deed, number in done:
            steps = [*graph.get_state_history(CONFIG)]
            chosen = steps[number % len(steps)].config
            if deed == "ask":
                graph.invoke({"messages": [("user", f"number {number}")]}, CONFIG)
            elif deed == "replay":
                graph.invoke(None, chosen)
            else:
                edited = graph.update_state(chosen, {"messages": [("user", f"edit {number}")]}, as_node="ask")
                if deed == "edit":
                    graph.invoke(None, edited)
        runs = check(saver, server)
        (tree,) = load_trajectories(saver)
        assert len(tree.trajectories) == len(runs)
        live = {one["id"] for run in runs for one in run.calls}
        trained = Counter(span.call for row in tree_rows(tree) for span in row.spans)
        assert set(trained) == live
        assert set(trained.values()) <= {1}


# two lines

APP = '''"""An app as it is written anywhere."""

import os

from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

model = ChatOpenAI(model="m", base_url=os.environ["URL"], api_key="x")
saver = InMemorySaver()


def answer(state: MessagesState) -> MessagesState:
    return {"messages": [model.invoke(state["messages"])]}


graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(checkpointer=saver)
graph.invoke({"messages": [("user", "hello")]}, {"configurable": {"thread_id": "t1"}})
'''


def test_an_app_is_recorded_with_two_changed_lines(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = APP.splitlines()
    place = lines.index("from langgraph.graph import START, MessagesState, StateGraph") + 1
    lines.insert(place, "from flowwright.checkpoints.recording.recorder import recorded")
    wrapped = [
        line.replace("ChatOpenAI(model=", "recorded(ChatOpenAI(model=") + (")" if line.startswith("model =") else "")
        for line in lines
    ]
    changed = [line for line in difflib.ndiff(APP.splitlines(), wrapped) if line.startswith("+ ")]
    assert len(changed) == 2
    monkeypatch.setenv("URL", server.url)
    monkeypatch.setattr(sys, "argv", ["app.py"])
    for name, source in (("before.py", APP), ("after.py", "\n".join(wrapped))):
        (tmp_path / name).write_text(source)
    before, after = (runpy.run_path(str(tmp_path / name))["saver"] for name in ("before.py", "after.py"))
    assert [len(run.calls) for run in foreign_trajectories(before, "t1")] == [0]
    assert [len(run.calls) for run in foreign_trajectories(after, "t1")] == [1]
