"""A shared fork takes next to nothing, is rebuilt like a whole one at every checkpoint, and outlives what it shares."""

from __future__ import annotations

import random
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import flowwright as fw
import pytest
from flowwright.checkpoints.forks.fork import fork_runs
from flowwright.checkpoints.runner import thread_config
from flowwright.checkpoints.sqlite import GroupCommitSaver
from flowwright.checkpoints.trajectories.calls import calls_of
from fork_cases import graph_on, ran, values
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.base.id import uuid6
from langgraph.checkpoint.sqlite import SqliteSaver
from test_savers import config, looping, run


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[GroupCommitSaver]:
    with GroupCommitSaver(tmp_path / "runs.db") as opened:
        yield opened


def shared(saver: GroupCommitSaver, source: Any, thread: str, growing: tuple[str, ...] = ("entries", "rare")) -> None:
    """A fork of any graph's thread, as `fork_runs` stores one."""
    where, step = source.config["configurable"], source.metadata["step"]
    held = {name: value for name, value in source.checkpoint["channel_values"].items() if name not in growing}
    told = {
        "source": "fork", "step": step, "parents": {},
        "counters_since_delta_snapshot": source.metadata.get("counters_since_delta_snapshot") or {},
        "forked_from": {"thread_id": where["thread_id"], "checkpoint_id": where["checkpoint_id"]},
    }  # fmt: skip
    checkpoint = {**source.checkpoint, "id": str(uuid6(clock_seq=step)), "channel_values": held}
    saver.put_forks(source.config, [(thread, checkpoint, told)])


def told(graph: Any, where: Any) -> Any:
    """All that is known of a run: its state, and its calls, which its state does not show."""
    return values(graph, where), calls_of(graph.checkpointer, where)


class TestRebuilding:
    """Lineage across threads."""

    def test_forks_at_every_checkpoint_begin_and_go_on_like_the_source(self, ours: GroupCommitSaver) -> None:
        run(ours, "a", 20)  # snapshots of one channel every 7 updates lie on, before and behind the forks
        graph = looping(ours, 20)
        ended = graph.get_state(config("a")).values
        for number, one in enumerate([*ours.list(config("a"))]):
            state = graph.get_state(one.config)
            shared(ours, one, f"f{number}")
            fork = graph.get_state(config(f"f{number}"))
            assert (fork.values, fork.next) == (state.values, state.next)
            if state.next:
                graph.invoke(None, {**config(f"f{number}"), "recursion_limit": 1000}, durability="sync")
                assert graph.get_state(config(f"f{number}")).values == ended

    def test_forks_begin_like_every_branch_of_a_thread_that_was_travelled_in(self, ours: GroupCommitSaver) -> None:
        run(ours, "a", 12)
        graph = looping(ours, 12)
        for place in (5, 9):  # each branch stores the channels that the one beside it writes
            graph.update_state(
                [*ours.list(config("a"))][place].config, {"entries": ["x"], "rare": [-1]}, as_node="rest"
            )
            graph.invoke(None, {**config("a"), "recursion_limit": 1000}, durability="sync")
        for number, one in enumerate([*ours.list(config("a"))]):
            shared(ours, one, f"f{number}")
            assert graph.get_state(config(f"f{number}")).values == graph.get_state(one.config).values

    def test_a_detached_fork_is_what_langgraphs_own_walk_reads(self, ours: GroupCommitSaver) -> None:
        run(ours, "a", 12)
        graph = looping(ours, 12)
        middle = [*ours.list(config("a"))][9]
        shared(ours, middle, "f")
        graph.invoke(None, {**config("f"), "recursion_limit": 1000}, durability="sync")
        asked: Any = {"config": ours.get_tuple(config("f")).config, "channels": ["entries", "rare"]}  # type: ignore[union-attr]
        before = ours.get_delta_channel_history(**asked)
        assert BaseCheckpointSaver.get_delta_channel_history(ours, **asked) != before, "it knows nothing of forks"
        ours.detach("f")
        assert BaseCheckpointSaver.get_delta_channel_history(ours, **asked) == before
        assert ours.get_delta_channel_history(**asked) == before

    def test_forks_that_name_each_other_in_a_ring_end(self, ours: GroupCommitSaver) -> None:
        run(ours, "a", 3)
        shared(ours, [*ours.list(config("a"))][2], "f")
        assert looping(ours, 3).get_state(config("f")).values["entries"] != []
        source = ours.get_tuple(config("f"))
        assert source is not None
        with closing(sqlite3.connect(ours.database.path)) as database:
            database.execute(
                "UPDATE checkpoints SET metadata = json_set(CAST(metadata AS TEXT), '$.forked_from.thread_id', 'f', "
                "'$.forked_from.checkpoint_id', ?) WHERE thread_id = 'f'", (source.checkpoint["id"],),
            )  # fmt: skip
            database.commit()
        assert looping(ours, 3).get_state(config("f")).values["entries"] == []


