"""A conversation goes on word for word, says only what is new, and is told anew when it has become too long."""

from __future__ import annotations

import json
from typing import Any

import pytest
from canvas_script import FINISH, add, play
from flowwright import Context, Policies, build_graph, open_checkpointer
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.graphs.flowsteer import DEFAULT
from flowwright.graphs.history import tokens_of
from flowwright.graphs.prompt_delta import spoken
from scripted import answering, replies


def calls(state: Any, role: str = "designer") -> list[Any]:
    return [one for one in state["calls"] if one["role"] == role]


def test_each_prompt_of_a_director_begins_with_the_one_before_and_its_reply() -> None:
    state, _, _ = play([add("Custom", "one"), add("Review"), add("Foo"), add("Revise"), FINISH])
    said = [full.messages for _, full in spoken(calls(state))]
    replies = [one["reply"] for one in calls(state)]
    assert len(said) == 5
    for earlier, later, reply in zip(said, said[1:], replies, strict=False):
        assert later[: len(earlier) + 1] == [*earlier, {"role": "assistant", "content": reply}]
        assert len(later) == len(earlier) + 2
    assert [one["prompt"]["messages"] for one in calls(state)] == [0, 3, 5, 7, 9]
    assert all(len(one["prompt"]["rest"]) == 1 for one in calls(state)[1:])


def test_only_nodes_of_which_something_else_is_to_be_told_are_told_again() -> None:
    state, _, _ = play([add("Custom", "one"), add("Review"), {"action": "delete", "target": "node_2"}, FINISH])
    news = [one["prompt"]["rest"][-1]["content"] for one in calls(state)[1:]]
    nodes = [[json.loads(line)["node"] for line in text.splitlines() if line.startswith('{"node"')] for text in news]
    assert nodes == [["node_1"], ["node_2"], []]
    assert '"nodes": ["node_1"]' in news[2]


def test_a_conversation_that_has_become_too_long_is_told_anew_within_the_budget() -> None:
    long = "word " * 1_500
    state, designer, _ = play([add("Custom", long[:1_900])] * 12 + [FINISH], lambda *_: f"{long}\nAnswer: {long}")
    begun_anew = [one["prompt"]["messages"] for one in calls(state)].count(1)
    assert begun_anew >= 1
    assert max(tokens_of(prompt) for prompt in designer.prompts) + 2048 <= DEFAULT.context
    assert [full.messages[-1]["role"] for _, full in spoken(calls(state))] == ["user"] * len(calls(state))


@pytest.mark.parametrize("system", ["dyflow", "agentflow"])
def test_a_repair_goes_on_with_the_refused_conversation(system: str) -> None:
    graph = build_graph(
        system, policies=Policies(designer=replies("no plan", "none either", "nor now"), executor=answering()),
        checkpointer=open_checkpointer("memory:"),
    )  # fmt: skip
    config: Any = {"configurable": {"thread_id": "t"}}
    saver: Any = graph.checkpointer
    graph.invoke({"task": {"question": "What is 6*7?", "budget": {"turns": 2}}}, config, context=Context(seed=1))
    first, second, third = (full for _, full in list(spoken(calls({"calls": calls_of(saver, config)})))[:3])
    assert second.messages[:-1] == first.conversation
    assert third.messages[:-1] == second.conversation
    assert "no_json" in second.messages[-1]["content"]


def test_the_records_hold_every_call_with_its_place() -> None:
    state, designer, _ = play([add("Custom", "one"), add("Custom", "two"), FINISH])
    ids = [one["id"] for one in state["calls"]]
    assert len(set(ids)) == len(ids) == state["usage"]["calls"]
    assert [one["call"] for one in state["turns"]] == [one["id"] for one in calls(state)]
    assert {one["place"] for one in calls(state, "executor")} == {one["id"] for one in state["operations"]}
    assert [full.messages[-1]["content"] for _, full in spoken(calls(state))] == [
        prompt[-len(full.messages[-1]["content"]) :]
        for prompt, (_, full) in zip(designer.prompts, spoken(calls(state)), strict=True)
    ]
    assert {one["checkpoint"] is not None and one["task"] is not None for one in state["calls"]} == {True}


def test_half_a_character_in_a_result_does_not_end_the_conversation() -> None:
    state, _, _ = play(
        [add("Custom", "one"), add("Custom", "two"), FINISH], lambda *_: "Half \udcfe.\nAnswer: 4\udcfe2"
    )
    assert [one["outcome"] for one in state["turns"]] == ["plan", "plan", "finish"]
    assert [one["prompt"]["messages"] for one in calls(state)] == [0, 3, 5]
