"""Every run of every saver is read whole, once, in the tree of its task."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.ledger import Ledger
from flowwright.checkpoints.trajectories.load import load_trajectories
from flowwright.checkpoints.trajectories.rows import tree_rows
from flowwright.checkpoints.trajectories.selection import Selection
from flowwright.checkpoints.trajectories.state_reader import GROWING, read_checkpoint
from flowwright.checkpoints.trajectories.trajectory import TaskTree
from flowwright.graphs.call_record import CallRecord
from flowwright.graphs.state import Origin
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph
from stores import KINDS, Saver, all_runs, before_turn, close, opened, where
from typing_extensions import TypedDict
from written_runs import Written, chain, fork, record, write


@pytest.fixture(params=KINDS)
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Saver]:
    made = opened(request.param, tmp_path)
    yield made
    close(made)


# One thread.


def test_a_run_is_read_as_its_graph_reads_it(saver: Saver) -> None:
    graph = write(saver, "a", Written("r", chain("r", 4), task="t7"))
    state = graph.get_state(where("a"))
    (tree,) = load_trajectories(saver)
    (run,) = tree.trajectories
    assert (tree.key, tree.question) == ("t7", "what?")
    assert [*run.calls] == chain("r", 4)
    assert [*run.turns] == state.values["turns"]
    assert (run.run, run.task, run.status, run.answer, run.system) == ("r", "t7", "finished", "42", "flowsteer")
    assert run.checkpoint_id == state.config["configurable"]["checkpoint_id"]
    assert run.updated == state.created_at
    assert run.created == [*graph.get_state_history(where("a"))][-1].created_at
    assert run.policies == {"designer": "vllm:tiny"}


def test_a_thread_of_another_graph_is_a_tree_of_its_own_beside_ours(saver: Saver) -> None:
    class Plain(TypedDict):
        run: str  # a channel of the same name

    graph: Any = StateGraph(Plain)
    graph.add_node("one", lambda state: {"run": "it"})
    graph.add_edge(START, "one")
    graph.compile(checkpointer=saver).invoke({"run": "?"}, where("theirs"), durability="sync")
    write(saver, "ours", Written("r", chain("r", 2)))
    found = {tree.trajectories[0].thread_id: tree.trajectories[0] for tree in load_trajectories(saver)}
    assert {name: (one.system, one.status, len(one.calls)) for name, one in found.items()} == {
        "theirs": ("foreign", "finished", 0), "ours": ("flowsteer", "finished", 2)
    }  # fmt: skip
    assert [one.thread_id for one in all_runs(saver, Selection(systems=("foreign",)))] == ["theirs"]


def test_every_checkpoint_of_a_long_run_is_rebuilt_as_langgraph_rebuilds_it(tmp_path: Path) -> None:
    saver = GroupCommitSaver(tmp_path / "runs.db")
    calls = [record("r", turn, [{"role": "user", "content": "q"}], [turn], "x", [1])[0] for turn in range(1, 262)]
    graph = write(saver, "a", Written("r", calls))  # beyond the stored copies that `SNAPSHOT_EVERY` asks for
    for snapshot in [*graph.get_state_history(where("a"), limit=14), before_turn(graph, "a", 3)]:
        stored = read_checkpoint(saver, "a", snapshot.config["configurable"]["checkpoint_id"], GROWING)
        assert stored is not None
        for name in GROWING:
            assert stored.values[name] == snapshot.values.get(name, [])
        assert stored.values["run"] == snapshot.values["run"]
    assert [*all_runs(saver)[0].calls] == calls
    saver.close()


def test_each_question_of_a_thread_is_a_run_of_its_own(saver: Saver) -> None:
    for number, turns in enumerate((3, 1, 2), start=1):
        write(saver, "a", Written(f"r{number}", chain(f"r{number}", turns), question=f"q{number}", number=number))
    found = [*load_trajectories(saver)]
    assert [tree.question for tree in found] == ["q1", "q2", "q3"]
    assert [[*tree.trajectories[0].calls] for tree in found] == [chain("r1", 3), chain("r2", 1), chain("r3", 2)]
    assert [tree.trajectories[0].status for tree in found] == ["finished"] * 3


def test_a_run_that_was_cut_short_is_running_and_has_what_is_stored(saver: Saver) -> None:
    write(saver, "a", Written("r", chain("r", 5), fail_at=3))
    (run,) = all_runs(saver)
    assert (run.status, run.answer, len(run.calls)) == ("running", None, 3)


def test_a_thread_that_holds_its_input_alone_has_no_calls(saver: Saver) -> None:
    with pytest.raises(ValueError, match="broken"):
        write(saver, "a", Broken("r", []))
    ledger = Ledger()
    assert not [call for run in all_runs(saver, ledger=ledger) for call in run.calls]
    assert not ledger.damaged_threads


class Broken(Written):
    def opened(self, state: Any) -> Any:
        raise ValueError("broken")


# Trees.


def test_runs_of_one_task_are_one_tree_whatever_their_threads(saver: Saver) -> None:
    for name, task, question in (
        ("a", "t", "x"),
        ("b", None, "y"),
        ("c", "t", "x"),
        ("d", None, "y"),
        ("e", None, "z"),
    ):
        write(saver, name, Written(f"run {name}", chain(name, 1), task=task, question=question))
    told = [[one.thread_id for one in tree.trajectories] for tree in load_trajectories(saver)]
    assert told == [["a", "c"], ["b", "d"], ["e"]]


def test_a_fork_in_a_thread_of_its_own_begins_with_the_calls_it_shares(saver: Saver) -> None:
    graph = write(saver, "a", Written("r", chain("r", 5), task="t"))
    at = before_turn(graph, "a", 3)
    source = all_runs(saver)[0]
    parent = source.spoken(source.calls[1]["id"])
    for sample in (1, 2):
        origin = Origin(
            thread="a", checkpoint=at.config["configurable"]["checkpoint_id"], run="r", turn=3, sample=sample
        )
        more = chain(f"f{sample}", 2, start=3, parent=parent, salt=10 * sample)
        fork(saver, at, f"0 fork {sample}", Written(f"f{sample}", [*source.calls[:2], *more], task="t", origin=origin))
    (tree,) = load_trajectories(saver)
    assert [one.run for one in tree.trajectories] == ["r", "f1", "f2"]
    for one in tree.trajectories[1:]:
        assert all(ours is theirs for ours, theirs in zip(one.calls[:2], tree.trajectories[0].calls, strict=False))
        assert [call["run"] for call in one.calls] == ["r", "r", one.run, one.run]
        assert [*one.own] == [*one.calls[2:]]
        assert one.group == f"a@{origin['checkpoint']}"
    ledger = Ledger()
    rows = [*tree_rows(tree, ledger=ledger)]
    assert [len(row.spans) for row in rows] == [5, 2, 2]
    assert (ledger.read, ledger.trained, ledger.shared, ledger.unaccounted) == (13, 9, 4, 0)
    assert all(row.ids[:8] == rows[0].ids[:8] and not any(row.sampled[:8]) for row in rows[1:])


def test_a_fork_of_a_fork_begins_with_the_calls_of_both(saver: Saver) -> None:
    graph, line = write(saver, "a", Written("r", chain("r", 3), task="t")), list[CallRecord]()
    threads = "abcd"
    for place, (before, name) in enumerate(pairwise(threads), start=1):
        source = all_runs(saver)[-1]
        line = [*source.calls[:place]]
        at = before_turn(graph, before, place + 1)
        origin = Origin(
            thread=before, checkpoint=at.config["configurable"]["checkpoint_id"], run=source.run, turn=place, sample=1
        )
        line += chain(name, 2, start=place + 1, parent=source.spoken(line[-1]["id"]))
        graph = fork(saver, at, name, Written(name, line, task="t", origin=origin))
    assert [one["run"] for one in all_runs(saver)[-1].calls] == ["r", "b", "c", "d", "d"]


def test_a_fork_whose_source_is_gone_is_read_all_the_same(saver: Saver) -> None:
    graph = write(saver, "a", Written("r", chain("r", 3), task="t"))
    at = before_turn(graph, "a", 3)
    origin = Origin(thread="a", checkpoint=at.config["configurable"]["checkpoint_id"], run="r", turn=3, sample=1)
    fork(saver, at, "b", Written("f", [*chain("r", 2), *chain("f", 1, start=3)], task="t", origin=origin))
    saver.delete_thread("a")
    (run,) = all_runs(saver)
    assert (run.run, run.status, len(run.turns)) == ("f", "finished", 3)
    ledger = Ledger()
    (row,) = tree_rows(TaskTree("t", [run]), ledger=ledger)
    assert [span.call for span in row.spans] == [run.own[0]["id"]]
    assert ledger.unaccounted == 0


def test_a_run_taken_back_by_langgraphs_time_travel_has_both_ends(saver: Saver) -> None:
    written = Written("r", chain("r", 3), task="t")
    graph = write(saver, "a", written)
    written.calls = [*written.calls[:1], *({**one, "reply": "other", "began": 50.0} for one in written.calls[1:])]
    graph.invoke(None, before_turn(graph, "a", 2).config, durability="sync")
    (tree,) = load_trajectories(saver)
    newer, older = tree.trajectories
    assert newer.checkpoint_id > older.checkpoint_id
    assert [one["reply"] for one in newer.calls[1:]] == ["other", "other"]
    assert [one["reply"] for one in older.calls[1:]] == ["reply 2 of r", "reply 3 of r"]
    ledger = Ledger()
    assert [len(row.spans) for row in tree_rows(tree, ledger=ledger)] == [3, 2]
    assert (ledger.read, ledger.trained, ledger.shared) == (6, 5, 1)


def test_an_end_that_the_run_went_on_from_is_told_and_left_out(saver: Saver) -> None:
    written = Written("r", chain("r", 3)[:1], status="failed")
    graph = write(saver, "a", written)
    written.calls, written.status = chain("r", 3), "finished"
    graph.invoke(None, before_turn(graph, "a", 2).config, durability="sync")
    ledger = Ledger()
    (run,) = all_runs(saver, ledger=ledger)
    assert (run.status, len(run.calls), ledger.superseded) == ("finished", 3, 1)


def test_an_edit_of_the_state_belongs_to_the_run_that_was_edited(saver: Saver) -> None:
    graph = write(saver, "a", Written("r", chain("r", 2)))
    graph.update_state(where("a"), {"answer": "43"}, as_node="designer")
    (run,) = all_runs(saver)
    assert (run.answer, len(run.calls)) == ("43", 2)


_STORE = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(0, 4), st.sampled_from([None, "s", "t"]), st.none() | st.integers(0, 3)
    ),
    max_size=6,
)


@given(steps=_STORE)
@settings(max_examples=25, deadline=None)
def test_any_store_is_read_whole_and_alike_from_every_saver(steps: list[Any]) -> None:
    expected: dict[tuple[str, str], Any] = {}
    with tempfile.TemporaryDirectory() as directory:
        savers = [opened(kind, Path(directory)) for kind in KINDS]
        numbers: dict[str, int] = {}
        for place, (thread, turns, task, fail_at) in enumerate(steps):
            if any(status == "running" for (one, _), (status, _) in expected.items() if one == thread):
                continue
            numbers[thread] = numbers.get(thread, 0) + 1
            run, calls = f"run {place}", chain(f"run {place}", turns)
            for saver in savers:
                write(saver, thread, Written(run, calls, task=task, number=numbers[thread], fail_at=fail_at))
            cut = fail_at is not None and fail_at <= turns
            expected[thread, run] = ("running", calls[:fail_at]) if cut else ("finished", calls)
        for saver in savers:
            ledger = Ledger()
            trees = [*load_trajectories(saver, ledger=ledger)]
            found = {
                (one.thread_id, one.run): (one.status, [*one.calls]) for tree in trees for one in tree.trajectories
            }
            assert found == expected
            assert len(trees) == len({tree.key for tree in trees})
            assert ledger.trajectories == len(expected)
            assert not ledger.damaged_threads
            close(saver)