class TestOutliving:
    """Deletion, pruning, copies."""

    @pytest.mark.parametrize("how", ["delete", "prune", "keep_latest", "runs"])
    async def test_a_fork_outlives_its_source(self, ours: GroupCommitSaver, how: str) -> None:
        graph = ran(ours)
        forks = fork_runs(graph, "a", at=3, samples=2)
        await graph.ainvoke(None, forks[0].config)
        (second,) = fork_runs(graph, forks[0].thread_id, at=4)
        known = [told(graph, one.config) for one in (*forks, second)]
        match how:
            case "delete":
                await ours.adelete_thread("a")
                await ours.adelete_thread(forks[0].thread_id)
                known.pop(0)
            case "prune":
                await ours.aprune(["a", forks[0].thread_id], strategy="delete")
                known.pop(0)
            case "keep_latest":
                await ours.aprune(["a", forks[0].thread_id])
            case "runs":
                ran(ours, "b")
                await ours.adelete_for_runs(["no such run"])
        assert [told(graph, one.config) for one in (*forks, second)[-len(known) :]] == known
        graph.invoke(None, forks[1].config)
        assert values(graph, forks[1].config)["usage"]["turns"] == 5

    def test_only_what_a_fork_needs_is_copied(self, ours: GroupCommitSaver) -> None:
        graph = ran(ours)
        (fork,) = fork_runs(graph, "a", at=3)
        (other,) = fork_runs(graph, "a", at=2)
        rows = len([*ours.list(fork.config)])
        ours.prune(["a"])  # its latest checkpoint is rebuilt from all the others, so they stay
        assert len([*ours.list(fork.config)]) == rows == 1
        ours.delete_thread("a")
        line = [one.checkpoint["id"] for one in ours.list(fork.config)]
        assert fork.origin["checkpoint"] in line
        assert len(line) > len([*ours.list(other.config)]) > 1
        ours.delete_thread(fork.thread_id)
        assert values(graph, other.config)["run"]["id"] == other.run

    def test_a_copy_of_a_fork_and_a_whole_fork(self, ours: GroupCommitSaver) -> None:
        graph = ran(ours)
        (fork,) = fork_runs(graph, "a", at=4)
        (whole,) = fork_runs(graph, "a", at=4, whole=True)
        known, before = values(graph, fork.config), calls_of(ours, fork.config)
        ours.copy_thread(fork.thread_id, "copy")
        ours.delete_thread(fork.thread_id)
        ours.delete_thread("a")
        assert values(graph, thread_config("copy")) == known
        state = values(graph, whole.config)
        assert {**state, "run": None} == {**known, "run": None}
        assert [one["id"] for one in calls_of(ours, whole.config)] == [one["id"] for one in before]

    def test_langgraphs_saver_reads_whole_and_detached_forks_of_our_file(self, ours: GroupCommitSaver) -> None:
        graph = ran(ours)
        forks = {
            "shared": fork_runs(graph, "a", at=4)[0], "whole": fork_runs(graph, "a", at=4, whole=True)[0],
            "detached": fork_runs(graph, "a", at=4, seed=5)[0],
        }  # fmt: skip
        ours.detach(forks["detached"].thread_id)
        with closing(sqlite3.connect(ours.database.path)) as connection:
            shipped = graph_on(SqliteSaver(connection))
            found = {name: len(values(shipped, fork.config)["turns"]) for name, fork in forks.items()}
        assert found == {"shared": 0, "whole": 3, "detached": 3}, "of a shared one it sees what came after the fork"
        assert [len(values(graph, fork.config)["turns"]) for fork in forks.values()] == [3, 3, 3]

    def test_no_fork_of_what_was_deleted_meanwhile(self, ours: GroupCommitSaver) -> None:
        run(ours, "a", 3)
        first = [*ours.list(config("a"))][2]
        ours.delete_thread("a")
        shared(ours, first, "f")
        assert ours.get_tuple(config("f")) is None

    @given(seed=st.integers(0, 10**6))
    @settings(max_examples=25, deadline=None)
    def test_whatever_is_forked_copied_detached_pruned_and_deleted_the_others_stay(self, seed: int) -> None:
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory() as folder, GroupCommitSaver(Path(folder) / "runs.db") as saver:
            run(saver, "a", 9)
            graph = looping(saver, 9)
            known = {"a": graph.get_state(config("a")).values}
            for _ in range(14):
                name, thread = uuid4().hex[:4], rng.choice([*known])
                move = rng.choice(["fork"] * 4 + ["go on", "copy", "detach", "delete", "delete two", "prune"])
                rows = [*saver.list(config(thread))]
                match move:
                    case "fork":
                        shared(saver, rng.choice(rows), name)
                        known[name] = graph.get_state(config(name)).values
                    case "go on":
                        graph.update_state(config(thread), {"entries": [name], "rare": [name]}, as_node="step")
                        known[thread] = graph.get_state(config(thread)).values
                    case "copy":
                        saver.copy_thread(thread, name)
                        known[name] = known[thread]
                    case "detach":
                        saver.detach(thread)
                    case "prune":
                        saver.prune(rng.sample([*known], min(2, len(known))))
                    case _ if len(known) > 2:
                        gone = [thread] if move == "delete" else rng.sample([*known], 2)
                        saver.prune(gone, strategy="delete")
                        for one in gone:
                            del known[one]
                assert {one: graph.get_state(config(one)).values for one in known} == known, move


def test_a_shared_fork_takes_a_fraction_of_a_whole_one(tmp_path: Path) -> None:
    def added(whole: bool) -> int:
        path = tmp_path / f"{whole}.db"
        with fw.open_checkpointer(f"sqlite:///{path}") as saver:
            graph = ran(saver)
            fork_runs(graph, "a", at=5, samples=8, whole=whole)
        with closing(sqlite3.connect(path)) as database:
            names = "SELECT SUM(LENGTH(checkpoint) + LENGTH(metadata)) FROM checkpoints WHERE thread_id LIKE 'a.5-%'"
            (size,) = database.execute(names).fetchone()
        return int(size)

    assert added(whole=False) < 0.35 * added(whole=True)
