"""A reward stands beside a run and changes nothing of it: LangGraph goes on with the thread as if it were not there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import flowwright as fw
import pytest
from flowwright.checkpoints.annotation import REWARD_CHANNEL, all_rewards_of, annotate, reward, rewards_of
from flowwright.errors import UsageError
from fork_cases import A, ran, values
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.channels import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt
from test_savers import extend
from typing_extensions import TypedDict


@pytest.fixture(params=["ours", "memory", "shipped"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BaseCheckpointSaver[Any]]:
    if request.param == "ours":
        with fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as opened:
            yield opened
    elif request.param == "shipped":
        with closing(sqlite3.connect(tmp_path / "runs.db", check_same_thread=False)) as connection:
            yield SqliteSaver(connection)
    else:
        yield InMemorySaver()


def last(saver: BaseCheckpointSaver[Any], thread: str = "a") -> tuple[str, str]:
    held = saver.get_tuple({"configurable": {"thread_id": thread, "checkpoint_ns": ""}})
    assert held is not None
    return thread, held.checkpoint["id"]


def of(saver: BaseCheckpointSaver[Any], place: tuple[str, str]) -> Any:
    where = {"thread_id": place[0], "checkpoint_ns": "", "checkpoint_id": place[1]}
    return saver.get_tuple({"configurable": where})


class Talk(TypedDict, total=False):
    """A conversation with a growing channel and a place to stop at."""

    said: Annotated[list[str], DeltaChannel(extend, snapshot_frequency=3)]
    asked: str


def talking(saver: BaseCheckpointSaver[Any]) -> Any:
    graph = StateGraph(Talk)
    graph.add_node("hear", lambda state: {"said": [f"heard {state['asked']}"]})
    graph.add_node("answer", lambda state: {"said": [interrupt("well?") if state["asked"] == "wait" else "yes"]})
    graph.add_edge(START, "hear")
    graph.add_edge("hear", "answer")
    graph.add_edge("answer", END)
    return graph.compile(checkpointer=saver)


class TestKeeping:
    """What is stored."""

    def test_the_newest_of_a_name_wins_and_the_earlier_stay(self, saver: BaseCheckpointSaver[Any]) -> None:
        ran(saver)
        place = last(saver)
        given = [
            reward("exact", "1", 0.0), reward("exact", "2", 1.0, parts={"form": 0.25, "value": 0.75}, by="me"),
            reward("cost", "1", -3), reward("exact", "1", 0.5),
        ]  # fmt: skip
        given[3]["at"] = "2001-01-01T00:00:00+00:00"  # a clock that went back
        assert [annotate(saver, *place, one) for one in given] == [True] * 4
        held = of(saver, place)
        assert {name: one["value"] for name, one in rewards_of(held).items()} == {"exact": 0.5, "cost": -3.0}
        told = [(one["name"], one["version"], one["value"]) for one in all_rewards_of(held)]
        assert sorted(told) == sorted((one["name"], one["version"], one["value"]) for one in given)
        exact = [one for one in all_rewards_of(held) if one["name"] == "exact"]
        assert [one["value"] for one in exact] == [0.0, 1.0, 0.5]
        assert exact[1]["parts"] == {"form": 0.25, "value": 0.75}
        assert exact[0]["at"] < exact[1]["at"] < exact[2]["at"]
        json.dumps(all_rewards_of(held))

    def test_the_same_again_is_not_stored_again(self, saver: BaseCheckpointSaver[Any]) -> None:
        ran(saver)
        place = last(saver)
        assert [annotate(saver, *place, reward("exact", "1", 1.0)) for _ in range(3)] == [True, False, False]
        assert annotate(saver, *place, reward("exact", "2", 1.0))
        assert len(all_rewards_of(of(saver, place))) == 2

    @given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12"), st.sampled_from([0.0, 1.0])), max_size=12))
    @settings(max_examples=40, deadline=None)
    def test_the_last_word_counts(self, said: list[tuple[str, str, float]]) -> None:
        saver = InMemorySaver()
        talking(saver).invoke({"asked": "x"}, A)
        place = last(saver)
        for one in said:
            annotate(saver, *place, reward(*one))
        found = {name: (one["version"], one["value"]) for name, one in rewards_of(of(saver, place)).items()}
        assert found == {name: (version, value) for name, version, value in said}

    @pytest.mark.parametrize(("name", "value"), [("", 1.0), ("a b", 1.0), ("x" * 65, 1.0), ("a", float("nan"))])
    def test_what_is_no_reward(self, name: str, value: float) -> None:
        with pytest.raises(UsageError):
            reward(name, "1", value)

    def test_no_such_checkpoint(self, saver: BaseCheckpointSaver[Any]) -> None:
        ran(saver)
        with pytest.raises(UsageError, match="has no checkpoint 'nowhere'"):
            annotate(saver, "a", "nowhere", reward("exact", "1", 1.0))


class TestGoingOn:
    """The thread afterwards."""

    def test_a_run_of_ours_is_read_and_asked_again_as_ever(self, saver: BaseCheckpointSaver[Any]) -> None:
        graph, plain = ran(saver), ran(InMemorySaver())
        place, before = last(saver), values(graph, A)
        annotate(saver, *place, reward("exact", "1", 1.0))
        state = graph.get_state(A)
        assert (values(graph, A), state.next, state.tasks) == (before, (), ())
        for one in (graph, plain):
            one.invoke({"task": {"question": "What is 2+2?"}}, A, context=fw.Context(seed=3))
        told, wanted = values(graph, A), values(plain, A)
        assert (told["run"]["number"], told["answer"], told["usage"]["calls"]) == (2, "42", wanted["usage"]["calls"])
        assert [one["at"] for one in told["memory"]] == [one["at"] for one in wanted["memory"]]
        assert rewards_of(of(saver, place))["exact"]["value"] == 1.0, "it stays with the question that it is for"
        assert rewards_of(of(saver, last(saver))) == {}

    @pytest.mark.parametrize("annotated", [True, False])
    def test_every_way_of_going_on_is_the_same_with_and_without(
        self, saver: BaseCheckpointSaver[Any], annotated: bool
    ) -> None:
        plain: Any = InMemorySaver()

        def lived(where: BaseCheckpointSaver[Any], *, annotated: bool) -> list[Any]:
            """Question, question that waits, resume, update, time travel, with a reward at every stop."""
            graph, seen = talking(where), []

            def stop() -> None:
                if annotated:
                    annotate(where, *last(where), reward("r", str(len(seen)), 1.0))
                state = graph.get_state(A)
                seen.append((state.values, state.next, [task.name for task in state.tasks]))

            for asked in ("one", "two", "wait"):
                graph.invoke({"asked": asked}, A)
                stop()
            graph.invoke({"asked": "three"}, A)
            stop()
            graph.update_state(A, {"said": ["by hand"]}, as_node="hear")
            stop()
            graph.invoke(None, A)
            stop()
            old = [one for one in graph.get_state_history(A) if one.next == ("answer",)][-1]
            if annotated:
                annotate(where, "a", old.config["configurable"]["checkpoint_id"], reward("r", "old", 1.0))
            graph.invoke(None, old.config)
            stop()
            graph.invoke({"asked": "four"}, A)
            stop()
            seen.append([one.values for one in graph.get_state_history(A)])
            return seen

        assert lived(saver, annotated=annotated) == lived(plain, annotated=False)

    def test_a_waiting_run_with_a_reward_resumes(self, saver: BaseCheckpointSaver[Any]) -> None:
        from langgraph.types import Command

        graph = talking(saver)
        graph.invoke({"asked": "wait"}, A)
        annotate(saver, *last(saver), reward("r", "1", 1.0))
        (waiting,) = graph.get_state(A).interrupts
        assert graph.invoke(Command(resume={waiting.id: "fine"}), A)["said"] == ["heard wait", "fine"]

    def test_it_goes_with_its_checkpoint(self, tmp_path: Path) -> None:
        with fw.open_checkpointer(f"sqlite:///{tmp_path}/runs.db") as saver:
            ran(saver)
            annotate(saver, *last(saver), reward("exact", "1", 1.0))
            saver.copy_thread("a", "b")  # type: ignore[union-attr]
            saver.prune(["a"])
            assert [name for one in "ab" for name in rewards_of(of(saver, last(saver, one)))] == ["exact", "exact"]
            assert all(one[1] == REWARD_CHANNEL for one in of(saver, last(saver)).pending_writes)
