"""A run replays to the same bytes from its records alone; what was tampered with is found."""

from __future__ import annotations

from typing import Any

import pytest
from flowwright import Context, Policies, UsageError, build_graph, open_checkpointer
from flowwright.checkpoints.replay import replay
from flowwright.checkpoints.trajectories.calls import calls_of
from flowwright.policies.faults import ProviderError
from langgraph.checkpoint.memory import InMemorySaver
from scripted import ANSWER, ScriptedModel, finish, replies

SYSTEMS = ("dyflow", "agentflow", "flowsteer")
QUESTIONS = (
    "Use each of the numbers 2, 3, 5, 12 exactly once, with +, -, *, / and parentheses, to make 24.",
    "What is (3 + 4) * 5 - 2?",
    "What is the mean of 3, 4, 8?",
    "Who wrote this?",
)
THREAD: Any = {"configurable": {"thread_id": "t"}}
OFFLINE = Policies(designer="offline", executor="offline", generator="offline", verifier="offline")


def asked(saver: Any, system: str, question: str, seed: int, policies: Policies = OFFLINE, **task: Any) -> Any:
    graph = build_graph(system, policies=policies, checkpointer=saver)
    graph.invoke({"task": {"question": question, **task}}, THREAD, context=Context(seed=seed))
    return graph.get_state(THREAD).values


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_run_replays_to_the_same_bytes(system: str, question: str) -> None:
    saver = open_checkpointer("memory:")
    state = asked(saver, system, question, seed=len(question))
    found = await replay(saver, "t")
    assert found.differences == ()
    assert (found.calls, found.operations) == (state["usage"]["calls"], len(state["operations"]))


async def test_any_saver_will_do_and_nothing_is_written_to_it() -> None:
    saver = InMemorySaver()
    asked(saver, "dyflow", QUESTIONS[1], seed=3)
    before = [one.checkpoint["id"] for one in saver.list(THREAD)]
    assert (await replay(saver, "t")).equal
    assert [one.checkpoint["id"] for one in saver.list(THREAD)] == before


async def test_the_second_question_of_a_thread_replays_too() -> None:
    saver = open_checkpointer("memory:")
    asked(saver, "agentflow", QUESTIONS[1], seed=3)
    state = asked(saver, "agentflow", QUESTIONS[2], seed=4)
    assert state["run"]["number"] == 2
    assert (await replay(saver, "t")).equal


async def test_refused_decisions_and_failed_operations_are_replayed() -> None:
    designer = replies("no plan", ANSWER, finish("draft@1"))
    executor = ScriptedModel(script=lambda prompt, number: "" if number == 0 else "So.\nAnswer: 42")
    saver = open_checkpointer("memory:")
    policies = Policies(designer=designer, executor=executor)
    state = asked(saver, "dyflow", "What is 6*7?", 1, policies, budget={"turns": 3})
    assert state["turns"][0]["outcome"] == "refused"
    assert (await replay(saver, "t")).equal


def refusing(prompt: str, number: int) -> str:
    raise ProviderError("this key is not known", code="authentication")


@pytest.mark.parametrize("system", SYSTEMS)
async def test_a_run_that_was_refused_a_model_is_replayed_without_one(system: str) -> None:
    saver = open_checkpointer("memory:")
    policies = Policies(designer=ScriptedModel(script=refusing), executor=ScriptedModel(script=refusing))
    state = asked(saver, system, "What is 6*7?", 1, policies)
    assert state["turns"][-1]["outcome"] == "unanswered"
    assert calls_of(saver, THREAD)[-1]["error"] == "authentication: this key is not known"
    assert (await replay(saver, "t")).equal


async def test_a_changed_record_is_found() -> None:
    saver = open_checkpointer("memory:")
    graph = build_graph("dyflow", policies=OFFLINE, checkpointer=saver)
    asked(saver, "dyflow", QUESTIONS[1], seed=3)
    head = graph.get_state(THREAD)
    graph.update_state(head.config, {"answer": "41"}, as_node="generator")
    found = await replay(saver, "t")
    assert [one.partition(":")[0] for one in found.differences] == ["answer"]


async def test_what_cannot_be_replayed_is_said_in_one_line() -> None:
    saver = open_checkpointer("memory:")
    with pytest.raises(UsageError, match="no run on thread 't'"):
        await replay(saver, "t")
    graph = build_graph("dyflow", policies=OFFLINE, checkpointer=saver)
    graph.invoke({"task": {"question": QUESTIONS[1]}}, THREAD, context=Context(seed=1), interrupt_after=["designer"])
    with pytest.raises(UsageError, match="has not ended"):
        await replay(saver, "t")
